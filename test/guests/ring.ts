// SPDX-License-Identifier: MIT
//
// One of several kernels K0, K1, … at one address. In each turn it checks the checksum of its own memory, changes a word of it
// chosen by a generator that is in memory too, renews the checksum, and jumps to another kernel, chosen the same way.
//
// Words from the base: turns, generator, checksum, errors, kernels in the ring; data from the next page on.
import type { Guest } from '../../shared/guest.ts';

export const DATA_BYTES = 16 * 4096;
const TURNS = 0;
const GENERATOR = 4;
const CHECKSUM = 8;
const ERRORS = 12;
const KERNELS = 16;
const DATA = 4096;

export function start(k: Guest): void {
  const { memory, base } = k;
  for (let i = 0; i < DATA_BYTES; i += 4) memory.write32(base + DATA + i, Math.imul(i + own(k), 0x9e3779b1));
  memory.write32(base + GENERATOR, own(k) + 1);
  memory.write32(base + CHECKSUM, memory.crc32(base + DATA, DATA_BYTES));
  if (memory.read32(base + KERNELS) === 0) memory.write32(base + KERNELS, 4);
}

export function step(k: Guest): void {
  const { memory, base } = k;
  if (memory.crc32(base + DATA, DATA_BYTES) !== memory.read32(base + CHECKSUM) >>> 0) {
    memory.write32(base + ERRORS, memory.read32(base + ERRORS) + 1);
  }
  const random = Math.imul(memory.read32(base + GENERATOR), 1664525) + 1013904223;
  memory.write32(base + GENERATOR, random);
  memory.write32(base + DATA + ((random >>> 8) % (DATA_BYTES / 4)) * 4, random);
  memory.write32(base + CHECKSUM, memory.crc32(base + DATA, DATA_BYTES));
  memory.write32(base + TURNS, memory.read32(base + TURNS) + 1);
  const kernels = memory.read32(base + KERNELS);
  const other = (own(k) + 1 + ((random >>> 20) % (kernels - 1))) % kernels;
  k.kexec.jump(`K${other}`);
}

const own = (k: Guest): number => Number(k.name.slice(1));
