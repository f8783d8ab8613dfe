// SPDX-License-Identifier: MIT
//
// Vitest names the tests that it skips, and not why: once a run, for those that need the Linux guest.
import { HOW_TO_GET_IT, hasLinuxGuest } from '../../examples/linux-guest.ts';

export function setup(): void {
  if (!hasLinuxGuest) console.log(`Tests with the Linux guest are skipped: ${HOW_TO_GET_IT}.`);
}
