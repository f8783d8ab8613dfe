// SPDX-License-Identifier: MIT
//
// Lines 5, 6 and 8 of the jump: the device phases, each callback through one place that traces refusals and injects the fault
// that was asked for.
import type { Errno } from '../shared/errno.ts';
import type { JumpLine } from '../shared/jump-lines.ts';
import { PM_PHASES, type PmPhase } from '../shared/pm-phases.ts';
import { TraceType } from '../shared/trace-ring.ts';
import type { Device } from './devices/device.ts';
import type { Jump } from './jump.ts';
import {
  allSuspended,
  type PmFailure,
  type PmHooks,
  resumeEnd,
  resumeStart,
  suspendEnd,
  suspendStart,
  syscoreResume,
  syscoreSuspend,
} from './power-management.ts';

export function freezeDevices(jump: Jump): number {
  const { board } = jump;
  const { suspended, failure } = suspendStart(board.devices, hooks(jump, 'devices'), board.options.mode);
  jump.suspended = suspended;
  return refusal(jump, failure);
}

export function restoreDevices(jump: Jump): number {
  resumeEnd(suspendedOf(jump), hooks(jump, null));
  return 0;
}

export function freezeDevicesLate(jump: Jump): number {
  return refusal(jump, suspendEnd(suspendedOf(jump), hooks(jump, 'devices-late')));
}

export function restoreDevicesEarly(jump: Jump): number {
  resumeStart(suspendedOf(jump), hooks(jump, null));
  return 0;
}

export function suspendCore(jump: Jump): number {
  const refused = refusal(jump, syscoreSuspend(jump.board.devices, hooks(jump, 'core')));
  jump.board.touchDeadlines();
  return refused;
}

export function resumeCore(jump: Jump): number {
  syscoreResume(jump.board.devices, hooks(jump, null));
  jump.board.touchDeadlines();
  return 0;
}

/** The side that wakes went down all the way, in a jump that this object knows nothing of. */
function suspendedOf(jump: Jump) {
  jump.suspended ??= allSuspended(jump.board.devices);
  return jump.suspended;
}

/** `line` is where a fault may be injected; on the way up nothing is. */
function hooks(jump: Jump, line: JumpLine | null): PmHooks {
  return {
    skipsAbsent: line === null || jump.fault.line !== line,
    call: (phase, device, callback) =>
      line !== null && isFaulty(jump, line, phase, device) ? (jump.fault.errno as Errno) : callback(),
    ignored: (phase, device, errno) => note(jump, phase, device, errno),
  };
}

function isFaulty({ fault, board }: Jump, line: JumpLine, phase: PmPhase, device: Device): boolean {
  return (
    fault.line === line &&
    (fault.device < 0 || board.devices[fault.device] === device) &&
    (fault.index < 0 || PM_PHASES[fault.index] === phase)
  );
}

function refusal(jump: Jump, failure: PmFailure | null): number {
  if (failure === null) return 0;
  note(jump, failure.phase, failure.device, failure.errno);
  return failure.errno;
}

function note({ board, me }: Jump, phase: PmPhase, device: Device, errno: number): void {
  const index = board.devices.indexOf(device);
  board.trace(TraceType.device, me.index, board.wallNow(), 0, index, PM_PHASES.indexOf(phase), errno);
}
