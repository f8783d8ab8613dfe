// SPDX-License-Identifier: MIT
//
// The CPU record: one page, the state of an i686 between two instructions. There is one live record, the machine's; copies
// lie in the context pages of parked kernels. Written by the engine that runs (kernel-worker/engines) and by the border
// protocol (kernel-worker/border.ts). Register order as in ModRM (SDM vol. 2A table 2-2), segments in Sreg order.
import { field, recordLayout } from './fields.ts';

export const CPU = {
  eax: 0,
  ecx: 4,
  edx: 8,
  ebx: 12,
  esp: 16,
  ebp: 20,
  esi: 24,
  edi: 28,
  eip: 32,
  eflags: 36,
  es: 48,
  cs: 64,
  ss: 80,
  ds: 96,
  fs: 112,
  gs: 128,
  ldtr: 144,
  tr: 160,
  gdtr: 176,
  idtr: 184,
  cr0: 192,
  cr2: 196,
  cr3: 200,
  cr4: 204,
  dr: 208,
  halted: 240,
  interruptShadow: 244,
  a20Masked: 248,
  nmiBlocked: 252,
  sysenterCs: 256,
  sysenterEsp: 260,
  sysenterEip: 264,
  efer: 268,
  tscOffset: 272,
  miscEnable: 284,
  pendingDebug: 288,
  pagingOffPage: 292,
  fpuControl: 304,
  fpuStatus: 308,
  fpuTag: 312,
  fpuOpcode: 316,
  fpuIp: 320,
  fpuCs: 324,
  fpuDp: 328,
  fpuDs: 332,
  fpuRegisters: 336,
} as const;

/**
 * Offsets within one segment register: selector and the cached descriptor. The limit is in bytes, inclusive. Attributes are
 * bits 8 to 23 of the descriptor's second doubleword, in place, shifted down by 8 (SDM vol. 3A §3.4.5): type, S, DPL, P, 0000,
 * AVL, 0, D/B, G; bit 16 is set for a null selector in protected mode: the segment must not be used.
 */
export const SEGMENT = { selector: 0, base: 4, limit: 8, attributes: 12 } as const;

export const EFLAGS_ALWAYS = 0x2;
export const EFLAGS_IF = 0x200;
export const EFLAGS_DF = 0x400;
export const CR0_PE = 0x1;
export const CR0_ET = 0x10;
export const CR0_PG = -0x80000000;
export const CR4_PAE = 0x20;

const GENERAL = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi', 'eip', 'eflags'] as const;
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'] as const;

export const CPU_LAYOUT = recordLayout('cpu', 4096, [
  ...GENERAL.map((name) => field(name, CPU[name], 'u32', `register ${name.toUpperCase()}`)),
  ...SEGMENTS.map((name) =>
    field(name, CPU[name], 'u32', `${name.toUpperCase()}: selector, base, limit, attributes`, 4),
  ),
  field('gdtr', CPU.gdtr, 'u32', 'GDTR: base, limit', 2),
  field('idtr', CPU.idtr, 'u32', 'IDTR: base, limit', 2),
  ...(['cr0', 'cr2', 'cr3', 'cr4'] as const).map((name) => field(name, CPU[name], 'u32', name.toUpperCase())),
  field('dr', CPU.dr, 'u32', 'DR0 to DR7', 8),
  field('halted', CPU.halted, 'u32', '1 after HLT, until an interrupt'),
  field('interruptShadow', CPU.interruptShadow, 'u32', '1: the instruction before was STI or a load of SS'),
  field('a20Masked', CPU.a20Masked, 'u32', '1: A20M# is asserted, address line 20 is always 0'),
  field('nmiBlocked', CPU.nmiBlocked, 'u32', '1: from the delivery of an NMI to the next IRET'),
  field('sysenterCs', CPU.sysenterCs, 'u32', 'IA32_SYSENTER_CS'),
  field('sysenterEsp', CPU.sysenterEsp, 'u32', 'IA32_SYSENTER_ESP'),
  field('sysenterEip', CPU.sysenterEip, 'u32', 'IA32_SYSENTER_EIP'),
  field('efer', CPU.efer, 'u32', 'IA32_EFER: NXE'),
  field('tscOffset', CPU.tscOffset, 'f64', 'time-stamp counter minus virtual time, in ticks'),
  field('miscEnable', CPU.miscEnable, 'u32', 'IA32_MISC_ENABLE'),
  field('pendingDebug', CPU.pendingDebug, 'u32', 'bits of DR6 that the next instruction boundary reports'),
  field('pagingOffPage', CPU.pagingOffPage, 'u32', 'page whose code switched paging off, plus 1; 0: none'),
  field('fpuControl', CPU.fpuControl, 'u32', 'x87 control word'),
  field('fpuStatus', CPU.fpuStatus, 'u32', 'x87 status word, TOP included'),
  field('fpuTag', CPU.fpuTag, 'u32', 'bit n is 1: physical register Rn is not empty'),
  field('fpuOpcode', CPU.fpuOpcode, 'u32', 'last x87 opcode, 11 bits'),
  field('fpuIp', CPU.fpuIp, 'u32', 'last x87 instruction: offset'),
  field('fpuCs', CPU.fpuCs, 'u32', 'last x87 instruction: selector'),
  field('fpuDp', CPU.fpuDp, 'u32', 'last x87 operand: offset'),
  field('fpuDs', CPU.fpuDs, 'u32', 'last x87 operand: selector'),
  field('fpuRegisters', CPU.fpuRegisters, 'u32', 'R0 to R7: mantissa low, mantissa high, sign and exponent, 0', 32),
]);
