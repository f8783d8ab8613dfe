// SPDX-License-Identifier: MIT
//
// Where a jump goes. A request names a kernel (any kernel can follow any other), or the loaded image says, or else it is back to
// whoever was here before. An address is a parked kernel's re-entry, a loaded kernel's entry, a control page that names the
// context of a kernel nobody here knows (restored from memory alone), or the entry page of a new kernel.
import { Errno } from '../shared/errno.ts';
import { assert, KjumpError } from '../shared/errors.ts';
import { emptySlot, freeSlot, type KernelSlot, type PageWindow } from '../shared/kernel-slot.ts';
import { startLife } from '../shared/kexec/beginning.ts';
import { adoptSlot, contextAt } from '../shared/kexec/context.ts';
import { endKernel, isPlainCargoOf } from '../shared/kexec/ending.ts';
import { isDamagedList } from '../shared/kexec/entry-list.ts';
import { ancestry } from '../shared/kexec/home-lists.ts';
import { walkList } from '../shared/kexec/relocate.ts';
import { readEntryPage } from '../shared/kexec/typescript-image.ts';
import { privateWindows } from '../shared/kexec/windows.ts';
import { CONTROL, CONTROL_MARKER, REENTRY_OFFSET } from '../shared/layout/control-page.ts';
import { EngineKind, WINDOWS_MAX } from '../shared/layout/kernel-slot.ts';
import { KernelState } from '../shared/lifecycle.ts';
import { PAGE_MASK, PAGE_SIZE, pageIndexOf } from '../shared/units.ts';
import type { Board } from './board.ts';

export interface JumpTarget {
  readonly start: number;
  /** The kernel, if it has a slot already. */
  readonly slot: KernelSlot | null;
  /** True if the way leads through the loaded image's own control and swap page. */
  readonly throughImage: boolean;
  /** A kernel that the image brings parked, as its own departure left it: the list in its control page. Else null. */
  readonly parkedHead: number | null;
  /** Module of a kernel that has no slot yet. */
  readonly specifier?: string;
}

/** Finds the target of a request: the target, or the errno of the refusal. */
export function findTarget(board: Board, me: KernelSlot): JumpTarget | number {
  try {
    const target = targetOf(board, me);
    if (typeof target === 'number' || !target.throughImage || me.kexecImage.preserveContext) return target;
    return plainStaysAtHome(board, me) ? target : Errno.EINVAL;
  } catch (error) {
    if (isDamagedList(error)) return Errno.EINVAL;
    throw error;
  }
}

/**
 * True if a plain kexec stores only to memory that the leaver may give away, for nothing brings it back: what its home list
 * keeps for others, or where no other kernel lies in memory for good.
 */
function plainStaysAtHome({ slots, memory }: Board, me: KernelSlot): boolean {
  const own = new Set<number>();
  walkList(memory, me.address('homeHead'), (destination) => own.add(pageIndexOf(destination)));
  const others = slots.filter((s) => s !== me && isLiving(s) && s.address('homeHead') === 0 && !isPlainCargo(slots, s));
  const windows = others.flatMap((s) => privateWindows(s.windows));
  const mayTake = (page: number): boolean =>
    me.address('homeHead') === 0 ? !windows.some((w) => page >= w.firstPage && page < w.endPage) : own.has(page);
  return me.kexecImage.segments.every(({ mem, memsz }) => {
    for (let page = pageIndexOf(mem); page < pageIndexOf(mem) + memsz / PAGE_SIZE; page++) {
      if (!mayTake(page)) return false;
    }
    return true;
  });
}

const isLiving = ({ state }: KernelSlot): boolean => state === KernelState.LOADED || state === KernelState.PARKED;

function targetOf(board: Board, me: KernelSlot): JumpTarget | number {
  const named = me.get('requestTarget');
  if (named !== -1) return board.slots[named] === undefined ? Errno.EINVAL : enterable(board, board.slots[named], me);
  const image = me.kexecImage;
  const start = image.loaded ? image.start >>> 0 : me.address('start');
  if (image.loaded) {
    const brought = broughtByImage(board, me, start);
    if (brought !== null) return brought;
  }
  // No image and nobody to go back to, or an image whose peer came back without leaving an address: EINVAL.
  return knownKernel(board, me, start) ?? (image.loaded && start !== 0 ? Errno.ENOEXEC : Errno.EINVAL);
}

