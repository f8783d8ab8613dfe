// SPDX-License-Identifier: MIT
//
// Makes memory that is not zero: a page a step, every page or every other one, from its base to its end.
import type { Guest } from '../../shared/guest.ts';

const PAGE = 4096;

export function step(k: Guest): void {
  const next = k.memory.read32(k.base) || k.base + PAGE;
  if (next >= k.end) return;
  for (let i = 0; i < PAGE; i += 4) k.memory.write32(next + i, Math.imul(next + i, 0x9e3779b1));
  k.memory.write32(k.base, next + PAGE);
}
