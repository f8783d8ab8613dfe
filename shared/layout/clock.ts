// SPDX-License-Identifier: MIT
//
// The clock record: virtual time and the counters that belong to the machine. Written by the owner of the CPU between steps
// and at switches, by the host when it resumes an image. One tick is one nanosecond of virtual time.
import { field, recordLayout } from './fields.ts';

export const CLOCK = {
  nowTick: 0,
  switches: 8,
  seed: 16,
  generation: 20,
  current: 24,
  poweredOn: 28,
  foreground: 32,
  outsideSeconds: 40,
  identityKey: 48,
} as const;

export const CLOCK_LAYOUT = recordLayout('clock', 256, [
  field('nowTick', CLOCK.nowTick, 'f64', 'virtual time, in ticks of one nanosecond'),
  field('switches', CLOCK.switches, 'f64', 'switches so far'),
  field('seed', CLOCK.seed, 'u32', 'seed of the machine'),
  field('generation', CLOCK.generation, 'u32', 'raised by every restore, resume and clone'),
  field('current', CLOCK.current, 'i32', 'slot of the kernel that has the machine; -1 before the first'),
  field('foreground', CLOCK.foreground, 'i32', 'slot whose console is in the foreground; -1 nobody'),
  field('poweredOn', CLOCK.poweredOn, 'u32', '1 once the devices have been reset'),
  field('outsideSeconds', CLOCK.outsideSeconds, 'f64', 'seconds by which resumes have moved the wall time ahead'),
  field('identityKey', CLOCK.identityKey, 'u32', 'what the generation ids of kernels are made from', 4),
]);