const carries = ({ kexecImage }: KernelSlot, slot: KernelSlot): boolean =>
  kexecImage.loaded && kexecImage.target === slot.index;

const isPlainCargo = (slots: readonly KernelSlot[], slot: KernelSlot): boolean =>
  slots.some((loader) => isPlainCargoOf(loader, slot));

function enterable(board: Board, slot: KernelSlot, me: KernelSlot): JumpTarget | number {
  if (slot.index === me.index) return Errno.EINVAL;
  if (slot.state !== KernelState.LOADED && slot.state !== KernelState.PARKED) return Errno.EINVAL;
  if (isElsewhere(board, slot)) return Errno.EINVAL;
  const start = slot.state === KernelState.LOADED ? slot.address('entry') : slot.address('reentry');
  const throughImage = carries(me, slot);
  if (!throughImage && isPlainCargo(board.slots, slot)) return Errno.EINVAL;
  return { start, slot, throughImage, parkedHead: null };
}

/**
 * True if only another kernel can bring this one's pages in: it was loaded by one that jumps by itself, with a list of its own, and
 * while that one is back, those pages are parked in its memory (reference §9.3: a tree, not a mesh).
 */
function isElsewhere({ slots }: Board, slot: KernelSlot): boolean {
  const bringer = slots[slot.get('broughtBy') - 1];
  return bringer !== undefined && (bringer.state !== KernelState.PARKED || bringer.get('selfParked') === 0);
}

/** The kernel that this address enters: parked there, or loaded by `me` to start there. */
function knownKernel(board: Board, me: KernelSlot, start: number): JumpTarget | number | null {
  const isThere = (s: KernelSlot): boolean => s.state === KernelState.PARKED && s.address('reentry') === start;
  // Control pages that kernels chose in their own memory may have one address: meant is the one whose memory `me` lies in.
  const parked = ancestry(board.slots, me).find(isThere) ?? board.slots.find(isThere);
  if (parked !== undefined) return enterable(board, parked, me);
  // The kernel in the image may have been entered before, by name from another kernel.
  const child = board.slots[me.kexecImage.target];
  return child?.address('entry') === start ? enterable(board, child, me) : null;
}

/** The kernel that the loaded image's own pages hold at `start`, if nobody knows it yet; null if they hold none. */
function broughtByImage(board: Board, me: KernelSlot, start: number): JumpTarget | number | null {
  const image = me.kexecImage;
  if (image.target >= 0) return null;
  const page = sourceOf(board, image.head >>> 0, start);
  if (page === null) return null;
  const { memory } = board;
  const isReentry = (start & (PAGE_SIZE - 1)) === REENTRY_OFFSET;
  if (isReentry && memory.read32(page + CONTROL.marker) === CONTROL_MARKER) {
    // A restored kernel takes the machine whole: its restorer leaves nothing behind, and owns the memory it gives away.
    if (image.preserveContext || me.get('homeHead') !== 0) return Errno.EINVAL;
    return { start, slot: null, throughImage: true, parkedHead: memory.read32(page + CONTROL.head) >>> 0 };
  }
  const entry = readEntryPage(memory, page + (start & (PAGE_SIZE - 1)));
  if (entry === null) return null;
  return { start, slot: null, throughImage: true, parkedHead: null, specifier: entry.specifier };
}

/** Address of the page that the list will bring to where `physAddr` is; null if the list does not touch it. */
function sourceOf(board: Board, head: number, physAddr: number): number | null {
  let found: number | null = null;
  walkList(board.memory, head, (destination, source) => {
    if (destination >>> 0 === (physAddr & PAGE_MASK) >>> 0) found = source;
  });
  return found;
}

