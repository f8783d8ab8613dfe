// SPDX-License-Identifier: MIT
//
// The operand word that a helper gets from the decoder: everything the instruction's bytes say, in one integer.
//
//   bits 0-2   operand size in bytes: 1, 2 or 4
//   bits 3-5   reg field of ModRM (or the register in the opcode)
//   bits 6-8   rm field of ModRM, for a register operand
//   bit  9     the operand is in memory, at the offset in word T1 of the record, already cut to the address size
//   bits 10-12 segment of the memory operand
//   bit  13    address size 32
//   bits 14-15 repeat prefix: 0 none, 2 F2, 3 F3
//   bit  16    operand-size attribute 32, where the operand itself is of another size
import type { Cpu } from './cpu.ts';

const T1 = 129;

/** What executes an instruction that is too rare or too long for a micro-operation. Faults are posted, never thrown. */
export type Helper = (cpu: Cpu, operands: number, immediate: number) => void;

export const OPERAND_MEMORY = 0x200;
export const OPERAND_ADDRESS32 = 0x2000;
export const OPERAND_SIZE32 = 0x10000;

export const sizeOf = (operands: number): number => operands & 7;
export const regOf = (operands: number): number => (operands >>> 3) & 7;
export const rmOf = (operands: number): number => (operands >>> 6) & 7;
export const segmentOf = (operands: number): number => (operands >>> 10) & 7;
export const repeatOf = (operands: number): number => (operands >>> 14) & 3;
export const isMemory = (operands: number): boolean => (operands & OPERAND_MEMORY) !== 0;

/** Offset of the memory operand in its segment. */
export const offsetOf = (cpu: Cpu): number => cpu.r[T1];

export function readRegister(cpu: Cpu, register: number, size: number): number {
  if (size === 4) return cpu.r[register];
  return size === 2 ? cpu.r16[register * 2] : cpu.r8[((register & 3) << 2) + (register >>> 2)];
}

export function writeRegister(cpu: Cpu, register: number, size: number, value: number): void {
  if (size === 4) cpu.r[register] = value;
  else if (size === 2) cpu.r16[register * 2] = value;
  else cpu.r8[((register & 3) << 2) + (register >>> 2)] = value;
}

/** The r/m operand: zero-extended, but 4 bytes signed. Check `cpu.fault`. */
export function readRm(cpu: Cpu, operands: number): number {
  const size = sizeOf(operands);
  if (!isMemory(operands)) return readRegister(cpu, rmOf(operands), size);
  return cpu.load(segmentOf(operands), cpu.r[T1], size);
}

/** The same for an operand that will be written back: a store that would fault faults now (SDM: read-modify-write). */
export function readRmForWrite(cpu: Cpu, operands: number): number {
  const size = sizeOf(operands);
  if (!isMemory(operands)) return readRegister(cpu, rmOf(operands), size);
  if (!cpu.probeWrite(segmentOf(operands), cpu.r[T1], size)) return 0;
  return cpu.load(segmentOf(operands), cpu.r[T1], size);
}

export function writeRm(cpu: Cpu, operands: number, value: number): void {
  const size = sizeOf(operands);
  if (!isMemory(operands)) writeRegister(cpu, rmOf(operands), size, value);
  else cpu.store(segmentOf(operands), cpu.r[T1], size, value);
}
