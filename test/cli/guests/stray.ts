// SPDX-License-Identifier: MIT
//
// Says something, then stores behind the end of its window.
import type { Guest } from '../../../shared/guest.ts';

export function step(k: Guest): void {
  k.console.write('about to stray\n');
  k.memory.write32(k.end, 1);
}
