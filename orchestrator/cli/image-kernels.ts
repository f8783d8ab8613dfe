// SPDX-License-Identifier: MIT
//
// The kernels of an image, read from its slot records with nothing but their table: no machine is made for it.
import { CLOCK } from '../../shared/layout/clock.ts';
import type { Field } from '../../shared/layout/fields.ts';
import { readField } from '../../shared/layout/fields.ts';
import { EngineKind, SLOT_LAYOUT, WINDOW_SHARED, WINDOW_WORDS } from '../../shared/layout/kernel-slot.ts';
import { KernelState, type KernelStateName, stateName } from '../../shared/lifecycle.ts';
import type { Image } from '../images/hibernation.ts';

export interface ImageKernel {
  readonly slot: number;
  readonly name: string;
  readonly state: KernelStateName;
  readonly hasMachine: boolean;
  readonly engine: string;
  readonly windows: readonly { readonly firstPage: number; readonly endPage: number; readonly shared: boolean }[];
  readonly entry: number;
  readonly reentry: number;
  readonly steps: number;
  readonly ticks: number;
  readonly arrivals: number;
  readonly departures: number;
  readonly hiddenPages: number;
  readonly stopText: string;
}

const FIELDS = new Map(SLOT_LAYOUT.fields.map((field) => [field.name, field]));

export function kernelsOf({ head, records }: Image): ImageKernel[] {
  const { slots, clock } = records;
  const current = new DataView(clock.buffer, clock.byteOffset).getInt32(CLOCK.current, true);
  const view = new DataView(slots.buffer, slots.byteOffset, slots.length);
  return Array.from({ length: head.geometry.maxKernels }, (_, slot) => {
    const value = (name: string) => readField(view, slot * SLOT_LAYOUT.bytes, FIELDS.get(name) as Field);
    const number = (name: string) => value(name) as number;
    return {
      slot,
      name: textOf(value('name')),
      state: stateName(number('state')),
      hasMachine: slot === current,
      engine: Object.entries(EngineKind).find(([, kind]) => kind === number('engine'))?.[0] ?? 'unknown',
      windows: windowsOf(value('windows') as number[]),
      entry: number('entry'),
      reentry: number('reentry'),
      steps: number('steps'),
      ticks: number('ticksRun'),
      arrivals: number('arrivals'),
      departures: number('departures'),
      hiddenPages: records['hidden-owners'].reduce((count, owner) => count + Number(owner === slot + 1), 0),
      stopText: textOf(value('stopText')),
    };
  }).filter(({ state }) => KernelState[state] !== KernelState.EMPTY);
}

function textOf(bytes: number | number[]): string {
  const all = Uint8Array.from(bytes as number[]);
  const end = all.indexOf(0);
  return new TextDecoder().decode(end < 0 ? all : all.subarray(0, end));
}

function windowsOf(words: readonly number[]): ImageKernel['windows'] {
  return Array.from({ length: words.length / WINDOW_WORDS }, (_, i) => {
    const [firstPage, endPage, flags] = words.slice(i * WINDOW_WORDS);
    return { firstPage, endPage, shared: (flags & WINDOW_SHARED) !== 0 };
  }).filter(({ firstPage, endPage }) => endPage > firstPage);
}
