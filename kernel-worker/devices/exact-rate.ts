// SPDX-License-Identifier: MIT
// Clocks that do not divide a nanosecond, without drift: the number of cycles is worked out from the whole span, never
// added up. Spans are split at whole seconds, so that every product stays below 2^53 and is exact (1e9 × 1.2e6). Floor and
// ceil of the quotients are exact too: a quotient that is not whole is at least 1/divisor away from the next integer, and
// the rounding of a double of that size is less than an eighth of it.

const TICKS_PER_SECOND = 1e9;

/** Whole cycles of a clock of `hz` (an integer up to 1.2 MHz) in a span of `ticks` ≥ 0. */
export function cyclesInTicks(ticks: number, hz: number): number {
  const seconds = Math.floor(ticks / TICKS_PER_SECOND);
  return seconds * hz + Math.floor(((ticks - seconds * TICKS_PER_SECOND) * hz) / TICKS_PER_SECOND);
}

/** The shortest span of whole ticks that holds `cycles` whole cycles: the tick of that cycle's edge. Infinity stays. */
export function ticksForCycles(cycles: number, hz: number): number {
  if (cycles === Number.POSITIVE_INFINITY) return cycles;
  const seconds = Math.floor(cycles / hz);
  return seconds * TICKS_PER_SECOND + Math.ceil(((cycles - seconds * hz) * TICKS_PER_SECOND) / hz);
}
