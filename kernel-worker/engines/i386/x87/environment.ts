// SPDX-License-Identifier: MIT
//
// The whole state of the x87 in memory: environments of 14 and 28 bytes, FSAVE's 94 and 108 (SDM vol. 1 §8.1.10, figures 8-9 to
// 8-12), FXSAVE's 512 (vol. 1 §10.5.1, figure for processors without SSE: everything behind the registers is left alone).
import type { Cpu } from '../cpu.ts';
import { canStore, operandAddress, storeAddress } from './operand.ts';
import {
  CONTROL,
  DATA,
  DATA_DS,
  INSTRUCTION,
  INSTRUCTION_CS,
  initialize,
  OPCODE,
  REGISTERS,
  STATUS,
  summarize,
  TAG,
} from './stack.ts';

const OPERAND_SIZE32 = 0x10000;
const GENERAL_PROTECTION = 13;
/** Bits of the control word that hold something; bit 6 reads as 1. */
const CONTROL_BITS = 0x1f3f;
const CONTROL_ONES = 0x40;
const FXSAVE_BYTES = 512;
const FXSAVE_REGISTERS = 32;
/** Bytes that FXSAVE writes here: header and eight registers of 16 bytes. */
const FXSAVE_WRITTEN = 160;

/** The word of a register that holds sign and exponent. */
const SIGN_WORD = 2;

export function setControl(cpu: Cpu, value: number): void {
  cpu.r[CONTROL] = (value & CONTROL_BITS) | CONTROL_ONES;
  summarize(cpu);
}

/** Words of a register's image in the record, by its number on the stack. */
function registerAt(cpu: Cpu, i: number): number {
  return REGISTERS + (((cpu.r[STATUS] >>> 11) + i) & 7) * 4;
}

/** The tag word with two bits a register: 0 valid, 1 zero, 2 special, 3 empty (SDM vol. 1 §8.1.7). */
function fullTags(cpu: Cpu): number {
  let tags = 0;
  for (let n = 0; n < 8; n++) tags |= tagOf(cpu, n) << (n * 2);
  return tags;
}

function tagOf(cpu: Cpu, n: number): number {
  const { r } = cpu;
  if (((r[TAG] >>> n) & 1) === 0) return 3;
  const at = REGISTERS + n * 4;
  const exponent = r[at + SIGN_WORD] & 0x7fff;
  if (exponent === 0 && (r[at] | r[at + 1]) === 0) return 1;
  return exponent === 0 || exponent === 0x7fff || r[at + 1] >= 0 ? 2 : 0;
}

/** Only "empty or not" of a loaded tag word counts: the rest follows from the registers. */
function setFullTags(cpu: Cpu, tags: number): void {
  let inUse = 0;
  for (let n = 0; n < 8; n++) if (((tags >>> (n * 2)) & 3) !== 3) inUse |= 1 << n;
  cpu.r[TAG] = inUse;
}

const isWide = (operands: number): boolean => (operands & OPERAND_SIZE32) !== 0;
/** Bytes of an environment. */
const environmentBytes = (operands: number): number => (isWide(operands) ? 28 : 14);
/** Real-address and virtual-8086 mode have linear addresses in place of selectors. */
const hasSelectors = (cpu: Cpu): boolean => cpu.protectedMode && !cpu.virtual8086;

