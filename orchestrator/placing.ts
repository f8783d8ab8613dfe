// SPDX-License-Identifier: MIT
//
// Puts kernels into the machine, while the host owns the CPU: in place (boot), beside the others in hidden pages (load), as the
// image of a running kernel (kexec_load), or as a copy-on-write copy of another (clone). Everything that can be refused is
// refused before anything is changed.
import { ConsoleInput } from '../shared/console-input.ts';
import { errnoName } from '../shared/errno.ts';
import { assert, KjumpError } from '../shared/errors.ts';
import { emptySlot, freeSlot, type KernelSlot, type PageWindow } from '../shared/kernel-slot.ts';
import { startLife } from '../shared/kexec/beginning.ts';
import { bitmapPagesOf } from '../shared/kexec/bitmap-pages.ts';
import { contextAt, copyContext, saveContext } from '../shared/kexec/context.ts';
import { endKernel } from '../shared/kexec/ending.ts';
import { PairList, readList } from '../shared/kexec/entry-list.ts';
import { listsBetween } from '../shared/kexec/home-lists.ts';
import { homePages } from '../shared/kexec/home-pages.ts';
import { kexecEnvironment, loadJumpImage } from '../shared/kexec/jump-image.ts';
import { buildList, listPages } from '../shared/kexec/list-builder.ts';
import {
  KEXEC_ARCH_386,
  KEXEC_PRESERVE_CONTEXT,
  type KexecRequest,
  type KexecSegment,
} from '../shared/kexec/segments.ts';
import { privateWindows } from '../shared/kexec/windows.ts';
import { REENTRY_OFFSET } from '../shared/layout/control-page.ts';
import { CALL_REGISTERS, EntryMode } from '../shared/layout/kernel-slot.ts';
import { KernelState } from '../shared/lifecycle.ts';
import { KERNEL_SLOT_BYTES } from '../shared/machine-memory.ts';
import type { PhysicalMemory } from '../shared/physical-memory.ts';
import { hex, PAGE_SIZE, pageAddress, pageIndexOf } from '../shared/units.ts';
import type { EntryState, Program } from './loaders/program.ts';
import type { MachineParts } from './machine-parts.ts';

/** The program straight into memory: the kernel is where it runs. */
export function placeAtHome(
  parts: MachineParts,
  program: Program,
  name: string,
  windows: readonly PageWindow[],
): KernelSlot {
  checkInWindows(program, windows);
  const slot = withNewSlot(parts, program, name, windows, () => {});
  // Whoever was here before has left its bytes. A new kernel finds zeros behind its program, as it would in pages of its own.
  for (const { firstPage, endPage } of privateWindows(windows)) parts.memory.zero(firstPage, endPage);
  for (const { physAddr, bytes, length } of program.segments) {
    parts.memory.zero(pageIndexOf(physAddr), pageIndexOf(physAddr) + length / PAGE_SIZE);
    parts.memory.write(physAddr, bytes);
  }
  return slot;
}

/** True if a kernel has, or had until it ended, a window that meets one of these. */
export function overlapsAnother(slots: readonly KernelSlot[], windows: readonly PageWindow[]): boolean {
  return slots.some((slot) =>
    slot.windows.some((other) => windows.some((w) => w.firstPage < other.endPage && other.firstPage < w.endPage)),
  );
}

/** The program into hidden pages, one for each page of its windows: it comes in by its home list. */
export function placeAside(
  parts: MachineParts,
  program: Program,
  name: string,
  windows: readonly PageWindow[],
): KernelSlot {
  checkInWindows(program, windows);
  return withNewSlot(parts, program, name, windows, (slot) => {
    const { destinations, sources } = makeHomeList(parts, slot, windows);
    const sourceOf = new Map<number, number>();
    destinations.forEach((destination, i) => {
      sourceOf.set(destination, sources[i]);
    });
    for (const { physAddr, bytes } of program.segments) writeAside(parts.memory, sourceOf, physAddr, bytes);
  });
}

/** kexec_load(2) of the program by the kernel in `loader`, with hidden pages. Throws `KEXEC_LOAD` with Linux's errno. */
export function placeAsImage(
  parts: MachineParts,
  loader: KernelSlot,
  program: Program,
  name: string,
  windows: readonly PageWindow[],
  preserve: boolean,
): KernelSlot {
  checkInWindows(program, windows);
  return withNewSlot(parts, program, name, windows, (slot) => {
    const request: KexecRequest = {
      entry: program.entry,
      ...imageSegments(program, windows),
      flags: KEXEC_ARCH_386 | (preserve ? KEXEC_PRESERVE_CONTEXT : 0),
    };
    replaceImage(parts, loader, request, slot);
    const image = loader.kexecImage;
    image.target = slot.index;
    slot.set('homeHead', preserve ? image.head : 0);
  });
}

