// SPDX-License-Identifier: MIT
//
// The states of a kernel and the transitions between them. EMPTY → LOADED → RUNNING → QUIESCING → PARKED → RUNNING …; OFF and
// CRASHED end a life. Anything else is our own contradiction.
import { assert } from './errors.ts';

export const KernelState = {
  EMPTY: 0,
  LOADED: 1,
  RUNNING: 2,
  QUIESCING: 3,
  PARKED: 4,
  OFF: 5,
  CRASHED: 6,
} as const;
export type KernelStateName = keyof typeof KernelState;
export type KernelStateValue = (typeof KernelState)[KernelStateName];

const NAMES = Object.keys(KernelState) as KernelStateName[];

const LEGAL: Readonly<Record<KernelStateName, readonly KernelStateName[]>> = {
  // A kernel found in memory alone (its control page) is parked from the start, and so is a clone.
  EMPTY: ['LOADED', 'PARKED'],
  LOADED: ['RUNNING', 'EMPTY'],
  RUNNING: ['QUIESCING', 'OFF', 'CRASHED'],
  // Back to RUNNING when the jump was refused; OFF when it was a plain kexec.
  QUIESCING: ['RUNNING', 'PARKED', 'OFF', 'CRASHED'],
  PARKED: ['RUNNING', 'EMPTY'],
  OFF: ['EMPTY'],
  CRASHED: ['EMPTY'],
};

export function stateName(state: number): KernelStateName {
  const name = NAMES[state];
  assert(name !== undefined, `no kernel state ${state}`);
  return name;
}

export function assertTransition(from: number, to: number): void {
  assert(
    LEGAL[stateName(from)].includes(stateName(to)),
    `a kernel cannot go from ${stateName(from)} to ${stateName(to)}`,
  );
}
