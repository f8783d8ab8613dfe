// SPDX-License-Identifier: MIT
//
// Throws whenever its tasks are to be frozen.
export function step(): void {}

export function freeze(): number {
  throw new Error('never');
}
