// SPDX-License-Identifier: MIT
//
// Comparison and examination (SDM vol. 1 §8.3.6, tables 8-6 and 8-7; FCOM, FUCOM, FTST, FXAM in vol. 2A). Results are condition
// codes in their places in the status word.
import {
  compareMantissas,
  DE,
  DENORMAL,
  type Env,
  IE,
  INFINITE,
  NAN_KINDS,
  NORMAL,
  QUIET,
  type Real,
  UNSUPPORTED,
  ZERO,
} from './float80.ts';

export const C0 = 0x100;
export const C1 = 0x200;
export const C2 = 0x400;
export const C3 = 0x4000;
export const UNORDERED = C0 | C2 | C3;

/** C3, C2 and C0 for a against b. `quiet`: FUCOM, to which a QNaN is no offence. */
export function compare(env: Env, a: Real, b: Real, quiet: boolean): number {
  const kinds = a.kind | b.kind;
  if ((kinds & NAN_KINDS) !== 0) {
    if (!quiet || (kinds & (NAN_KINDS & ~QUIET)) !== 0) env.signal(IE);
    return UNORDERED;
  }
  if ((kinds & DENORMAL) !== 0) env.signal(DE);
  if (kinds === ZERO) return C3;
  if (a.kind === ZERO) return b.sign === 0 ? C0 : 0;
  if (b.kind === ZERO) return a.sign === 0 ? 0 : C0;
  if (a.sign !== b.sign) return a.sign === 0 ? 0 : C0;
  const order = a.exponent === b.exponent ? compareMantissas(a, b) : a.exponent - b.exponent;
  if (order === 0) return C3;
  return order > 0 === (a.sign === 0) ? 0 : C0;
}

/** The class of a register that is not empty (SDM vol. 2A, FXAM), without the sign in C1. */
export function classCode(x: Real): number {
  switch (x.kind) {
    case UNSUPPORTED:
      return 0;
    case NORMAL:
      return C2;
    case INFINITE:
      return C2 | C0;
    case ZERO:
      return C3;
    case DENORMAL:
      return C3 | C2;
    default:
      return C0;
  }
}
