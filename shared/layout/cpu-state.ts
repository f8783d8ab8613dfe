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
} as const;

/** Offsets within one segment register: selector and the cached descriptor. */
export const SEGMENT = { selector: 0, base: 4, limit: 8, attributes: 12 } as const;

export const EFLAGS_ALWAYS = 0x2;
export const EFLAGS_IF = 0x200;
export const EFLAGS_DF = 0x400;
export const CR0_PE = 0x1;
export const CR0_ET = 0x10;

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
]);
