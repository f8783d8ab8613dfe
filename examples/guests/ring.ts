// SPDX-License-Identifier: MIT
//
// One of three kernels that pass the machine round: A to B to C to A. All three live at the same physical addresses. Each of
// them counts its turns and keeps a page of data under a checksum: were a byte of another kernel left in its window, or one
// of its own lost, it would see it.
import type { Guest } from '../../shared/guest.ts';

const NEXT: Readonly<Record<string, string>> = { A: 'B', B: 'C', C: 'A' };

export const TURNS = 0x200000;
export const ERRORS = 0x200004;
const CHECKSUM = 0x200008;
const DATA = 0x201000;
const DATA_BYTES = 4096;

export function start(k: Guest): void {
  k.memory.fill(DATA, DATA_BYTES, k.name.charCodeAt(0));
  k.memory.write32(CHECKSUM, k.memory.crc32(DATA, DATA_BYTES));
}

export function step(k: Guest): void {
  const intact = k.memory.crc32(DATA, DATA_BYTES) === k.memory.read32(CHECKSUM) >>> 0;
  if (!intact) k.memory.write32(ERRORS, k.memory.read32(ERRORS) + 1);

  const turns = k.memory.read32(TURNS) + 1;
  k.memory.write32(TURNS, turns);
  k.memory.write32(DATA + ((4 * turns) % DATA_BYTES), turns);
  k.memory.write32(CHECKSUM, k.memory.crc32(DATA, DATA_BYTES));
  k.kexec.jump(NEXT[k.name]);
}
