// SPDX-License-Identifier: MIT
//
// The modes that cases run in, and the segments of runner/runner.S as the generator needs to know them.
import { CODE, DATA, KIND } from './batch-layout.ts';

const CR0_PE = 1;
const CR0_ET_NE = 0x30;
const CR0_PAGED = 0x80010000;
export const EFLAGS_VM = 0x20000;

export interface Mode {
  readonly name: string;
  readonly kind: number;
  readonly cr0: number;
  /** Default operand and address size. */
  readonly bits: 16 | 32;
  readonly paged: boolean;
  readonly virtual8086: boolean;
  readonly ring3: boolean;
  /** Runs also as a Linux process of 32 bits, on the processor of this machine: nothing that would show a difference. */
  readonly native: boolean;
  readonly code: number;
  /** Selectors that DS, ES, FS, GS may begin with, and those that SS may begin with. */
  readonly data: readonly number[];
  readonly stack: readonly number[];
}

const REAL_DATA = [0x4100, 0x4110, 0x40f0, 0x4140];

function mode(name: string, bits: 16 | 32, rest: Partial<Mode> & Pick<Mode, 'code' | 'data' | 'stack'>): Mode {
  const { kind = KIND.outer, paged = false, virtual8086 = false, ring3 = false, native = false } = rest;
  const cr0 = (kind === KIND.real ? CR0_ET_NE : CR0_ET_NE | CR0_PE) | (paged ? CR0_PAGED : 0);
  return { ...rest, name, kind, cr0, bits, paged, virtual8086, ring3, native };
}

const inner = { kind: KIND.ring0 };
const user = { paged: true, ring3: true };

export const MODES: readonly Mode[] = [
  mode('real', 16, { kind: KIND.real, code: 0x3000, data: REAL_DATA, stack: REAL_DATA }),
  mode('protected 16', 16, { ...inner, code: 0x38, data: [0x48, 0x48, 0x50, 0x40], stack: [0x48] }),
  mode('protected 32', 32, { ...inner, code: 0x30, data: [0x40, 0x40, 0x50, 0x48, 0x10], stack: [0x40, 0x50, 0x48] }),
  mode('paged 32', 32, { ...inner, paged: true, code: 0x30, data: [0x40, 0x40, 0x50, 0x48], stack: [0x40, 0x50] }),
  mode('ring 3, 32', 32, {
    ...user,
    code: 0x5b,
    data: [0x6b, 0x6b, 0x7b, 0x73, 0x83, 7],
    stack: [0x6b, 0x7b, 0x73, 0xf],
  }),
  mode('ring 3, flat', 32, { ...user, native: true, code: 0x23, data: [0x2b], stack: [0x2b] }),
  mode('ring 3, 16', 16, { ...user, code: 0x63, data: [0x73, 0x73, 0x7b, 0x6b], stack: [0x73, 0x7b] }),
  mode('virtual-8086', 16, { ...user, virtual8086: true, code: 0x3000, data: REAL_DATA, stack: REAL_DATA }),
];

interface Segment {
  readonly base: number;
  readonly writable: boolean;
  /** Limit 64 KiB instead of 4 GiB. */
  readonly small: boolean;
}

const DESCRIPTORS = new Map<number, Segment>([
  [0x10, { base: 0, writable: true, small: false }],
  [0x20, { base: 0, writable: false, small: false }],
  [0x28, { base: 0, writable: true, small: false }],
  [0x40, { base: 0, writable: true, small: false }],
  [0x48, { base: DATA, writable: true, small: true }],
  [0x50, { base: DATA, writable: true, small: false }],
  [0x68, { base: 0, writable: true, small: false }],
  [0x70, { base: DATA, writable: true, small: true }],
  [0x78, { base: DATA, writable: true, small: false }],
  [0x80, { base: 0, writable: false, small: false }],
  [0x04, { base: 0, writable: true, small: false }],
  [0x0c, { base: DATA, writable: true, small: false }],
  [0x30, { base: 0, writable: false, small: false }],
  [0x38, { base: CODE, writable: false, small: true }],
  [0x58, { base: 0, writable: false, small: false }],
  [0x60, { base: CODE, writable: false, small: true }],
]);

/** The segment that `selector` gives in `mode`; undefined if a load of it faults or its memory is not for operands. */
export function segmentOf(mode: Mode, selector: number): Segment | undefined {
  if (mode.virtual8086 || mode.kind === KIND.real) {
    const base = selector << 4;
    return Math.abs(base - DATA) < 0x1000 ? { base, writable: true, small: true } : undefined;
  }
  return DESCRIPTORS.get(selector & 0xfffc);
}

/** Selectors worth loading in protected mode: good ones, null, wrong privilege, not present, not a data segment, past the limit. */
export const ODD_SELECTORS: readonly number[] = [
  ...[0, 1, 2, 3, 0x10, 0x2b, 0x30, 0x40, 0x43, 0x48, 0x4b, 0x50, 0x5b, 0x63, 0x68, 0x6b, 0x73, 0x7b, 0x83, 0x88, 0x8b],
  ...[
    0x93, 0x98, 0x9b, 0xa3, 0xa8, 0xb0, 0xb3, 0xbb, 0xc3, 0xcb, 0xe3, 0xeb, 0xf1, 0xf3, 0xfb, 0x103, 0x10b, 0x113,
    0x1234, 0xfffc,
  ],
  ...[0x04, 0x07, 0x0f, 0x17, 0x1f, 0x27],
];
