// SPDX-License-Identifier: MIT
//
// Numbers of the x87 (SDM vol. 1 §4.2.2, §8.2): one operand taken apart, what kind it is, and the one place where a result is
// rounded (§8.1.5, §4.8.4), overflows or underflows (§8.5.4, §8.5.5). A mantissa is two signed words; `extra` holds the next 32
// bits, the last of them "or anything below". Exponents carry the bias of the extended format, 16383, in every precision.
//
// Objects here are made once for each module and reused: nothing in them outlives one instruction.

/** Kinds of operands, as bits: two of them are looked at together by or-ing. */
export const ZERO = 1;
export const NORMAL = 2;
/** Also pseudo-denormals; normalized, with an exponent that may be below 1. */
export const DENORMAL = 4;
export const INFINITE = 8;
export const QUIET = 16;
export const SIGNALING = 32;
/** Unnormals, pseudo-infinities, pseudo-NaNs: no P6 computes with them (SDM vol. 1 §8.2.2). */
export const UNSUPPORTED = 64;
export const NAN_KINDS = QUIET | SIGNALING | UNSUPPORTED;

/** Exceptions: bits of the status word, and of the masks in the control word. */
export const IE = 0x01;
export const DE = 0x02;
export const ZE = 0x04;
export const OE = 0x08;
export const UE = 0x10;
export const PE = 0x20;
/** Stack fault: only in the status word, together with IE. */
export const SF = 0x40;

/** Rounding control: bits 10 and 11 of the control word. */
const NEAREST = 0;
export const DOWN = 1;
const UP = 2;

export const BIAS = 16383;
const MAX_EXPONENT = 0x7fff;
/** What an unmasked overflow or underflow adds to or takes from the exponent of a register result (SDM vol. 1 §8.5.4). */
const WRAP = 24576;

export class Real {
  kind = ZERO;
  sign = 0;
  exponent = 0;
  high = 0;
  low = 0;

  set(sign: number, exponent: number, high: number, low: number): void {
    this.sign = sign;
    this.exponent = exponent;
    this.high = high;
    this.low = low;
  }
  copy(from: Real): void {
    this.kind = from.kind;
    this.set(from.sign, from.exponent, from.high, from.low);
  }
  setZero(sign: number): void {
    this.set(sign, 0, 0, 0);
  }
  setInfinity(sign: number): void {
    this.set(sign, MAX_EXPONENT, 0x80000000 | 0, 0);
  }
  /** The QNaN real indefinite: the answer to every masked invalid operation. */
  setIndefinite(): void {
    this.set(1, MAX_EXPONENT, 0xc0000000 | 0, 0);
  }
  setOne(sign: number): void {
    this.set(sign, BIAS, 0x80000000 | 0, 0);
  }

  /** Finds the kind of a register's image, and normalizes a denormal. */
  classify(): void {
    const { exponent, high, low } = this;
    if (exponent === MAX_EXPONENT) {
      if (high >= 0) this.kind = UNSUPPORTED;
      else if (((high & 0x7fffffff) | low) === 0) this.kind = INFINITE;
      else this.kind = (high & 0x40000000) !== 0 ? QUIET : SIGNALING;
    } else if (exponent !== 0) this.kind = high < 0 ? NORMAL : UNSUPPORTED;
    else if ((high | low) === 0) this.kind = ZERO;
    else {
      this.kind = DENORMAL;
      this.exponent = 1;
      this.normalize();
    }
  }

  /** Shifts a mantissa that is not zero up until its integer bit is set. */
  normalize(): void {
    if (this.high === 0) {
      this.high = this.low;
      this.low = 0;
      this.exponent -= 32;
    }
    const shift = Math.clz32(this.high);
    if (shift === 0) return;
    this.high = (this.high << shift) | (this.low >>> (32 - shift));
    this.low <<= shift;
    this.exponent -= shift;
  }
}

/** One instruction's surroundings: the control word it runs under, and what it signals. */
export class Env {
  control = 0x37f;
  /** IE to PE, and SF. */
  flags = 0;
  /** 1: the last rounding made the magnitude larger: C1. */
  up = 0;
  /** The last rounding dropped something. */
  inexact = false;
  /** Carry out of the last rounding: the mantissa became 2.0, and is given as 1.0. */
  carry = 0;
  high = 0;
  low = 0;
  extra = 0;

