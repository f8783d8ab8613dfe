// SPDX-License-Identifier: MIT
//
// Stores behind the end of its window: in its first step, or, if its name is early, before that.
import type { Guest } from '../../../shared/guest.ts';

export function start(k: Guest): void {
  if (k.name === 'early') step(k);
}

export function step(k: Guest): void {
  k.console.write('about to stray\n');
  k.memory.write32(k.end, 1);
}
