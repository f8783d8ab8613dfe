// SPDX-License-Identifier: MIT
//
// x87 instructions on the register stack alone (SDM vol. 2A; vol. 2D tables, ModRM from C0H), by group: moves, signs
// and constants, and functions of one or two registers.
import type { Cpu } from '../cpu.ts';
import { classCode } from './compare.ts';
import { roundReal } from './convert.ts';
import {
  BIAS,
  DENORMAL,
  denormalOperand,
  type Env,
  INFINITE,
  NAN_KINDS,
  propagateOne,
  type Real,
  ZERO,
} from './float80.ts';
import { compareTop, pushResult } from './operations.ts';
import { extract, remainder, scale, squareRootOf, UNCHANGED } from './remainder.ts';
import type { Fpu } from './stack.ts';
import {
  arctangent,
  cosine,
  isOutOfRange,
  logarithm,
  logarithmPlusOne,
  powerMinusOne,
  sine,
  tangent,
} from './transcendental.ts';

const C1 = 0x200;
const C2 = 0x400;
const CF = 0x1;
const PF = 0x4;
const ZF = 0x40;

/** FLD ST(i). */
export function loadStack(fpu: Fpu, i: number): void {
  if (fpu.isEmpty(i)) fpu.stackFault(false);
  else if (!fpu.isEmpty(7)) fpu.stackFault(true);
  if (fpu.env.flags !== 0) fpu.out.setIndefinite();
  else fpu.readRaw(i, fpu.out);
  if (fpu.settle()) fpu.push(fpu.out);
}

/** FST ST(i), FSTP ST(i). */
export function storeStack(fpu: Fpu, i: number, pops: boolean): void {
  if (fpu.isEmpty(0)) {
    fpu.stackFault(false);
    fpu.out.setIndefinite();
  } else fpu.readRaw(0, fpu.out);
  if (!fpu.settle()) return;
  fpu.write(i, fpu.out);
  if (pops) fpu.pop();
}

/** D9 D8+i: an FSTP to which an empty ST(0) is no offence; it only pops then. */
export function moveAndPop(fpu: Fpu, i: number): void {
  fpu.settle();
  if (!fpu.isEmpty(0)) {
    fpu.readRaw(0, fpu.out);
    fpu.write(i, fpu.out);
  }
  fpu.pop();
}

/** FXCH: empty registers are exchanged as indefinites. */
export function exchange(fpu: Fpu, i: number): void {
  const { a, b } = fpu;
  fpu.readRaw(0, a);
  fpu.readRaw(i, b);
  if (fpu.isEmpty(0) || fpu.isEmpty(i)) {
    fpu.stackFault(false);
    if (fpu.isEmpty(0)) a.setIndefinite();
    if (fpu.isEmpty(i)) b.setIndefinite();
  }
  if (!fpu.settle()) return;
  fpu.write(0, b);
  fpu.write(i, a);
}

/** FCMOVcc: condition 0 to 3 is B, E, BE, U; `negated` its opposite. */
export function moveIf(cpu: Cpu, fpu: Fpu, i: number, condition: number, negated: boolean): void {
  if (fpu.isEmpty(0) || fpu.isEmpty(i)) {
    fpu.stackFault(false);
    fpu.out.setIndefinite();
    if (fpu.settle()) fpu.write(0, fpu.out);
    return;
  }
  const mask = condition === 0 ? CF : condition === 1 ? ZF : condition === 2 ? CF | ZF : PF;
  if (((cpu.getEflags() & mask) !== 0) === negated) return;
  fpu.readRaw(i, fpu.out);
  fpu.write(0, fpu.out);
}

/** FCHS, FABS: bits of any kind. */
export function changeSign(fpu: Fpu, isAbsolute: boolean): void {
  const { out } = fpu;
  if (fpu.isEmpty(0)) {
    fpu.stackFault(false);
    out.setIndefinite();
  } else {
    fpu.readRaw(0, out);
    out.sign = isAbsolute ? 0 : out.sign ^ 1;
  }
  if (fpu.settle()) fpu.write(0, out);
}

/** FTST. */
export function test(fpu: Fpu): void {
  fpu.b.kind = ZERO;
  fpu.b.setZero(0);
  compareTop(fpu, fpu.isEmpty(0), false, 0);
}

/** FXAM: the sign goes to C1 even of an empty register. */
export function examine(fpu: Fpu): void {
  fpu.read(0, fpu.a);
  fpu.env.up = fpu.a.sign;
  fpu.settle();
  fpu.setConditions(fpu.isEmpty(0) ? 0x4100 : classCode(fpu.a));
}

/**
 * Constants of FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ: exponent, 64 bits of mantissa, and the word below, by which the
 * rounding control rounds them (SDM vol. 1 §8.3.8).
 */
const CONSTANTS: readonly (readonly [exponent: number, high: number, low: number, extra: number])[] = [
  [BIAS, 0x80000000, 0, 0],
  [BIAS + 1, 0xd49a784b, 0xcd1b8afe, 0x492bf6ff],
  [BIAS, 0xb8aa3b29, 0x5c17f0bb, 0xbe87fed0],
  [BIAS + 1, 0xc90fdaa2, 0x2168c234, 0xc4c6628b],
  [BIAS - 2, 0x9a209a84, 0xfbcff798, 0x8f8959ac],
  [BIAS - 1, 0xb17217f7, 0xd1cf79ab, 0xc9e3b398],
];

