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
  /** Machine code: the exception chain is in the slot. */
  tripleFault: 7,
  /** Machine code came back to another kernel in a state that would destroy that kernel. */
  badReturn: 8,
  /** It asked for a reset of the machine. */
  reset: 9,
} as const;
export type StopCodeName = keyof typeof StopCode;
export type StopCodeValue = (typeof StopCode)[StopCodeName];

const REASONS = Object.keys(StopReason) as StopReasonName[];
const CODES = Object.keys(StopCode) as StopCodeName[];
export const stopReasonName = (value: number): StopReasonName => REASONS[value] ?? 'none';
export const stopCodeName = (value: number): StopCodeName => CODES[value] ?? 'none';

/** One exception, or interrupt, of those that led to a triple fault, where the CPU stood when it was to be delivered. */
export interface StopLink {
  readonly vector: number;
  /** A line of the interrupt controller, and no exception. */
  readonly external: boolean;
  /** −1: the vector has none. */
  readonly errorCode: number;
  readonly eip: number;
  readonly cs: number;
}

/**
 * The longest chain there is (SDM vol. 3A tables 6-4 and 6-5): a benign event, a contributory fault, #PF, one that makes #DF of
 * it, #DF, and what shuts down.
 */
export const STOP_CHAIN_MAX = 6;
/** Words of a link: vector + 1 (0: no link) with `EXTERNAL`, error code, EIP, CS. */
export const STOP_LINK_WORDS = 4;
const EXTERNAL = 0x1000;

export function stopChainWords(chain: readonly StopLink[]): number[] {
  const words = chain.flatMap(({ vector, external, errorCode, eip, cs }) => [
    (vector + 1) | (external ? EXTERNAL : 0),
    errorCode,
    eip,
    cs,
  ]);
  return Array.from({ length: STOP_CHAIN_MAX * STOP_LINK_WORDS }, (_, i) => words[i] ?? 0);
}

export function stopChainOf(words: readonly number[]): StopLink[] {
  const chain: StopLink[] = [];
  for (let at = 0; at < words.length && words[at] !== 0; at += STOP_LINK_WORDS) {
    const [head, errorCode, eip, cs] = words.slice(at, at + STOP_LINK_WORDS);
    const external = (head & EXTERNAL) !== 0;
    chain.push({ vector: (head & ~EXTERNAL) - 1, external, errorCode: errorCode | 0, eip: eip >>> 0, cs });
  }
  return chain;
}
