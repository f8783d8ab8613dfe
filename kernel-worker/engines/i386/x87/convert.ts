// SPDX-License-Identifier: MIT
//
// The x87's memory formats: single and double precision, integers of 16, 32 and 64 bits, packed decimals (SDM vol. 1 §4.2, §4.7,
// table 4-6; FLD, FST, FILD, FIST, FBLD, FBSTP in vol. 2A). What is loaded becomes an operand with its kind; what is to be stored
// is left in `env.low` and `env.high`.
import {
  BIAS,
  DENORMAL,
  type Env,
  IE,
  INFINITE,
  NAN_KINDS,
  NORMAL,
  PE,
  QUIET,
  type Real,
  UNSUPPORTED,
  ZERO,
} from './float80.ts';

const SINGLE_FIRST = BIAS - 126;
const SINGLE_LAST = BIAS + 127;
const DOUBLE_FIRST = BIAS - 1022;
const DOUBLE_LAST = BIAS + 1023;
/** Exponent of 2^63: a mantissa of this exponent is an integer. */
const INTEGER = BIAS + 63;
const MINIMUM = 0x80000000 | 0;

/** From single precision. A denormal of that format stays known as one, for DE. */
export function widen32(x: Real, word: number): void {
  const fraction = word & 0x7fffff;
  widen(x, word >>> 31, (word >>> 23) & 0xff, 0xff, SINGLE_FIRST, fraction << 8, 0);
}

export function widen64(x: Real, high: number, low: number): void {
  const top = ((high & 0xfffff) << 11) | (low >>> 21);
  widen(x, high >>> 31, (high >>> 20) & 0x7ff, 0x7ff, DOUBLE_FIRST, top, low << 11);
}

function widen(x: Real, sign: number, exponent: number, last: number, first: number, high: number, low: number): void {
  if (exponent === 0 && (high | low) === 0) {
    x.kind = ZERO;
    x.setZero(sign);
  } else if (exponent === 0) {
    x.kind = DENORMAL;
    x.set(sign, first, high, low);
    x.normalize();
  } else if (exponent < last) {
    x.kind = NORMAL;
    x.set(sign, exponent + first - 1, high | MINIMUM, low);
  } else {
    x.set(sign, 0x7fff, high | MINIMUM, low);
    x.classify();
  }
}

/** From a signed integer of 64 bits. */
export function fromInteger(x: Real, high: number, low: number): void {
  const sign = high >>> 31;
  if (sign !== 0) {
    low = -low | 0;
    high = low === 0 ? -high | 0 : ~high;
  }
  if ((high | low) === 0) {
    x.kind = ZERO;
    x.setZero(0);
    return;
  }
  x.kind = NORMAL;
  x.set(sign, INTEGER, high, low);
  x.normalize();
}

/** To single precision, in `env.low`. */
export function narrow32(env: Env, x: Real, scratch: Real): void {
  narrow(env, x, 24, SINGLE_FIRST, SINGLE_LAST, scratch);
  env.low = (scratch.sign << 31) | (scratch.exponent << 23) | ((scratch.high >>> 8) & 0x7fffff);
}

/** To double precision, in `env.high` and `env.low`. */
export function narrow64(env: Env, x: Real, scratch: Real): void {
  narrow(env, x, 53, DOUBLE_FIRST, DOUBLE_LAST, scratch);
  env.low = (scratch.low >>> 11) | (scratch.high << 21);
  env.high = (scratch.sign << 31) | (scratch.exponent << 20) | ((scratch.high >>> 11) & 0xfffff);
}

/** `out.exponent` becomes the exponent field of the format. */
function narrow(env: Env, x: Real, precision: number, first: number, last: number, out: Real): void {
  const { kind } = x;
  const special = last - first + 2;
  if (kind === ZERO) out.setZero(x.sign);
  else if (kind === INFINITE) out.set(x.sign, special, MINIMUM, 0);
  else if ((kind & NAN_KINDS) === 0) {
    env.pack(out, precision, first, last, false, x.sign, x.exponent, x.high, x.low, 0);
  } else {
    if (kind !== QUIET) env.signal(IE);
    if (kind === UNSUPPORTED) out.set(1, special, 0xc0000000 | 0, 0);
    else out.set(x.sign, special, x.high | 0x40000000, x.low);
  }
}