export function loadConstant(fpu: Fpu, index: number): void {
  const { env, out } = fpu;
  if (index === CONSTANTS.length) out.setZero(0);
  else {
    const [exponent, high, low, extra] = CONSTANTS[index];
    env.round(64, 0, high | 0, low | 0, extra | 0);
    env.up = 0;
    out.set(0, exponent, env.high, env.low);
  }
  pushResult(fpu, out);
}

/** FRNDINT. */
function roundInPlace(env: Env, x: Real, out: Real): void {
  if ((x.kind & NAN_KINDS) !== 0) propagateOne(env, x, out);
  else if (x.kind === INFINITE || x.kind === ZERO) out.copy(x);
  else if (x.kind !== DENORMAL || !denormalOperand(env)) roundReal(env, x, out);
}

/** A function of ST(0), into ST(0). */
function unary(fpu: Fpu, compute: (env: Env, x: Real, out: Real) => void): void {
  if (fpu.isEmpty(0)) {
    fpu.stackFault(false);
    fpu.out.setIndefinite();
  } else {
    fpu.read(0, fpu.a);
    compute(fpu.env, fpu.a, fpu.out);
  }
  if (fpu.settle()) fpu.write(0, fpu.out);
}

/** A function of ST(0) and ST(1), into ST(0) or, with a pop, into ST(1). */
function binary(fpu: Fpu, compute: (env: Env, x: Real, y: Real, out: Real) => void, pops: boolean): void {
  if (fpu.isEmpty(0) || fpu.isEmpty(1)) {
    fpu.stackFault(false);
    fpu.out.setIndefinite();
  } else {
    fpu.read(0, fpu.a);
    fpu.read(1, fpu.b);
    compute(fpu.env, fpu.a, fpu.b, fpu.out);
  }
  if (!fpu.settle()) return;
  fpu.write(pops ? 1 : 0, fpu.out);
  if (pops) fpu.pop();
}

/** FPREM, FPREM1. */
function partialRemainder(fpu: Fpu, toNearest: boolean): void {
  let conditions = UNCHANGED;
  if (fpu.isEmpty(0) || fpu.isEmpty(1)) {
    fpu.stackFault(false);
    fpu.out.setIndefinite();
  } else {
    fpu.read(0, fpu.a);
    fpu.read(1, fpu.b);
    conditions = remainder(fpu.env, fpu.a, fpu.b, toNearest, fpu.out);
    fpu.env.up = conditions !== UNCHANGED && (conditions & C1) !== 0 ? 1 : 0;
  }
  const isDone = fpu.settle();
  if (conditions === UNCHANGED) fpu.changeC2(0);
  else fpu.setConditions(conditions & ~C1);
  if (isDone) fpu.write(0, fpu.out);
}

/** FSIN, FCOS, FPTAN, FSINCOS: `first` replaces ST(0), and `second`, if there is one, is pushed. */
function circular(fpu: Fpu, first: typeof sine, second: typeof sine | null): void {
  const { env, a, out, b } = fpu;
  const isUnderflow = fpu.isEmpty(0);
  const isOverflow = second !== null && !fpu.isEmpty(7);
  let isDone: boolean;
  if (isUnderflow || isOverflow) {
    fpu.stackFault(!isUnderflow);
    out.setIndefinite();
    b.setIndefinite();
    isDone = fpu.settle();
  } else {
    fpu.read(0, a);
    if (isOutOfRange(a)) {
      fpu.settle();
      fpu.changeC2(C2);
      return;
    }
    first(env, a, out);
    if ((a.kind & (NAN_KINDS | INFINITE)) !== 0) b.copy(out);
    else if (second !== null) second(env, a, b);
    isDone = fpu.settle();
  }
  fpu.changeC2(0);
  if (!isDone) return;
  fpu.write(0, out);
  if (second !== null) fpu.push(b);
}

/** What FPTAN pushes. */
function unit(_env: Env, _x: Real, out: Real): void {
  out.setOne(0);
}

/** FXTRACT. */
function takeApart(fpu: Fpu): void {
  const { env, a, out, b } = fpu;
  const isUnderflow = fpu.isEmpty(0);
  if (isUnderflow || !fpu.isEmpty(7)) {
    fpu.stackFault(!isUnderflow);
    out.setIndefinite();
    b.setIndefinite();
  } else {
    fpu.read(0, a);
    extract(env, a, out, b);
  }
  if (!fpu.settle()) return;
  fpu.write(0, out);
  fpu.push(b);
}

/** D9 F0 to D9 FF. */
export function elementary(fpu: Fpu, index: number): void {
  switch (index) {
    case 0x0:
      unary(fpu, powerMinusOne);
      return;
    case 0x1:
      binary(fpu, logarithm, true);
      return;
    case 0x2:
      circular(fpu, tangent, unit);
      return;
    case 0x3:
      binary(fpu, arctangent, true);
      return;
    case 0x4:
      takeApart(fpu);
      return;
    case 0x5:
      partialRemainder(fpu, true);
      return;
    case 0x6:
      fpu.settle();
      fpu.rotate(-1);
      return;
    case 0x7:
      fpu.settle();
      fpu.rotate(1);
      return;
    case 0x8:
      partialRemainder(fpu, false);
      return;
    case 0x9:
      binary(fpu, logarithmPlusOne, true);
      return;
    case 0xa:
      unary(fpu, squareRootOf);
      return;
    case 0xb:
      circular(fpu, sine, cosine);
      return;
    case 0xc:
      unary(fpu, roundInPlace);
      return;
    case 0xd:
      binary(fpu, scale, false);
      return;
    case 0xe:
      circular(fpu, sine, null);
      return;
    default:
      circular(fpu, cosine, null);
  }
}