/** Drops the image that the kernel has loaded, and the kernel that it carried. */
export function unloadImage(parts: MachineParts, loader: KernelSlot): void {
  replaceImage(parts, loader, { entry: 0, nrSegments: 0, segments: [], flags: KEXEC_ARCH_386 }, loader);
}

function replaceImage(parts: MachineParts, loader: KernelSlot, request: KexecRequest, owner: KernelSlot): void {
  const { memory, hidden, slots } = parts;
  const before = loader.kexecImage.loaded ? slots[loader.kexecImage.target] : undefined;
  const pages = {
    allocate: () => {
      try {
        return hidden.allocate(1, owner.index)[0];
      } catch (error) {
        // For kexec_load a lack of pages is ENOMEM.
        if (error instanceof KjumpError) return -1;
        throw error;
      }
    },
    // The image to be replaced may be one that the kernel made itself, of its own pages.
    free: (page: number) => {
      if (page >= memory.ramPages) hidden.release([page]);
      else bitmapPagesOf(memory, loader).free(pageAddress(page));
    },
  };
  const errno = loadJumpImage(kexecEnvironment(memory, loader, pages), request);
  if (errno !== 0) {
    throw new KjumpError('KEXEC_LOAD', `kexec_load in ${loader.name} was refused with ${errnoName(errno)}`, {
      why: 'the request breaks a rule of kexec_load(2)',
      fix: 'see the errno: EADDRNOTAVAIL alignment or range, EINVAL overlap or size, ENOMEM no pages, EBUSY a jump under way',
      details: { errno, errnoName: errnoName(errno) },
    });
  }
  // Its pages went with the image that is replaced (case 57).
  if (before !== undefined && before !== owner) endKernel(memory, hidden, slots, before);
}

/** A copy of the kernel, with everything in its private windows, that shares every frame until one of the two stores to it. */
export function placeClone(
  parts: MachineParts,
  original: KernelSlot,
  name: string,
  current: KernelSlot | null,
): KernelSlot {
  const { machine, memory, slots } = parts;
  const pageOf = locatePages(parts, original, current);
  return withSlot(parts, emptySlot(slots), (slot) => {
    const { destinations, sources } = makeHomeList(parts, slot, original.windows);
    memory.aliasMany(sources, destinations.map(pageOf));
    const home = homePages(slot);
    const homeHead = slot.address('homeHead');
    const life = slot.get('life');
    machine.u8.copyWithin(slot.base, original.base, original.base + KERNEL_SLOT_BYTES);
    slot.set('life', life);
    slot.set('homeHead', homeHead);
    slot.set('parent', -1);
    slot.set('controlPage', home.controlPage);
    slot.set('swapPage', home.swapPage);
    slot.contextPages = home.contextPages;
    // Images are not shared: each carries one kernel, and that stays with the original.
    slot.kexecImage.clear();
    slot.crashImage.clear();
    slot.name = name;
    // Its copy of the wire has the beginning of what was typed.
    new ConsoleInput(machine, slot.index).copyFrom(new ConsoleInput(machine, original.index));
    if (original.state === KernelState.RUNNING) {
      // Between two steps everything is in the records: the copy goes on from here, with no lines to climb.
      slot.set('quiesced', 0);
      slot.setAdopted();
      saveContext(machine, memory, slot, home);
    } else if (original.state === KernelState.PARKED) {
      const context = contextAt(memory, original.address('reentry'), pageOf);
      assert(context !== null, `${original.name} is parked and its context is gone`);
      copyContext(memory, context, home, pageOf);
    }
    slot.set('reentry', slot.state === KernelState.PARKED ? home.controlPage + REENTRY_OFFSET : 0);
  });
}

/** Where each page of a kernel is now: where the exchanges that a jump to it would make would bring the page from. */
export function locatePages(
  { memory, slots }: MachineParts,
  slot: KernelSlot,
  current: KernelSlot | null,
): (page: number) => number {
  const origins = new Map<number, number>();
  const originOf = (page: number): number => origins.get(page) ?? page;
  const list = new PairList();
  for (const head of listsBetween(slots, current, slot)) {
    // A list in a kernel's memory is found where the lists before it would bring that memory.
    const table = memory.table.slice();
    for (const [page, origin] of origins) table[page] = memory.table[origin];
    readList(memory, head, list, table);
    for (let i = 0; i < list.count; i++) {
      const destination = list.destinations[i];
      const source = list.sources[i];
      // What goes outside of memory is lost, and nothing comes from there.
      if (destination >= memory.ramPages || source >= list.limit) continue;
      const origin = originOf(destination);
      origins.set(destination, originOf(source));
      origins.set(source, origin);
    }
  }
  return originOf;
}

