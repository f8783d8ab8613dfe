// SPDX-License-Identifier: MIT
//
// The other way to get there: machine code that follows the kexec protocol by itself. Its own relocate_kernel has switched paging
// off, moved its pages and left its control page; or a function called in physical mode returns. The engine has noticed where the
// CPU came to. Here the leaver becomes a parked kernel that is known by its re-entry address alone, what it came to becomes the
// running one, in a thread of its own, and nothing of the CPU changes (reference §3.5, §3.8).
import { KjumpError } from '../shared/errors.ts';
import { Direction, LINE, pagesOfCopies, Request } from '../shared/jump-lines.ts';
import { emptySlot, type KernelSlot } from '../shared/kernel-slot.ts';
import { startLife } from '../shared/kexec/beginning.ts';
import { contextAt } from '../shared/kexec/context.ts';
import { endKernel } from '../shared/kexec/ending.ts';
import { areTogether, listsBetween } from '../shared/kexec/home-lists.ts';
import { homePages } from '../shared/kexec/home-pages.ts';
import { STACK_TOP_WORD } from '../shared/layout/control-page.ts';
import { EngineKind } from '../shared/layout/kernel-slot.ts';
import { KernelState } from '../shared/lifecycle.ts';
import { StopCode, type StopCodeValue } from '../shared/stop.ts';
import { TraceType } from '../shared/trace-ring.ts';
import { hex, PAGE_SIZE } from '../shared/units.ts';
import type { Board } from './board.ts';
import { passTheCpu } from './border.ts';
import type { Engine } from './engines/engine.ts';
import { brokenContract } from './return-contract.ts';
import { freeNameFor } from './target.ts';

/** Why a jump ends in nothing: the kernel that made it is at its end. */
export interface DeadEnd {
  readonly code: StopCodeValue;
  readonly text: string;
}

/** Hands the CPU to whoever it came to; or nothing is changed, and it cannot go on. */
export function leaveByItself(board: Board, me: KernelSlot, engine: Engine): DeadEnd | null {
  engine.flush();
  me.set('request', Request.none);
  const { cpu, memory, slots } = board;
  const start = cpu.eip >>> 0;
  // Read before any page moves: the caller's stack may lie in a page that does.
  const word = memory.read32(cpu.esp) >>> 0;
  const isThere = (s: KernelSlot): boolean =>
    s !== me && s.state === KernelState.PARKED && s.address('reentry') === start;
  // The control pages of kernels in one place may have one address. Whom kjump parked can be called from anywhere.
  const isHere = (s: KernelSlot): boolean => areTogether(slots, me, s);
  const parked =
    slots.find((s) => isThere(s) && isHere(s)) ?? slots.find((s) => isThere(s) && s.get('selfParked') === 0);
  // Who comes back stands where it stood before: it is nobody's heir.
  const plain = word === 0 && parked === undefined;
  const broken = parked?.get('selfParked') === 1 ? brokenContract(board) : [];
  if (parked !== undefined && broken.length > 0) {
    return { code: StopCode.badReturn, text: `it came back to ${parked.name} with ${broken.join(', ')}` };
  }
  const target =
    parked ??
    slots.find((s) => s.state === KernelState.LOADED && s.address('entry') === start && isHere(s)) ??
    peerAt(board, me, start, plain);
  if (target === null) {
    const text = `it jumped to ${hex(start)}, and there is no kernel slot left for what is there`;
    return { code: StopCode.badEntry, text };
  }
  const returns = parked !== undefined && isReturn(board, me, parked);
  me.moveTo(KernelState.QUIESCING);
  me.set('departures', me.get('departures') + 1);
  // The heir of a plain kexec stands where its loader stood.
  if (plain) target.set('broughtBy', me.get('broughtBy'));
  if (returns) keepRegisters(board, me);
  else if (word !== 0) {
    me.set('selfParked', 1);
    me.set('reentry', word);
  }
  // What it moved on its way out was noted as it did.
  let pagesMoved = pagesOfCopies(me.get('movedPages'));
  if (parked !== undefined && parked.get('selfParked') === 0)
    pagesMoved += enterContext(board, me, parked, returns ? null : word);
  else target.set('liveArrival', 1);
  passTheCpu(board, me, target, {
    leaves: returns || word === 0 ? KernelState.OFF : KernelState.PARKED,
    pagesMoved,
    plain,
  });
  return null;
}

/**
 * A function in physical mode ends with `ret`: it pops the caller's re-entry, and the word at ESP, behind the caller's swap page, is
 * nobody's (reference §10 case 46).
 */
function isReturn({ cpu, memory }: Board, me: KernelSlot, caller: KernelSlot): boolean {
  const reentry = caller.address('reentry');
  if (caller.get('selfParked') !== 0) return memory.read32(cpu.esp - 4) >>> 0 === reentry;
  if (me.get('caller') !== caller.index) return false;
  const pages = contextAt(memory, reentry);
  return pages !== null && cpu.esp >>> 0 === pages.swapPage + PAGE_SIZE;
}

function keepRegisters({ cpu }: Board, me: KernelSlot): void {
  const { eax, ecx, edx, ebx, esp, ebp, esi, edi, eip, eflags } = cpu;
  me.callRegisters = [eax, ecx, edx, ebx, esp, ebp, esi, edi, eip, eflags];
}

/**
 * The kernel that is called was parked by kjump: it has no stub of its own that moves pages, so they are moved here. The caller's
 * address is put where that kernel looks for it.
 */
function enterContext(board: Board, me: KernelSlot, target: KernelSlot, word: number | null): number {
  const started = board.wallNow();
  const pages = homePages(me);
  const moved = board.journal.walk(
    listsBetween(board.slots, me, target),
    pages.swapPage,
    board.options.relocation,
    Number.POSITIVE_INFINITY,
  );
  if (word !== null) {
    board.cpu.esp = pages.swapPage + STACK_TOP_WORD;
    board.memory.write32(board.cpu.esp, word);
  }
  const now = board.wallNow();
  board.trace(TraceType.phase, me.index, now, now - started, LINE.relocate, Direction.down);
  return moved;
}

/**
 * A kernel that nobody knew: loaded and entered by the one that leaves, in its place, of which it is a part, or which it has from
 * now on. It may store where its loader may.
 */
function peerAt(board: Board, me: KernelSlot, start: number, plain: boolean): KernelSlot | null {
  endBrought(board, me);
  try {
    const slot = emptySlot(board.slots);
    startLife(board.machine, board.hidden, slot);
    slot.set('entry', start);
    slot.set('engine', EngineKind.i386);
    slot.set('parent', plain ? -1 : me.index);
    slot.set('caller', -1);
    slot.set('broughtBy', me.index + 1);
    slot.set('heedsRTS', me.get('heedsRTS'));
    slot.name = freeNameFor(board, me.name, slot.index);
    slot.windows = me.windows;
    slot.moveTo(KernelState.LOADED);
    return slot;
  } catch (error) {
    if (error instanceof KjumpError) return null;
    throw error;
  }
}

/** A kernel has one image: whoever it brought in before is gone when it brings in somebody new (reference §1.6, case 57). */
function endBrought({ memory, hidden, slots, ownership }: Board, me: KernelSlot): void {
  for (const slot of slots) {
    if (slot.state === KernelState.EMPTY || slot.get('broughtBy') !== me.index + 1) continue;
    for (const ended of endKernel(memory, hidden, slots, slot)) ownership.ring(ended.index);
  }
}