function storeEnvironment(cpu: Cpu, linAddr: number, wide: boolean): void {
  const { r } = cpu;
  let instruction = r[INSTRUCTION];
  let instructionTop = r[INSTRUCTION_CS];
  let data = r[DATA];
  let dataTop = r[DATA_DS];
  if (hasSelectors(cpu)) {
    if (wide) instructionTop |= r[OPCODE] << 16;
  } else {
    instruction = (instruction + (instructionTop << 4)) | 0;
    data = (data + (dataTop << 4)) | 0;
    // Above bit 15 the address goes on in bit 12 of the next item.
    const mask = wide ? 0xffff : 0xf;
    instructionTop = (((instruction >>> 16) & mask) << 12) | r[OPCODE];
    dataTop = ((data >>> 16) & mask) << 12;
    if (wide) {
      instruction |= 0xffff0000;
      data |= 0xffff0000;
    }
  }
  const items = [r[CONTROL], r[STATUS], fullTags(cpu), instruction, instructionTop, data, dataTop];
  for (let i = 0; i < 7; i++) {
    if (!wide) cpu.mmu.store16((linAddr + i * 2) | 0, items[i] & 0xffff);
    else {
      // Reserved upper halves are stored as ones; in protected mode the sixth item's neighbour has one too.
      const isHalf = i < 3 || (i === 6 && hasSelectors(cpu));
      cpu.mmu.store32((linAddr + i * 4) | 0, isHalf ? items[i] | 0xffff0000 : items[i]);
    }
  }
}

/** Seven items of an environment, zero-extended; kept here between the loads and the change of state. */
const loaded = new Int32Array(7);

function loadItems(cpu: Cpu, linAddr: number, wide: boolean): boolean {
  for (let i = 0; i < 7; i++) {
    loaded[i] = wide ? cpu.mmu.load32((linAddr + i * 4) | 0) : cpu.mmu.load16((linAddr + i * 2) | 0);
    if (cpu.fault !== 0) return false;
  }
  return true;
}

function applyItems(cpu: Cpu, wide: boolean): void {
  const { r } = cpu;
  const [control, status, tags, instruction, instructionTop, data, dataTop] = loaded;
  r[STATUS] = status & 0xffff;
  setControl(cpu, control);
  setFullTags(cpu, tags);
  if (hasSelectors(cpu)) {
    r[INSTRUCTION] = instruction;
    r[INSTRUCTION_CS] = instructionTop & 0xffff;
    r[DATA] = data;
    r[DATA_DS] = dataTop & 0xffff;
    // The short protected format has no opcode.
    r[OPCODE] = wide ? (instructionTop >>> 16) & 0x7ff : 0;
    return;
  }
  r[INSTRUCTION] = (instruction & 0xffff) | ((instructionTop << 4) & 0xffff0000);
  r[INSTRUCTION_CS] = 0;
  r[DATA] = (data & 0xffff) | ((dataTop << 4) & 0xffff0000);
  r[DATA_DS] = 0;
  r[OPCODE] = instructionTop & 0x7ff;
}

/** FLDENV. */
export function loadEnvironment(cpu: Cpu, operands: number): void {
  const wide = isWide(operands);
  const linAddr = operandAddress(cpu, operands, environmentBytes(operands), wide ? 4 : 2, false);
  if (cpu.fault === 0 && loadItems(cpu, linAddr, wide)) applyItems(cpu, wide);
}

/** FNSTENV: masks all exceptions once it has stored. */
export function saveEnvironment(cpu: Cpu, operands: number): void {
  const wide = isWide(operands);
  const item = wide ? 4 : 2;
  const linAddr = storeAddress(cpu, operands, environmentBytes(operands), item, item);
  if (cpu.fault !== 0) return;
  storeEnvironment(cpu, linAddr, wide);
  setControl(cpu, cpu.r[CONTROL] | 0x3f);
}

/** FNSAVE: stores, then FNINIT. */
export function saveAll(cpu: Cpu, operands: number): void {
  const wide = isWide(operands);
  const bytes = environmentBytes(operands);
  const linAddr = storeAddress(cpu, operands, bytes + 80, wide ? 4 : 2, 2);
  if (cpu.fault !== 0) return;
  storeEnvironment(cpu, linAddr, wide);
  for (let i = 0; i < 8; i++) {
    const from = registerAt(cpu, i);
    const to = linAddr + bytes + i * 10;
    for (let half = 0; half < 5; half++) {
      cpu.mmu.store16((to + half * 2) | 0, (cpu.r[from + (half >>> 1)] >>> ((half & 1) * 16)) & 0xffff);
    }
  }
  initialize(cpu);
}

