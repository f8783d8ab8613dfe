// SPDX-License-Identifier: MIT
//
// The four operations of the x87 on operands taken apart (SDM vol. 1 §8.3.5, tables of FADD, FSUB, FMUL and FDIV in vol. 2A).
// Each writes a result in the form of a register to `out`, unless an exception that is unmasked forbids it. Sums and products are
// exact in 96 or 128 bits before the one rounding.
import {
  BIAS,
  compareMantissas,
  DENORMAL,
  DOWN,
  denormalOperand,
  type Env,
  INFINITE,
  invalid,
  NAN_KINDS,
  propagate,
  type Real,
  ZE,
  ZERO,
} from './float80.ts';

const NAN = NAN_KINDS;
const TWO_32 = 0x100000000;

/** a + b, or a − b with `negate` 1. */
export function add(env: Env, a: Real, b: Real, negate: number, out: Real): void {
  const kinds = a.kind | b.kind;
  const bSign = b.sign ^ negate;
  if (kinds !== 2) {
    if ((kinds & NAN) !== 0) {
      propagate(env, a, b, out);
      return;
    }
    if (kinds === INFINITE && a.sign !== bSign) {
      invalid(env, out);
      return;
    }
    if ((kinds & DENORMAL) !== 0 && denormalOperand(env)) return;
    if ((kinds & INFINITE) !== 0) {
      out.setInfinity(a.kind === INFINITE ? a.sign : bSign);
      return;
    }
    if (kinds === ZERO) {
      out.setZero(a.sign === bSign ? bSign : zeroSign(env));
      return;
    }
    if (a.kind === ZERO) {
      env.finish(out, bSign, b.exponent, b.high, b.low, 0);
      return;
    }
    if (b.kind === ZERO) {
      env.finish(out, a.sign, a.exponent, a.high, a.low, 0);
      return;
    }
  }
  if (a.sign === bSign) addMagnitudes(env, a, b, out);
  else subtractMagnitudes(env, a, b, bSign, out);
}

/** Sign of an exact difference of equal numbers. */
function zeroSign(env: Env): number {
  return env.rounding === DOWN ? 1 : 0;
}

function addMagnitudes(env: Env, a: Real, b: Real, out: Real): void {
  const larger = a.exponent >= b.exponent ? a : b;
  const smaller = larger === a ? b : a;
  env.shiftDown(smaller.high, smaller.low, 0, larger.exponent - smaller.exponent);
  const low = (larger.low >>> 0) + (env.low >>> 0);
  const high = (larger.high >>> 0) + (env.high >>> 0) + (low >= TWO_32 ? 1 : 0);
  if (high < TWO_32) {
    env.finish(out, a.sign, larger.exponent, high | 0, low | 0, env.extra);
    return;
  }
  const extra = (env.extra >>> 1) | (low << 31) | (env.extra & 1);
  env.finish(out, a.sign, larger.exponent + 1, (high >>> 1) | 0x80000000, (low >>> 1) | (high << 31), extra);
}

function subtractMagnitudes(env: Env, a: Real, b: Real, bSign: number, out: Real): void {
  let order = a.exponent - b.exponent;
  if (order === 0) order = a.high === b.high ? (a.low >>> 0) - (b.low >>> 0) : (a.high >>> 0) - (b.high >>> 0);
  if (order === 0) {
    out.setZero(zeroSign(env));
    return;
  }
  const larger = order > 0 ? a : b;
  const smaller = order > 0 ? b : a;
  const sign = order > 0 ? a.sign : bSign;
  let { exponent } = larger;
  env.shiftDown(smaller.high, smaller.low, 0, exponent - smaller.exponent);
  let extra = -env.extra | 0;
  const difference = (larger.low >>> 0) - (env.low >>> 0) - (env.extra !== 0 ? 1 : 0);
  let low = difference | 0;
  let high = ((larger.high >>> 0) - (env.high >>> 0) - (difference < 0 ? 1 : 0)) | 0;
  // Many leading zeros come only from numbers next to each other, where nothing was lost below `extra`.
  while (high === 0) {
    high = low;
    low = extra;
    extra = 0;
    exponent -= 32;
  }
  const shift = Math.clz32(high);
  if (shift > 0) {
    const back = 32 - shift;
    high = (high << shift) | (low >>> back);
    low = (low << shift) | (extra >>> back);
    extra <<= shift;
    exponent -= shift;
  }
  env.finish(out, sign, exponent, high, low, extra);
}

/** Upper half of the product of two unsigned words, as an unsigned number. */
function highProduct(a: number, b: number): number {
  const upper = (a >>> 0) * (b >>> 16);
  const lower = (a >>> 0) * (b & 0xffff);
  return Math.floor((upper + Math.floor(lower / 0x10000)) / 0x10000);
}

