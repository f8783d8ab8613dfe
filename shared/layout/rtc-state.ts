// SPDX-License-Identifier: MIT
// The MC146818 real-time clock and its 128 bytes of CMOS, written by kernel-worker/devices/rtc.ts. Registers by the
// names of Motorola's MC146818A data sheet. While the clock runs, the time registers in `cmos` are only as new as their
// last use: the truth is baseSeconds and the divider's phase.
import { field, recordLayout } from './fields.ts';

export const CMOS_BYTES = 128;

export const RTC = {
  CMOS: 0,
  BASE_SECONDS: 128,
  DIVIDER_TICK: 136,
  FLAGS_TICK: 144,
  DEADLINE: 152,
  INDEX: 160,
  SAVED_B: 161,
  FROZEN: 162,
  OUTSIDE_SECONDS: 168,
} as const;

export const RTC_STATE_BYTES = 192;

export const RTC_STATE = recordLayout('rtc', RTC_STATE_BYTES, [
  field('cmos', RTC.CMOS, 'u8', 'time, registers A-D (0x0A-0x0D) and CMOS memory', CMOS_BYTES),
  field('baseSeconds', RTC.BASE_SECONDS, 'f64', 'Unix seconds at dividerTick'),
  field('dividerTick', RTC.DIVIDER_TICK, 'f64', 'tick at which the divider chain began a second'),
  field('flagsTick', RTC.FLAGS_TICK, 'f64', 'tick up to which PF, AF and UF are worked out'),
  field('deadlineTick', RTC.DEADLINE, 'f64', 'next tick at which an enabled flag is set'),
  field('index', RTC.INDEX, 'u8', 'port 0x70: address in bits 0-6, NMI disabled in bit 7'),
  field('savedB', RTC.SAVED_B, 'u8', 'register B from before the freeze'),
  field('frozen', RTC.FROZEN, 'u8', '1 between freeze and restore'),
  field('outsideSeconds', RTC.OUTSIDE_SECONDS, 'f64', 'the outsideSeconds of the machine that baseSeconds has in it'),
]);
