// SPDX-License-Identifier: MIT
// A kernel that loads images, for the tests of shared/kexec: a small machine, a pool of free pages that notices a page freed
// twice, and short ways to say what is loaded.
import { Captures } from '../../shared/captures.ts';
import { HOST_KEY } from '../../shared/frames.ts';
import { HiddenPages } from '../../shared/hidden-pages.ts';
import type { PageAllocator } from '../../shared/kexec/image-pages.ts';
import { Kimage } from '../../shared/kexec/kimage.ts';
import { type KexecEnvironment, kexecLoad } from '../../shared/kexec/load.ts';
import type { KexecSegment } from '../../shared/kexec/segments.ts';
import { MachineMemory } from '../../shared/machine-memory.ts';
import { PhysicalMemory } from '../../shared/physical-memory.ts';

export const RAM_PAGES = 256;
export const HIDDEN_PAGES = 256;
export const PAGE = 4096;

export class Pool implements PageAllocator {
  readonly queue: number[];
  readonly taken = new Set<number>();
  constructor(free: readonly number[]) {
    this.queue = [...free];
  }
  allocate(): number {
    const page = this.queue.shift() ?? -1;
    if (page >= 0) this.taken.add(page);
    return page;
  }
  free(page: number): void {
    if (!this.taken.delete(page)) throw new Error(`page ${page} is freed but not taken`);
    this.queue.push(page);
  }
}

export class Lock {
  held = false;
  tryTake(): boolean {
    return this.held ? false : (this.held = true);
  }
  release(): void {
    this.held = false;
  }
}

export const range = (first: number, end: number): number[] => Array.from({ length: end - first }, (_, i) => first + i);

/** A machine in which page p of RAM holds bytes made of p; all hidden pages belong to slot 0 and are zeros. */
export function makeMemory(ramPages = RAM_PAGES) {
  const geometry = { ramPages, hiddenPages: HIDDEN_PAGES, frames: 4 * ramPages, maxKernels: 2 };
  const machine = MachineMemory.create(geometry);
  const memory = new PhysicalMemory(machine, HOST_KEY);
  memory.format();
  new HiddenPages(machine, memory).allocate(HIDDEN_PAGES, 0);
  for (let page = 0; page < ramPages; page++) memory.write(page * PAGE, pattern(page));
  return { machine, memory, audit: () => new Captures(machine, memory).audit() };
}

/** Bytes that tell a page from any other; to read only. */
export function pattern(page: number): Uint8Array {
  let bytes = patterns.get(page);
  if (bytes === undefined) {
    bytes = Uint8Array.from(
      { length: PAGE },
      (_, i) => (page * 7 + i * 13 + (i >>> 8) * (1 + (page >>> 8)) + 1) & 0xff,
    );
    patterns.set(page, bytes);
  }
  return bytes;
}
const patterns = new Map<number, Uint8Array>();

/** Index of the first byte that differs, −1 for none: far quicker than toEqual, which looks at bytes one by one. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b) === 0 ? -1 : a.findIndex((byte, i) => byte !== b[i]);
}

/** Every page's bytes, RAM and hidden, one after another. */
export function allBytes(memory: PhysicalMemory): Uint8Array {
  return memory.read(0, memory.pageCount * PAGE);
}

type Changes = Partial<Omit<KexecEnvironment, 'memory' | 'pages' | 'lock'>> & {
  free?: readonly number[];
  ramPages?: number;
};

export function makeKernel({ ramPages = RAM_PAGES, free = range(128, RAM_PAGES), ...changes }: Changes = {}) {
  const { memory, machine, audit } = makeMemory(ramPages);
  const pages = new Pool(free);
  const lock = new Lock();
  const env = {
    memory,
    pages,
    lock,
    image: Kimage.detached(),
    crashImage: Kimage.detached(),
    totalRamPages: ramPages,
    capSysBoot: true,
    loadDisabled: false,
    kexecJump: true,
    crashRegion: null,
    ...changes,
  };
  const load = (segments: readonly KexecSegment[] | null, { entry = 0, flags = 2, nrSegments = -1 } = {}) =>
    kexecLoad(env, { entry, nrSegments: nrSegments < 0 ? (segments?.length ?? 0) : nrSegments, segments, flags });
  return { env, memory, machine, pages, lock, load, audit };
}

/** A segment of `pages` pages at page `first`; without bytes it is all zeros. */
export function segment(first: number, pages: number, bytes?: Uint8Array): KexecSegment {
  return { buf: bytes ?? null, bufsz: bytes?.length ?? 0, mem: first * PAGE, memsz: pages * PAGE };
}

export const bytesOf = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);
