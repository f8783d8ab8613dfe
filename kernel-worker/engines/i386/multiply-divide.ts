// SPDX-License-Identifier: MIT
//
// MUL, IMUL, DIV, IDIV (SDM vol. 2A, 2B). Products and dividends of 64 bits are put together from doubles that hold every
// intermediate exactly (below 2^53), never from BigInt.
//
// Undefined flags: after a multiplication SF, ZF and PF are those of the lower half and AF is 0; a division leaves all alone.
import type { Cpu } from './cpu.ts';
import { type Helper, readRegister, readRm, regOf, sizeOf, writeRegister } from './operands.ts';

const EAX = 0;
const EDX = 2;
const CF = 0x1;
const OF = 0x800;
const DIVIDE_ERROR = 0;

/** Upper half of the unsigned product of two words. */
export function multiplyHigh(a: number, b: number): number {
  const factor = b >>> 0;
  // Both partial products are below 2^48.
  const upper = (a >>> 16) * factor;
  const lower = (a & 0xffff) * factor;
  return Math.floor((upper + Math.floor(lower / 0x10000)) / 0x10000) | 0;
}

/** Upper half of the signed product. */
export function multiplyHighSigned(a: number, b: number): number {
  return (multiplyHigh(a, b) - (a < 0 ? b : 0) - (b < 0 ? a : 0)) | 0;
}

/** Results of the last `divide64` that returned true. */
export let quotient = 0;
export let remainder = 0;

/** Divides high:low by a word, all unsigned. False if the quotient has more than 32 bits, or there is none. */
export function divide64(high: number, low: number, divisor: number): boolean {
  const by = divisor >>> 0;
  const upper = high >>> 0;
  if (upper >= by) return false;
  // Two steps of 16 bits: dividends stay below 2^48, and so a quotient of doubles is never rounded up to an integer.
  const first = upper * 0x10000 + (low >>> 16);
  const quotientHigh = Math.floor(first / by);
  const second = (first - quotientHigh * by) * 0x10000 + (low & 0xffff);
  const quotientLow = Math.floor(second / by);
  quotient = (quotientHigh * 0x10000 + quotientLow) | 0;
  remainder = (second - quotientLow * by) | 0;
  return true;
}

/** The same signed, rounded towards zero; the remainder has the sign of the dividend. */
export function divide64Signed(high: number, low: number, divisor: number): boolean {
  const negative = high < 0;
  // −(high:low) = ~high:~low + 1.
  const magnitudeLow = negative ? -low | 0 : low;
  const magnitudeHigh = negative ? (~high + (low === 0 ? 1 : 0)) | 0 : high;
  if (!divide64(magnitudeHigh, magnitudeLow, divisor < 0 ? -divisor : divisor)) return false;
  const isNegative = negative !== divisor < 0;
  if (quotient >>> 0 > (isNegative ? 0x80000000 : 0x7fffffff)) return false;
  if (isNegative) quotient = -quotient | 0;
  if (negative) remainder = -remainder | 0;
  return true;
}

const signed = (value: number, size: number): number => (value << (32 - 8 * size)) >> (32 - 8 * size);

function mul(cpu: Cpu, operands: number): void {
  const size = sizeOf(operands);
  const factor = readRm(cpu, operands);
  if (cpu.fault !== 0) return;
  const { r, r16 } = cpu;
  let high: number;
  let low: number;
  if (size === 4) {
    high = multiplyHigh(r[EAX], factor);
    low = Math.imul(r[EAX], factor);
    r[EAX] = low;
    r[EDX] = high;
  } else if (size === 2) {
    low = Math.imul(r16[EAX * 2], factor);
    high = low >>> 16;
    r16[EAX * 2] = low;
    r16[EDX * 2] = high;
  } else {
    low = (r16[EAX * 2] & 0xff) * factor;
    high = low >>> 8;
    r16[EAX * 2] = low;
  }
  cpu.flags.setResult(size, low, high === 0 ? 0 : CF | OF);
}

