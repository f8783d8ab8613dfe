// SPDX-License-Identifier: MIT
//
// Files a note a step: one line in its memory, its number on the POST port. Something to watch change.
import type { Guest } from '../../shared/guest.ts';

const POST = 0x80;
const NOTE_BYTES = 32;

export const COUNT = 0x200000;
export const NOTES = 0x201000;

export function step(k: Guest): void {
  const number = k.memory.read32(COUNT) + 1;
  const note = new TextEncoder().encode(`note ${number} at tick ${k.now}`);
  k.memory.write(NOTES + (number - 1) * NOTE_BYTES, note);
  k.memory.write32(COUNT, number);
  k.cpu.eax = number;
  k.ports.out8(POST, number);
}