export function multiply(env: Env, a: Real, b: Real, out: Real): void {
  const kinds = a.kind | b.kind;
  const sign = a.sign ^ b.sign;
  if (kinds !== 2) {
    if ((kinds & NAN) !== 0) {
      propagate(env, a, b, out);
      return;
    }
    if (kinds === (INFINITE | ZERO)) {
      invalid(env, out);
      return;
    }
    if ((kinds & DENORMAL) !== 0 && denormalOperand(env)) return;
    if ((kinds & INFINITE) !== 0) {
      out.setInfinity(sign);
      return;
    }
    if ((kinds & ZERO) !== 0) {
      out.setZero(sign);
      return;
    }
  }
  const { high: ah, low: al } = a;
  const { high: bh, low: bl } = b;
  // Words of the product, the lowest last; sums of unsigned words stay exact.
  const word0 = Math.imul(al, bl);
  const middle = highProduct(al, bl) + (Math.imul(ah, bl) >>> 0) + (Math.imul(al, bh) >>> 0);
  const word1 = middle | 0;
  const upper = highProduct(ah, bl) + highProduct(al, bh) + (Math.imul(ah, bh) >>> 0) + Math.floor(middle / TWO_32);
  let low = upper | 0;
  let high = (highProduct(ah, bh) + Math.floor(upper / TWO_32)) | 0;
  let extra = word0 !== 0 ? word1 | 1 : word1;
  let exponent = a.exponent + b.exponent - BIAS + 1;
  if (high >= 0) {
    high = (high << 1) | (low >>> 31);
    low = (low << 1) | (word1 >>> 31);
    extra = (word1 << 1) | (word0 !== 0 ? 1 : 0);
    exponent--;
  }
  env.finish(out, sign, exponent, high, low, extra);
}

export function divide(env: Env, a: Real, b: Real, out: Real): void {
  const kinds = a.kind | b.kind;
  const sign = a.sign ^ b.sign;
  if (kinds !== 2) {
    if ((kinds & NAN) !== 0) {
      propagate(env, a, b, out);
      return;
    }
    if (kinds === ZERO || kinds === INFINITE) {
      invalid(env, out);
      return;
    }
    // A division of a denormal by zero is a division by zero only.
    if (b.kind === ZERO && a.kind !== INFINITE) {
      env.signal(ZE);
      out.setInfinity(sign);
      return;
    }
    if ((kinds & DENORMAL) !== 0 && denormalOperand(env)) return;
    if (a.kind === INFINITE) {
      out.setInfinity(sign);
      return;
    }
    if (a.kind === ZERO || b.kind === INFINITE) {
      out.setZero(sign);
      return;
    }
  }
  divideMantissas(env, a, b, sign, out);
}

/**
 * Long division with two digits of 32 bits. A digit estimated in doubles is at most one off, and is put right by looking at what
 * is left over; that, doubled and compared with the divisor, is all that rounding has to know.
 */
function divideMantissas(env: Env, a: Real, b: Real, sign: number, out: Real): void {
  let exponent = a.exponent - b.exponent + BIAS - 1;
  restHigh = a.high >>> 0;
  restLow = a.low >>> 0;
  let below = 0;
  if (compareMantissas(a, b) >= 0) {
    // The quotient must be less than one; the bit that falls off is brought down first.
    below = (restLow & 1) * 0x80000000;
    restLow = ((restLow >>> 1) | (restHigh << 31)) >>> 0;
    restHigh >>>= 1;
    exponent++;
  }
  const high = nextDigit(below, b);
  const low = nextDigit(0, b);
  const twiceLow = restLow * 2;
  const left = restHigh * 2 + (twiceLow >= TWO_32 ? 1 : 0) - (b.high >>> 0);
  const order = left !== 0 ? left : (twiceLow % TWO_32) - (b.low >>> 0);
  // One half exactly, more than that, or less; nothing is left only of nothing.
  const rest = order === 0 ? 0 : (restHigh | restLow) === 0 ? 0 : 1;
  env.finish(out, sign, exponent, high | 0, low | 0, order >= 0 ? -0x80000000 | rest : rest);
}

/** What long division has left over: less than the divisor. Unsigned. */
let restHigh = 0;
let restLow = 0;

/** Divides the rest, followed by the word `below`, by a mantissa: the digit, unsigned. */
function nextDigit(below: number, divisor: Real): number {
  const high = divisor.high >>> 0;
  const low = divisor.low >>> 0;
  const estimate = (restHigh * TWO_32 + restLow + below / TWO_32) / (high + low / TWO_32);
  let digit = Math.min(Math.floor(estimate), TWO_32 - 1);
  const middle = highProduct(digit, low) + (Math.imul(digit, high) >>> 0);
  let left0 = below - (Math.imul(digit, low) >>> 0);
  let left1 = restLow - (middle % TWO_32);
  let left2 = restHigh - highProduct(digit, high) - Math.floor(middle / TWO_32);
  if (left0 < 0) {
    left0 += TWO_32;
    left1--;
  }
  if (left1 < 0) {
    left1 += TWO_32;
    left2--;
  }
  if (left2 < 0) {
    digit--;
    left0 += low;
    left1 += high;
    if (left0 >= TWO_32) {
      left0 -= TWO_32;
      left1++;
    }
    left1 %= TWO_32;
  } else if (left2 > 0 || left1 > high || (left1 === high && left0 >= low)) {
    digit++;
    left0 -= low;
    left1 -= high;
    if (left0 < 0) {
      left0 += TWO_32;
      left1--;
    }
    if (left1 < 0) left1 += TWO_32;
  }
  restHigh = left1;
  restLow = left0;
  return digit;
}
