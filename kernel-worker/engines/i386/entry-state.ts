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
const GDTR_BASE = 44;
const GDTR_LIMIT = 45;
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
const FLAT_CODE = 0xc09b;
const FLAT_DATA = 0xc093;
/** Descriptors 2 and 3 of a GDT of four. */
const LINUX_BOOT_CS = 0x10;
const LINUX_BOOT_DS = 0x18;
const LINUX_GDT_LIMIT = 4 * 8 - 1;

export function setEntryState(cpu: Cpu, slot: KernelSlot): void {
  const { r } = cpu;
  // Power-on values that the border leaves alone (SDM vol. 3A table 9-1); x87 as FNINIT leaves it.
  r[DR6] = 0xffff0ff0 | 0;
  r[DR7] = 0x400;
  r[FPU_CONTROL] = 0x37f;
  const mode = slot.get('entryMode');
  const registers = slot.callRegisters;
  const takesAll = mode === EntryMode.call || mode === EntryMode.real || mode === EntryMode.linux;
  for (let n = 0; n < 8; n++) {
    const isGiven = mode !== EntryMode.call && mode !== EntryMode.border && registers[n] !== 0;
    if (isGiven || (takesAll && n !== ESP)) r[n] = registers[n];
  }
  if (mode === EntryMode.real) setRealMode(cpu);
  if (mode === EntryMode.linux) setLinuxSegments(cpu, slot.get('entryGdt'));
}

/** Documentation/arch/x86/boot.rst, "32-bit boot protocol": flat segments by these selectors, which are in a GDT in memory. */
function setLinuxSegments({ r }: Cpu, gdt: number): void {
  for (let n = 0; n < 6; n++) {
    r.set(n === CS ? [LINUX_BOOT_CS, 0, -1, FLAT_CODE] : [LINUX_BOOT_DS, 0, -1, FLAT_DATA], SEGMENTS + 4 * n);
  }
  r[GDTR_BASE] = gdt;
  r[GDTR_LIMIT] = LINUX_GDT_LIMIT;
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
