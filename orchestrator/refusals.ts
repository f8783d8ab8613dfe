// SPDX-License-Identifier: MIT
//
// Errors that several calls of a machine give: what, why, and what to do, worded once.
import { errnoName } from '../shared/errno.ts';
import { KjumpError } from '../shared/errors.ts';
import type { JumpLine } from '../shared/jump-lines.ts';
import type { KernelSlot } from '../shared/kernel-slot.ts';
import { KernelState, type KernelStateName } from '../shared/lifecycle.ts';
import type { RefusedEvent, StopReport } from './events.ts';
import type { Kernel } from './kernel.ts';

export const isOver = (slot: KernelSlot): boolean =>
  slot.state === KernelState.OFF || slot.state === KernelState.CRASHED || slot.state === KernelState.EMPTY;

export const machineClosed = (): KjumpError =>
  new KjumpError('MACHINE_CLOSED', 'the machine is closed', {
    why: 'close() has ended its threads',
    fix: 'create a new machine, or resume one from an image',
  });

export const notOfThisMachine = (what: string, fix: string): KjumpError =>
  new KjumpError('BAD_STATE', `${what} is not of this machine`, { why: 'each machine has memory of its own', fix });

export const stillHasMachine = (name: string, fix: string): KjumpError =>
  new KjumpError('BAD_STATE', `${name} has the machine`, { why: 'one kernel at a time has it', fix });

export const carriesTheMachine = (name: string, current: string): KjumpError =>
  new KjumpError('BAD_STATE', `${name} cannot be removed while ${current} has the machine`, {
    why: `${current} was loaded by ${name} into its own memory`,
    fix: 'jump to a kernel that was not loaded by it first',
  });

export const keepsParked = (name: string, parked: string): KjumpError =>
  new KjumpError('BAD_STATE', `${name} cannot be removed while ${parked} is parked`, {
    why: `${parked} left through the image that carries ${name}, and is parked in pages of that image`,
    fix: `remove ${parked} first, or jump back to it`,
  });

export const nothingToRun = (slot: KernelSlot | null): KjumpError =>
  new KjumpError('BAD_STATE', slot === null ? 'no kernel was booted yet' : `${slot.name} is over`, {
    why: slot === null ? 'there is nothing to run' : slot.stopText,
    fix: slot === null ? 'boot a kernel' : 'jump to another kernel by name, boot one, or restore a snapshot',
  });

export const aborted = (signal: AbortSignal): KjumpError =>
  new KjumpError('ABORTED', 'the run was aborted', {
    why: String(signal.reason),
    fix: 'the machine stands between two steps; run it again to go on',
    cause: signal.reason,
  });

/** `WINDOW_VIOLATION` for a store outside the kernel's windows, else `KERNEL_CRASHED`. */
export const crashed = ({ kernel, text, code, address, report }: StopReport): KjumpError =>
  new KjumpError(code === 'windowViolation' ? 'WINDOW_VIOLATION' : 'KERNEL_CRASHED', `${kernel} crashed`, {
    why: text,
    fix: 'restore a snapshot, or jump to another kernel by name',
    details: { kernel, code, address, ...(report === undefined ? {} : { report }) },
  });

export const noDeathReport = ({ name, state }: Kernel): KjumpError =>
  new KjumpError('BAD_STATE', `there is no death report of ${name}`, {
    why:
      state === 'CRASHED'
        ? 'it is not machine code, its thread died, or another kernel has had the machine since'
        : `it is ${state}`,
    fix: 'ask while the kernel that crashed has the machine; the event `crash` carries the report too',
  });

/** The kernel's slot, if the kernel is in one of the states. Throws `BAD_STATE` or `NO_SUCH_KERNEL`. */
export function requireState(kernel: Kernel, what: string, states: readonly KernelStateName[]): KernelSlot {
  const { slot, state } = kernel;
  if (states.includes(state)) return slot;
  throw new KjumpError('BAD_STATE', `${what} is not possible: ${kernel.name} is ${state}`, {
    why: `it must be ${states.join(' or ')}`,
    fix: 'look at kernel.state first',
  });
}

const REASONS: Readonly<Partial<Record<JumpLine, string>>> = {
  lock: 'no image is loaded, the target cannot be entered, or a load is under way',
  'freeze-tasks': 'the kernel did not let its tasks be frozen',
  devices: 'a device refused prepare or freeze',
  'devices-late': 'a device refused freeze late or noirq',
  core: 'an interrupt controller or timer refused to stand still',
  save: 'a device was still at work, or there was no room for the target',
  relocate: 'the list of the image cannot be walked, or a fault was asked for',
};

/** A jump that was turned round: `PM_TEST` if a test asked for it, else `JUMP_REFUSED`; `planned` if failAt was given. */
export function refused(refusal: RefusedEvent | null, leaver: KernelSlot, planned = false): KjumpError {
  const errno = refusal?.errno ?? leaver.get('result');
  const details = { ...refusal, errno, errnoName: errnoName(errno) };
  if (refusal?.byTest) {
    return new KjumpError('PM_TEST', `the jump turned round after ${refusal.line}, as the test asked`, {
      why: 'pmTest stops a jump at this depth',
      fix: 'jump without pmTest to switch',
      details,
    });
  }
  const where = refusal === null ? '' : ` at ${refusal.line}`;
  return new KjumpError('JUMP_REFUSED', `the jump of ${leaver.name} was refused${where} with ${errnoName(errno)}`, {
    why: planned ? 'failAt asked for it' : ((refusal && REASONS[refusal.line]) ?? 'the kernel did not get to jump'),
    fix: planned
      ? 'the kernel goes on; jump without failAt to switch'
      : 'the kernel goes on; mend the cause and jump again',
    details,
  });
}

export function leftByItself(name: string): KjumpError {
  return new KjumpError('BAD_STATE', `${name} cannot be cloned where it is`, {
    why: 'it jumped away by itself: its state is in its own memory, and only its own code can bring it back',
    fix: 'let it come back, or clone it before it jumps',
  });
}
