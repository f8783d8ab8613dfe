// SPDX-License-Identifier: MIT
//
// Square root, partial remainders, scaling and taking apart (FSQRT, FPREM, FPREM1, FSCALE, FXTRACT in SDM vol. 2A). All are exact
// but for the one rounding.
import { C0, C1, C2, C3 } from './compare.ts';
import { fromInteger } from './convert.ts';
import {
  BIAS,
  DENORMAL,
  denormalOperand,
  type Env,
  INFINITE,
  invalid,
  NAN_KINDS,
  propagate,
  propagateOne,
  type Real,
  ZE,
  ZERO,
} from './float80.ts';
import { finishWide, mantissa, shift, squareRoot } from './wide.ts';

export function squareRootOf(env: Env, x: Real, out: Real): void {
  const { kind, sign } = x;
  if ((kind & NAN_KINDS) !== 0) propagateOne(env, x, out);
  else if (kind === ZERO) out.setZero(sign);
  else if (sign !== 0) invalid(env, out);
  else if (kind === INFINITE) out.setInfinity(0);
  else {
    if (kind === DENORMAL && denormalOperand(env)) return;
    // An even exponent of the last bit, and two bits more than the root of a register needs.
    const last = x.exponent - BIAS - 63 - 69;
    const odd = last & 1;
    const square = mantissa(x) << BigInt(69 + odd);
    const root = squareRoot(square);
    finishWide(env, out, env.precision, 0, root, (last - odd) / 2, root * root !== square);
  }
}

/** There is no quotient: C3 and C0 stay as they are, C2 is cleared. */
export const UNCHANGED = -1;

/** FPREM, or FPREM1 with `toNearest`. The answer is C2, or C0, C3, C1 with the quotient's last three bits; UNCHANGED. */
export function remainder(env: Env, a: Real, b: Real, toNearest: boolean, out: Real): number {
  const kinds = a.kind | b.kind;
  if ((kinds & NAN_KINDS) !== 0) {
    propagate(env, a, b, out);
    return UNCHANGED;
  }
  if (a.kind === INFINITE || b.kind === ZERO) {
    invalid(env, out);
    return UNCHANGED;
  }
  if ((kinds & DENORMAL) !== 0 && denormalOperand(env)) return UNCHANGED;
  if (a.kind === ZERO) {
    out.setZero(a.sign);
    return 0;
  }
  const distance = a.exponent - b.exponent;
  if (b.kind === INFINITE || distance < -1) {
    env.finishTo(out, 64, a.sign, a.exponent, a.high, a.low, 0);
    return 0;
  }
  if (distance >= 64) {
    partialRemainder(env, a, b, distance, out);
    return C2;
  }
  // Both in units of the last bit of the divisor's mantissa, halved where the dividend is the smaller.
  const unit = distance < 0 ? 1 : 0;
  const dividend = shift(mantissa(a), distance + unit);
  const divisor = mantissa(b) << BigInt(unit);
  let quotient = dividend / divisor;
  let rest = dividend - quotient * divisor;
  let { sign } = a;
  if (toNearest && (rest * 2n > divisor || (rest * 2n === divisor && (quotient & 1n) !== 0n))) {
    quotient++;
    rest = divisor - rest;
    sign ^= 1;
  }
  if (rest === 0n) out.setZero(a.sign);
  else finishWide(env, out, 64, sign, rest, b.exponent - BIAS - 63 - unit, false);
  const bits = Number(quotient & 7n);
  return ((bits & 4) !== 0 ? C0 : 0) | ((bits & 2) !== 0 ? C3 : 0) | ((bits & 1) !== 0 ? C1 : 0);
}

/** Takes a multiple of the divisor away that leaves exponents a multiple of 32 apart, as the P6 chooses it. */
function partialRemainder(env: Env, a: Real, b: Real, distance: number, out: Real): void {
  const step = (distance & 31) | 32;
  const rest = (mantissa(a) << BigInt(step)) % mantissa(b);
  if (rest === 0n) out.setZero(a.sign);
  else finishWide(env, out, 64, a.sign, rest, a.exponent - step - BIAS - 63, false);
}

/** FSCALE: ST(0) × 2^ST(1), ST(1) cut to an integer. */
export function scale(env: Env, a: Real, b: Real, out: Real): void {
  const kinds = a.kind | b.kind;
  if ((kinds & NAN_KINDS) !== 0) {
    propagate(env, a, b, out);
    return;
  }
  if (b.kind === INFINITE && a.kind === (b.sign === 0 ? ZERO : INFINITE)) {
    invalid(env, out);
    return;
  }
  if ((kinds & DENORMAL) !== 0 && denormalOperand(env)) return;
  if (a.kind === INFINITE) out.setInfinity(a.sign);
  else if (a.kind === ZERO) out.setZero(a.sign);
  else if (b.kind === INFINITE && b.sign === 0) out.setInfinity(a.sign);
  else if (b.kind === INFINITE) out.setZero(a.sign);
  else if (b.kind === ZERO && a.kind === DENORMAL) {
    // Nothing is scaled, and so nothing underflows.
    env.shiftDown(a.high, a.low, 0, 1 - a.exponent);
    out.set(a.sign, env.high < 0 ? 1 : 0, env.high, env.low);
  } else env.finishTo(out, 64, a.sign, a.exponent + cutToInteger(b), a.high, a.low, 0);
}

/** More than any exponent can need is as good as 2^16. */
function cutToInteger(x: Real): number {
  const places = x.exponent - BIAS;
  if (x.kind === ZERO || places < 0) return 0;
  const magnitude = places > 15 ? 0x10000 : x.high >>> (31 - places);
  return x.sign === 0 ? magnitude : -magnitude;
}

/** FXTRACT: exponent and significand, the first of which replaces ST(0) while the second is pushed. */
export function extract(env: Env, x: Real, exponent: Real, significand: Real): void {
  const { kind, sign } = x;
  if ((kind & NAN_KINDS) !== 0) {
    propagateOne(env, x, exponent);
    significand.copy(exponent);
  } else if (kind === INFINITE) {
    exponent.setInfinity(0);
    significand.setInfinity(sign);
  } else if (kind === ZERO) {
    env.signal(ZE);
    exponent.setInfinity(1);
    significand.setZero(sign);
  } else {
    if (kind === DENORMAL && denormalOperand(env)) return;
    const power = x.exponent - BIAS;
    significand.set(sign, BIAS, x.high, x.low);
    fromInteger(exponent, power >> 31, power);
  }
}
