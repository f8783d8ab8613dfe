// SPDX-License-Identifier: MIT
//
// The system of machine/kernel/ once more, in TypeScript: it counts 100 timer interrupts a second and chains them into a digest, keeps
// 64 KiB of patterns, and looks between interrupts whether a byte of them is another one. It powers off if so.
import type { Guest } from '../../shared/guest.ts';
import { CHAIN_START, chainStep, STATUS, STATUS_MAGIC } from './status.ts';

/** Where its status page is. */
export const STATUS_PAGE = 0x200000;
const CHECKSUM = STATUS_PAGE + 0x800;
const BALLAST = 0x300000;
const BALLAST_BYTES = 0x10000;
const DAMAGED = 2;

export function start(k: Guest): void {
  for (let at = 0; at < BALLAST_BYTES; at += 4) k.memory.write32(BALLAST + at, Math.imul(at, 2654435761));
  k.memory.write32(CHECKSUM, k.memory.crc32(BALLAST, BALLAST_BYTES));
  k.memory.write32(STATUS_PAGE + STATUS.magic, STATUS_MAGIC);
  k.memory.write(STATUS_PAGE + STATUS.name, new TextEncoder().encode(k.name.slice(0, 4)));
  k.memory.write32(STATUS_PAGE + STATUS.digest, CHAIN_START);
  k.timer.start(100);
  k.console.write(`kernel ${k.name}, in TypeScript\n`);
}

export function interrupt(k: Guest, vector: number): void {
  k.timer.acknowledge(vector);
  const ticks = k.memory.read32(STATUS_PAGE + STATUS.ticks) + 1;
  k.memory.write32(STATUS_PAGE + STATUS.ticks, ticks);
  const digest = chainStep(k.memory.read32(STATUS_PAGE + STATUS.digest), ticks);
  k.memory.write32(STATUS_PAGE + STATUS.digest, digest);
  if (ticks % 5 !== 0) return;
  k.console.write(`${k.name}: tick ${ticks}, digest ${(digest >>> 0).toString(16).padStart(8, '0')}\n`);
}

export function step(k: Guest): void {
  if (k.memory.crc32(BALLAST, BALLAST_BYTES) !== k.memory.read32(CHECKSUM) >>> 0) k.powerOff(DAMAGED);
  k.halt();
}
