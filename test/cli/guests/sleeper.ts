// SPDX-License-Identifier: MIT
//
// Greets, counts, and powers off with status 7 at its fifth step.
import type { Guest } from '../../../shared/guest.ts';

export function start(k: Guest): void {
  k.console.write('good morning\n');
}

export function step(k: Guest): void {
  const count = k.memory.read32(k.base) + 1;
  k.memory.write32(k.base, count);
  if (count === 5) k.powerOff(7);
}
