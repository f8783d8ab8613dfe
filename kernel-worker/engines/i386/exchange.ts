// SPDX-License-Identifier: MIT
//
// Exchanges and comparisons with memory (SDM vol. 2A to 2C: XADD, CMPXCHG, CMPXCHG8B, XCHG), and three small ones: XLAT, BOUND and
// SALC, which no manual lists. Only one kernel runs at a time, so LOCK asks for nothing more. CMPXCHG and CMPXCHG8B store in
// every case, the old value if the comparison failed (SDM vol. 2A CMPXCHG: the destination receives a write cycle).
import type { Cpu } from './cpu.ts';
import {
  type Helper,
  isMemory,
  OPERAND_ADDRESS32,
  offsetOf,
  readRegister,
  readRmForWrite,
  regOf,
  segmentOf,
  sizeOf,
  writeRegister,
  writeRm,
} from './operands.ts';

const EAX = 0;
const ECX = 1;
const EDX = 2;
const EBX = 3;
const AL = 0;
const ZF = 0x40;
const BOUND_RANGE = 5;
const ADDRESS32 = OPERAND_ADDRESS32;

function xadd(cpu: Cpu, operands: number): void {
  const size = sizeOf(operands);
  const register = regOf(operands);
  const before = readRmForWrite(cpu, operands);
  if (cpu.fault !== 0) return;
  const addend = readRegister(cpu, register, size);
  const sum = (before + addend) | 0;
  if (isMemory(operands)) {
    writeRm(cpu, operands, sum);
    if (cpu.fault !== 0) return;
    writeRegister(cpu, register, size, before);
  } else {
    // The same register twice ends up with the sum.
    writeRegister(cpu, register, size, before);
    writeRm(cpu, operands, sum);
  }
  cpu.flags.setAdd(size, before, addend, sum);
}

function cmpxchg(cpu: Cpu, operands: number): void {
  const size = sizeOf(operands);
  const before = readRmForWrite(cpu, operands);
  if (cpu.fault !== 0) return;
  const accumulator = readRegister(cpu, EAX, size);
  const isEqual = accumulator === before;
  writeRm(cpu, operands, isEqual ? readRegister(cpu, regOf(operands), size) : before);
  if (cpu.fault !== 0) return;
  if (!isEqual) writeRegister(cpu, EAX, size, before);
  cpu.flags.setSub(size, accumulator, before, (accumulator - before) | 0);
}

/** EDX:EAX with 8 bytes of memory. */
function cmpxchg8b(cpu: Cpu, operands: number): void {
  const segment = segmentOf(operands);
  const offset = offsetOf(cpu);
  if (!cpu.probeWrite(segment, offset, 8)) return;
  const { r } = cpu;
  const upper = (offset + 4) | 0;
  const low = cpu.load32(segment, offset);
  const high = cpu.load32(segment, upper);
  if (cpu.fault !== 0) return;
  const isEqual = low === r[EAX] && high === r[EDX];
  cpu.store32(segment, offset, isEqual ? r[EBX] : low);
  cpu.store32(segment, upper, isEqual ? r[ECX] : high);
  if (cpu.fault !== 0) return;
  if (!isEqual) {
    r[EAX] = low;
    r[EDX] = high;
  }
  cpu.flags.change(isEqual ? ZF : 0, ZF);
}

function xchg(cpu: Cpu, operands: number): void {
  const size = sizeOf(operands);
  const register = regOf(operands);
  const before = readRmForWrite(cpu, operands);
  if (cpu.fault !== 0) return;
  writeRm(cpu, operands, readRegister(cpu, register, size));
  if (cpu.fault === 0) writeRegister(cpu, register, size, before);
}

/** AL = byte AL of the table at (E)BX. */
function xlat(cpu: Cpu, operands: number): void {
  const offset = (cpu.r[EBX] + cpu.r8[AL]) | 0;
  const value = cpu.load8(segmentOf(operands), (operands & ADDRESS32) !== 0 ? offset : offset & 0xffff);
  if (cpu.fault === 0) cpu.r8[AL] = value;
}

/** D6: AL becomes all ones if CF is set, else 0. */
function salc(cpu: Cpu): void {
  cpu.r8[AL] = -cpu.flags.carry();
}

function bound(cpu: Cpu, operands: number): void {
  const size = sizeOf(operands);
  const segment = segmentOf(operands);
  const offset = offsetOf(cpu);
  const upperOffset = (offset + size) | 0;
  const lower = cpu.load(segment, offset, size);
  const upper = cpu.load(segment, (operands & ADDRESS32) !== 0 ? upperOffset : upperOffset & 0xffff, size);
  if (cpu.fault !== 0) return;
  const unused = 32 - 8 * size;
  const index = (readRegister(cpu, regOf(operands), size) << unused) >> unused;
  const isInside = index >= (lower << unused) >> unused && index <= (upper << unused) >> unused;
  if (!isInside) cpu.raise(BOUND_RANGE, -1);
}

export const EXCHANGE_HELPERS = { xadd, cmpxchg, cmpxchg8b, xchg, xlat, salc, bound } as const satisfies Record<
  string,
  Helper
>;
