// SPDX-License-Identifier: MIT
//
// Between operands of the x87 and integers of any width, for the operations that are too rare for words: square root, remainder,
// transcendentals. A number here is value × 2^exponent, exponent without bias.
import { BIAS, type Env, type Real } from './float80.ts';

/** The 64 bits of a mantissa; the number is this × 2^(exponent − BIAS − 63). */
export function mantissa(x: Real): bigint {
  return (BigInt(x.high >>> 0) << 32n) | BigInt(x.low >>> 0);
}

/** Exponent of a mantissa's last bit. */
export function lastBit(x: Real): number {
  return x.exponent - BIAS - 63;
}

export function bitLength(value: bigint): number {
  const digits = value.toString(16);
  return digits.length * 4 - Math.clz32(Number.parseInt(digits[0], 16)) + 28;
}

/** Shifts left, or right for a negative count. */
export function shift(value: bigint, by: number): bigint {
  return by >= 0 ? value << BigInt(by) : value >> BigInt(-by);
}

/** Rounds value × 2^exponent, not zero, into a register; `isCut`: the true value is a little larger. */
export function finishWide(
  env: Env,
  out: Real,
  precision: number,
  sign: number,
  value: bigint,
  exponent: number,
  isCut: boolean,
): void {
  const excess = bitLength(value) - 96;
  let words = shift(value, -excess);
  if (isCut || (excess > 0 && words << BigInt(excess) !== value)) words |= 1n;
  env.finishTo(
    out,
    precision,
    sign,
    exponent + excess + 95 + BIAS,
    Number(words >> 64n) | 0,
    Number((words >> 32n) & 0xffffffffn) | 0,
    Number(words & 0xffffffffn) | 0,
  );
}

/** The largest integer whose square is not more. */
export function squareRoot(value: bigint): bigint {
  if (value < 2n) return value;
  // A double has the first 50 bits right; each step of Newton's method doubles that.
  const excess = Math.max(0, bitLength(value) - 100) & ~1;
  let root = BigInt(Math.floor(Math.sqrt(Number(value >> BigInt(excess))))) << BigInt(excess >>> 1);
  for (let bits = 50; bits < bitLength(value); bits *= 2) root = (root + value / root) >> 1n;
  while (root * root > value) root--;
  while ((root + 1n) * (root + 1n) <= value) root++;
  return root;
}
