// SPDX-License-Identifier: MIT
//
// Control and debug registers (SDM vol. 2A LMSW, CLTS, INVLPG; vol. 2B MOV CRn, MOV DRn, SMSW; vol. 3A §2.5; vol. 3B §17.2). Which
// bits of CR4 exist follows from CPUID: a bit of a feature that is not there is reserved, and setting it #GP(0).
import type { Cpu } from './cpu.ts';
import { isRing0 } from './descriptor-tables.ts';
import { type Helper, isMemory, regOf, rmOf } from './operands.ts';
import { attributeSize, readRm16, writeSelector } from './segments.ts';

const CR0 = 48;
const CR2 = 49;
const CR3 = 50;
const CR4 = 51;
const DR0 = 52;
const DR6 = 58;
const DR7 = 59;
const CR0_PE = 0x1;
const CR0_TS = 0x8;
const CR0_ET = 0x10;
const CR0_WP = 0x10000;
const CR0_NW = 0x20000000;
const CR0_CD = 0x40000000;
const CR0_PG = -0x80000000;
/** PE, MP, EM, TS, NE, WP, AM, NW, CD, PG; ET is always set. */
const CR0_KNOWN = -0x1ffaffd1;
/** PE, MP, EM, TS: what LMSW reaches. */
const CR0_MSW = 0xf;
const CR4_TSD = 0x4;
const CR4_DE = 0x8;
const CR4_PSE = 0x10;
const CR4_PAE = 0x20;
const CR4_PGE = 0x80;
const CR4_PCE = 0x100;
const CR4_OSFXSR = 0x200;
const CR4_KNOWN = CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCE | CR4_OSFXSR;
/** Bits of a PAE page-directory-pointer entry that must be zero (SDM vol. 3A §4.4.1). */
const PDPTE_RESERVED = 0x1e6;
const DR6_FIXED = -0xf010;
const DR6_WRITABLE = 0xe00f;
/** Breakpoint detected on access to a debug register. */
const DR6_BD = 0x2000;
const DR7_FIXED = 0x400;
const DR7_WRITABLE = -0xdc01;
const DR7_GD = 0x2000;
const DEBUG = 1;
const INVALID_OPCODE = 6;
const GENERAL_PROTECTION = 13;

// ---- CR0 to CR4 -----------------------------------------------------------------------------------------------------

/** Bits reserved in the four pointers that PAE paging starts from: loading them is #GP(0) (SDM vol. 3A §4.4.1). */
function arePdptesGood(cpu: Cpu, cr3: number): boolean {
  for (let i = 0; i < 4; i++) {
    const physAddr = (cr3 & -32) + 8 * i;
    const low = cpu.memory.read32(physAddr >>> 0);
    if ((low & 1) !== 0 && ((low & PDPTE_RESERVED) !== 0 || cpu.memory.read32((physAddr + 4) >>> 0) !== 0))
      return false;
  }
  return true;
}

function writeCr0(cpu: Cpu, value: number): void {
  const { r } = cpu;
  const old = r[CR0];
  const cr0 = (value & CR0_KNOWN) | CR0_ET;
  const changed = old ^ cr0;
  const isWrong =
    ((cr0 & CR0_PG) !== 0 && (cr0 & CR0_PE) === 0) ||
    ((cr0 & CR0_NW) !== 0 && (cr0 & CR0_CD) === 0) ||
    ((changed & cr0 & CR0_PG) !== 0 && (r[CR4] & CR4_PAE) !== 0 && !arePdptesGood(cpu, r[CR3]));
  if (isWrong) {
    cpu.raise(GENERAL_PROTECTION, 0);
    return;
  }
  r[CR0] = cr0;
  if ((changed & CR0_PG) !== 0) cpu.handOver.pagingChanged((cr0 & CR0_PG) !== 0);
  if ((changed & (CR0_PG | CR0_WP | CR0_PE)) !== 0) cpu.mmu.flush();
  cpu.updateMode();
  cpu.leaveRun();
}

function writeCr3(cpu: Cpu, value: number): void {
  const { r } = cpu;
  const isPae = (r[CR0] & CR0_PG) !== 0 && (r[CR4] & CR4_PAE) !== 0;
  if (isPae && !arePdptesGood(cpu, value)) {
    cpu.raise(GENERAL_PROTECTION, 0);
    return;
  }
  cpu.mmu.changeTables(value);
  cpu.leaveRun();
}

