// SPDX-License-Identifier: MIT
//
// The report of a death in a machine that stands. It can be made while the kernel that died still has the machine; later the CPU is
// another's, and nothing of the death is left but the text in the slot.
import type { KernelSlot } from '../../shared/kernel-slot.ts';
import { CPU_LAYOUT } from '../../shared/layout/cpu-state.ts';
import { fieldsOf } from '../../shared/layout/fields.ts';
import { EngineKind, SLOT_LAYOUT } from '../../shared/layout/kernel-slot.ts';
import { KernelState } from '../../shared/lifecycle.ts';
import type { MachineViews } from '../../shared/machine-views.ts';
import { StopCode } from '../../shared/stop.ts';
import { PAGE_SIZE } from '../../shared/units.ts';
import { type DeathReport, makeDeathReport } from '../death-report.ts';

/** True if registers and memory are as the kernel left them: machine code whose own doing was its end. */
export const leftAReport = (engine: number, state: number, stopCode: number): boolean =>
  engine === EngineKind.i386 && state === KernelState.CRASHED && stopCode !== StopCode.threadDied;

/** Null if the kernel left nothing to report, or if another has had the machine since. */
export function deathInMachine(views: MachineViews, slot: KernelSlot, kernel = slot.name): DeathReport | null {
  const { machine, memory, slots, clock } = views;
  if (slot.index !== clock.current || !leftAReport(slot.get('engine'), slot.state, slot.get('stopCode'))) return null;
  return makeDeathReport({
    kernel,
    cpu: fieldsOf(machine.view, machine.region('cpu').offset, CPU_LAYOUT),
    slot: fieldsOf(machine.view, slot.base, SLOT_LAYOUT),
    text: slot.stopText,
    windows: slot.windows,
    tick: clock.nowTick(),
    memory: {
      bytes: memory.pageCount * PAGE_SIZE,
      read32: (physAddr) => memory.read32(physAddr),
      read: (physAddr, length) => memory.read(physAddr, length),
    },
    nameOf: (index) => slots[index]?.name || `slot ${index}`,
    reentries: slots.filter(({ state }) => state === KernelState.PARKED).map((parked) => parked.address('reentry')),
  });
}
