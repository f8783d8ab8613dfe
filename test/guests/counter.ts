// SPDX-License-Identifier: MIT
//
// Counts its steps at its base, and jumps on every hundredth.
import type { Guest } from '../../shared/guest.ts';

export function start(k: Guest): void {
  k.console.write(`${k.name} starts\n`);
}

export function step(k: Guest): void {
  k.memory.write32(k.base, k.memory.read32(k.base) + 1);
}
