// SPDX-License-Identifier: MIT
//
// The jump, top to bottom (Linux kernel/kexec_core.c:kernel_kexec; reference §4). The kernel that leaves runs `kernelKexec` in
// its own thread; the one that wakes runs `kernelResume` in its own. Between them lies one atomic store. Until that store any
// failure is undone in reverse order and the old kernel goes on as if nothing had been.
import { Errno } from '../shared/errno.ts';
import { type JumpLine, LINE } from '../shared/jump-lines.ts';
import type { KernelSlot } from '../shared/kernel-slot.ts';
import { KernelState } from '../shared/lifecycle.ts';
import { TraceType } from '../shared/trace-ring.ts';
import type { Board } from './board.ts';
import { arrive, checkInvariants, handOver, saveAtBorder, takeBackSave } from './border.ts';
import { prepareConsole, restoreConsole, resumeConsole, suspendConsole } from './console-lines.ts';
import {
  freezeDevices,
  freezeDevicesLate,
  restoreDevices,
  restoreDevicesEarly,
  resumeCore,
  suspendCore,
} from './device-lines.ts';
import type { Engine } from './engines/engine.ts';
import { Jump, type LineAction } from './jump.ts';
import { relocatePages, takeBackRelocation } from './relocation-lines.ts';
import { repairReturn } from './repair.ts';
import { findTarget } from './target.ts';

/**
 * Jumps away from the kernel in `me`. 0: the CPU has a new owner and this thread must wait for its bell. An errno: refused at
 * some line, everything undone, the kernel goes on.
 */
export function kernelKexec(board: Board, me: KernelSlot, engine: Engine): number {
  const jump = new Jump(board, me, engine);
  me.moveTo(KernelState.QUIESCING);
  engine.flush();
  const refused =
    jump.down('lock', takeLock) || //             nobody loads or unloads from here on; there must be somewhere to go
    jump.down('prepare-console', prepareConsole) || // the foreground console is nobody's
    jump.down('freeze-tasks', freezeTasks) || //       the kernel's own work stops
    jump.down('suspend-console', suspendConsole) || // output waits
    jump.down('devices', freezeDevices) || //          no device works for this kernel any more
    jump.down('devices-late', freezeDevicesLate) || // and none interrupts it
    jump.down('interrupts', interruptsOff) || //       the CPU would not listen
    jump.down('core', suspendCore) || //               clock and interrupt controllers stand still
    jump.down('save', save) || //                      CPU, devices and slot lie in memory; every invariant holds
    jump.down('relocate', relocatePages); //           the target's pages are in their places
  if (refused !== 0) return turnRound(jump, refused);
  handOver(jump);
  return 0;
}

/** The woken side: the kernel in `me` has just become the owner of the CPU. Lines `core` to `lock`, upwards. */
export function kernelResume(board: Board, me: KernelSlot, engine: Engine): void {
  // The first instruction of the woken side: the hand-over ends here.
  const now = board.wallNow();
  const first = me.state === KernelState.LOADED;
  const climbs = !first && me.get('quiesced') !== 0;
  me.moveTo(KernelState.RUNNING);
  const repaired = me.get('selfParked') === 0 ? 0 : repairReturn(board, me);
  // Who was parked by kjump on its own way back has done with that.
  const wayBack = me.get('selfParked') === 0 ? 0 : me.get('wayBack');
  me.set('wayBack', wayBack);
  board.trace(TraceType.wake, me.index, now, 0, climbs ? 0 : 1, repaired, wayBack);
  arrive(board, me, first);
  engine.invalidate();
  if (climbs) new Jump(board, me, engine).resume(UP);
  // Who climbs no lines finds the console nobody's, and takes it.
  else board.clock.foreground = me.index;
  me.set('result', 0);
}

/** The way up of each line: the undo of a refused jump and the resume of a woken kernel. */
const UP: Readonly<Record<JumpLine, LineAction | null>> = {
  relocate: takeBackRelocation,
  save: takeBackSave,
  core: resumeCore,
  interrupts: interruptsBack,
  'devices-late': restoreDevicesEarly,
  devices: restoreDevices,
  'suspend-console': resumeConsole,
  'freeze-tasks': thawTasks,
  'prepare-console': restoreConsole,
  lock: releaseLock,
};

function turnRound(jump: Jump, errno: number): number {
  const { board, me } = jump;
  jump.undo(UP);
  me.moveTo(KernelState.RUNNING);
  me.set('result', errno);
  const now = board.wallNow();
  board.trace(TraceType.refused, me.index, now, 0, errno, LINE[jump.failedLine], jump.turnedByTest ? 1 : 0);
  return errno;
}

function takeLock(jump: Jump): number {
  // try-lock, never waits (kexec_trylock); it stays taken in the leaver's slot for the whole absence (reference §1.6).
  if (jump.me.get('kexecLock') !== 0) return Errno.EBUSY;
  const target = findTarget(jump.board, jump.me);
  if (typeof target === 'number') return target;
  jump.target = target;
  jump.preserve = !target.throughImage || jump.me.kexecImage.preserveContext;
  jump.me.set('kexecLock', 1);
  return 0;
}

function releaseLock(jump: Jump): number {
  jump.me.set('kexecLock', 0);
  return 0;
}

function freezeTasks(jump: Jump): number {
  // freeze_processes has one answer to any refusal, and nothing stays frozen then (case 60).
  return jump.engine.freezeTasks() === 0 ? 0 : Errno.EBUSY;
}

function thawTasks(jump: Jump): number {
  jump.engine.thawTasks();
  return 0;
}

function interruptsOff(jump: Jump): number {
  const { cpu } = jump.board;
  jump.me.set('interruptsWereOn', cpu.interruptsEnabled ? 1 : 0);
  cpu.interruptsEnabled = false;
  return 0;
}

function interruptsBack(jump: Jump): number {
  jump.board.cpu.interruptsEnabled = jump.me.get('interruptsWereOn') !== 0;
  jump.me.set('interruptsWereOn', 0);
  return 0;
}

function save(jump: Jump): number {
  return checkInvariants(jump) || saveAtBorder(jump);
}
