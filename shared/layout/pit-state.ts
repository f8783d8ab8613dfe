// SPDX-License-Identifier: MIT
// The 8254 interval timer, written by kernel-worker/devices/pit.ts and pit-counter.ts. Registers by the names of Intel's
// 8254 data sheet (order number 231164). Moments are numbers of CLK pulses since tick 0, not ticks: the counters live on
// whole pulses, and so no rounding can add up.
import { type Field, field, recordLayout } from './fields.ts';

/** Offsets within one counter's slice. */
export const PIT_COUNTER = {
  CE_CLOCK: 0,
  EVENT_CLOCK: 8,
  LOAD_CLOCK: 16,
  CE: 24,
  PERIOD: 28,
  CR: 32,
  OL: 34,
  CONTROL: 36,
  STATUS_LATCH: 37,
  GATE: 38,
  OUT: 39,
  CR_LSB: 40,
  WRITE_MSB: 41,
  READ_MSB: 42,
  COUNT_LATCHED: 43,
  STATUS_LATCHED: 44,
  NULL_COUNT: 45,
  WRITTEN: 46,
  LOADED: 47,
  ARMED: 48,
  RUNNING: 49,
} as const;

export const PIT_COUNTER_BYTES = 64;

/** Offsets within the record, after the three counters. */
export const PIT = {
  PORT_B: 192,
  SUSPENDED_CLOCK: 200,
} as const;

export const PIT_STATE_BYTES = 256;

function counterFields(counter: number): Field[] {
  const name = `counter${counter}`;
  const base = counter * PIT_COUNTER_BYTES;
  return [
    field(`${name}.ceClock`, base + PIT_COUNTER.CE_CLOCK, 'f64', 'CLK pulse at which CE held the value below'),
    field(`${name}.eventClock`, base + PIT_COUNTER.EVENT_CLOCK, 'f64', 'CLK pulse of the next change of OUT'),
    field(`${name}.loadClock`, base + PIT_COUNTER.LOAD_CLOCK, 'f64', 'CLK pulse that moves CR into CE'),
    field(`${name}.CE`, base + PIT_COUNTER.CE, 'u32', 'counting element at ceClock, 1-65536'),
    field(`${name}.period`, base + PIT_COUNTER.PERIOD, 'u32', 'count that was loaded last'),
    field(`${name}.CR`, base + PIT_COUNTER.CR, 'u16', 'count register as written (BCD or binary)'),
    field(`${name}.OL`, base + PIT_COUNTER.OL, 'u16', 'output latch'),
    field(`${name}.control`, base + PIT_COUNTER.CONTROL, 'u8', 'control word: RW1 RW0 M2 M1 M0 BCD'),
    field(`${name}.statusLatch`, base + PIT_COUNTER.STATUS_LATCH, 'u8', 'latched status byte'),
    field(`${name}.GATE`, base + PIT_COUNTER.GATE, 'u8', 'level of GATE'),
    field(`${name}.OUT`, base + PIT_COUNTER.OUT, 'u8', 'level of OUT'),
    field(`${name}.crLSB`, base + PIT_COUNTER.CR_LSB, 'u8', 'low byte of a count half written'),
    field(`${name}.writeMSB`, base + PIT_COUNTER.WRITE_MSB, 'u8', 'the next write is the high byte'),
    field(`${name}.readMSB`, base + PIT_COUNTER.READ_MSB, 'u8', 'the next read is the high byte'),
    field(`${name}.countLatched`, base + PIT_COUNTER.COUNT_LATCHED, 'u8', 'bytes of OL still to be read'),
    field(`${name}.statusLatched`, base + PIT_COUNTER.STATUS_LATCHED, 'u8', 'the next read is the status'),
    field(`${name}.nullCount`, base + PIT_COUNTER.NULL_COUNT, 'u8', 'CR not yet moved into CE'),
    field(`${name}.written`, base + PIT_COUNTER.WRITTEN, 'u8', 'a count was written since the control word'),
    field(`${name}.loaded`, base + PIT_COUNTER.LOADED, 'u8', 'CE was loaded since the control word'),
    field(`${name}.armed`, base + PIT_COUNTER.ARMED, 'u8', 'the terminal count is still to come'),
    field(`${name}.running`, base + PIT_COUNTER.RUNNING, 'u8', 'CE is being decremented'),
  ];
}

export const PIT_STATE = recordLayout('pit', PIT_STATE_BYTES, [
  ...counterFields(0),
  ...counterFields(1),
  ...counterFields(2),
  field('portB', PIT.PORT_B, 'u8', 'port 0x61: GATE2, speaker and check enables as written'),
  field('suspendedClock', PIT.SUSPENDED_CLOCK, 'f64', 'CLK pulse of the suspend, Infinity when not suspended'),
]);
