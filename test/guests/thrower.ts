// SPDX-License-Identifier: MIT
import type { Guest } from '../../shared/guest.ts';

export function step(k: Guest): void {
  throw new Error(`${k.name} fails on purpose`);
}
