// SPDX-License-Identifier: MIT
//
// The options of a machine: defaults, checks, and the geometry that follows. Unknown names are refused, so that a misspelt
// option is never silently a default.
import { resolve } from 'node:path';
import { KjumpError } from '../shared/errors.ts';
import type { MachineGeometry } from '../shared/machine-memory.ts';
import { formatSize, PAGE_SIZE, pagesIn, parseSize, type Size } from '../shared/units.ts';
import { type VirtioName, virtioParameters } from '../shared/virtio-places.ts';

export interface MachineOptions {
  /** RAM; default 64M. */
  readonly memory?: Size;
  /** Frames beyond RAM: for loaded kernels, snapshots and clones; default three times the memory. Untouched, it costs nothing. */
  readonly spare?: Size;
  /** Kernel slots, 1 to 64; default 8. */
  readonly maxKernels?: number;
  /** Threads of the pool; default 3. Parked kernels need none. */
  readonly threads?: number;
  /** Seed of the machine; default 1. */
  readonly seed?: number;
  /** `virtual` (default): time passes with instructions. `realtime`: paced to the wall. */
  readonly clock?: 'virtual' | 'realtime';
  /** `exchange` (default) moves frames; `copy` makes Linux's three copies a page, for comparison. */
  readonly relocation?: 'exchange' | 'copy';
  /** `repaired` (default), or `strict`: what Linux 6.1 leaves undone stays undone. */
  readonly mode?: 'repaired' | 'strict';
  /** Machine code is interpreted, never translated: slower, and otherwise the same; to look for faults of the translator. */
  readonly interpret?: boolean;
  /** Replaces a kernel's thread at every switch: state outside the bytes is lost. */
  readonly amnesia?: boolean;
  /** Host file behind the disk of the first ATA channel. */
  readonly disk?: string;
  /** Host file behind the disk of the second ATA channel. */
  readonly secondDisk?: string;
  /**
   * The disks are virtio block devices instead, which are faster, and a bzImage is told of all virtio devices on its command line;
   * default false.
   */
  readonly virtio?: boolean;
  /** Unix seconds that the RTC shows at power-on; default 2008-07-26 12:00:04 UTC. */
  readonly rtcSeconds?: number;
  /** Loads that a thread which has just left the CPU spins before it blocks; default 200000, 0 to block at once. */
  readonly spins?: number;
}

/** Every option, with its default filled in; JSON, kept in images. */
export interface ResolvedOptions {
  readonly memoryBytes: number;
  readonly spareBytes: number;
  readonly maxKernels: number;
  readonly threads: number;
  readonly seed: number;
  readonly clock: 'virtual' | 'realtime';
  readonly relocation: 'exchange' | 'copy';
  readonly mode: 'repaired' | 'strict';
  readonly interpret: boolean;
  readonly amnesia: boolean;
  readonly disk: string | null;
  readonly secondDisk: string | null;
  readonly virtio: boolean;
  readonly rtcSeconds: number;
  readonly spins: number;
}

const DEFAULT_RTC_SECONDS = 1_217_073_604;
/** Everything that is not frames: tables, rings, slots. */
const OVERHEAD_BYTES = 16 * 1024 ** 2;
const BUFFER_BYTES = 2 ** 31 - 65536;
const ADDRESSES = 2 ** 32;
const LONGEST_READ = 2 ** 30;

const CHECKS: Readonly<Record<keyof MachineOptions, (value: unknown) => string | null>> = {
  memory: () => null,
  spare: () => null,
  maxKernels: wholeNumber(1, 64),
  threads: wholeNumber(1, 64),
  seed: wholeNumber(0, 2 ** 32 - 1),
  clock: oneOf('virtual', 'realtime'),
  relocation: oneOf('exchange', 'copy'),
  mode: oneOf('repaired', 'strict'),
  interpret: trueOrFalse,
  amnesia: trueOrFalse,
  disk: aPath,
  secondDisk: aPath,
  virtio: trueOrFalse,
  rtcSeconds: wholeNumber(0, 2 ** 32 - 1),
  spins: wholeNumber(0, 10_000_000),
};