/** IMUL with one operand. */
function imul1(cpu: Cpu, operands: number): void {
  const size = sizeOf(operands);
  const factor = readRm(cpu, operands);
  if (cpu.fault !== 0) return;
  const { r, r16 } = cpu;
  let low: number;
  let fits: boolean;
  if (size === 4) {
    const high = multiplyHighSigned(r[EAX], factor);
    low = Math.imul(r[EAX], factor);
    fits = high === low >> 31;
    r[EAX] = low;
    r[EDX] = high;
  } else {
    low = signed(r16[EAX * 2], size) * signed(factor, size);
    fits = low === signed(low, size);
    r16[EAX * 2] = low;
    if (size === 2) r16[EDX * 2] = low >> 16;
  }
  cpu.flags.setResult(size, low, fits ? 0 : CF | OF);
}

/** Truncated product of the r/m operand and `other`, into the register of the reg field. */
function multiplyInto(cpu: Cpu, operands: number, other: number): void {
  const size = sizeOf(operands);
  const factor = readRm(cpu, operands);
  if (cpu.fault !== 0) return;
  const a = signed(factor, size);
  const b = signed(other, size);
  const low = Math.imul(a, b);
  // Rounded or not, a product that does not fit is not the truncated one.
  const fits = a * b === signed(low, size);
  writeRegister(cpu, regOf(operands), size, low);
  cpu.flags.setResult(size, low, fits ? 0 : CF | OF);
}

function imul2(cpu: Cpu, operands: number): void {
  multiplyInto(cpu, operands, readRegister(cpu, regOf(operands), sizeOf(operands)));
}

function imul3(cpu: Cpu, operands: number, immediate: number): void {
  multiplyInto(cpu, operands, immediate);
}

function div(cpu: Cpu, operands: number): void {
  const size = sizeOf(operands);
  const divisor = readRm(cpu, operands);
  if (cpu.fault !== 0) return;
  const { r, r16 } = cpu;
  if (size === 4) {
    if (!divide64(r[EDX], r[EAX], divisor)) {
      cpu.raise(DIVIDE_ERROR, -1);
      return;
    }
    r[EAX] = quotient;
    r[EDX] = remainder;
    return;
  }
  const dividend = size === 2 ? ((r16[EDX * 2] << 16) | r16[EAX * 2]) >>> 0 : r16[EAX * 2];
  // A quotient by 0 is no number that is small enough.
  const result = Math.floor(dividend / divisor);
  if (result < 2 ** (8 * size)) setParts(cpu, size, result, dividend - result * divisor);
  else cpu.raise(DIVIDE_ERROR, -1);
}

function idiv(cpu: Cpu, operands: number): void {
  const size = sizeOf(operands);
  const divisor = signed(readRm(cpu, operands), size);
  if (cpu.fault !== 0) return;
  const { r, r16 } = cpu;
  if (size === 4) {
    if (!divide64Signed(r[EDX], r[EAX], divisor)) {
      cpu.raise(DIVIDE_ERROR, -1);
      return;
    }
    r[EAX] = quotient;
    r[EDX] = remainder;
    return;
  }
  const dividend = size === 2 ? (r16[EDX * 2] << 16) | r16[EAX * 2] : signed(r16[EAX * 2], 2);
  const result = Math.trunc(dividend / divisor);
  const limit = 2 ** (8 * size - 1);
  if (result >= -limit && result < limit) setParts(cpu, size, result, dividend - result * divisor);
  else cpu.raise(DIVIDE_ERROR, -1);
}

/** Quotient and remainder of 1 byte go to AL and AH, of 2 to AX and DX. */
function setParts(cpu: Cpu, size: number, result: number, rest: number): void {
  const { r16 } = cpu;
  if (size === 2) {
    r16[EAX * 2] = result;
    r16[EDX * 2] = rest;
  } else r16[EAX * 2] = (result & 0xff) | (rest << 8);
}

/** Helpers with an r/m operand; `imul2` and `imul3` with the reg field as destination. */
export const MULTIPLY_HELPERS = { mul, imul1, imul2, imul3, div, idiv } as const satisfies Record<string, Helper>;
