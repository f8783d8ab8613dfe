// SPDX-License-Identifier: MIT
//
// A batch as bytes: the cases that the host writes at BATCH before the start and the result records that the guest
// (runner/runner.S) leaves in memory. runner/layout.h says the same to the assembler: change both.

export const RAM_BYTES = 32 << 20;
export const CODE = 0x30000;
export const READ_ONLY = 0x40000;
export const DATA = 0x41000;
/** Second names of the data page while paging is on: supervisor only, and with an unmapped page behind it. */
export const DATA_SUPERVISOR = 0x43000;
export const DATA_ALIAS = 0x44000;
export const DATA_HIGH = 0xbffff000;
export const BATCH = 0x200000;
const RESULTS = 0xf00000;
export const CODE_BYTES = 0x80;
export const PATCH_BYTES = 0x100;
export const PAGE_BYTES = 0x1000;
export const MAX_CASES = 3000;

const MAGIC = 0x46444a4b;
const CASES = 0x2000;
const CASE_BYTES = 0x300;
const RESULT_BYTES = 0x1200;

export const KIND = { real: 0, ring0: 1, outer: 2 } as const;

/** What the runner needs to set up one case. Registers in ModRM order, segments in Sreg order. */
export interface MachineCase {
  readonly kind: number;
  readonly cr0: number;
  readonly cr4: number;
  readonly eip: number;
  readonly eflags: number;
  readonly general: readonly number[];
  readonly segments: readonly number[];
  readonly codeAddress: number;
  readonly code: Uint8Array;
  readonly fpu: Uint8Array;
  readonly patchOffset: number;
  readonly patch: Uint8Array;
}

/** What a machine was left with. `pages` are page-directory and page-table entries, in the order of runner.S `page_entries`. */
export interface CaseResult {
  readonly general: readonly number[];
  readonly segments: readonly number[];
  readonly eip: number;
  readonly eflags: number;
  readonly vector: number;
  readonly errorCode: number;
  readonly cr2: number;
  readonly dr6: number;
  readonly cr0: number;
  readonly pages: readonly number[];
  readonly fpu: Uint8Array;
  readonly gdt: Uint8Array;
  readonly data: Uint8Array;
}

/** The bytes for address BATCH; `first` is the case to begin with. */
export function encodeBatch(cases: readonly MachineCase[], dataPage: Uint8Array, first: number): Uint8Array {
  const bytes = new Uint8Array(CASES + cases.length * CASE_BYTES);
  const view = new DataView(bytes.buffer);
  const header = [MAGIC, cases.length, first, RESULTS, 0];
  for (const [i, word] of header.entries()) view.setUint32(i * 4, word, true);
  bytes.set(dataPage, 0x1000);
  for (const [i, one] of cases.entries()) encodeCase(one, bytes, view, CASES + i * CASE_BYTES);
  return bytes;
}

function encodeCase(one: MachineCase, bytes: Uint8Array, view: DataView, at: number): void {
  const words = [one.kind, one.cr0, one.eip, one.eflags, ...one.general, ...one.segments, one.codeAddress, one.cr4];
  for (const [i, word] of [...words, one.patchOffset].entries()) view.setUint32(at + i * 4, word >>> 0, true);
  bytes.fill(0xcc, at + 0x80, at + 0x80 + CODE_BYTES);
  bytes.set(one.code, at + 0x80);
  bytes.set(one.fpu, at + 0x100);
  bytes.set(one.patch, at + 0x200);
}

/** What a machine has to show after a run: the cases it got through, and their result records. */
export interface Outcome {
  readonly index: number;
  readonly done: boolean;
  readonly results: Uint8Array;
}

/** How far a machine came: the index of the case it is in, and whether it reached the end. `read` reads guest memory. */
export function readProgress(read: (address: number, bytes: number) => Uint8Array): { index: number; done: boolean } {
  const header = Uint8Array.from(read(BATCH, 32));
  const view = new DataView(header.buffer);
  return { index: view.getUint32(8, true), done: view.getUint32(16, true) === 1 };
}

export function readOutcome(read: (address: number, bytes: number) => Uint8Array): Outcome {
  const progress = readProgress(read);
  return { ...progress, results: Uint8Array.from(read(RESULTS, progress.index * RESULT_BYTES)) };
}

/** Decodes result `index`; the byte arrays are views. */
export function decodeResult(results: Uint8Array, index: number): CaseResult {
  const at = index * RESULT_BYTES;
  const view = new DataView(results.buffer, results.byteOffset + at, RESULT_BYTES);
  const word = (n: number): number => view.getUint32(n * 4, true);
  const wordsFrom = (n: number, count: number): number[] => Array.from({ length: count }, (_, i) => word(n + i));
  return {
    general: wordsFrom(0, 8),
    segments: wordsFrom(8, 6).map((selector) => selector & 0xffff),
    eip: word(14),
    eflags: word(15),
    vector: word(16),
    errorCode: word(17),
    cr2: word(18),
    dr6: word(19),
    cr0: word(20),
    pages: wordsFrom(22, 10),
    fpu: results.subarray(at + 0x80, at + 0x80 + 108),
    gdt: results.subarray(at + 0x100, at + 0x200),
    data: results.subarray(at + 0x200, at + RESULT_BYTES),
  };
}
