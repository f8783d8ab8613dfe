// SPDX-License-Identifier: MIT
//
// Fills its window, so that a copy of it needs as many frames.
import type { Guest } from '../../../shared/guest.ts';

export function start(k: Guest): void {
  k.memory.fill(k.base, k.end - k.base, 0x5a);
}

export function step(): void {}
