// SPDX-License-Identifier: MIT
//
// What the host does for a jump: it leaves the request in the leaver's slot, which runs the jump in its own thread. Only when
// there is no leaver to do so (the kernel that had the machine is over) does the host exchange the pages itself.
import { KjumpError } from '../shared/errors.ts';
import { JUMP_LINES, type JumpLine, LINE, PM_TESTS, type PmTest, Request } from '../shared/jump-lines.ts';
import type { KernelSlot } from '../shared/kernel-slot.ts';
import { isPlainCargoOf } from '../shared/kexec/ending.ts';
import { listsBetween } from '../shared/kexec/home-lists.ts';
import { homePages } from '../shared/kexec/home-pages.ts';
import { STACK_TOP_WORD } from '../shared/layout/control-page.ts';
import { CPU, CR0_ET, CR0_PE, EFLAGS_ALWAYS } from '../shared/layout/cpu-state.ts';
import { KernelState } from '../shared/lifecycle.ts';
import { CPU_RECORD_BYTES } from '../shared/machine-memory.ts';
import { DEVICE_NAMES, PM_PHASES, type PmPhase } from '../shared/pm-phases.ts';
import type { MachineParts } from './machine-parts.ts';
import { checkOptions, oneOf, wholeNumber } from './options.ts';
import { isOver } from './refusals.ts';

/** Where a jump is to fail, for tests of everything that must then be undone. */
export interface FaultPlan {
  readonly line: JumpLine;
  /** For `devices`, `devices-late` and `core`: the device, and the phase; any if absent. */
  readonly device?: string;
  readonly phase?: PmPhase;
  /** For `relocate`: pages exchanged before it fails; default 0. */
  readonly page?: number;
  /** errno to fail with; default EIO. */
  readonly errno?: number;
}

export interface JumpOptions {
  /** Turns round at this depth, as Linux's pm_test does for hibernation. */
  readonly pmTest?: PmTest;
  readonly failAt?: FaultPlan;
}

const JUMP_CHECKS = { pmTest: oneOf(...PM_TESTS), failAt: () => null };
const FAULT_CHECKS = {
  line: oneOf(...JUMP_LINES),
  device: oneOf(...DEVICE_NAMES),
  phase: oneOf(...PM_PHASES),
  page: wholeNumber(0, 2 ** 31 - 1),
  errno: wholeNumber(1, 4095),
};

function checkFault(failAt: FaultPlan): void {
  checkOptions('jump failAt', failAt, FAULT_CHECKS);
  if (failAt.line === undefined) checkOptions('jump failAt', { ...failAt, line: null }, FAULT_CHECKS);
}

/** Leaves the request in the leaver's slot. Throws `BAD_OPTION` with nothing changed. */
export function requestJump(leaver: KernelSlot, to: KernelSlot | null, options: JumpOptions): void {
  checkOptions('jump', options, JUMP_CHECKS);
  const { pmTest, failAt } = options;
  if (failAt !== undefined) checkFault(failAt);
  leaver.set('requestTarget', to?.index ?? -1);
  leaver.set('request', Request.jump);
  leaver.set('pmTest', pmTest === undefined ? 0 : PM_TESTS.indexOf(pmTest) + 1);
  leaver.set('faultLine', failAt === undefined ? 0 : LINE[failAt.line] + 1);
  leaver.set('faultDevice', failAt?.device === undefined ? -1 : DEVICE_NAMES.indexOf(failAt.device));
  leaver.set('faultIndex', failAt?.page ?? (failAt?.phase === undefined ? -1 : PM_PHASES.indexOf(failAt.phase)));
  leaver.set('faultErrno', failAt?.errno ?? 0);
}

/** The registers with which a kernel is booted: flat protected mode, and zero at [ESP], for nobody was here before. */
export function setBootCpu(parts: MachineParts, slot: KernelSlot): void {
  setEntryCpu(parts, slot, slot.address('entry'));
}

/** The same at another address than the entry of the kernel in whose control page the stack is. */
function setEntryCpu({ machine, memory, cpu }: MachineParts, slot: KernelSlot, start: number): void {
  const { offset } = machine.region('cpu');
  machine.u8.fill(0, offset, offset + CPU_RECORD_BYTES);
  const stackTop = slot.address('controlPage') + STACK_TOP_WORD;
  memory.write32(stackTop, 0);
  cpu.esp = stackTop;
  cpu.eip = start;
  cpu.eflags = EFLAGS_ALWAYS;
  cpu.setWord(CPU.cr0, CR0_PE | CR0_ET);
  cpu.setFlatSegments();
}

/** The kernel that had the machine is over: its pages go out and the target's come in, by the host. */
export function enterFromHost(parts: MachineParts, over: KernelSlot, to: KernelSlot | null): void {
  if (to === null) {
    throw new KjumpError('BAD_STATE', `${over.name} is over and cannot say where to go`, {
      why: 'only a running kernel has a loaded image or somebody to go back to',
      fix: 'name the kernel that is to follow',
    });
  }
  if (isOver(to)) {
    throw new KjumpError('BAD_STATE', `${to.name} cannot have the machine: it is over`, {
      why: to.stopText,
      fix: 'name a kernel that is LOADED or PARKED, boot one, or restore a snapshot',
    });
  }
  if (parts.slots.some((loader) => isPlainCargoOf(loader, to))) {
    throw new KjumpError('BAD_STATE', `${to.name} cannot follow ${over.name}`, {
      why: 'it lies in a plain image, which only a jump of the kernel that loaded it brings in',
      fix: 'name another kernel',
    });
  }
  exchangeFromHost(parts, over, over, to);
  setEntryCpu(parts, over, to.state === KernelState.LOADED ? to.address('entry') : to.address('reentry'));
  parts.clock.switches += 1;
  parts.clock.current = to.index;
}

/** Boots into neutral memory, not into what a kernel that is over left standing; if `place` refuses, it stands again. */
export function inNeutralMemory(parts: MachineParts, over: KernelSlot | null, place: () => KernelSlot): KernelSlot {
  if (over === null || over.address('homeHead') === 0) return place();
  exchangeFromHost(parts, over, over, null);
  try {
    return place();
  } catch (error) {
    exchangeFromHost(parts, over, null, over);
    throw error;
  }
}

/** The pages of `from` go out and those of `to` come in; null is neutral memory. `over` gives its swap page for it. */
function exchangeFromHost(
  { slots, journal, options }: MachineParts,
  over: KernelSlot,
  from: KernelSlot | null,
  to: KernelSlot | null,
): void {
  journal.walk(listsBetween(slots, from, to), homePages(over).swapPage, options.relocation, Number.POSITIVE_INFINITY);
  journal.close();
}
