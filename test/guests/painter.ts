// SPDX-License-Identifier: MIT
//
// Paints its whole window anew in every step, so that a page kept wrongly shows.
import type { Guest } from '../../shared/guest.ts';

const PAGE = 4096;

export function step(k: Guest): void {
  const count = k.memory.read32(k.base) + 1;
  k.memory.write32(k.base, count);
  k.memory.fill(k.base + PAGE, k.end - k.base - PAGE, count & 0xff);
}
