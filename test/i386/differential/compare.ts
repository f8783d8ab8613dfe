// SPDX-License-Identifier: MIT
//
// Compares what two machines were left with, field by field. Left out is only what the manual leaves undefined at the place
// where the sequence ended, and the x87's instruction and operand pointers, which later processors do not keep.
import type { CaseResult } from './batch-layout.ts';
import type { Case } from './generate.ts';
import { type Boundary, STATUS } from './sequence.ts';

export interface Difference {
  readonly field: string;
  readonly left: number;
  readonly right: number;
}

const DE = 0;
const PF = 14;
const ACCESSED = 0x20;
const DIRTY = 0x40;
const GENERAL = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'];
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];
const FLAGS = { 0: 'CF', 2: 'PF', 4: 'AF', 6: 'ZF', 7: 'SF', 8: 'TF', 9: 'IF', 10: 'DF', 11: 'OF', 14: 'NT', 16: 'RF' };
const STATUS_BITS = {
  0: 'IE',
  1: 'DE',
  2: 'ZE',
  3: 'OE',
  4: 'UE',
  5: 'PE',
  6: 'SF',
  7: 'ES',
  8: 'C0',
  9: 'C1',
  10: 'C2',
  14: 'C3',
};
const CONDITION_BITS = [0x100, 0x200, 0x400, 0x4000];

/** The boundary at which a result stopped; undefined if EIP is between boundaries or elsewhere. */
export function boundaryOf(one: Case, result: CaseResult): Boundary | undefined {
  return one.boundaries.find(({ offset }) => offset === ((result.eip - one.eip) | 0));
}

/** The status flags to compare. */
function definedFlags(one: Case, result: CaseResult): number {
  const boundary = boundaryOf(one, result);
  if (!boundary || result.vector === DE) return ~STATUS;
  return ~boundary.undefinedFlags;
}

export function differences(one: Case, left: CaseResult, right: CaseResult): Difference[] {
  const found: Difference[] = [];
  const check = (field: string, a: number, b: number): void => {
    if (a !== b) found.push({ field, left: a >>> 0, right: b >>> 0 });
  };
  check('vector', left.vector, right.vector);
  check('eip', left.eip, right.eip);
  check('errorCode', left.errorCode, right.errorCode);
  const flags = definedFlags(one, left) & definedFlags(one, right);
  checkBits('eflags', left.eflags & flags, right.eflags & flags, FLAGS, check);
  for (const [i, name] of GENERAL.entries()) check(name, left.general[i]!, right.general[i]!);
  for (const [i, name] of SEGMENTS.entries()) check(name, left.segments[i]!, right.segments[i]!);
  check('cr2', left.cr2, right.cr2);
  check('cr0', left.cr0, right.cr0);
  check('dr6', left.dr6, right.dr6);
  // What a translation that ends in a fault has marked as accessed or dirty is left to the processor (SDM vol. 3A §4.8).
  const kept = left.vector === PF && right.vector === PF ? ~(ACCESSED | DIRTY) : ~0;
  for (const [i, entry] of left.pages.entries()) check(`page entry ${i}`, entry & kept, right.pages[i]! & kept);
  compareFpu(one, left, right, check);
  compareBytes('gdt', left.gdt, right.gdt, [], check);
  compareBytes('data', left.data, right.data, boundaryOf(one, left)?.undefinedBytes ?? [], check);
  return found;
}

type Check = (field: string, a: number, b: number) => void;

function compareFpu(one: Case, left: CaseResult, right: CaseResult, check: Check): void {
  const conditions = boundaryOf(one, left)?.undefinedConditions ?? 0;
  const status = CONDITION_BITS.reduce((mask, bit, i) => (conditions & (1 << i) ? mask & ~bit : mask), 0xffff);
  const word = (result: CaseResult, at: number): number => result.fpu[at]! | (result.fpu[at + 1]! << 8);
  check('fcw', word(left, 0), word(right, 0));
  checkBits('fsw', word(left, 4) & status, word(right, 4) & status, STATUS_BITS, check);
  check('ftw', word(left, 8), word(right, 8));
  for (let n = 0; n < 8; n++) {
    const at = 28 + 10 * n;
    if (left.fpu.subarray(at, at + 10).every((byte, i) => byte === right.fpu[at + i])) continue;
    for (const part of [0, 2, 4, 6, 8]) check(`st${n}[${part}]`, word(left, at + part), word(right, at + part));
  }
}

/** Reports each bit that differs as a field of its own; bits without a name by their number. */
function checkBits(
  name: string,
  left: number,
  right: number,
  names: Readonly<Record<number, string>>,
  check: Check,
): void {
  for (let different = (left ^ right) >>> 0; different !== 0; different &= different - 1) {
    const bit = 31 - Math.clz32(different & -different);
    check(`${name} ${names[bit] ?? bit}`, (left >>> bit) & 1, (right >>> bit) & 1);
  }
}

/** Reports each differing doubleword. */
function compareBytes(
  name: string,
  left: Uint8Array,
  right: Uint8Array,
  undefinedBytes: Boundary['undefinedBytes'],
  check: Check,
): void {
  if (Buffer.compare(left, right) === 0) return;
  const a = Buffer.from(left);
  const b = Buffer.from(right);
  for (const [first, end] of undefinedBytes) {
    a.fill(0, first, end);
    b.fill(0, first, end);
  }
  for (let at = 0; at < a.length; at += 4) check(`${name}+${at.toString(16)}`, a.readUInt32LE(at), b.readUInt32LE(at));
}
