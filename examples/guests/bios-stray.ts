// SPDX-License-Identifier: MIT
//
// A function with a bug: it stores where its caller told it to, and looks at nothing.
import type { Guest } from '../../shared/guest.ts';

export function call(k: Guest): void {
  k.memory.write32(k.cpu.edi, 0xdead);
}
