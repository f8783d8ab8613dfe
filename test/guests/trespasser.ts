// SPDX-License-Identifier: MIT
//
// Stores one byte behind its window in its second step, and hides the exception.
import type { Guest } from '../../shared/guest.ts';

export function step(k: Guest): void {
  if (k.memory.read32(k.base) === 0) {
    k.memory.write32(k.base, 1);
    return;
  }
  try {
    k.memory.write8(k.end, 0x55);
  } catch {
    // A kernel that catches it is stopped all the same.
  }
}
