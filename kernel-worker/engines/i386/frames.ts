// SPDX-License-Identifier: MIT
//
// Stack frames of calls and interrupts, and the change to the stack of an inner ring (SDM vol. 3A §5.8.5, §6.12.1). A frame is put
// together in scratch words first and then pushed as one: either all of it, or nothing with the fault posted. The change of
// ring is made, tried and taken back if the frame does not fit.
import type { Cpu } from './cpu.ts';
import { Descriptor, isNull, markAccessed, readDescriptor } from './descriptors.ts';
import { checkStack, setFromDescriptor } from './segments.ts';

const ESP = 4;
const EFLAGS = 9;
const CS = 1;
const SS = 2;
const CS_WORDS = 16;
/** CS and SS lie side by side in the record. */
const CS_SS_WORDS = 8;
const TR_SELECTOR = 40;
const TR_BASE = 41;
const TR_LIMIT = 42;
const TR_ATTRIBUTES = 43;
const VM = 0x20000;
const INVALID_TSS = 10;
const STACK_FAULT = 12;

/** 31 parameters of a call gate, or the nine words of a return from virtual-8086 mode, with room. */
const items = new Int32Array(48);
let count = 0;
const saved = new Int32Array(CS_SS_WORDS);

/** Stack of an inner ring, from the task state. */
const innerStack = new Descriptor();
let innerEsp = 0;

export function beginFrame(): void {
  count = 0;
}
/** Adds an item; the first one added ends up at the highest address. */
export function addToFrame(value: number): void {
  items[count++] = value;
}

/** Pushes the frame in items of 2 or 4 bytes. False with a fault posted, and nothing stored. */
export function pushFrame(cpu: Cpu, size: number): boolean {
  const esp = cpu.r[ESP];
  if (size === 4 && cpu.stack32 && pushAtOnce(cpu, (esp - 4 * count) | 0)) return true;
  for (let i = 1; i <= count; i++) {
    if (!cpu.probeWrite(SS, cpu.stackOffset((esp - i * size) | 0), size)) return false;
  }
  for (let i = 0; i < count; i++) cpu.push(size, items[i]);
  return cpu.fault === 0;
}

/** Pushes the frame down to offset `top` if that is one piece of memory that may be stored to; otherwise nothing happens. */
function pushAtOnce(cpu: Cpu, top: number): boolean {
  const bytes = 4 * count;
  const linAddr = (cpu.segmentBase(SS) + top) | 0;
  const { mmu, view } = cpu;
  const host = mmu.write[(linAddr >>> 12) + mmu.bank];
  if (host === 0 || (linAddr & 0xfff) + bytes > 4096) return false;
  cpu.linear(SS, top, bytes, true);
  if (cpu.fault !== 0) {
    cpu.fault = 0;
    return false;
  }
  const end = (host | (linAddr & 0xfff)) + bytes;
  for (let i = 0; i < count; i++) view.setInt32(end - 4 * (i + 1), items[i], true);
  cpu.r[ESP] = top;
  return true;
}

/**
 * Finds the stack of ring `level` in the task state and checks it: #TS with the TSS or the stack selector, #SS if that is not
 * present (SDM vol. 2A CALL). For `pushOnInnerStack`, right behind it.
 */
export function findInnerStack(cpu: Cpu, level: number): boolean {
  const { r } = cpu;
  const is32 = (r[TR_ATTRIBUTES] & 8) !== 0;
  const at = is32 ? 4 + 8 * level : 2 + 4 * level;
  const bytes = is32 ? 6 : 4;
  if (at + bytes - 1 > r[TR_LIMIT] >>> 0) {
    cpu.raise(INVALID_TSS, r[TR_SELECTOR] & 0xfffc);
    return false;
  }
  const linAddr = (r[TR_BASE] + at) | 0;
  innerEsp = is32 ? cpu.loadSystem32(linAddr) : cpu.loadSystem16(linAddr);
  if (cpu.fault !== 0) return false;
  const selector = cpu.loadSystem16((linAddr + (is32 ? 4 : 2)) | 0);
  if (cpu.fault !== 0) return false;
  if (isNull(selector)) {
    cpu.raise(INVALID_TSS, 0);
    return false;
  }
  if (!readDescriptor(cpu, innerStack, selector, INVALID_TSS)) return false;
  return checkStack(cpu, innerStack, level, INVALID_TSS);
}

/**
 * Enters the ring of `code` with the stack that `findInnerStack` found, leaves virtual-8086 mode, and pushes the frame. False
 * with a fault posted, and everything as before.
 */
export function pushOnInnerStack(cpu: Cpu, code: Descriptor, size: number): boolean {
  if (!markAccessed(cpu, code) || !markAccessed(cpu, innerStack)) return false;
  const { r } = cpu;
  for (let i = 0; i < CS_SS_WORDS; i++) saved[i] = r[CS_WORDS + i];
  const esp = r[ESP];
  const eflags = r[EFLAGS];
  setFromDescriptor(cpu, CS, code, code.dpl);
  setFromDescriptor(cpu, SS, innerStack, code.dpl);
  r[ESP] = innerEsp;
  r[EFLAGS] = eflags & ~VM;
  cpu.updateMode();
  if (pushFrame(cpu, size)) return true;
  for (let i = 0; i < CS_SS_WORDS; i++) r[CS_WORDS + i] = saved[i];
  r[ESP] = esp;
  r[EFLAGS] = eflags;
  cpu.updateMode();
  // No room on the new stack is told with its selector (SDM vol. 2A CALL, INT n).
  if (cpu.fault === STACK_FAULT + 1) cpu.faultCode = innerStack.code;
  return false;
}