function writeCr4(cpu: Cpu, value: number): void {
  const { r } = cpu;
  const changed = r[CR4] ^ value;
  const setsPae = (changed & value & CR4_PAE) !== 0 && (r[CR0] & CR0_PG) !== 0;
  if ((value & ~CR4_KNOWN) !== 0 || (setsPae && !arePdptesGood(cpu, r[CR3]))) {
    cpu.raise(GENERAL_PROTECTION, 0);
    return;
  }
  r[CR4] = value;
  if ((changed & (CR4_PSE | CR4_PAE | CR4_PGE)) !== 0) cpu.mmu.flush();
  cpu.leaveRun();
}

/** Word index of a control register, or −1 with #UD posted. */
function controlRegister(cpu: Cpu, n: number): number {
  if (n === 0) return CR0;
  if (n >= 2 && n <= 4) return CR2 + n - 2;
  cpu.raise(INVALID_OPCODE, -1);
  return -1;
}

/** The other operand is always a register of 32 bits. */
function movToCr(cpu: Cpu, operands: number): void {
  const index = controlRegister(cpu, regOf(operands));
  if (index < 0 || !isRing0(cpu)) return;
  const value = cpu.r[rmOf(operands)];
  if (index === CR0) writeCr0(cpu, value);
  else if (index === CR3) writeCr3(cpu, value);
  else if (index === CR4) writeCr4(cpu, value);
  else cpu.r[index] = value;
}

function movFromCr(cpu: Cpu, operands: number): void {
  const index = controlRegister(cpu, regOf(operands));
  if (index >= 0 && isRing0(cpu)) cpu.r[rmOf(operands)] = cpu.r[index];
}

/** LMSW sets PE, but does not clear it. */
function lmsw(cpu: Cpu, operands: number): void {
  if (!isRing0(cpu)) return;
  const value = readRm16(cpu, operands);
  if (cpu.fault !== 0) return;
  const cr0 = cpu.r[CR0];
  writeCr0(cpu, (cr0 & ~CR0_MSW) | (value & CR0_MSW) | (cr0 & CR0_PE));
}

/** Not privileged. A 32-bit register gets all of CR0. */
function smsw(cpu: Cpu, operands: number): void {
  writeSelector(cpu, operands, cpu.r[CR0], attributeSize(operands));
}

function clts(cpu: Cpu): void {
  if (!isRing0(cpu)) return;
  cpu.r[CR0] &= ~CR0_TS;
  cpu.leaveRun();
}

function invlpg(cpu: Cpu, operands: number): void {
  if (!isMemory(operands)) cpu.raise(INVALID_OPCODE, -1);
  // Nothing is left to invalidate: the store that changed the table has done it (tlb.ts).
  else isRing0(cpu);
}

// ---- DR0 to DR7 -----------------------------------------------------------------------------------------------------

/** Word index of a debug register, or −1 with a fault posted. DR4 and DR5 are DR6 and DR7 while CR4.DE is clear. */
function debugRegister(cpu: Cpu, n: number): number {
  const { r } = cpu;
  const isAlias = n === 4 || n === 5;
  if (isAlias && (r[CR4] & CR4_DE) !== 0) cpu.raise(INVALID_OPCODE, -1);
  else if (isRing0(cpu) && (r[DR7] & DR7_GD) !== 0) {
    r[DR6] |= DR6_BD;
    cpu.raise(DEBUG, -1);
  }
  return cpu.fault !== 0 ? -1 : DR0 + (isAlias ? n + 2 : n);
}

function movToDr(cpu: Cpu, operands: number): void {
  const index = debugRegister(cpu, regOf(operands));
  if (index < 0) return;
  const value = cpu.r[rmOf(operands)];
  if (index === DR6) {
    cpu.r[DR6] = (value & DR6_WRITABLE) | DR6_FIXED;
    return;
  }
  cpu.r[index] = index === DR7 ? (value & DR7_WRITABLE) | DR7_FIXED : value;
  cpu.noticeBreakpoints();
  cpu.leaveRun();
}

function movFromDr(cpu: Cpu, operands: number): void {
  const index = debugRegister(cpu, regOf(operands));
  if (index >= 0) cpu.r[rmOf(operands)] = cpu.r[index];
}

export const CONTROL_HELPERS = {
  movToCr,
  movFromCr,
  lmsw,
  smsw,
  clts,
  invlpg,
  movToDr,
  movFromDr,
} as const satisfies Record<string, Helper>;
