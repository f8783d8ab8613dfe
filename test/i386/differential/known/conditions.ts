// SPDX-License-Identifier: MIT
//
// What a row about a known deviation looks like, and the questions that rows ask about a case.
import type { CaseResult } from '../batch-layout.ts';
import { boundaryOf, type Difference } from '../compare.ts';
import { FLOAT_PLACES } from '../fpu-state.ts';
import type { Case } from '../generate.ts';

export interface Known {
  readonly who: 'qemu' | 'v86' | 'hardware';
  readonly what: string;
  /** What the manual says, in our words. */
  readonly manual: string;
  /** Whether this explains that `who` was left with `own` where another machine was left with `other`. */
  readonly explains: Explains;
}

export type Explains = (one: Case, own: CaseResult, other: CaseResult, found: Difference) => boolean;

export const VECTOR = { DE: 0, DB: 1, BR: 5, UD: 6, SS: 12, GP: 13, PF: 14 } as const;

/** A row for qemu and the same for v86. */
export function both(row: Omit<Known, 'who'>): Known[] {
  return [
    { who: 'qemu', ...row },
    { who: 'v86', ...row },
  ];
}

/** The name of the instruction at which a result stopped. */
export function stoppedAt(one: Case, result: CaseResult): string {
  return boundaryOf(one, result)?.name ?? '';
}

/** Whether a result is a page fault at one of these instructions. */
export function faultedAt(one: Case, result: CaseResult, names: RegExp): boolean {
  return result.vector === VECTOR.PF && names.test(stoppedAt(one, result));
}

/** Whether such an instruction lies before the place where a result stopped, or is that place. */
export function reached(one: Case, result: CaseResult, names: RegExp): boolean {
  const stop = boundaryOf(one, result)?.offset ?? Number.POSITIVE_INFINITY;
  return one.boundaries.some(({ name, offset }) => offset <= stop && names.test(name));
}

/** A status word that differs may have been stored. */
export function isStatusInMemory(one: Case, own: CaseResult, field: string): boolean {
  return /^(e..$|data|eflags)/.test(field) && reached(one, own, /^(fnstsw|fnstenv|fnsave)$/);
}

/** Fields that a result of the x87 can reach. */
export function isFloatResult(field: string): boolean {
  return /^(st\d|fsw|ftw|data|e..$|eflags (CF|PF|ZF|SF))/.test(field);
}

/** Bytes of each format, and where its exponent lies: first bit above the fraction, bits. */
const FORMATS = [
  { bytes: 4, fraction: 23, exponent: 8 },
  { bytes: 8, fraction: 52, exponent: 11 },
  { bytes: 10, fraction: 64, exponent: 15 },
];

function isNanAt(bytes: Uint8Array, at: number, format: (typeof FORMATS)[number]): boolean {
  if (at < 0 || at + format.bytes > bytes.length) return false;
  const value = bytes.subarray(at, at + format.bytes).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const exponent = BigInt.asUintN(format.exponent, value >> BigInt(format.fraction));
  const fraction = BigInt.asUintN(format.bytes === 10 ? 63 : format.fraction, value);
  return exponent === (1n << BigInt(format.exponent)) - 1n && fraction !== 0n;
}

/** Whether both machines have a NaN in the register, or in memory about the doubleword, that a field names. */
export function bothNan(own: CaseResult, other: CaseResult, field: string): boolean {
  const register = /^st(\d)/.exec(field);
  if (register) {
    const at = 28 + 10 * Number(register[1]);
    return isNanAt(own.fpu, at, FORMATS[2]!) && isNanAt(other.fpu, at, FORMATS[2]!);
  }
  if (!field.startsWith('data+')) return false;
  const offset = Number.parseInt(field.slice(5), 16);
  return FORMATS.some((format) =>
    Array.from({ length: format.bytes + 3 }, (_, i) => offset + 3 - i).some(
      (at) => isNanAt(own.data, at, format) && isNanAt(other.data, at, format),
    ),
  );
}

/** Whether an FSAVE image asks for less than 64 bits of precision. */
export function hasLowPrecision(image: Uint8Array): boolean {
  return (image[1]! & 3) !== 3;
}

/** Whether an FSAVE image has an exception unmasked. */
export function hasUnmasked(image: Uint8Array): boolean {
  return (image[0]! & 0x3f) !== 0x3f;
}

/** Whether a case has, in a register or in memory, a number whose integer bit does not fit its exponent. */
export function hasUnsupported(one: Case): boolean {
  const at = (bytes: Uint8Array, offset: number): boolean => {
    const exponent = (bytes[offset + 8]! | (bytes[offset + 9]! << 8)) & 0x7fff;
    return exponent !== 0 ? bytes[offset + 7]! < 0x80 : bytes[offset + 7]! >= 0x80;
  };
  const places = Array.from({ length: FLOAT_PLACES.extendedCount }, (_, n) => FLOAT_PLACES.extended + 16 * n);
  const registers = Array.from({ length: 8 }, (_, n) => 28 + 10 * n);
  // Any ten bytes can be loaded from elsewhere.
  const loads = one.boundaries.some(({ name }) => name === 'fld');
  return loads || registers.some((offset) => at(one.fpu, offset)) || places.some((offset) => at(one.patch, offset));
}