const registerImages = new Int32Array(24);

/** FRSTOR. */
export function restoreAll(cpu: Cpu, operands: number): void {
  const wide = isWide(operands);
  const bytes = environmentBytes(operands);
  const linAddr = operandAddress(cpu, operands, bytes + 80, wide ? 4 : 2, false);
  if (cpu.fault !== 0 || !loadItems(cpu, linAddr, wide)) return;
  if (!loadRegisters(cpu, linAddr + bytes, 10)) return;
  applyItems(cpu, wide);
  writeRegisters(cpu);
}

function loadRegisters(cpu: Cpu, linAddr: number, stride: number): boolean {
  for (let i = 0; i < 8; i++) {
    for (let word = 0; word < 3; word++) {
      const at = (linAddr + i * stride + word * 4) | 0;
      const low = cpu.mmu.load16(at);
      if (cpu.fault !== 0) return false;
      const high = word < SIGN_WORD ? cpu.mmu.load16((at + 2) | 0) : 0;
      if (cpu.fault !== 0) return false;
      registerImages[i * 3 + word] = low | (high << 16);
    }
  }
  return true;
}

function writeRegisters(cpu: Cpu): void {
  for (let i = 0; i < 8; i++) {
    const at = registerAt(cpu, i);
    for (let word = 0; word < 3; word++) cpu.r[at + word] = registerImages[i * 3 + word];
  }
}

/** Linear address of the operand of FXSAVE or FXRSTOR: #GP(0) if it is not a multiple of 16. */
function extendedAddress(cpu: Cpu, operands: number, isWrite: boolean): number {
  const linAddr = operandAddress(cpu, operands, FXSAVE_BYTES, 1, isWrite);
  if (cpu.fault === 0 && (linAddr & 15) !== 0) cpu.raise(GENERAL_PROTECTION, 0);
  return linAddr;
}

/** FXSAVE, without its #NM. */
export function saveExtended(cpu: Cpu, operands: number): void {
  const { r, mmu } = cpu;
  const linAddr = extendedAddress(cpu, operands, true);
  if (cpu.fault !== 0 || !canStore(cpu, linAddr, FXSAVE_BYTES, 4)) return;
  const words = [
    (r[CONTROL] & 0xffff) | (r[STATUS] << 16),
    (r[TAG] & 0xff) | (r[OPCODE] << 16),
    r[INSTRUCTION],
    r[INSTRUCTION_CS] & 0xffff,
    r[DATA],
    r[DATA_DS] & 0xffff,
  ];
  for (let at = 0; at < FXSAVE_WRITTEN; at += 4) {
    const i = (at - FXSAVE_REGISTERS) >> 4;
    const word = (at >>> 2) & 3;
    let value = 0;
    if (at < FXSAVE_REGISTERS) value = at < 24 ? words[at >>> 2] : 0;
    else if (word <= SIGN_WORD) value = r[registerAt(cpu, i) + word];
    mmu.store32((linAddr + at) | 0, value);
  }
}

/** FXRSTOR, without its #NM. */
export function restoreExtended(cpu: Cpu, operands: number): void {
  const { r, mmu } = cpu;
  const linAddr = extendedAddress(cpu, operands, false);
  if (cpu.fault !== 0) return;
  for (let i = 0; i < 6; i++) {
    loaded[i] = mmu.load32((linAddr + i * 4) | 0);
    if (cpu.fault !== 0) return;
  }
  if (!loadRegisters(cpu, linAddr + FXSAVE_REGISTERS, 16)) return;
  r[STATUS] = loaded[0] >>> 16;
  setControl(cpu, loaded[0]);
  r[TAG] = loaded[1] & 0xff;
  r[OPCODE] = (loaded[1] >>> 16) & 0x7ff;
  r[INSTRUCTION] = loaded[2];
  r[INSTRUCTION_CS] = loaded[3] & 0xffff;
  r[DATA] = loaded[4];
  r[DATA_DS] = loaded[5] & 0xffff;
  writeRegisters(cpu);
}
