// SPDX-License-Identifier: MIT
//
// The CPU record (shared/layout/cpu-state.ts) as the report looks at it: unsigned numbers, segment registers as objects.
import { CR0_PE, CR0_PG, CR4_PAE } from '../../shared/layout/cpu-state.ts';
import type { Fields } from '../inspect.ts';

export const GENERAL_REGISTERS = ['eax', 'ebx', 'ecx', 'edx', 'esi', 'edi', 'ebp', 'esp', 'eip', 'eflags'] as const;
export const SEGMENT_REGISTERS = ['cs', 'ss', 'ds', 'es', 'fs', 'gs', 'ldtr', 'tr'] as const;
export type GeneralRegister = (typeof GENERAL_REGISTERS)[number];
export type SegmentName = (typeof SEGMENT_REGISTERS)[number];

/** A segment register and its cached descriptor; attributes as in the record. */
export interface SegmentPicture {
  readonly selector: number;
  readonly base: number;
  readonly limit: number;
  readonly attributes: number;
}

export interface TablePicture {
  readonly base: number;
  readonly limit: number;
}

export interface CpuPicture {
  readonly general: Readonly<Record<GeneralRegister, number>>;
  readonly segments: Readonly<Record<SegmentName, SegmentPicture>>;
  readonly gdtr: TablePicture;
  readonly idtr: TablePicture;
  readonly cr0: number;
  readonly cr2: number;
  readonly cr3: number;
  readonly cr4: number;
  readonly efer: number;
  readonly a20Masked: boolean;
}

const EFLAGS_VM = 0x20000;
const ATTR_DB = 0x4000;

export function cpuPicture(record: Fields): CpuPicture {
  const word = (name: string): number => (record[name] as number) >>> 0;
  const words = (name: string): number[] => (record[name] as number[]).map((value) => value >>> 0);
  const table = (name: string): TablePicture => {
    const [base, limit] = words(name);
    return { base, limit };
  };
  const segment = (name: string): SegmentPicture => {
    const [selector, base, limit, attributes] = words(name);
    return { selector, base, limit, attributes };
  };
  return {
    general: Object.fromEntries(GENERAL_REGISTERS.map((name) => [name, word(name)])) as CpuPicture['general'],
    segments: Object.fromEntries(SEGMENT_REGISTERS.map((name) => [name, segment(name)])) as CpuPicture['segments'],
    gdtr: table('gdtr'),
    idtr: table('idtr'),
    cr0: word('cr0'),
    cr2: word('cr2'),
    cr3: word('cr3'),
    cr4: word('cr4'),
    efer: word('efer'),
    a20Masked: word('a20Masked') !== 0,
  };
}

export const isProtected = ({ cr0 }: CpuPicture): boolean => (cr0 & CR0_PE) !== 0;
export const isPaging = ({ cr0 }: CpuPicture): boolean => (cr0 & CR0_PG) !== 0;
export const isPae = ({ cr4 }: CpuPicture): boolean => (cr4 & CR4_PAE) !== 0;
export const isVirtual8086 = (cpu: CpuPicture): boolean => isProtected(cpu) && (cpu.general.eflags & EFLAGS_VM) !== 0;
export const codeBits = ({ segments }: CpuPicture): 16 | 32 => ((segments.cs.attributes & ATTR_DB) !== 0 ? 32 : 16);
/** Linear address of the instruction. */
export const codeAddress = ({ segments, general }: CpuPicture): number => (segments.cs.base + general.eip) >>> 0;

/** `16-bit real mode`, `32-bit protected mode, PAE paging`. */
export function modeText(cpu: CpuPicture): string {
  if (!isProtected(cpu)) return `${codeBits(cpu)}-bit real mode`;
  const mode = isVirtual8086(cpu) ? 'virtual-8086 mode' : `${codeBits(cpu)}-bit protected mode`;
  return `${mode}, ${isPaging(cpu) ? (isPae(cpu) ? 'PAE paging' : '32-bit paging') : 'paging off'}`;
}
