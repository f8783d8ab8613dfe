// SPDX-License-Identifier: MIT
//
// Both sides of the border: what the leaver saves, the state in which the peer finds the CPU (reference §3.3), the one store
// that moves ownership, and how the woken kernel finds itself again (arch/x86/kernel/machine_kexec_32.c:machine_kexec,
// relocate_kernel_32.S). The peer is entered by `call` with ESP at the top of the swap page and the leaver's re-entry address
// at [ESP]; a plain kexec enters with zeros.
import { Errno } from '../shared/errno.ts';
import { assert } from '../shared/errors.ts';
import type { KernelSlot } from '../shared/kernel-slot.ts';
import { type BorderPages, contextAt, restoreContext, saveContext } from '../shared/kexec/context.ts';
import { inheritHome } from '../shared/kexec/ending.ts';
import { homePages } from '../shared/kexec/home-pages.ts';
import { contextPagesOf } from '../shared/kexec/jump-image.ts';
import { REENTRY_OFFSET, STACK_TOP_WORD } from '../shared/layout/control-page.ts';
import { CPU } from '../shared/layout/cpu-state.ts';
import { LIVE } from '../shared/layout/live-words.ts';
import { KernelState } from '../shared/lifecycle.ts';
import { TraceType } from '../shared/trace-ring.ts';
import { isPageAligned, PAGE_SIZE, pageIndexOf } from '../shared/units.ts';
import type { Board } from './board.ts';
import { resumeConsole } from './console-lines.ts';
import type { Jump } from './jump.ts';
import { listsToWalk } from './relocation-lines.ts';
import { adoptParked, claimSlot, unclaimSlot } from './target.ts';

const CR0_KEPT = 0x7ffafff3;
const CR0_PE = 1;
const EFLAGS_PRESERVE = 0x06;
const EFLAGS_PLAIN = 0x46;
/** The DONE word, left in ECX by the walk of the list. */
const ECX_AFTER_WALK = 4;
const BETWEEN_INSTRUCTIONS = [CPU.halted, CPU.interruptShadow, CPU.pendingDebug, CPU.pagingOffPage] as const;
/** Where the control page keeps the four words of page_list (reference §2.3). */
const PAGE_LIST = 0x840;

// ---- line 9 ---------------------------------------------------------------------------------------------------------

/** Everything that must hold before anything irreversible: 0, or EBUSY for a device that is still at work. */
export function checkInvariants({ board, target }: Jump): number {
  assert(!board.cpu.interruptsEnabled, 'interrupts are on behind the line that switched them off');
  assert(!board.journal.active, 'a relocation is under way before its line');
  assert(target !== null, 'the jump has no target');
  return board.devices.some((device) => device.busyReason() !== null) ? Errno.EBUSY : 0;
}

/** Takes a slot for a target without one, then parks CPU, devices and slot in the pages of this departure. */
export function saveAtBorder(jump: Jump): number {
  const { board, me, target } = jump;
  assert(target !== null, 'the jump has no target');
  const pages = target.throughImage ? imagePages(board, me) : homePages(me);
  if (pages === null) return Errno.EINVAL;
  if (target.slot === null) {
    const slot = claimSlot(board, me, target);
    if (typeof slot === 'number') return slot;
    jump.target = { ...target, slot };
    jump.claimed = true;
  }
  jump.pages = pages;
  if (jump.mayFailLate || listsToWalk(jump).some((head) => isInRam(board, head))) keepCopies(jump, pages);
  me.set('quiesced', 1);
  me.set('reentry', pages.controlPage + REENTRY_OFFSET);
  if (jump.preserve) saveContext(board.machine, board.memory, me, pages);
  return 0;
}

/** Null if the control page, which the kernel can write, names context pages that are not its to name. */
function imagePages(board: Board, me: KernelSlot): BorderPages | null {
  const image = me.kexecImage;
  const controlPage = image.controlCodePage >>> 0;
  const contextPages = contextPagesOf(board.memory, image);
  if (isInRam(board, controlPage) && !contextPages.every((page) => isInRam(board, page) && isPageAligned(page)))
    return null;
  return { controlPage, swapPage: image.swapPage >>> 0, contextPages, head: image.head >>> 0 };
}

