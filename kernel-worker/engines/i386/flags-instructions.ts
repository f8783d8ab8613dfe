// SPDX-License-Identifier: MIT
//
// Instructions on EFLAGS (SDM vol. 2A CLI, LAHF; vol. 2B POPF, PUSHF, SAHF, STI): who may change what depends on CPL and IOPL.
import type { Cpu } from './cpu.ts';
import { ioPrivilege } from './descriptors.ts';
import { type Helper, sizeOf } from './operands.ts';

const EFLAGS = 9;
const INTERRUPT_SHADOW = 61;
/** Byte index of AH. */
const AH = 1;
const CF = 0x1;
const IF = 0x200;
const DF = 0x400;
const IOPL = 0x3000;
const RF = 0x10000;
const VM = 0x20000;
const AC = 0x40000;
const VIF = 0x80000;
const VIP = 0x100000;
const ID = 0x200000;
/** CF, PF, AF, ZF, SF, TF, DF, OF, NT. */
const FLAGS_ANY = 0x4dd5;
/** SF, ZF, AF, PF, CF. */
const FLAGS_AH = 0xd5;
const GENERAL_PROTECTION = 13;

/** CLI, STI and, in virtual-8086 mode, PUSHF and POPF need an IOPL not below CPL; otherwise #GP(0) is posted. */
function hasIoPrivilege(cpu: Cpu): boolean {
  if (cpu.cpl <= ioPrivilege(cpu)) return true;
  cpu.raise(GENERAL_PROTECTION, 0);
  return false;
}

function pushf(cpu: Cpu, operands: number): void {
  if (cpu.virtual8086 && !hasIoPrivilege(cpu)) return;
  cpu.push(sizeOf(operands), cpu.getEflags() & ~(VM | RF));
}

function popf(cpu: Cpu, operands: number): void {
  if (cpu.virtual8086 && !hasIoPrivilege(cpu)) return;
  const size = sizeOf(operands);
  let value = cpu.peek(size, 0);
  if (cpu.fault !== 0) return;
  let mask = FLAGS_ANY;
  if (cpu.cpl <= ioPrivilege(cpu)) mask |= IF;
  if (cpu.cpl === 0) mask |= IOPL;
  if (size === 4) {
    // RF is cleared; so are VIF and VIP in ring 0 (SDM vol. 2B table 4-16).
    value &= ~(RF | VIF | VIP);
    mask |= RF | AC | ID | (cpu.cpl === 0 ? VIF | VIP : 0);
  }
  cpu.drop(size);
  cpu.setEflags(value, mask);
}

function cli(cpu: Cpu): void {
  if (!hasIoPrivilege(cpu)) return;
  cpu.r[EFLAGS] &= ~IF;
}

/** Interrupts stay away from the next instruction too, if they were off. */
function sti(cpu: Cpu): void {
  if (!hasIoPrivilege(cpu)) return;
  if ((cpu.r[EFLAGS] & IF) !== 0) return;
  cpu.r[INTERRUPT_SHADOW] = 1;
  cpu.r[EFLAGS] |= IF;
  cpu.leaveRun();
}

function cld(cpu: Cpu): void {
  cpu.r[EFLAGS] &= ~DF;
}
function std(cpu: Cpu): void {
  cpu.r[EFLAGS] |= DF;
}
function clc(cpu: Cpu): void {
  cpu.flags.change(0, CF);
}
function stc(cpu: Cpu): void {
  cpu.flags.change(CF, CF);
}
function cmc(cpu: Cpu): void {
  cpu.flags.change(cpu.flags.carry() ^ CF, CF);
}

function lahf(cpu: Cpu): void {
  cpu.r8[AH] = (cpu.getEflags() & FLAGS_AH) | 2;
}
function sahf(cpu: Cpu): void {
  cpu.flags.change(cpu.r8[AH], FLAGS_AH);
}

export const FLAGS_HELPERS = {
  pushf,
  popf,
  cli,
  sti,
  cld,
  std,
  clc,
  stc,
  cmc,
  lahf,
  sahf,
} as const satisfies Record<string, Helper>;