/** Throws `BAD_OPTION` or `BAD_SIZE`. */
export function resolveOptions(options: MachineOptions): ResolvedOptions {
  checkOptions('createMachine', options, CHECKS);
  const memoryBytes = parseSize(options.memory ?? '64M', 'memory');
  if (memoryBytes % PAGE_SIZE !== 0) {
    throw new KjumpError('BAD_SIZE', `memory of ${memoryBytes} bytes`, {
      why: 'memory is made of pages of 4096 bytes',
      fix: 'give a multiple of 4K',
    });
  }
  const room = BUFFER_BYTES - OVERHEAD_BYTES - Math.ceil(memoryBytes * 1.01);
  if (room < 0) {
    throw new KjumpError('BAD_SIZE', `memory of ${formatSize(memoryBytes)}`, {
      why: 'a machine is one buffer of less than 2 GiB, tables and spare frames included',
      fix: 'give at most 1G',
    });
  }
  const spareBytes = options.spare === undefined ? Math.min(3 * memoryBytes, room) : parseSize(options.spare, 'spare');
  return {
    memoryBytes,
    spareBytes,
    maxKernels: options.maxKernels ?? 8,
    threads: options.threads ?? 3,
    seed: options.seed ?? 1,
    clock: options.clock ?? 'virtual',
    relocation: options.relocation ?? 'exchange',
    mode: options.mode ?? 'repaired',
    interpret: options.interpret ?? false,
    amnesia: options.amnesia ?? false,
    // Absolute: an image is resumed from anywhere.
    disk: options.disk === undefined ? null : resolve(options.disk),
    secondDisk: options.secondDisk === undefined ? null : resolve(options.secondDisk),
    virtio: options.virtio ?? false,
    rtcSeconds: options.rtcSeconds ?? DEFAULT_RTC_SECONDS,
    spins: options.spins ?? 200_000,
  };
}

/** What tells a Linux of the devices that it cannot find by itself. */
export function linuxParameters({ virtio, disk, secondDisk }: ResolvedOptions): string {
  if (!virtio) return '';
  const names: VirtioName[] = ['virtio-console', 'virtio-entropy'];
  if (secondDisk !== null) names.unshift('virtio-block1');
  if (disk !== null) names.unshift('virtio-block0');
  return virtioParameters(names);
}

/** Refuses unknown names and values that their check calls wrong. Throws `BAD_OPTION`. */
export function checkOptions<T extends object>(
  what: string,
  options: T,
  checks: Readonly<Record<keyof T, (value: unknown) => string | null>>,
): void {
  const refuse = (name: string, why: string): never => {
    throw new KjumpError('BAD_OPTION', `${what}: option ${name} cannot be used`, {
      why,
      fix: `the options are ${Object.keys(checks).join(', ')}`,
    });
  };
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new KjumpError('BAD_OPTION', `${what}: ${shown(options)} cannot be its options`, {
      why: 'options are given as an object',
      fix: `the options are ${Object.keys(checks).join(', ')}`,
    });
  }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(checks, name)) refuse(name, 'there is no such option');
    if (value === undefined) continue;
    const expected = checks[name as keyof T](value);
    if (expected !== null) refuse(name, `${shown(value)} is not ${expected}`);
  }
}

/** A value as its writer would know it again: texts in quotes, NaN and bigint too. */
function shown(value: unknown): string {
  return typeof value === 'string' || typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Refuses a stretch of physical memory that is none. Throws `BAD_OPTION`. */
export function checkSpan(what: string, physAddr: number, length: number): void {
  const longest = Math.min(LONGEST_READ, ADDRESSES - physAddr);
  checkOptions(
    what,
    { physAddr: physAddr ?? null, length: length ?? null },
    { physAddr: wholeNumber(0, ADDRESSES - 1), length: wholeNumber(0, longest) },
  );
}

/** Refuses what is no path. Throws `BAD_OPTION`. */
export function checkPath(what: string, path: unknown): void {
  checkOptions(what, { path: path ?? null }, { path: aPath });
}

export function aPath(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? null : 'the path of a file';
}

export function trueOrFalse(value: unknown): string | null {
  return typeof value === 'boolean' ? null : 'true or false';
}

export function wholeNumber(from: number, to: number): (value: unknown) => string | null {
  return (value) =>
    Number.isInteger(value) && (value as number) >= from && (value as number) <= to
      ? null
      : `a whole number from ${from} to ${to}`;
}

export function oneOf(...values: string[]): (value: unknown) => string | null {
  return (value) => (values.includes(value as string) ? null : `one of ${values.join(', ')}`);
}

/** Hidden pages cost four bytes of page table each; there are enough to keep every spare frame. */
export function geometryOf({ memoryBytes, spareBytes, maxKernels }: ResolvedOptions): MachineGeometry {
  const ramPages = pagesIn(memoryBytes);
  const sparePages = pagesIn(spareBytes);
  return { ramPages, hiddenPages: sparePages, frames: 1 + ramPages + sparePages, maxKernels };
}
