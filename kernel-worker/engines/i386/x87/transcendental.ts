// SPDX-License-Identifier: MIT
//
// F2XM1, FYL2X, FYL2XP1, FPTAN, FPATAN, FSIN, FCOS, FSINCOS (SDM vol. 1 §8.3.7 to §8.3.10, vol. 2A). Results are those of exact
// arithmetic rounded once, to 64 bits whatever the precision control says; where only the last bit of a P6 differs, nobody may rely
// on it. As in the P6 the π that angles are reduced by has 66 bits: far from 0 the functions have that number for a period.
import {
  BIAS,
  DENORMAL,
  denormalOperand,
  type Env,
  INFINITE,
  invalid,
  NAN_KINDS,
  PE,
  propagate,
  propagateOne,
  type Real,
  ZE,
  ZERO,
} from './float80.ts';
import {
  alternatingSeries,
  arctanOfRatio,
  atanhSeries,
  atanSeries,
  exponentialSeries,
  FRACTION,
  LN2,
  multiplyFixed,
  PI,
} from './series.ts';
import { bitLength, finishWide, lastBit, mantissa, shift } from './wide.ts';

/** A product or quotient on its way: value × 2^exponent. */
interface Wide {
  readonly value: bigint;
  readonly exponent: number;
}

function finish(env: Env, out: Real, sign: number, { value, exponent }: Wide, isCut = true): void {
  finishWide(env, out, 64, sign, value, exponent, isCut);
}

/** The magnitude in fixed point; what is below its last bit is lost. */
const fixed = (x: Wide): bigint => shift(x.value, x.exponent + FRACTION);
const product = (a: Wide, b: Wide): Wide => ({ value: a.value * b.value, exponent: a.exponent + b.exponent });
const magnitude = (x: Real): Wide => ({ value: mantissa(x), exponent: lastBit(x) });
/** x × s, where s is in fixed point: the relative precision of both is kept. */
const times = (x: Wide, s: bigint): Wide => ({ value: x.value * s, exponent: x.exponent - FRACTION });
/** a / b with FRACTION bits of relative precision. */
function quotient(a: bigint, b: bigint): Wide {
  const up = FRACTION + Math.max(0, bitLength(b) - bitLength(a));
  return { value: (a << BigInt(up)) / b, exponent: -up };
}

/** Beyond the range that the manual promises a result for, processors leave the operand as it is and call it inexact. */
function leaveOperand(env: Env, x: Real, out: Real): void {
  env.signal(PE);
  out.copy(x);
}

/** 1 or −1. */
const isUnit = (x: Real): boolean => x.exponent === BIAS && ((x.high & 0x7fffffff) | x.low) === 0;

/** 2^x − 1 for x from −1 to 1. */
export function powerMinusOne(env: Env, x: Real, out: Real): void {
  const { kind, sign } = x;
  if ((kind & NAN_KINDS) !== 0) propagateOne(env, x, out);
  else if (kind === ZERO) out.setZero(sign);
  else if (kind === INFINITE) {
    if (sign === 0) out.setInfinity(0);
    else out.setOne(1);
  } else {
    if (kind === DENORMAL && denormalOperand(env)) return;
    if (x.exponent >= BIAS) {
      // At 1 and −1 the results are exact, 1 and −½, but signaled alike.
      leaveOperand(env, x, out);
      if (isUnit(x)) out.exponent -= sign;
      return;
    }
    const t = times(magnitude(x), LN2);
    const small = fixed(t);
    finish(env, out, sign, times(t, exponentialSeries(sign === 0 ? small : -small)));
  }
}

/** log2(m) for a mantissa between √½ and √2 given as a fraction: sign apart, with relative precision. */
function logOfFraction(above: bigint, below: bigint): Wide {
  const difference = above > below ? above - below : below - above;
  const z = quotient(difference, above + below);
  const small = fixed(z);
  const log = times(z, 2n * atanhSeries(multiplyFixed(small, small)));
  return { value: (log.value << BigInt(FRACTION)) / LN2, exponent: log.exponent };
}

