// SPDX-License-Identifier: MIT
// Sizes of memory in the CMOS of a PC, where firmware notes them for those that come after it (IBM AT and PS/2 hardware
// technical references; 0x34 and 0x35 as every later BIOS has them). Pure function over the 128 bytes of CMOS.

const KIB = 1024;
const MIB = 1024 * KIB;
const BASE_MEMORY = 0x15;
/** Above 1 MiB, in KiB: what was expected, and what the power-on self-test found. */
const EXTENDED_MEMORY = 0x17;
const EXTENDED_MEMORY_FOUND = 0x30;
/** Above 16 MiB, in units of 64 KiB. */
const MEMORY_ABOVE_16M = 0x34;
/** Below the 384 KiB of video memory and ROM. */
const BASE_KIB = 640;

/** Notes a RAM of `memoryBytes`, which begins at 0; a size that a field cannot hold is the most it can. */
export function noteMemorySize(cmos: Uint8Array, memoryBytes: number): void {
  setWord(cmos, BASE_MEMORY, Math.min(memoryBytes / KIB, BASE_KIB));
  for (const index of [EXTENDED_MEMORY, EXTENDED_MEMORY_FOUND]) setWord(cmos, index, (memoryBytes - MIB) / KIB);
  setWord(cmos, MEMORY_ABOVE_16M, (memoryBytes - 16 * MIB) / (64 * KIB));
}

function setWord(cmos: Uint8Array, index: number, size: number): void {
  const word = Math.floor(Math.min(Math.max(size, 0), 0xffff));
  cmos[index] = word & 0xff;
  cmos[index + 1] = word >> 8;
}
