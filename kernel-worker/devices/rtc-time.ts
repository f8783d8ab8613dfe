// SPDX-License-Identifier: MIT
// The time registers of the MC146818: Unix seconds to bytes and back, binary or BCD, 12 or 24 hours, as register B says,
// and when the alarm comes next. Pure functions over the 128 bytes of CMOS (shared/layout/rtc-state.ts).

export const SECONDS = 0x00;
export const SECONDS_ALARM = 0x01;
export const MINUTES = 0x02;
export const MINUTES_ALARM = 0x03;
export const HOURS = 0x04;
export const HOURS_ALARM = 0x05;
export const DAY_OF_WEEK = 0x06;
export const DATE = 0x07;
export const MONTH = 0x08;
export const YEAR = 0x09;
export const REGISTER_B = 0x0b;
/** Where a PC keeps the century; not a register of the chip. */
export const CENTURY = 0x32;

const B_24_HOURS = 0x02;
const B_BINARY = 0x04;
const PM = 0x80;
/** Alarm bytes from here up match everything. */
const DONT_CARE = 0xc0;
const SECONDS_PER_DAY = 86_400;

/** Registers that hold the time: reading them wants them fresh, writing them sets the clock. */
export function isTimeRegister(index: number): boolean {
  return (
    index === CENTURY || (index <= YEAR && index !== SECONDS_ALARM && index !== MINUTES_ALARM && index !== HOURS_ALARM)
  );
}

export function encodeTime(cmos: Uint8Array, unixSeconds: number): void {
  const date = new Date(unixSeconds * 1000);
  const b = cmos[REGISTER_B]!;
  cmos[SECONDS] = encode(b, date.getUTCSeconds());
  cmos[MINUTES] = encode(b, date.getUTCMinutes());
  cmos[HOURS] = encodeHour(b, date.getUTCHours());
  cmos[DAY_OF_WEEK] = encode(b, date.getUTCDay() + 1);
  cmos[DATE] = encode(b, date.getUTCDate());
  cmos[MONTH] = encode(b, date.getUTCMonth() + 1);
  cmos[YEAR] = encode(b, date.getUTCFullYear() % 100);
  cmos[CENTURY] = encode(b, Math.floor(date.getUTCFullYear() / 100));
}

/** Unix seconds of the time registers; impossible dates carry over, as a calendar does. The day of the week is ignored. */
export function decodeTime(cmos: Uint8Array): number {
  const b = cmos[REGISTER_B]!;
  const year = decode(b, cmos[CENTURY]!) * 100 + decode(b, cmos[YEAR]!);
  const month = decode(b, cmos[MONTH]!) - 1;
  const hour = decodeHour(b, cmos[HOURS]!);
  const date = new Date(0);
  date.setUTCFullYear(year, month, decode(b, cmos[DATE]!));
  return date.getTime() / 1000 + hour * 3600 + decode(b, cmos[MINUTES]!) * 60 + decode(b, cmos[SECONDS]!);
}

/** The first second after `unixSeconds` that matches the alarm bytes; Infinity if no second of a day does. */
export function nextAlarmSecond(cmos: Uint8Array, unixSeconds: number): number {
  const b = cmos[REGISTER_B]!;
  const hours = cmos[HOURS_ALARM]!;
  const minutes = cmos[MINUTES_ALARM]!;
  const seconds = cmos[SECONDS_ALARM]!;
  // An alarm at 25:00 or at 0x7F seconds never comes; it must not be searched for either.
  if (!isPossible(hours, 24, b, encodeHour) || !isPossible(minutes, 60, b, encode)) return Number.POSITIVE_INFINITY;
  if (!isPossible(seconds, 60, b, encode)) return Number.POSITIVE_INFINITY;
  let second = unixSeconds + 1;
  for (;;) {
    const ofDay = second - Math.floor(second / SECONDS_PER_DAY) * SECONDS_PER_DAY;
    if (!matches(hours, encodeHour(b, Math.floor(ofDay / 3600)))) second += 3600 - (ofDay % 3600);
    else if (!matches(minutes, encode(b, Math.floor(ofDay / 60) % 60))) second += 60 - (ofDay % 60);
    else if (!matches(seconds, encode(b, ofDay % 60))) second += 1;
    else return second;
  }
}

/** Whether any value below `count` is encoded as the alarm byte. */
function isPossible(alarm: number, count: number, b: number, encoded: (b: number, value: number) => number): boolean {
  for (let value = 0; value < count; value++) if (matches(alarm, encoded(b, value))) return true;
  return false;
}

function matches(alarm: number, time: number): boolean {
  return alarm >= DONT_CARE || alarm === time;
}

function encode(b: number, value: number): number {
  return b & B_BINARY ? value : (Math.floor(value / 10) << 4) | (value % 10);
}

function decode(b: number, byte: number): number {
  return b & B_BINARY ? byte : (byte >> 4) * 10 + (byte & 15);
}

function encodeHour(b: number, hour: number): number {
  if (b & B_24_HOURS) return encode(b, hour);
  return encode(b, hour % 12 || 12) | (hour >= 12 ? PM : 0);
}

function decodeHour(b: number, byte: number): number {
  if (b & B_24_HOURS) return decode(b, byte);
  return (decode(b, byte & ~PM) % 12) + (byte & PM ? 12 : 0);
}