  begin(control: number): void {
    this.control = control;
    this.flags = 0;
    this.up = 0;
  }
  get rounding(): number {
    return (this.control >>> 10) & 3;
  }
  /** Bits of mantissa that precision control leaves; the reserved encoding 01 acts as full precision. */
  get precision(): number {
    const pc = (this.control >>> 8) & 3;
    return pc === 0 ? 24 : pc === 2 ? 53 : 64;
  }
  /** Signals exceptions. True: one of them is unmasked. */
  signal(flags: number): boolean {
    this.flags |= flags;
    return (flags & ~this.control & 0x3f) !== 0;
  }

  /** Rounds high:low:extra to a precision, into `high`, `low`, `carry`, `inexact` and `up`. */
  round(precision: number, sign: number, high: number, low: number, extra: number): void {
    let half: boolean;
    let rest: boolean;
    let odd: boolean;
    if (precision === 64) {
      half = extra < 0;
      rest = extra << 1 !== 0;
      odd = (low & 1) !== 0;
    } else if (precision === 53) {
      half = (low & 0x400) !== 0;
      rest = ((low & 0x3ff) | extra) !== 0;
      odd = (low & 0x800) !== 0;
      low &= ~0x7ff;
    } else {
      half = (high & 0x80) !== 0;
      rest = ((high & 0x7f) | low | extra) !== 0;
      odd = (high & 0x100) !== 0;
      high &= ~0xff;
      low = 0;
    }
    this.inexact = half || rest;
    this.carry = 0;
    this.up = 0;
    const rc = (this.control >>> 10) & 3;
    const goesUp = rc === NEAREST ? half && (rest || odd) : this.inexact && rc === (sign === 0 ? UP : DOWN);
    if (goesUp) {
      this.up = 1;
      if (precision !== 24) {
        low = (low + (precision === 64 ? 1 : 0x800)) | 0;
        if (low === 0) high = (high + 1) | 0;
        if ((high | low) === 0) this.carry = 1;
      } else {
        high = (high + 0x100) | 0;
        if (high === 0) this.carry = 1;
      }
      if (this.carry !== 0) high = 0x80000000 | 0;
    }
    this.high = high;
    this.low = low;
  }

  /** A result for a register, rounded under precision control. */
  finish(out: Real, sign: number, exponent: number, high: number, low: number, extra: number): void {
    this.finishTo(out, this.precision, sign, exponent, high, low, extra);
  }

  /** A result for a register, rounded to a precision of its own. The mantissa is normalized. */
  finishTo(
    out: Real,
    precision: number,
    sign: number,
    exponent: number,
    high: number,
    low: number,
    extra: number,
  ): void {
    // Most results: far from both ends of the exponents.
    if (exponent > 0 && exponent < MAX_EXPONENT - 1) {
      this.round(precision, sign, high, low, extra);
      if (this.inexact) this.flags |= PE;
      out.set(sign, exponent + this.carry, this.high, this.low);
      return;
    }
    this.pack(out, precision, 1, MAX_EXPONENT - 1, true, sign, exponent, high, low, extra);
  }

  /**
   * The general case: rounds to a format whose normal exponents go from `first` to `last`. `out.exponent` becomes that of the
   * format: 0 for denormals, last − first + 2 for infinity. With `wraps` an unmasked overflow or underflow leaves a result with a
   * wrapped exponent; without, only the flags count.
   */
  pack(
    out: Real,
    precision: number,
    first: number,
    last: number,
    wraps: boolean,
    sign: number,
    exponent: number,
    high: number,
    low: number,
    extra: number,
  ): void {
    this.round(precision, sign, high, low, extra);
    const rounded = exponent + this.carry;
    if (rounded > last) this.overflow(out, precision, first, last, wraps, sign, rounded);
    else if (rounded < first) this.underflow(out, precision, first, wraps, sign, exponent, high, low, extra);
    else {
      // Not tiny once rounded; but what is stored was rounded where a denormal's last bit is.
      if (exponent < first) this.roundDenormal(precision, first - exponent, sign, high, low, extra);
      if (this.inexact) this.flags |= PE;
      out.set(sign, rounded - first + 1, this.high, this.low);
    }
  }

