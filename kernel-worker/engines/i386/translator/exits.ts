// SPDX-License-Identifier: MIT
//
// Ways out of translated code that are seldom taken: in front of an instruction that the interpreter must execute, or of a block that
// the budget does not cover. Hot code has no room for what is then to be done, so it leaves with one constant that says it: where to
// go on, what of the block is done, what the flags are, what was missed.
import { LAZY_ADD, LAZY_NONE, LAZY_RESULT, LAZY_SUB } from '../flags.ts';
import { FLAG_WORDS } from './locals.ts';

/**
 * Where flags are (flags-code.ts). `record`: in EFLAGS. `settled`: lazy, op and shift known only at run time. `add`, `sub`: of FLAG_A and FLAG_B;
 * `adc`, `sbb`: the same with a carry. `result`: ZF, SF and PF of the result, the others in FLAG_B; `logic`: those are zero.
 * `inc`, `dec`: of the result, with the carry from before as FLAG_B.
 */
export const FLAG_SOURCES = ['settled', 'record', 'add', 'adc', 'sub', 'sbb', 'result', 'logic', 'inc', 'dec'] as const;
export type FlagSource = (typeof FLAG_SOURCES)[number];

export type Wanted = 'nothing' | 'load' | 'store';

export interface Exit {
  /** Offset in the page where to go on. */
  readonly offset: number;
  /** Instructions of the block that are done, and not yet taken off the budget. */
  readonly before: number;
  /** The interpreter must execute the next instruction. */
  readonly isDeclined: boolean;
  /** An access that the fast TLB did not serve. */
  readonly wanted: Wanted;
  readonly flags: FlagSource;
  /** 0, 16 or 24. */
  readonly shift: number;
}

/** Bits of an exit: from where on, and how many. */
const BEFORE = 12;
const FLAGS = 19;
const SHIFT_BY_8 = 23;
const WANTS_LOAD = 1 << 25;
const WANTS_STORE = 1 << 26;
const IS_DECLINED = 1 << 27;
/** In every one: it is neither EXIT_ON nor EXIT_LEFT. */
const IS_EXIT = 1 << 30;

export function encodeExit({ offset, before, isDeclined, wanted, flags, shift }: Exit): number {
  return (
    IS_EXIT |
    (isDeclined ? IS_DECLINED : 0) |
    (wanted === 'load' ? WANTS_LOAD : 0) |
    (wanted === 'store' ? WANTS_STORE : 0) |
    ((shift >>> 3) << SHIFT_BY_8) |
    (FLAG_SOURCES.indexOf(flags) << FLAGS) |
    (before << BEFORE) |
    offset
  );
}

export const isExit = (word: number): boolean => (word & IS_EXIT) !== 0;
export const offsetOf = (exit: number): number => exit & 0xfff;
export const beforeOf = (exit: number): number => (exit >>> BEFORE) & 0x7f;
export const isDeclined = (exit: number): boolean => (exit & IS_DECLINED) !== 0;
export const wantsLoad = (exit: number): boolean => (exit & WANTS_LOAD) !== 0;
export const wantsStore = (exit: number): boolean => (exit & WANTS_STORE) !== 0;

const LAZY_OF: Readonly<Record<FlagSource, number>> = {
  settled: LAZY_NONE,
  record: LAZY_NONE,
  add: LAZY_ADD,
  adc: LAZY_ADD,
  sub: LAZY_SUB,
  sbb: LAZY_SUB,
  result: LAZY_RESULT,
  logic: LAZY_RESULT,
  inc: LAZY_RESULT,
  dec: LAZY_RESULT,
};
const LAZY = FLAG_SOURCES.map((source) => LAZY_OF[source]);
const SETTLED = FLAG_SOURCES.indexOf('settled');
const LOGIC = FLAG_SOURCES.indexOf('logic');
const INC = FLAG_SOURCES.indexOf('inc');
const DEC = FLAG_SOURCES.indexOf('dec');
const MIN = -0x80000000;
const OF_SHIFT = 11;
const AF_SHIFT = 4;
const OP_WORD = FLAG_WORDS;
const SHIFT_WORD = FLAG_WORDS + 1;
const B_WORD = FLAG_WORDS + 3;
const RESULT_WORD = FLAG_WORDS + 4;

/** Brings the flags in the record into the form of flags.ts: what `FlagsCode.settle` does in translated code. */
export function settleRecord(r: Int32Array, exit: number): void {
  const flags = (exit >>> FLAGS) & 15;
  if (flags === SETTLED) return;
  const shift = ((exit >>> SHIFT_BY_8) & 3) << 3;
  r[OP_WORD] = LAZY[flags];
  r[SHIFT_WORD] = shift;
  if (flags === LOGIC) r[B_WORD] = 0;
  if (flags !== INC && flags !== DEC) return;
  const result = r[RESULT_WORD];
  const nibble = 15 << shift;
  const overflowed = result === (flags === INC ? MIN : (MIN - (1 << shift)) | 0);
  const halfCarried = (result & nibble) === (flags === INC ? 0 : nibble);
  r[B_WORD] |= ((overflowed ? 1 : 0) << OF_SHIFT) | ((halfCarried ? 1 : 0) << AF_SHIFT);
}