/** y × log2(x). */
export function logarithm(env: Env, x: Real, y: Real, out: Real): void {
  const kinds = x.kind | y.kind;
  const isOne = isUnit(x);
  if ((kinds & NAN_KINDS) !== 0) propagate(env, y, x, out);
  else if (x.sign !== 0 && x.kind !== ZERO) invalid(env, out);
  else if (x.kind === INFINITE) {
    if (y.kind === ZERO) invalid(env, out);
    else if (y.kind !== DENORMAL || !denormalOperand(env)) out.setInfinity(y.sign);
  } else if (x.kind === ZERO) {
    if (y.kind === ZERO) invalid(env, out);
    else if (y.kind === INFINITE) out.setInfinity(y.sign ^ 1);
    else if (!env.signal(ZE)) out.setInfinity(y.sign ^ 1);
  } else if (y.kind === INFINITE && isOne) invalid(env, out);
  else {
    if ((kinds & DENORMAL) !== 0 && denormalOperand(env)) return;
    const sign = y.sign ^ (x.exponent < BIAS ? 1 : 0);
    if (y.kind === INFINITE) out.setInfinity(sign);
    else if (y.kind === ZERO || isOne) out.setZero(isOne ? y.sign : sign);
    else finishLogarithm(env, magnitude(x), y, sign, out);
  }
}

/** y × log2 of a number. That of a power of two is an integer; processors call the product inexact even so. */
function finishLogarithm(env: Env, { value, exponent }: Wide, y: Real, sign: number, out: Real): void {
  const factor = magnitude(y);
  // The significand is taken from [1, 2) to about [√½, √2), so that its logarithm never nearly cancels the exponent.
  const bits = bitLength(value);
  const isUpper = value << 8n > 0xb5n << BigInt(bits);
  const unit = 1n << BigInt(isUpper ? bits : bits - 1);
  const power = exponent + bits - (isUpper ? 0 : 1);
  if (value === unit) {
    env.signal(PE);
    finish(env, out, sign, { value: factor.value * BigInt(Math.abs(power)), exponent: factor.exponent }, false);
    return;
  }
  let log = logOfFraction(value, unit);
  if (power !== 0) {
    const part = fixed(log);
    const sum = (BigInt(power) << BigInt(FRACTION)) + (isUpper ? -part : part);
    log = { value: sum < 0n ? -sum : sum, exponent: -FRACTION };
  }
  finish(env, out, sign, product(log, factor));
}

/** y × log2(x + 1). */
export function logarithmPlusOne(env: Env, x: Real, y: Real, out: Real): void {
  const kinds = x.kind | y.kind;
  const sign = x.sign ^ y.sign;
  if ((kinds & NAN_KINDS) !== 0) propagate(env, y, x, out);
  else if ((x.kind === INFINITE && x.sign !== 0) || kinds === (INFINITE | ZERO)) invalid(env, out);
  else {
    if ((kinds & DENORMAL) !== 0 && denormalOperand(env)) return;
    if ((kinds & INFINITE) !== 0) out.setInfinity(sign);
    else if ((kinds & ZERO) !== 0) out.setZero(sign);
    else if (x.sign !== 0 && x.exponent >= BIAS) leaveOperand(env, x, out);
    else {
      const small = magnitude(x);
      if (x.exponent >= BIAS - 1) finishLogarithm(env, onePlus(small, x.sign), y, sign, out);
      else {
        const log = small.exponent < -FRACTION ? tinyLog(small, x.sign) : logOfSum(small, x.sign);
        finish(env, out, sign, product(log, magnitude(y)));
      }
    }
  }
}