  private overflow(
    out: Real,
    precision: number,
    first: number,
    last: number,
    wraps: boolean,
    sign: number,
    rounded: number,
  ): void {
    if (this.signal(OE)) {
      let wrapped = rounded - WRAP;
      // Only FSCALE gets so far: nothing wraps that back, and the result is an infinity.
      if (wrapped > last) {
        wrapped = last + 1;
        this.high = 0x80000000 | 0;
        this.low = 0;
        this.inexact = true;
        this.up = 1;
      }
      if (wraps && this.inexact) this.flags |= PE;
      out.set(sign, wrapped - first + 1, this.high, this.low);
      return;
    }
    this.flags |= PE;
    const rc = this.rounding;
    const toInfinity = rc === NEAREST || rc === (sign === 0 ? UP : DOWN);
    this.up = toInfinity ? 1 : 0;
    if (toInfinity) out.set(sign, last - first + 2, 0x80000000 | 0, 0);
    else if (precision === 24) out.set(sign, last - first + 1, 0xffffff00 | 0, 0);
    else out.set(sign, last - first + 1, -1, precision === 53 ? 0xfffff800 | 0 : -1);
  }

  private underflow(
    out: Real,
    precision: number,
    first: number,
    wraps: boolean,
    sign: number,
    exponent: number,
    high: number,
    low: number,
    extra: number,
  ): void {
    if ((this.control & UE) === 0) {
      this.flags |= UE;
      const wrapped = exponent + this.carry + WRAP;
      const isLost = wrapped < first;
      if (wraps && (this.inexact || isLost)) this.flags |= PE;
      if (isLost) out.setZero(sign);
      else out.set(sign, wrapped - first + 1, this.high, this.low);
      return;
    }
    this.roundDenormal(precision, first - exponent, sign, high, low, extra);
    if (this.inexact) this.flags |= UE | PE;
    out.set(sign, this.high < 0 ? 1 : 0, this.high, this.low);
  }

  /** Rounds the mantissa moved down by `shift`, at the same bit of the register as ever. */
  private roundDenormal(
    precision: number,
    shift: number,
    sign: number,
    high: number,
    low: number,
    extra: number,
  ): void {
    this.shiftDown(high, low, extra, shift);
    this.round(precision, sign, this.high, this.low, this.extra);
  }

  /** Moves high:low:extra down, into the fields of these names; what leaves the 96 bits stays as the last of them. */
  shiftDown(high: number, low: number, extra: number, shift: number): void {
    let sticky = 0;
    if (shift > 128) shift = 128;
    while (shift >= 32) {
      sticky |= extra;
      extra = low;
      low = high;
      high = 0;
      shift -= 32;
    }
    if (shift > 0) {
      const back = 32 - shift;
      sticky |= extra << back;
      extra = (extra >>> shift) | (low << back);
      low = (low >>> shift) | (high << back);
      high >>>= shift;
    }
    this.high = high | 0;
    this.low = low;
    this.extra = sticky !== 0 ? extra | 1 : extra;
  }
}

/** Answers an invalid operation. */
export function invalid(env: Env, out: Real): void {
  env.signal(IE);
  out.setIndefinite();
}

/** Signals DE. True: it is unmasked, and the operation is not done. */
export const denormalOperand = (env: Env): boolean => env.signal(DE);

function setQuiet(out: Real, from: Real): void {
  out.set(from.sign, MAX_EXPONENT, from.high | 0x40000000, from.low);
}

/** The result where an operand is a NaN or unsupported (SDM vol. 1 table 4-7, §8.5.1.2). */
export function propagate(env: Env, a: Real, b: Real, out: Real): void {
  const kinds = a.kind | b.kind;
  if ((kinds & UNSUPPORTED) !== 0) {
    invalid(env, out);
    return;
  }
  if ((kinds & SIGNALING) !== 0) env.signal(IE);
  const aIsNan = (a.kind & NAN_KINDS) !== 0;
  const bIsNan = (b.kind & NAN_KINDS) !== 0;
  if (!bIsNan || (aIsNan && a.kind === QUIET && b.kind === SIGNALING)) setQuiet(out, a);
  else if (!aIsNan || (a.kind === SIGNALING && b.kind === QUIET)) setQuiet(out, b);
  else {
    // Of two alike the one with the larger significand; of equal ones the positive one.
    const order = compareMantissas(a, b);
    setQuiet(out, order > 0 || (order === 0 && a.sign <= b.sign) ? a : b);
  }
}

export function propagateOne(env: Env, a: Real, out: Real): void {
  propagate(env, a, a, out);
}

/** Less than 0, 0, or more: the mantissas as unsigned numbers. */
export function compareMantissas(a: Real, b: Real): number {
  return a.high === b.high ? (a.low >>> 0) - (b.low >>> 0) : (a.high >>> 0) - (b.high >>> 0);
}
