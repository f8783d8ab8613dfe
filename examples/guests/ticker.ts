// SPDX-License-Identifier: MIT
//
// Waits for timer interrupts and counts them: a kernel with devices at work.
import type { Guest } from '../../shared/guest.ts';

export const TICKS = 0x200000;

export function start(k: Guest): void {
  k.timer.start(1000);
}

export function step(k: Guest): void {
  k.halt();
}

export function interrupt(k: Guest, vector: number): void {
  k.timer.acknowledge(vector);
  k.memory.write32(TICKS, k.memory.read32(TICKS) + 1);
}