/** log2(1 ± t) of a t so small that its square is below the precision: t × (1 ∓ t/2) / ln 2, where t/2 only tells the side. */
function tinyLog({ value, exponent }: Wide, sign: number): Wide {
  const scaled = value << BigInt(FRACTION);
  return { value: ((scaled + (sign === 0 ? -1n : 1n)) << BigInt(FRACTION)) / LN2, exponent: exponent - FRACTION };
}

/** 1 ± x. */
function onePlus({ value, exponent }: Wide, sign: number): Wide {
  const last = Math.min(exponent, 0);
  const x = value << BigInt(exponent - last);
  return { value: (1n << BigInt(-last)) + (sign === 0 ? x : -x), exponent: last };
}

/** log2(1 ± x): 2 atanh(z) / ln 2 with z = x / (2 ± x), for x below ½. */
function logOfSum({ value, exponent }: Wide, sign: number): Wide {
  const two = 1n << BigInt(1 - exponent);
  const z = quotient(value, sign === 0 ? two + value : two - value);
  const small = fixed(z);
  const log = times(z, 2n * atanhSeries(multiplyFixed(small, small)));
  return { value: (log.value << BigInt(FRACTION)) / LN2, exponent: log.exponent };
}

/** arctan(y / x) in the quadrant of the point (x, y) (SDM vol. 2A, table of FPATAN). */
export function arctangent(env: Env, x: Real, y: Real, out: Real): void {
  const kinds = x.kind | y.kind;
  const { sign } = y;
  if ((kinds & NAN_KINDS) !== 0) {
    propagate(env, y, x, out);
    return;
  }
  if ((kinds & DENORMAL) !== 0 && denormalOperand(env)) return;
  const angle = (eighths: bigint): void => finish(env, out, sign, { value: eighths * PI, exponent: -FRACTION - 3 });
  if (y.kind === INFINITE) angle(x.kind !== INFINITE ? 4n : x.sign === 0 ? 2n : 6n);
  else if (x.kind === INFINITE || y.kind === ZERO) {
    if (x.sign === 0) out.setZero(sign);
    else angle(8n);
  } else if (x.kind === ZERO) angle(4n);
  else {
    const distance = y.exponent - x.exponent;
    finish(env, out, sign, angleOf(mantissa(y), mantissa(x), distance, x.sign !== 0));
  }
}

/** The angle of (x, y × 2^distance), mirrored to the left if `isLeft`. */
function angleOf(y: bigint, x: bigint, distance: number, isLeft: boolean): Wide {
  const above = distance > 0 ? shift(y, Math.min(distance, 400)) : y;
  const below = distance < 0 ? shift(x, Math.min(-distance, 400)) : x;
  const isSteep = above > below;
  const [small, large] = isSteep ? [below, above] : [above, below];
  let turn: bigint;
  if (small * 32n < large) {
    const z = quotient(small, large);
    const near = fixed(z);
    const series = atanSeries(multiplyFixed(near, near));
    if (!isSteep && !isLeft) {
      // Close to the axis: a result of any smallness, whose distance the clipped shift above does not know.
      const angle = times(z, series);
      return distance < -400 ? { value: angle.value, exponent: angle.exponent + distance + 400 } : angle;
    }
    turn = multiplyFixed(near, series);
  } else turn = arctanOfRatio(small, large);
  if (isSteep) turn = isLeft ? PI / 2n + turn : PI / 2n - turn;
  else if (isLeft) turn = PI - turn;
  return { value: turn, exponent: -FRACTION };
}

// ---- sine, cosine, tangent --------------------------------------------------------------------------------------------

/** The P6's π, 66 bits, in units of 2^−66. */
const PI_66 = 0x3243f6a8885a308d3n << 2n;
/** Exponent of π/2 in the same integer. */
const HALF_PI_UNIT = -67;

/** Quadrant and rest of an angle: |x| = quadrant × π/2 + rest, |rest| ≤ π/4. */
interface Angle {
  readonly quadrant: number;
  readonly isNegative: boolean;
  readonly rest: Wide;
}

