// SPDX-License-Identifier: MIT
//
// Counts its steps at its base and jumps on after each tenth: to whoever was here before, or where its image says. The word at
// base + 12 is 1 while its tasks are frozen.
import type { Guest } from '../../shared/guest.ts';

const FROZEN = 12;

export function step(k: Guest): void {
  const count = k.memory.read32(k.base) + 1;
  k.memory.write32(k.base, count);
  if (count % 10 === 0) k.kexec.jump();
}

export function freeze(k: Guest): number {
  k.memory.write32(k.base + FROZEN, 1);
  return 0;
}

export function thaw(k: Guest): void {
  k.memory.write32(k.base + FROZEN, 0);
}