/** Takes a slot for a target that has none yet. 0 or ENOMEM; on failure nothing is changed. */
export function claimSlot(board: Board, me: KernelSlot, target: JumpTarget): KernelSlot | number {
  try {
    const slot = emptySlot(board.slots);
    startLife(board.machine, board.hidden, slot);
    if (target.parkedHead !== null) return slot;
    const image = me.kexecImage;
    slot.set('entry', target.start);
    slot.set('engine', EngineKind.guest);
    slot.set('homeHead', image.preserveContext ? image.head : 0);
    slot.set('parent', image.preserveContext ? me.index : -1);
    slot.set('caller', me.index);
    slot.name = nameOf(board, target.specifier ?? 'kernel', slot.index);
    const destinations = destinationWindows(image.segments);
    slot.windows = image.preserveContext ? destinations : heirWindows(me.windows, destinations);
    slot.moveTo(KernelState.LOADED);
    image.target = slot.index;
    return slot;
  } catch (error) {
    if (error instanceof KjumpError) return Errno.ENOMEM;
    throw error;
  }
}

/** A kernel that a guest loads is called what its module is called, as far as nobody else is. */
function nameOf(board: Board, specifier: string, index: number): string {
  return freeNameFor(board, specifier.slice(specifier.lastIndexOf('/') + 1).replace(/\.[^.]*$/, ''), index);
}

/** The name, with the slot's number behind it if somebody has it already. */
export function freeNameFor(board: Board, stem: string, index: number): string {
  return stem === '' || board.slotNamed(stem) !== undefined ? `${stem}${index}` : stem;
}

/** Gives a claimed slot back. */
export function unclaimSlot(board: Board, me: KernelSlot, slot: KernelSlot): void {
  freeSlot(board.hidden, slot);
  me.kexecImage.target = -1;
}

/** The kernel that an image carried goes with the image; the threads of all that are gone leave. */
export function dropTarget(board: Board, index: number): void {
  const slot = board.slots[index];
  if (slot.state !== KernelState.LOADED && slot.state !== KernelState.PARKED) return;
  for (const ended of endKernel(board.memory, board.hidden, board.slots, slot)) board.ownership.ring(ended.index);
}

/**
 * Makes `slot` the kernel that lies parked in memory at the re-entry address: its own slot as it was when it left, but for
 * what belongs to the machine it left from. Its image stays loaded and is dead: its pages hold the restorer's leftovers.
 */
export function adoptParked(board: Board, slot: KernelSlot, reentry: number): void {
  const pages = contextAt(board.memory, reentry);
  assert(pages !== null, 'the parked kernel went away while it was brought in');
  const kept = (['life', 'controlPage', 'swapPage'] as const).map((word) => [word, slot.get(word)] as const);
  const { contextPages } = slot;
  adoptSlot(board.machine, board.memory, pages, slot);
  for (const [word, value] of kept) slot.set(word, value);
  slot.contextPages = contextPages;
  slot.set('homeHead', 0);
  slot.set('parent', -1);
  slot.set('reentry', reentry);
  // Whoever was there before it left is not here: the same address may be another kernel's.
  slot.set('start', 0);
  slot.kexecImage.target = -1;
  slot.setAdopted();
}

/** After a plain kexec the new kernel stands where its loader stood: it has the loader's windows, and where it itself lies. */
function heirWindows(windows: readonly PageWindow[], destinations: readonly PageWindow[]): PageWindow[] {
  const isCovered = ({ firstPage, endPage }: PageWindow): boolean =>
    windows.some((window) => window.firstPage <= firstPage && window.endPage >= endPage);
  return [...windows, ...destinations.filter((window) => !isCovered(window))].slice(0, WINDOWS_MAX);
}

/** Windows of a kernel that another kernel loaded: what its segments cover, joined where they touch. */
function destinationWindows(segments: readonly { mem: number; memsz: number }[]): PageWindow[] {
  const ranges = segments
    .filter((segment) => segment.memsz > 0)
    .map((segment) => ({
      firstPage: pageIndexOf(segment.mem),
      endPage: pageIndexOf(segment.mem) + segment.memsz / PAGE_SIZE,
      shared: false,
    }))
    .sort((a, b) => a.firstPage - b.firstPage);
  const joined: { firstPage: number; endPage: number; shared: boolean }[] = [];
  for (const range of ranges) {
    const last = joined.at(-1);
    // A slot holds so many windows: beyond that the last one grows over the holes.
    if (last !== undefined && (last.endPage === range.firstPage || joined.length === WINDOWS_MAX))
      last.endPage = range.endPage;
    else joined.push({ ...range });
  }
  return joined;
}
