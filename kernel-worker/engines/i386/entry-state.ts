// SPDX-License-Identifier: MIT
//
// What the CPU holds at a kernel's first instruction beside what the border protocol says: registers of a boot protocol, real mode for
// a boot sector or a ROM, the arguments of a function. The slot has them from the loader.
import type { KernelSlot } from '../../../shared/kernel-slot.ts';
import { EntryMode } from '../../../shared/layout/kernel-slot.ts';
import type { Cpu } from './cpu.ts';

const ESP = 4;
const EIP = 8;
const EFLAGS = 9;
const SEGMENTS = 12;
const CS_SELECTOR = 16;
const CS_BASE = 17;
const IDTR_BASE = 46;
const IDTR_LIMIT = 47;
const CR0 = 48;
const FPU_CONTROL = 76;
const DR6 = 58;
const DR7 = 59;
const CS = 1;
const REAL_MODE_LIMIT = 0xffff;
const SEGMENT_BASES = 0xf0000;
const REAL_CODE = 0x9b;
const REAL_DATA = 0x93;
const CR0_PE_PG = 0x80000001 | 0;

export function setEntryState(cpu: Cpu, slot: KernelSlot): void {
  const { r } = cpu;
  // Power-on values that the border leaves alone (SDM vol. 3A table 9-1); x87 as FNINIT leaves it.
  r[DR6] = 0xffff0ff0 | 0;
  r[DR7] = 0x400;
  r[FPU_CONTROL] = 0x37f;
  const mode = slot.get('entryMode');
  const registers = slot.callRegisters;
  for (let n = 0; n < 8; n++) {
    const isGiven = mode === EntryMode.call ? n !== ESP : mode !== EntryMode.border && registers[n] !== 0;
    if (isGiven || (mode === EntryMode.real && n !== ESP)) r[n] = registers[n];
  }
  if (mode === EntryMode.real) setRealMode(cpu);
}

function setRealMode({ r }: Cpu): void {
  for (let n = 0; n < 6; n++) {
    r.set([0, 0, REAL_MODE_LIMIT, n === CS ? REAL_CODE : REAL_DATA], SEGMENTS + 4 * n);
  }
  r[CS_BASE] = r[EIP] & SEGMENT_BASES;
  r[CS_SELECTOR] = r[CS_BASE] >>> 4;
  r[EIP] &= REAL_MODE_LIMIT;
  r[CR0] &= ~CR0_PE_PG;
  r[EFLAGS] = 2;
  r[IDTR_BASE] = 0;
  r[IDTR_LIMIT] = 0x3ff;
  // The boot sector's stack, until it makes its own, is below it.
  r[ESP] = r[ESP] >>> 16 === 0 && r[ESP] !== 0 ? r[ESP] : 0x7c00;
}
