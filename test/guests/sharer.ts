// SPDX-License-Identifier: MIT
//
// Counts in a shared window, at 3 MiB, and notes in its own memory what it saw there first.
import type { Guest } from '../../shared/guest.ts';

const SHARED = 0x300000;

export function start(k: Guest): void {
  k.memory.write32(k.base, k.memory.read32(SHARED));
}

export function step(k: Guest): void {
  k.memory.write32(SHARED, k.memory.read32(SHARED) + 1);
}
