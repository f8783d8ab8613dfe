// SPDX-License-Identifier: MIT
//
// Everything that is known of a machine, as plain data: geometry, clock, kernels, CPU, devices, frames.

import type { PageWindow } from '../shared/kernel-slot.ts';
import { CLOCK_LAYOUT } from '../shared/layout/clock.ts';
import { CPU_LAYOUT } from '../shared/layout/cpu-state.ts';
import { DEVICE_MAP } from '../shared/layout/device-map.ts';
import { fieldsOf, type RecordLayout } from '../shared/layout/fields.ts';
import { KernelState, type KernelStateName, stateName } from '../shared/lifecycle.ts';
import { PAGE_SIZE } from '../shared/units.ts';
import type { MachineParts } from './machine-parts.ts';

export type Fields = Readonly<Record<string, number | number[]>>;

export interface Inspection {
  readonly memoryBytes: number;
  readonly clock: Fields;
  readonly cpu: Fields;
  readonly devices: Readonly<Record<string, Fields>>;
  readonly kernels: readonly KernelInspection[];
  readonly frames: {
    readonly total: number;
    readonly free: number;
    /** Promised to stores. */
    readonly reserved: number;
    readonly captures: number;
  };
}

export interface KernelInspection {
  readonly name: string;
  readonly slot: number;
  readonly state: KernelStateName;
  readonly hasMachine: boolean;
  readonly windows: readonly PageWindow[];
  readonly entry: number;
  readonly reentry: number;
  readonly hiddenPages: number;
  readonly kexecLoaded: boolean;
  readonly steps: number;
  readonly ticks: number;
  readonly arrivals: number;
  readonly departures: number;
}

export function inspectMachine(parts: MachineParts): Inspection {
  const { machine, memory, captures, clock, slots, hidden } = parts;
  const fieldsAt = (layout: RecordLayout, base: number): Fields => fieldsOf(machine.view, base, layout);
  const devices = machine.region('devices').offset;
  return {
    memoryBytes: memory.ramPages * PAGE_SIZE,
    clock: fieldsAt(CLOCK_LAYOUT, machine.region('clock').offset),
    cpu: fieldsAt(CPU_LAYOUT, machine.region('cpu').offset),
    devices: Object.fromEntries(
      DEVICE_MAP.map(({ name, layout, offset }) => [name, fieldsAt(layout, devices + offset)]),
    ),
    kernels: slots
      .filter((slot) => slot.state !== KernelState.EMPTY)
      .map((slot) => ({
        name: slot.name,
        slot: slot.index,
        state: stateName(slot.state),
        hasMachine: slot.index === clock.current,
        windows: slot.windows,
        entry: slot.address('entry'),
        reentry: slot.address('reentry'),
        hiddenPages: hidden.of(slot.index).length,
        kexecLoaded: slot.kexecImage.loaded,
        steps: slot.steps,
        ticks: slot.ticksRun,
        arrivals: slot.get('arrivals'),
        departures: slot.get('departures'),
      })),
    frames: {
      total: memory.frames.count,
      free: memory.frames.free,
      reserved: memory.frames.reserved,
      captures: captures.list().length,
    },
  };
}
