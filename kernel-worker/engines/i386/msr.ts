// SPDX-License-Identifier: MIT
//
// Model-specific registers and the time-stamp counter (SDM vol. 2B RDMSR, RDTSC, WRMSR; vol. 4). A register that is not here is
// #GP(0), and so is a reserved bit. The counter runs at one tick, that is at 1 GHz: virtual time plus an offset in the record.
import type { Cpu } from './cpu.ts';
import { isRing0 } from './descriptor-tables.ts';
import type { Helper } from './operands.ts';

const EAX = 0;
const ECX = 1;
const EDX = 2;
const CR4 = 51;
const SYSENTER_CS = 64;
const SYSENTER_ESP = 65;
const SYSENTER_EIP = 66;
const EFER = 67;
/** Word index of the offset, a float64. */
const TSC_OFFSET = 68;
const MISC_ENABLE = 71;
const CR4_TSD = 4;
const EFER_NXE = 0x800;
const GENERAL_PROTECTION = 13;
const TWO_32 = 0x100000000;

const MSR_TSC = 0x10;
const MSR_PLATFORM_ID = 0x17;
const MSR_APIC_BASE = 0x1b;
const MSR_TSC_ADJUST = 0x3b;
const MSR_BIOS_SIGN_ID = 0x8b;
const MSR_SYSENTER_CS = 0x174;
const MSR_SYSENTER_ESP = 0x175;
const MSR_SYSENTER_EIP = 0x176;
const MSR_MISC_ENABLE = 0x1a0;
const MSR_EFER = 0xc0000080;

/** Word index of a register that is plain storage of 32 bits; −1 for others. */
function storageOf(msr: number): number {
  switch (msr) {
    case MSR_SYSENTER_CS:
      return SYSENTER_CS;
    case MSR_SYSENTER_ESP:
      return SYSENTER_ESP;
    case MSR_SYSENTER_EIP:
      return SYSENTER_EIP;
    case MSR_MISC_ENABLE:
      return MISC_ENABLE;
    case MSR_EFER:
      return EFER;
    default:
      return -1;
  }
}

/** Platform and microcode of no importance: zero, and writing a revision to be read back is allowed. */
const readsAsZero = (msr: number): boolean => msr === MSR_PLATFORM_ID || msr === MSR_BIOS_SIGN_ID;

/** Virtual time of the instruction under way. */
function ticks(cpu: Cpu): number {
  cpu.syncTime();
  return cpu.board.clock.nowTick();
}
function tscOffsetAt(cpu: Cpu): number {
  return cpu.r.byteOffset + TSC_OFFSET * 4;
}

/** EDX:EAX: two's complement of 64 bits. */
function writeWide(cpu: Cpu, value: number): void {
  cpu.r[EAX] = (value % TWO_32) | 0;
  cpu.r[EDX] = Math.floor(value / TWO_32) | 0;
}

function readTsc(cpu: Cpu): void {
  writeWide(cpu, ticks(cpu) + cpu.view.getFloat64(tscOffsetAt(cpu), true));
}

function rdtsc(cpu: Cpu): void {
  if ((cpu.r[CR4] & CR4_TSD) !== 0 && !isRing0(cpu)) return;
  readTsc(cpu);
}

function rdmsr(cpu: Cpu): void {
  if (!isRing0(cpu)) return;
  const { r } = cpu;
  const msr = r[ECX] >>> 0;
  const storage = storageOf(msr);
  if (msr === MSR_TSC) readTsc(cpu);
  else if (msr === MSR_TSC_ADJUST) writeWide(cpu, cpu.view.getFloat64(tscOffsetAt(cpu), true));
  else if (msr === MSR_APIC_BASE) {
    r[EAX] = cpu.board.localApic.apicBase;
    r[EDX] = 0;
  } else if (storage >= 0 || readsAsZero(msr)) {
    r[EAX] = storage < 0 ? 0 : r[storage];
    r[EDX] = 0;
  } else cpu.raise(GENERAL_PROTECTION, 0);
}

function wrmsr(cpu: Cpu): void {
  if (!isRing0(cpu)) return;
  const { r } = cpu;
  const msr = r[ECX] >>> 0;
  const value = r[EAX];
  const storage = storageOf(msr);
  if (msr === MSR_TSC) {
    // P6: the upper half is cleared, whatever EDX holds (SDM vol. 3B §17.17.3).
    cpu.view.setFloat64(tscOffsetAt(cpu), (value >>> 0) - ticks(cpu), true);
  } else if (msr === MSR_TSC_ADJUST) {
    cpu.view.setFloat64(tscOffsetAt(cpu), r[EDX] * TWO_32 + (value >>> 0), true);
  } else if (msr === MSR_APIC_BASE) {
    if (!cpu.board.localApic.setApicBase(value, r[EDX])) cpu.raise(GENERAL_PROTECTION, 0);
    cpu.leaveRun();
  } else if (msr === MSR_EFER) {
    if ((value & ~EFER_NXE) !== 0 || r[EDX] !== 0) cpu.raise(GENERAL_PROTECTION, 0);
    else {
      r[EFER] = value;
      cpu.mmu.flush();
      cpu.leaveRun();
    }
  } else if (storage >= 0) r[storage] = value;
  else if (msr !== MSR_BIOS_SIGN_ID) cpu.raise(GENERAL_PROTECTION, 0);
}

export const MSR_HELPERS = { rdtsc, rdmsr, wrmsr } as const satisfies Record<string, Helper>;
