// SPDX-License-Identifier: MIT
//
// A, the system that is hibernated. It counts timer interrupts and fills memory, half of it inside the window that it must give
// away. At the hundredth tick it loads the saver (kexec --load-preserve-context) and jumps (kexec -e). That call returns some
// time later, in another process, and A goes on to the two hundredth tick.
import type { Guest } from '../../shared/guest.ts';
import { WINDOW } from './dump.ts';

export const TICKS = 0x200000;
/** 1: the jump has returned, and memory was as A left it. */
export const INTACT = 0x200004;
/** 64 pages, half of them on either side of the window's end. */
const WORK = WINDOW.end - 0x20000;
const WORK_BYTES = 0x40000;

export function start(k: Guest): void {
  k.timer.start(100);
}

export function interrupt(k: Guest, vector: number): void {
  k.timer.acknowledge(vector);
  const ticks = k.memory.read32(TICKS) + 1;
  k.memory.write32(TICKS, ticks);
  k.memory.fill(WORK + ((ticks * 4096) % WORK_BYTES), 4096, ticks);
  if (ticks === 100) goToSleep(k);
  if (ticks === 200) k.powerOff();
}

/** From here on until the jump returns, nothing is left of A but its memory and its registers. */
function goToSleep(k: Guest): void {
  k.kexec.loadKernel('./saver', WINDOW);
  k.cpu.ebx = k.memory.crc32(WORK, WORK_BYTES);
  k.kexec.jump();
}

/** Runs between interrupts: A has just come back, or waits for the next tick. */
export function step(k: Guest): void {
  if (k.kexec.loaded) wakeUp(k);
  k.halt();
}

function wakeUp(k: Guest): void {
  const intact = k.kexec.result === 0 && k.memory.crc32(WORK, WORK_BYTES) === k.cpu.ebx >>> 0;
  k.memory.write32(INTACT, intact ? 1 : 0);
  k.console.write(`${k.name} goes on after tick ${k.memory.read32(TICKS)}, memory ${intact ? 'intact' : 'DAMAGED'}\n`);
  // The image is dead: the kernel that it held is gone.
  k.kexec.unload();
}
