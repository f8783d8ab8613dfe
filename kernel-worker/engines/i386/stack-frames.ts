// SPDX-License-Identifier: MIT
//
// PUSHA, POPA, ENTER, LEAVE, and PUSH and POP where the stack is not 32 bits wide and flat (SDM vol. 2A, 2B). Operand size and the
// width of the stack pointer (SS.B) are independent of each other. All stores are tried before the first is done.
import type { Cpu } from './cpu.ts';
import { type Helper, isMemory, readRegister, readRm, regOf, sizeOf, writeRegister, writeRm } from './operands.ts';

const ESP = 4;
const EBP = 5;
const SS = 2;
const GENERAL_PROTECTION = 13;

/** What POPA has read, before anything is written. */
const popped = new Int32Array(8);

function pusha(cpu: Cpu, operands: number): void {
  const size = sizeOf(operands);
  const esp = cpu.r[ESP];
  // Without protection these stack pointers are no stack fault (SDM vol. 2B PUSHA, real-address mode exceptions).
  const top = cpu.stackOffset(esp);
  if ((!cpu.protectedMode || cpu.virtual8086) && top >= 7 && top <= 15 && (top & 1) !== 0) {
    cpu.raise(GENERAL_PROTECTION, 0);
    return;
  }
  for (let i = 1; i <= 8; i++) {
    if (!cpu.probeWrite(SS, cpu.stackOffset((esp - i * size) | 0), size)) return;
  }
  for (let register = 0; register < 8; register++) {
    cpu.push(size, register === ESP ? esp : readRegister(cpu, register, size));
  }
}

function popa(cpu: Cpu, operands: number): void {
  const size = sizeOf(operands);
  for (let i = 0; i < 8; i++) {
    const register = 7 - i;
    // What PUSHA stored for ESP is passed over.
    if (register === ESP) continue;
    popped[register] = cpu.peek(size, i * size);
    if (cpu.fault !== 0) return;
  }
  for (let register = 0; register < 8; register++) {
    if (register !== ESP) writeRegister(cpu, register, size, popped[register]);
  }
  cpu.drop(8 * size);
}

/** `immediate` is the size of the frame, and the nesting level << 16. */
function enter(cpu: Cpu, operands: number, immediate: number): void {
  const size = sizeOf(operands);
  const frameBytes = immediate & 0xffff;
  const level = (immediate >>> 16) & 31;
  const { r } = cpu;
  const esp = r[ESP];
  const ebp = r[EBP];
  const frame = cpu.stack32 ? (esp - size) | 0 : (esp & 0xffff0000) | ((esp - size) & 0xffff);
  // The old EBP, `level` − 1 frame pointers of the enclosing levels, and for level 1 and up the new frame pointer.
  for (let i = 1; i <= level + 1; i++) {
    if (i > 1 && i <= level) {
      cpu.load(SS, cpu.stackOffset((ebp - (i - 1) * size) | 0), size);
      if (cpu.fault !== 0) return;
    }
    if (!cpu.probeWrite(SS, cpu.stackOffset((esp - i * size) | 0), size)) return;
  }
  // A store at the new top of the stack must be possible, though none is done (SDM vol. 2A ENTER).
  const top = (frame - level * size - frameBytes) | 0;
  if (!cpu.probeWrite(SS, cpu.stackOffset(top), size)) return;

  cpu.push(size, ebp);
  for (let i = 1; i < level; i++) cpu.push(size, cpu.load(SS, cpu.stackOffset((ebp - i * size) | 0), size));
  if (level > 0) cpu.push(size, frame);
  if (cpu.stack32) r[EBP] = frame;
  else cpu.r16[EBP * 2] = frame;
  cpu.setEsp(top);
}

function leave(cpu: Cpu, operands: number): void {
  const size = sizeOf(operands);
  const ebp = cpu.r[EBP];
  const value = cpu.load(SS, cpu.stackOffset(ebp), size);
  if (cpu.fault !== 0) return;
  cpu.setEsp((ebp + size) | 0);
  writeRegister(cpu, EBP, size, value);
}

function pushRm(cpu: Cpu, operands: number): void {
  const value = readRm(cpu, operands);
  if (cpu.fault === 0) cpu.push(sizeOf(operands), value);
}

/** The decoder has taken the address with ESP as it will be. */
function popRm(cpu: Cpu, operands: number): void {
  const size = sizeOf(operands);
  const value = cpu.peek(size, 0);
  if (cpu.fault !== 0) return;
  if (isMemory(operands)) {
    writeRm(cpu, operands, value);
    if (cpu.fault === 0) cpu.drop(size);
  } else {
    // POP ESP: the value stays.
    cpu.drop(size);
    writeRm(cpu, operands, value);
  }
}

function pushImm(cpu: Cpu, operands: number, immediate: number): void {
  cpu.push(sizeOf(operands), immediate);
}

/** PUSH ESP pushes what ESP was before (SDM vol. 2B PUSH). */
function pushReg(cpu: Cpu, operands: number): void {
  const size = sizeOf(operands);
  cpu.push(size, readRegister(cpu, regOf(operands), size));
}

function popReg(cpu: Cpu, operands: number): void {
  const size = sizeOf(operands);
  const value = cpu.peek(size, 0);
  if (cpu.fault !== 0) return;
  cpu.drop(size);
  writeRegister(cpu, regOf(operands), size, value);
}

export const FRAME_HELPERS = {
  pusha,
  popa,
  enter,
  leave,
  pushRm,
  popRm,
  pushImm,
  pushReg,
  popReg,
} as const satisfies Record<string, Helper>;