/** A hidden page for each page of the private windows, and the list that exchanges the two; the list becomes the slot's. */
function makeHomeList({ memory, hidden }: MachineParts, slot: KernelSlot, windows: readonly PageWindow[]) {
  const destinations = pagesOf(privateWindows(windows));
  const pages = hidden.allocate(destinations.length + listPages(destinations), slot.index);
  const sources = Int32Array.from(pages.slice(0, destinations.length));
  let next = destinations.length;
  slot.set(
    'homeHead',
    buildList(memory, destinations, sources, () => pages[next++]),
  );
  return { destinations, sources };
}

/** Every page of the windows. Typed and filled in place: a clone waits for it. */
function pagesOf(windows: readonly PageWindow[]): Int32Array {
  const pages = new Int32Array(windows.reduce((count, { firstPage, endPage }) => count + endPage - firstPage, 0));
  let next = 0;
  for (const { firstPage, endPage } of windows) {
    for (let page = firstPage; page < endPage; page++) pages[next++] = page;
  }
  return pages;
}

/** What a whole-window image is made of: the program's segments, and the holes between them as segments without bytes. */
function imageSegments(
  program: Program,
  windows: readonly PageWindow[],
): { nrSegments: number; segments: KexecSegment[] } {
  const segments: KexecSegment[] = [];
  const programSegments = [...program.segments].sort((a, b) => a.physAddr - b.physAddr);
  for (const { firstPage, endPage } of privateWindows(windows)) {
    let at = firstPage * PAGE_SIZE;
    const end = endPage * PAGE_SIZE;
    for (const { physAddr, bytes, length } of programSegments) {
      if (physAddr < at || physAddr >= end) continue;
      if (physAddr > at) segments.push({ buf: null, bufsz: 0, mem: at, memsz: physAddr - at });
      segments.push({ buf: bytes, bufsz: bytes.length, mem: physAddr, memsz: length });
      at = physAddr + length;
    }
    if (at < end) segments.push({ buf: null, bufsz: 0, mem: at, memsz: end - at });
  }
  return { nrSegments: segments.length, segments };
}

function writeAside(
  memory: PhysicalMemory,
  keptAt: ReadonlyMap<number, number>,
  physAddr: number,
  bytes: Uint8Array,
): void {
  for (let done = 0; done < bytes.length; done += PAGE_SIZE) {
    // A page of a shared window has no other place: everybody sees it where it is.
    const home = pageIndexOf(physAddr + done);
    const page = keptAt.get(home) ?? home;
    memory.write(pageAddress(page), bytes.subarray(done, done + PAGE_SIZE));
  }
}

/** Every segment inside one of the windows. Throws `BAD_WINDOW`. */
function checkInWindows(program: Program, windows: readonly PageWindow[]): void {
  for (const { physAddr, length } of program.segments) {
    const first = pageIndexOf(physAddr);
    const end = first + length / PAGE_SIZE;
    if (windows.some((window) => first >= window.firstPage && end <= window.endPage)) continue;
    throw new KjumpError('BAD_WINDOW', `${program.name} does not fit its window`, {
      why: `its segment ${hex(physAddr)}..${hex(physAddr + length)} is not inside`,
      fix: 'give a window that covers every segment of the kernel',
    });
  }
}

/** A slot for a new kernel, LOADED, with its home pages; `fill` does the rest, and nothing is left if it throws. */
function withNewSlot(
  parts: MachineParts,
  program: Program,
  name: string,
  windows: readonly PageWindow[],
  fill: (slot: KernelSlot) => void,
): KernelSlot {
  return withSlot(parts, emptySlot(parts.slots), (slot) => {
    slot.set('entry', program.entry);
    slot.set('engine', program.engine);
    setEntry(slot, program.entryState);
    slot.set('parent', -1);
    slot.name = name;
    slot.windows = windows;
    fill(slot);
    slot.moveTo(KernelState.LOADED);
  });
}

function setEntry(slot: KernelSlot, entryState: EntryState): void {
  const { mode, registers } = entryState;
  const flat32 = Object.keys(registers).length === 0 ? EntryMode.border : EntryMode.registers;
  slot.set('entryMode', { flat32, real: EntryMode.real, linux32: EntryMode.linux }[mode]);
  slot.set('entryGdt', entryState.mode === 'linux32' ? entryState.gdt : 0);
  // Linux empties the FIFOs when its port is opened, and raises RTS then. Others may read the port and raise nothing.
  slot.set('heedsRTS', entryState.mode === 'linux32' ? 1 : 0);
  slot.callRegisters = CALL_REGISTERS.map((name) => (registers as Readonly<Record<string, number>>)[name] ?? 0);
}

function withSlot({ hidden, machine }: MachineParts, slot: KernelSlot, fill: (slot: KernelSlot) => void): KernelSlot {
  try {
    startLife(machine, hidden, slot);
    fill(slot);
    return slot;
  } catch (error) {
    freeSlot(hidden, slot);
    throw error;
  }
}
