// SPDX-License-Identifier: MIT
//
// Single bits (SDM vol. 2A BT, BTC, BTR, BTS, BSF, BSR, BSWAP). A bit index from a register addresses a string of bits in memory: it
// is signed and reaches beyond the operand; an index in the instruction is taken modulo the operand's size.
//
// Undefined flags stay as they were, so does the destination of BSF and BSR for a source of 0, as on a P6.
import type { Cpu } from './cpu.ts';
import {
  type Helper,
  isMemory,
  OPERAND_ADDRESS32,
  readRegister,
  readRm,
  readRmForWrite,
  regOf,
  sizeOf,
  writeRegister,
  writeRm,
} from './operands.ts';

const T1 = 129;
const CF = 0x1;
const ZF = 0x40;
const ADDRESS32 = OPERAND_ADDRESS32;

/**
 * Number of the bit within the operand. For a memory operand indexed by a register, T1 moves to the item of the bit string that
 * holds it. `immediate` −1: the index is in the reg field's register.
 */
function selectBit(cpu: Cpu, operands: number, immediate: number): number {
  const size = sizeOf(operands);
  const bits = 8 * size;
  if (immediate >= 0) return immediate & (bits - 1);
  const value = readRegister(cpu, regOf(operands), size);
  if (isMemory(operands)) {
    const { r } = cpu;
    const index = size === 2 ? (value << 16) >> 16 : value;
    const offset = r[T1] + (index >> (size === 2 ? 4 : 5)) * size;
    r[T1] = (operands & ADDRESS32) !== 0 ? offset : offset & 0xffff;
  }
  return value & (bits - 1);
}

function bt(cpu: Cpu, operands: number, immediate: number): void {
  const bit = selectBit(cpu, operands, immediate);
  const value = readRm(cpu, operands);
  if (cpu.fault === 0) cpu.flags.change((value >>> bit) & 1, CF);
}

function bts(cpu: Cpu, operands: number, immediate: number): void {
  const bit = selectBit(cpu, operands, immediate);
  const value = readRmForWrite(cpu, operands);
  if (cpu.fault !== 0) return;
  writeRm(cpu, operands, value | (1 << bit));
  cpu.flags.change((value >>> bit) & 1, CF);
}

function btr(cpu: Cpu, operands: number, immediate: number): void {
  const bit = selectBit(cpu, operands, immediate);
  const value = readRmForWrite(cpu, operands);
  if (cpu.fault !== 0) return;
  writeRm(cpu, operands, value & ~(1 << bit));
  cpu.flags.change((value >>> bit) & 1, CF);
}

function btc(cpu: Cpu, operands: number, immediate: number): void {
  const bit = selectBit(cpu, operands, immediate);
  const value = readRmForWrite(cpu, operands);
  if (cpu.fault !== 0) return;
  writeRm(cpu, operands, value ^ (1 << bit));
  cpu.flags.change((value >>> bit) & 1, CF);
}

function bsf(cpu: Cpu, operands: number): void {
  const value = readRm(cpu, operands);
  if (cpu.fault !== 0) return;
  cpu.flags.change(value === 0 ? ZF : 0, ZF);
  if (value !== 0) writeRegister(cpu, regOf(operands), sizeOf(operands), 31 - Math.clz32(value & -value));
}

function bsr(cpu: Cpu, operands: number): void {
  const value = readRm(cpu, operands);
  if (cpu.fault !== 0) return;
  cpu.flags.change(value === 0 ? ZF : 0, ZF);
  if (value !== 0) writeRegister(cpu, regOf(operands), sizeOf(operands), 31 - Math.clz32(value));
}

/** The register in the reg field; of 16 bits undefined by the manual, they become 0. */
function bswap(cpu: Cpu, operands: number): void {
  const register = regOf(operands);
  const size = sizeOf(operands);
  const value = readRegister(cpu, register, 4);
  const swapped = (value << 24) | ((value << 8) & 0xff0000) | ((value >>> 8) & 0xff00) | (value >>> 24);
  writeRegister(cpu, register, size, size === 4 ? swapped : 0);
}

export const BIT_HELPERS = { bt, bts, btr, btc, bsf, bsr, bswap } as const satisfies Record<string, Helper>;
