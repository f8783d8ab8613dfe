// SPDX-License-Identifier: MIT
//
// The mode that code is decoded for: what its micro-operations depend on beside its bytes. It is made again from the record whenever
// that changes (cpu.ts updateMode), and is part of what a decoded block is found by.

const SEGMENTS = 12;
const ES = 0;
const CS = 1;
const SS = 2;
const DS = 3;
const ATTR_RW = 2;
const ATTR_DC = 4;
const ATTR_CODE = 8;
const ATTR_P = 0x80;
const ATTR_DB = 0x4000;
const ATTR_NULL = 0x10000;
/**
 * A segment of data that may be stored to wherever its limit allows: present and writable. A code segment in a data register cannot
 * be stored to; an expand-down one has no address below its limit.
 */
const PLAIN_MASK = ATTR_P | ATTR_NULL | ATTR_CODE | ATTR_DC | ATTR_RW;
const PLAIN = ATTR_P | ATTR_RW;

/**
 * Bits of a mode. `flatData`: DS, ES and SS are writable, start at 0 and have no limit. `flatCode`: near transfers cannot leave CS:
 * 32-bit code from 0 without a limit, or 16-bit code in 64 KiB or more. `single`: a block of one instruction.
 */
export const Mode = { code32: 1, stack32: 2, flatData: 4, flatCode: 8, protected: 16, user: 32, single: 64 } as const;

/** Those bits of the mode that follow from the segment registers of a CPU record. */
export function modeOfSegments(r: Int32Array): number {
  return (
    ((r[SEGMENTS + CS * 4 + 3] & ATTR_DB) !== 0 ? Mode.code32 : 0) |
    ((r[SEGMENTS + SS * 4 + 3] & ATTR_DB) !== 0 ? Mode.stack32 : 0) |
    (isFlat(r, DS) && isFlat(r, ES) && isFlat(r, SS) ? Mode.flatData : 0) |
    (isCodeFree(r) ? Mode.flatCode : 0)
  );
}

function isCodeFree(r: Int32Array): boolean {
  const at = SEGMENTS + CS * 4;
  const limit = r[at + 2] >>> 0;
  if ((r[at + 3] & ATTR_DB) === 0) return limit >= 0xffff;
  return r[at + 1] === 0 && limit === 0xffffffff;
}

function isFlat(r: Int32Array, segment: number): boolean {
  const at = SEGMENTS + segment * 4;
  return r[at + 1] === 0 && r[at + 2] === -1 && (r[at + 3] & PLAIN_MASK) === PLAIN;
}