const isInRam = ({ memory }: Board, physAddr: number): boolean => pageIndexOf(physAddr) < memory.ramPages;

/** Relocation fails only where a fault is to be injected, or at a list that a guest can write, and so can have damaged. */
function keepCopies(jump: Jump, pages: BorderPages): void {
  for (const physAddr of [pages.controlPage, pages.swapPage, ...pages.contextPages]) {
    jump.backup.push({ physAddr, bytes: jump.board.memory.read(physAddr, PAGE_SIZE) });
  }
}

export function takeBackSave(jump: Jump): number {
  const { board, me, target } = jump;
  for (const { physAddr, bytes } of jump.backup) board.memory.write(physAddr, bytes);
  me.set('quiesced', 0);
  me.set('reentry', 0);
  if (jump.claimed && target?.slot) unclaimSlot(board, me, target.slot);
  return 0;
}

// ---- line 11 --------------------------------------------------------------------------------------------------------

/**
 * The CPU as the peer must find it, the stack word, the counters; then the leaver's state, which is the point of no return: if
 * this thread dies behind it, the host completes what is left (orchestrator/recovery.ts); before it, memory goes back and the
 * leaver is lost. The clock names the target before that state does, so that the two can be told apart. Then the owner store.
 */
export function handOver(jump: Jump): void {
  const { board, me, target, pages, preserve, byReturn } = jump;
  const slot = target?.slot;
  assert(target && slot && pages, 'hand-over without a target');
  if (target.parkedHead !== null) adoptParked(board, slot, target.start);
  const stackTop = (preserve ? pages.swapPage : pages.controlPage) + STACK_TOP_WORD;
  setBorderState(board, pages, target.start, stackTop, preserve);
  if (byReturn) returnToCaller(board, slot);
  else board.memory.write32(stackTop, preserve ? pages.controlPage + REENTRY_OFFSET : 0);
  me.set('departures', me.get('departures') + 1);
  if (!preserve) {
    shutDownDevices(board);
    // Its console will not be resumed: what waits is said now.
    resumeConsole(jump);
  }
  passTheCpu(board, me, slot, {
    leaves: preserve && !byReturn ? KernelState.PARKED : KernelState.OFF,
    pagesMoved: jump.pagesMoved,
    plain: !preserve,
  });
}

/** What the leaver is from now on, and what the trace says of the switch. */
interface Passing {
  readonly leaves: typeof KernelState.PARKED | typeof KernelState.OFF;
  readonly pagesMoved: number;
  readonly plain: boolean;
}

/** The point of no return, and the owner store behind it. */
export function passTheCpu(
  board: Board,
  me: KernelSlot,
  slot: KernelSlot,
  { leaves, pagesMoved, plain }: Passing,
): void {
  const { live } = board.ownership;
  if (live[LIVE.switchesLeft] > 0) live[LIVE.switchesLeft] -= 1;
  board.trace(TraceType.handOver, me.index, board.wallNow(), 0, me.index, slot.index, pagesMoved, plain ? 1 : 0);
  const { clock, cpu } = board;
  slot.noteArrival(me.index, clock.nowTick(), cpu.eip, cpu.eflags);
  clock.switches += 1;
  clock.current = slot.index;
  me.moveTo(leaves);
  if (plain) inheritHome(board.hidden, board.slots, me, slot);
  // A forgetful thread leaves its slot with the CPU: whoever hands it back asks for another thread.
  if (board.options.amnesia) board.ownership.setThread(me.index, false);
  board.journal.close();
  board.ownership.giveToKernel(slot.index);
  // Read after the store: a thread that ends meanwhile is missed by the host or by this line, never by both.
  if (!board.ownership.hasThread(slot.index)) board.signal({ kind: 'attach', slot: slot.index });
}

