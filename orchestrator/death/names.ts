// SPDX-License-Identifier: MIT
//
// What numbers of the CPU are called: exceptions and their error codes (SDM vol. 3A table 6-1, §6.13, §4.7), bits of EFLAGS and of
// the control registers (vol. 1 §3.4.3, vol. 3A §2.5), entries of page tables (§4.3, §4.4).
import { hex } from '../../shared/units.ts';

/** Mnemonic and title by vector. */
const EXCEPTIONS: readonly (readonly [string, string])[] = [
  ['#DE', 'divide error'],
  ['#DB', 'debug'],
  ['NMI', 'non-maskable interrupt'],
  ['#BP', 'breakpoint'],
  ['#OF', 'overflow'],
  ['#BR', 'bound range exceeded'],
  ['#UD', 'invalid opcode'],
  ['#NM', 'no math coprocessor'],
  ['#DF', 'double fault'],
  ['#9', 'coprocessor segment overrun'],
  ['#TS', 'invalid task state'],
  ['#NP', 'segment not present'],
  ['#SS', 'stack fault'],
  ['#GP', 'general protection'],
  ['#PF', 'page fault'],
  ['#15', 'reserved'],
  ['#MF', 'x87 error'],
  ['#AC', 'alignment check'],
];

export const Vector = { nmi: 2, invalidOpcode: 6, doubleFault: 8, pageFault: 14 } as const;

export function exceptionName(vector: number, external: boolean): string {
  return external ? `INT ${vector}` : (EXCEPTIONS[vector]?.[0] ?? `INT ${vector}`);
}
export function exceptionTitle(vector: number, external: boolean): string {
  if (external) return vector === Vector.nmi ? 'non-maskable interrupt' : 'external interrupt';
  return EXCEPTIONS[vector]?.[1] ?? 'interrupt';
}

export const ErrorCode = { external: 1, idt: 2, ldt: 4 } as const;
export const PageFault = { present: 1, write: 2, user: 4, reserved: 8, fetch: 16 } as const;
/** Vectors whose error code names a selector: #TS, #NP, #SS, #GP. */
const SELECTOR_CODES: readonly number[] = [10, 11, 12, 13];

export const namesSelector = (vector: number): boolean => SELECTOR_CODES.includes(vector);

/** What an error code says; empty if the vector has none. `cr2` null: no longer known. */
export function errorCodeText(vector: number, code: number | null, cr2: number | null): string {
  if (code === null) return '';
  if (vector === Vector.pageFault) return pageFaultText(code, cr2);
  if (!namesSelector(vector)) return code === 0 ? '' : hex(code, 4);
  const by = (code & ErrorCode.external) !== 0 ? ', while delivering' : '';
  if ((code & ErrorCode.idt) !== 0) return `IDT gate ${code >>> 3}${by}`;
  if ((code & ~ErrorCode.external) === 0) return `no selector${by}`;
  return `selector ${hex(code & 0xfffc, 4)} of the ${(code & ErrorCode.ldt) !== 0 ? 'LDT' : 'GDT'}${by}`;
}

function pageFaultText(code: number, cr2: number | null): string {
  const what = (code & PageFault.fetch) !== 0 ? 'fetch' : (code & PageFault.write) !== 0 ? 'write' : 'read';
  const who = (code & PageFault.user) !== 0 ? 'user' : 'supervisor';
  const reason = (code & PageFault.present) === 0 ? 'not present' : 'not allowed';
  return `${who} ${what}${cr2 === null ? '' : ` at ${hex(cr2)}`}, ${(code & PageFault.reserved) !== 0 ? 'reserved bits set' : reason}`;
}

type BitNames = readonly (readonly [number, string])[];

export const EFLAGS_BITS: BitNames = [
  [0, 'CF'],
  [2, 'PF'],
  [4, 'AF'],
  [6, 'ZF'],
  [7, 'SF'],
  [8, 'TF'],
  [9, 'IF'],
  [10, 'DF'],
  [11, 'OF'],
  [14, 'NT'],
  [16, 'RF'],
  [17, 'VM'],
  [18, 'AC'],
  [21, 'ID'],
];
export const CR0_BITS: BitNames = [
  [0, 'PE'],
  [1, 'MP'],
  [2, 'EM'],
  [3, 'TS'],
  [4, 'ET'],
  [5, 'NE'],
  [16, 'WP'],
  [18, 'AM'],
  [29, 'NW'],
  [30, 'CD'],
  [31, 'PG'],
];
export const CR4_BITS: BitNames = [
  [0, 'VME'],
  [1, 'PVI'],
  [2, 'TSD'],
  [3, 'DE'],
  [4, 'PSE'],
  [5, 'PAE'],
  [6, 'MCE'],
  [7, 'PGE'],
  [8, 'PCE'],
  [9, 'OSFXSR'],
  [10, 'OSXMMEXCPT'],
];
export const CR3_BITS: BitNames = [
  [3, 'PWT'],
  [4, 'PCD'],
];
export const EFER_BITS: BitNames = [
  [0, 'SCE'],
  [11, 'NXE'],
];
/** Low word of an entry of any paging table. */
export const ENTRY_BITS: BitNames = [
  [0, 'P'],
  [1, 'W'],
  [2, 'U'],
  [3, 'PWT'],
  [4, 'PCD'],
  [5, 'A'],
  [6, 'D'],
  [7, 'PS'],
  [8, 'G'],
];

/** Names of the bits that are set, lowest first. */
export function bitNames(value: number, names: BitNames): string[] {
  return names.filter(([bit]) => ((value >>> bit) & 1) !== 0).map(([, name]) => name);
}
