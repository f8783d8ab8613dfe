// SPDX-License-Identifier: MIT
//
// Hibernates at every tenth tick: what it takes to do so again in the machine in which it woke up.
import { WINDOW } from '../../examples/guests/dump.ts';
import type { Guest } from '../../shared/guest.ts';

export const TICKS = 0x200000;
/** Times that a jump returned with the checksum right. */
export const NAPS = 0x200004;
const WORK = WINDOW.end - 0x4000;
const WORK_BYTES = 0x8000;

export function start(k: Guest): void {
  k.timer.start(100);
}

export function interrupt(k: Guest, vector: number): void {
  k.timer.acknowledge(vector);
  const ticks = k.memory.read32(TICKS) + 1;
  k.memory.write32(TICKS, ticks);
  k.memory.fill(WORK + ((ticks * 4096) % WORK_BYTES), 4096, ticks);
  if (ticks % 10 !== 0) return;
  k.kexec.loadKernel('../../examples/guests/saver', WINDOW);
  k.cpu.ebx = k.memory.crc32(WORK, WORK_BYTES);
  k.kexec.jump();
}

export function step(k: Guest): void {
  if (k.kexec.loaded) {
    const intact = k.kexec.result === 0 && k.memory.crc32(WORK, WORK_BYTES) === k.cpu.ebx >>> 0;
    if (intact) k.memory.write32(NAPS, k.memory.read32(NAPS) + 1);
    k.kexec.unload();
  }
  k.halt();
}
