// SPDX-License-Identifier: MIT
//
// Rotates and shifts (SDM vol. 2B RCL/RCR/ROL/ROR, SAL/SAR/SHL/SHR, SHLD, SHRD): first on values, then as helpers. Counts have five
// bits; a count of 0 leaves every flag alone.
//
// What the manual leaves undefined is one choice throughout, the same in the interpreter's own shifts of 32 bits: OF for counts
// above 1 follows from the result as it does for a count of 1: left, whether the sign is not the carry; right rotates and SHRD,
// whether the two upper bits differ; SHR and SAR, 0. AF of shifts is 0. A 16-bit SHLD or SHRD by more than 16 goes on with the
// destination behind the source, as a P6 does.
import type { Cpu } from './cpu.ts';
import type { Flags } from './flags.ts';
import { type Helper, readRegister, readRmForWrite, regOf, sizeOf, writeRm } from './operands.ts';

const ECX = 1;
const CF = 0x1;
const OF = 0x800;

/** The value of `size` bytes (zero-extended, 4 bytes signed), moved by 1 to 31; bits above the size are for the caller to cut. */
export type Shift = (flags: Flags, size: number, value: number, count: number) => number;

/** Gives the result, with CF as given and OF from it: 1 if the sign of the result is not the carry. */
function leftOverflow(result: number, bits: number, carry: number): number {
  return (((result >>> (bits - 1)) ^ carry) & 1) << 11;
}
/** 1 if the two upper bits of the result differ: the sign changed in the last step to the right. */
function rightOverflow(result: number, bits: number): number {
  return (((result >>> (bits - 1)) ^ (result >>> (bits - 2))) & 1) << 11;
}

export function rotateLeft(flags: Flags, size: number, value: number, count: number): number {
  const bits = 8 * size;
  const by = count & (bits - 1);
  const result = by === 0 ? value : (value << by) | (value >>> (bits - by));
  const carry = result & 1;
  flags.change(carry | leftOverflow(result, bits, carry), CF | OF);
  return result;
}

export function rotateRight(flags: Flags, size: number, value: number, count: number): number {
  const bits = 8 * size;
  const by = count & (bits - 1);
  const result = by === 0 ? value : (value >>> by) | (value << (bits - by));
  flags.change(((result >>> (bits - 1)) & 1) | rightOverflow(result, bits), CF | OF);
  return result;
}

/** The carry is one more bit in the circle: counts are taken modulo 9 and 17 (SDM vol. 2B RCL). */
export function rotateLeftThroughCarry(flags: Flags, size: number, value: number, count: number): number {
  const bits = 8 * size;
  const by = count % (bits + 1);
  if (by === 0) return value;
  const around = by === 1 ? 0 : value >>> (bits + 1 - by);
  const result = (value << by) | (flags.carry() << (by - 1)) | around;
  const carry = (value >>> (bits - by)) & 1;
  flags.change(carry | leftOverflow(result, bits, carry), CF | OF);
  return result;
}

export function rotateRightThroughCarry(flags: Flags, size: number, value: number, count: number): number {
  const bits = 8 * size;
  const by = count % (bits + 1);
  if (by === 0) return value;
  const around = by === 1 ? 0 : value << (bits + 1 - by);
  const result = (value >>> by) | (flags.carry() << (bits - by)) | around;
  flags.change(((value >>> (by - 1)) & 1) | rightOverflow(result, bits), CF | OF);
  return result;
}

export function shiftLeft(flags: Flags, size: number, value: number, count: number): number {
  const bits = 8 * size;
  const result = value << count;
  const carry = ((value << (count - 1)) >>> (bits - 1)) & 1;
  flags.setResult(size, result, carry | leftOverflow(result, bits, carry));
  return result;
}

export function shiftRight(flags: Flags, size: number, value: number, count: number): number {
  const result = value >>> count;
  const overflow = count === 1 ? ((value >>> (8 * size - 1)) & 1) << 11 : 0;
  flags.setResult(size, result, ((value >>> (count - 1)) & CF) | overflow);
  return result;
}

export function shiftRightSigned(flags: Flags, size: number, value: number, count: number): number {
  const unused = 32 - 8 * size;
  const signed = (value << unused) >> unused;
  const result = signed >> count;
  flags.setResult(size, result, (signed >> (count - 1)) & CF);
  return result;
}

/** SHLD: `value` moves left, the upper bits of `source` move in behind it. Sizes 2 and 4. */
export function doubleShiftLeft(flags: Flags, size: number, value: number, source: number, count: number): number {
  const bits = 8 * size;
  let result: number;
  let carry: number;
  if (size === 4) {
    result = (value << count) | (source >>> (32 - count));
    carry = (value >>> (32 - count)) & 1;
  } else {
    // 48 bits: value, source, value; the upper 32 of them lie in one word.
    const upper = (value << 16) | source;
    const moved = (upper << count) | (count <= 16 ? 0 : value << (count - 16));
    result = moved >>> 16;
    carry = (upper >>> (32 - count)) & 1;
  }
  flags.setResult(size, result, carry | leftOverflow(result, bits, carry));
  return result;
}

/** SHRD: `value` moves right, the lower bits of `source` move in above it. Sizes 2 and 4. */
export function doubleShiftRight(flags: Flags, size: number, value: number, source: number, count: number): number {
  let result: number;
  let carry: number;
  if (size === 4) {
    result = (value >>> count) | (source << (32 - count));
    carry = (value >>> (count - 1)) & 1;
  } else {
    const lower = (source << 16) | value;
    result = (lower >>> count) | (count <= 16 ? 0 : value << (32 - count));
    carry = (lower >>> (count - 1)) & 1;
  }
  flags.setResult(size, result, carry | rightOverflow(result, 8 * size));
  return result;
}

/** `immediate` is the count, −1 for CL. */
function countOf(cpu: Cpu, immediate: number): number {
  return (immediate < 0 ? cpu.r[ECX] : immediate) & 31;
}

function helperOf(shift: Shift): Helper {
  return (cpu, operands, immediate) => {
    const value = readRmForWrite(cpu, operands);
    if (cpu.fault !== 0) return;
    const count = countOf(cpu, immediate);
    if (count !== 0) writeRm(cpu, operands, shift(cpu.flags, sizeOf(operands), value, count));
  };
}

function doubleHelperOf(shift: typeof doubleShiftLeft): Helper {
  return (cpu, operands, immediate) => {
    const value = readRmForWrite(cpu, operands);
    if (cpu.fault !== 0) return;
    const count = countOf(cpu, immediate);
    if (count === 0) return;
    const size = sizeOf(operands);
    writeRm(cpu, operands, shift(cpu.flags, size, value, readRegister(cpu, regOf(operands), size), count));
  };
}

/** Helpers with an r/m operand, SHLD and SHRD with the reg field as source too. */
export const SHIFT_HELPERS = {
  rol: helperOf(rotateLeft),
  ror: helperOf(rotateRight),
  rcl: helperOf(rotateLeftThroughCarry),
  rcr: helperOf(rotateRightThroughCarry),
  shl: helperOf(shiftLeft),
  shr: helperOf(shiftRight),
  sar: helperOf(shiftRightSigned),
  shld: doubleHelperOf(doubleShiftLeft),
  shrd: doubleHelperOf(doubleShiftRight),
} as const satisfies Record<string, Helper>;
