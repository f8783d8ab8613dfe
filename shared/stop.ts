// SPDX-License-Identifier: MIT
//
// Why things stop. StopReason: why the owner gave the CPU back to the host. StopCode: why a kernel stopped for good; with the
// text and address beside it in the kernel's slot it is the report of its end.

export const StopReason = {
  none: 0,
  /** The run reached its limit of ticks, steps or switches. */
  limit: 1,
  /** The host asked. */
  requested: 2,
  /** The kernel powered the machine off. */
  powerOff: 3,
  /** The kernel crashed. */
  crashed: 4,
  /** Everything waits for an interrupt that no device will ever raise. */
  deadlock: 5,
} as const;
export type StopReasonName = keyof typeof StopReason;
export type StopReasonValue = (typeof StopReason)[StopReasonName];

export const StopCode = {
  none: 0,
  powerOff: 1,
  windowViolation: 2,
  exception: 3,
  threadDied: 4,
  badEntry: 5,
  debugExit: 6,
} as const;
export type StopCodeName = keyof typeof StopCode;
export type StopCodeValue = (typeof StopCode)[StopCodeName];

const REASONS = Object.keys(StopReason) as StopReasonName[];
const CODES = Object.keys(StopCode) as StopCodeName[];
export const stopReasonName = (value: number): StopReasonName => REASONS[value] ?? 'none';
export const stopCodeName = (value: number): StopCodeName => CODES[value] ?? 'none';