/**
 * Rounds to an integer by the rounding control: its magnitude in `env.high` and `env.low`, `env.inexact` and `env.up` as they fall.
 * False: it has more than 64 bits.
 */
function roundToInteger(env: Env, x: Real): boolean {
  const shift = INTEGER - x.exponent;
  if (shift < 0) return false;
  env.shiftDown(x.high, x.low, 0, shift);
  env.round(64, x.sign, env.high, env.low, env.extra);
  return true;
}

/** To a signed integer of 16, 32 or 64 bits, in `env.low` and, for 64, `env.high`. */
export function toInteger(env: Env, x: Real, bits: number): void {
  if (x.kind === ZERO) {
    env.low = 0;
    env.high = 0;
    return;
  }
  if ((x.kind & (NAN_KINDS | INFINITE)) === 0 && roundToInteger(env, x) && fits(env, x.sign, bits)) {
    if (env.inexact) env.signal(PE);
    if (x.sign === 0) return;
    env.low = -env.low | 0;
    env.high = env.low === 0 ? -env.high | 0 : ~env.high;
    return;
  }
  env.signal(IE);
  integerIndefinite(env, bits);
}

/** The most negative integer: the answer to a masked invalid conversion. */
export function integerIndefinite(env: Env, bits: number): void {
  env.up = 0;
  env.high = MINIMUM;
  env.low = bits === 64 ? 0 : bits === 32 ? MINIMUM : 0x8000;
}

/** Whether the magnitude in `env` is in the range of a signed integer, whose negative half is one longer. */
function fits(env: Env, sign: number, bits: number): boolean {
  const { high, low } = env;
  if (bits === 64) return high >= 0 || (sign === 1 && high === MINIMUM && low === 0);
  return high === 0 && low >>> 0 <= 2 ** (bits - 1) - 1 + sign;
}

/** Rounds to an integer that stays a number (FRNDINT). */
export function roundReal(env: Env, x: Real, out: Real): void {
  if (x.exponent >= INTEGER) {
    out.copy(x);
    return;
  }
  roundToInteger(env, x);
  if (env.inexact) env.signal(PE);
  if ((env.high | env.low) === 0) out.setZero(x.sign);
  else {
    out.set(x.sign, INTEGER, env.high, env.low);
    out.normalize();
  }
}

// ---- packed decimals: 18 digits in 9 bytes, and a byte with the sign --------------------------------------------------

const DECIMAL_LIMIT = 10n ** 18n;

/** Bytes 0-3, 4-7 and 8-9 of a packed decimal. Digits above 9 count for what they are, as the arithmetic falls. */
export function fromDecimal(x: Real, word0: number, word1: number, word2: number): void {
  let value = 0n;
  for (let digit = 17; digit >= 0; digit--) {
    const word = digit > 15 ? word2 : digit > 7 ? word1 : word0;
    value = value * 10n + BigInt((word >>> ((digit & 7) * 4)) & 0xf);
  }
  fromInteger(x, Number(value >> 32n) | 0, Number(value & 0xffffffffn) | 0);
  x.sign = (word2 >>> 15) & 1;
}

/** The decimal to be stored: three words. */
export class Decimal {
  word0 = 0;
  word1 = 0;
  word2 = 0;

  setIndefinite(): void {
    this.word0 = 0;
    this.word1 = 0xc0000000 | 0;
    this.word2 = 0xffff;
  }

  convert(env: Env, x: Real): void {
    if (x.kind === ZERO) {
      env.high = 0;
      env.low = 0;
      env.inexact = false;
    } else if ((x.kind & (NAN_KINDS | INFINITE)) !== 0 || !roundToInteger(env, x)) {
      this.refuse(env);
      return;
    }
    let value = (BigInt(env.high >>> 0) << 32n) | BigInt(env.low >>> 0);
    if (value >= DECIMAL_LIMIT) {
      this.refuse(env);
      return;
    }
    if (env.inexact) env.signal(PE);
    const words = [0, 0, x.sign << 15];
    for (let digit = 0; value !== 0n; digit++, value /= 10n) {
      words[digit >>> 3] |= Number(value % 10n) << ((digit & 7) * 4);
    }
    [this.word0, this.word1, this.word2] = words;
  }

  private refuse(env: Env): void {
    env.up = 0;
    env.signal(IE);
    this.setIndefinite();
  }
}
