// SPDX-License-Identifier: MIT
//
// Uses everything a kernel has: timer interrupts, the serial port, the RTC, the disk, halts, its own pages and image.
import type { Guest } from '../../shared/guest.ts';

const UART = 0x3f8;
const TICKS = 0;
const STEPS = 4;

export function start(k: Guest): void {
  k.timer.start(1000);
  for (let i = 0; i < 4; i++) k.memory.write32(k.base + 64 + 4 * i, k.pages.allocate());
}

export function step(k: Guest): void {
  const steps = k.memory.read32(k.base + STEPS) + 1;
  k.memory.write32(k.base + STEPS, steps);
  k.ports.out8(UART, 0x41 + (steps % 26));
  k.ports.out8(0x70, steps % 10);
  k.memory.write8(k.base + 128 + (steps % 64), k.ports.in8(0x71));
  if (steps % 16 === 0 && k.disk.sectors > 0) {
    k.disk.write(steps % 64, 1, k.base);
    k.disk.read(steps % 64, 1, k.memory.read32(k.base + 64));
  }
  if (steps % 8 === 0) k.console.write(`${k.name} ${steps} at ${k.now}\n`);
  if (steps % 32 === 0) k.kexec.jump();
  else if (steps % 4 === 0) k.halt();
}

export function interrupt(k: Guest, vector: number): void {
  k.memory.write32(k.base + TICKS, k.memory.read32(k.base + TICKS) + 1);
  k.timer.acknowledge(vector);
}