/** Registers at the peer's first instruction. Only ESP, [ESP], flat segments, paging off and IF = DF = 0 are a contract. */
function setBorderState(board: Board, pages: BorderPages, start: number, stackTop: number, preserve: boolean): void {
  const { cpu, memory } = board;
  cpu.eax = 0;
  cpu.ebx = preserve ? pages.head : 0;
  cpu.ecx = preserve ? ECX_AFTER_WALK : 0;
  cpu.edx = preserve ? start : 0;
  cpu.esi = preserve ? 1 : 0;
  cpu.edi = preserve ? pages.controlPage : 0;
  cpu.ebp = preserve ? pages.controlPage + PAGE_LIST : 0;
  if (preserve) writePageList(board, pages);
  cpu.esp = stackTop;
  cpu.eip = start;
  cpu.eflags = preserve ? EFLAGS_PRESERVE : EFLAGS_PLAIN;
  cpu.setWord(CPU.cr0, (cpu.cr0 & CR0_KEPT) | CR0_PE);
  cpu.setWord(CPU.cr3, 0);
  cpu.setWord(CPU.cr4, 0);
  for (let i = 0; i < 8; i++) cpu.setWord(CPU.dr + 4 * i, 0);
  // The leaver may have been halted, or between two instructions that belong together: the peer is not.
  for (const word of BETWEEN_INSTRUCTIONS) cpu.setWord(word, 0);
  for (const table of [CPU.gdtr, CPU.idtr]) {
    cpu.setWord(table, 0);
    cpu.setWord(table + 4, 0);
  }
  cpu.setFlatSegments();
  assert((memory.pageCount * PAGE_SIZE) >>> 0 > stackTop, 'the stack of the peer lies outside memory');
}

function writePageList({ memory }: Board, pages: BorderPages): void {
  [pages.controlPage, pages.controlPage, 0, pages.swapPage].forEach((word, i) => {
    memory.write32(pages.controlPage + PAGE_LIST + 4 * i, word);
  });
}

/**
 * Nobody will restore what was frozen: the devices are shut down, children before parents (device_shutdown, reference §3.9). As
 * the last thing of all, for it cannot be undone.
 */
function shutDownDevices({ devices }: Board): void {
  for (let i = devices.length - 1; i >= 0; i--) devices[i].pm.shutdown?.();
}

/** A called function ends with a plain `ret`: it pops the caller's re-entry address, and ESP points one word above. */
function returnToCaller(board: Board, caller: KernelSlot): void {
  const pages = contextAt(board.memory, caller.address('reentry'));
  assert(pages !== null, 'the caller of a physical-mode function is not parked');
  board.cpu.esp = pages.swapPage + PAGE_SIZE;
}

// ---- the woken side -------------------------------------------------------------------------------------------------

/**
 * Finds the kernel again that wakes: the word at [ESP] says who came from where; a parked kernel's CPU and devices come back
 * from its context.
 */
export function arrive(board: Board, me: KernelSlot, first: boolean): void {
  me.set('arrivals', me.get('arrivals') + 1);
  if (me.get('liveArrival') !== 0 || me.get('selfParked') !== 0) {
    arriveAtItself(board, me);
    return;
  }
  const peer = board.memory.read32(board.cpu.esp);
  me.set('backEntry', peer);
  // Where to go back to without an image: whoever was here before, if it can be entered again.
  const peerIsParked = board.slots.some((s) => s.state === KernelState.PARKED && s.address('reentry') === peer >>> 0);
  if (peerIsParked) me.set('start', peer);
  if (first) {
    // The devices are as the leaver quiesced them, with what it kept in them for itself: not the newcomer's to restore.
    for (const device of board.devices) device.pm.inherit?.();
    return;
  }
  const pages = contextAt(board.memory, me.address('reentry'));
  assert(pages !== null, `${me.name} is parked and its context is gone`);
  // Left through its own image: the peer's re-entry is where that image starts from now on (machine_kexec's last line).
  if (pages.controlPage === me.kexecImage.controlCodePage >>> 0 && me.kexecImage.loaded) me.kexecImage.start = peer;
  restoreContext(board.machine, board.memory, pages.contextPages);
  me.set('quiesced', 0);
  me.set('reentry', 0);
}

/** Machine code at its own re-entry, or where its image starts: the CPU is as the leaver left it, and the rest is its own work. */
function arriveAtItself(board: Board, me: KernelSlot): void {
  me.set('backEntry', board.memory.read32(board.cpu.esp));
  me.set('selfParked', 0);
  me.set('reentry', 0);
  // A leaver that runs the lines has quiesced the devices for itself; one that came by itself has done with them what it liked.
  if (me.get('liveArrival') === 0) for (const device of board.devices) device.pm.inherit?.();
  me.set('liveArrival', 0);
}