function reduce(x: Real): Angle {
  const whole = magnitude(x);
  if (x.exponent < BIAS - 1) return { quadrant: 0, isNegative: false, rest: whole };
  // Of numbers from 2^−1 up the last bit is never below 2^−64.
  const value = whole.value << BigInt(whole.exponent - HALF_PI_UNIT);
  let turns = value / PI_66;
  let rest = value - turns * PI_66;
  if (rest * 2n > PI_66) {
    turns++;
    rest -= PI_66;
  }
  const isNegative = rest < 0n;
  return {
    quadrant: Number(turns & 3n),
    isNegative,
    rest: { value: isNegative ? -rest : rest, exponent: HALF_PI_UNIT },
  };
}

/** |sin| of the rest, with relative precision. */
function sineOfRest({ rest }: Angle): Wide {
  const near = fixed(rest);
  return times(rest, alternatingSeries(multiplyFixed(near, near), 2n));
}
function cosineOfRest({ rest }: Angle): Wide {
  const near = fixed(rest);
  return { value: alternatingSeries(multiplyFixed(near, near), 1n), exponent: -FRACTION };
}

/** True: C2 must be set, the operand is not below 2^63 and stays. */
export function isOutOfRange(x: Real): boolean {
  return (x.kind & (NAN_KINDS | ZERO | INFINITE)) === 0 && x.exponent >= BIAS + 63;
}

/** What is the same for all three: true, and `out` written, where no angle has to be looked at. */
function isSpecialAngle(env: Env, x: Real, out: Real): boolean {
  const { kind } = x;
  if ((kind & NAN_KINDS) !== 0) propagateOne(env, x, out);
  else if (kind === INFINITE) invalid(env, out);
  else return kind === DENORMAL && denormalOperand(env);
  return true;
}

export function sine(env: Env, x: Real, out: Real): void {
  if (isSpecialAngle(env, x, out)) return;
  if (x.kind === ZERO) {
    out.setZero(x.sign);
    return;
  }
  const angle = reduce(x);
  const { quadrant } = angle;
  let sign = x.sign ^ (quadrant >>> 1);
  if ((quadrant & 1) === 0) {
    if (angle.isNegative) sign ^= 1;
    finish(env, out, sign, below(sineOfRest(angle)));
  } else finish(env, out, sign, below(cosineOfRest(angle)));
}

export function cosine(env: Env, x: Real, out: Real): void {
  if (isSpecialAngle(env, x, out)) return;
  if (x.kind === ZERO) {
    out.setOne(0);
    return;
  }
  const angle = reduce(x);
  const { quadrant } = angle;
  const sign = ((quadrant + 1) >>> 1) & 1;
  if ((quadrant & 1) === 0) finish(env, out, sign, below(cosineOfRest(angle)));
  else finish(env, out, angle.isNegative ? sign ^ 1 : sign, below(sineOfRest(angle)));
}

/** A series that fell just on a short number stands for one just below it: sin t < t, cos t < 1. */
function below({ value, exponent }: Wide): Wide {
  return { value: value - 1n, exponent };
}

export function tangent(env: Env, x: Real, out: Real): void {
  if (isSpecialAngle(env, x, out)) return;
  if (x.kind === ZERO) {
    out.setZero(x.sign);
    return;
  }
  const angle = reduce(x);
  const sin = sineOfRest(angle);
  const cos = cosineOfRest(angle);
  const isTurned = (angle.quadrant & 1) !== 0;
  const [above, below] = isTurned ? [cos, sin] : [sin, cos];
  const ratio = quotient(above.value, below.value);
  const sign = x.sign ^ (angle.isNegative ? 1 : 0) ^ (isTurned ? 1 : 0);
  finish(env, out, sign, { value: ratio.value, exponent: ratio.exponent + above.exponent - below.exponent });
}
