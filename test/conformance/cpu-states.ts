// SPDX-License-Identifier: MIT
//
// The CPU states in which tests begin: real mode as after reset (SDM vol. 3A §9.1, table 9-1), and flat protected mode as a
// multiboot loader leaves it (Multiboot Specification 0.6.96, §3.2).
import type { CpuRecord } from '../../shared/cpu-record.ts';
import { CPU, CPU_LAYOUT, CR0_ET, CR0_PE, EFLAGS_ALWAYS, SEGMENT } from '../../shared/layout/cpu-state.ts';

const SEGMENTS = [CPU.es, CPU.cs, CPU.ss, CPU.ds, CPU.fs, CPU.gs] as const;
/** Present, writable, accessed data: also CS is such a segment in real mode. */
const REAL_ATTRIBUTES = 0x93;
const FLAT_CODE = 0xc09b;
const FLAT_DATA = 0xc093;
const REAL_LIMIT = 0xffff;
const FLAT_LIMIT = -1;
const IVT_LIMIT = 0x3ff;
const DR6_RESET = 0xffff0ff0;
const DR7_RESET = 0x400;
const FPU_CONTROL_RESET = 0x40;

/** Everything zero but what reset sets. Segments are for the caller. */
export function clear(cpu: CpuRecord): void {
  for (let offset = 0; offset < CPU_LAYOUT.bytes; offset += 4) cpu.setWord(offset, 0);
  cpu.setWord(CPU.eflags, EFLAGS_ALWAYS);
  cpu.setWord(CPU.cr0, CR0_ET);
  cpu.setWord(CPU.dr + 4 * 6, DR6_RESET);
  cpu.setWord(CPU.dr + 4 * 7, DR7_RESET);
  cpu.setWord(CPU.fpuControl, FPU_CONTROL_RESET);
}

export function setRealSegment(cpu: CpuRecord, segment: number, selector: number): void {
  cpu.setWord(segment + SEGMENT.selector, selector);
  cpu.setWord(segment + SEGMENT.base, selector << 4);
  cpu.setWord(segment + SEGMENT.limit, REAL_LIMIT);
  cpu.setWord(segment + SEGMENT.attributes, REAL_ATTRIBUTES);
}

/** Real mode at CS:IP; the other segment registers are 0, the interrupt vectors at 0. */
export function enterReal(cpu: CpuRecord, cs: number, eip: number): void {
  clear(cpu);
  for (const segment of SEGMENTS) setRealSegment(cpu, segment, 0);
  setRealSegment(cpu, CPU.cs, cs);
  cpu.setWord(CPU.idtr + 4, IVT_LIMIT);
  cpu.eip = eip;
}

/** 32-bit protected mode without paging, flat segments. */
export function enterFlat(cpu: CpuRecord, eip: number): void {
  clear(cpu);
  for (const segment of SEGMENTS) {
    const isCode = segment === CPU.cs;
    cpu.setWord(segment + SEGMENT.selector, isCode ? 0x08 : 0x10);
    cpu.setWord(segment + SEGMENT.limit, FLAT_LIMIT);
    cpu.setWord(segment + SEGMENT.attributes, isCode ? FLAT_CODE : FLAT_DATA);
  }
  cpu.setWord(CPU.cr0, CR0_ET | CR0_PE);
  cpu.eip = eip;
}
