// SPDX-License-Identifier: MIT
//
// What all string instructions do with SI, DI and CX (SDM vol. 2B REP): 16 or 32 bits of them as the address size says, up or down as
// DF says. A repetition is done in parts, so that interrupts get their turn: EIP stays on the instruction until CX is used up.
// Where a part ends follows from the registers alone, so that time passes the same whatever is cached.
import type { Cpu } from './cpu.ts';
import { OPERAND_ADDRESS32, repeatOf, sizeOf } from './operands.ts';

const ECX = 1;
const EIP = 8;
const EFLAGS = 9;
const DR7 = 59;
const TF = 0x100;
const DF = 0x400;
const ADDRESS32 = OPERAND_ADDRESS32;

/** ECX or CX with a repeat prefix, 1 without. */
export function repetitions(cpu: Cpu, operands: number): number {
  if (repeatOf(operands) === 0) return 1;
  return (operands & ADDRESS32) !== 0 ? cpu.r[ECX] >>> 0 : cpu.r16[ECX * 2];
}

/** From one element to the next, in bytes. */
export function stepOf(cpu: Cpu, operands: number): number {
  return (cpu.r[EFLAGS] & DF) === 0 ? sizeOf(operands) : -sizeOf(operands);
}

/** The offset in ESI or SI, EDI or DI. */
export function offsetIn(cpu: Cpu, operands: number, register: number): number {
  return (operands & ADDRESS32) !== 0 ? cpu.r[register] : cpu.r16[register * 2];
}

export function advance(cpu: Cpu, operands: number, register: number, delta: number): void {
  if ((operands & ADDRESS32) !== 0) cpu.r[register] += delta;
  else cpu.r16[register * 2] += delta;
}

/** Single-stepped, or with breakpoints on, a repetition can trap behind every element (SDM vol. 3B §17.3.1). */
export function atMost(cpu: Cpu, count: number, limit: number): number {
  return (cpu.r[EFLAGS] & TF) !== 0 || (cpu.r[DR7] & 0xff) !== 0 ? 1 : Math.min(count, limit);
}

/** Elements from this one on that begin in its page, and going up also end there; at least this one. */
export function elementsInPage(linAddr: number, step: number): number {
  const within = linAddr & 0xfff;
  const elements = step > 0 ? Math.trunc((4096 - within) / step) : Math.trunc(within / -step) + 1;
  return elements === 0 ? 1 : elements;
}

/** Counts `done` elements. If the repetition is to go on and nothing has failed, the instruction is not over. */
export function finish(cpu: Cpu, operands: number, total: number, done: number, goesOn: boolean): void {
  if (repeatOf(operands) === 0) return;
  if ((operands & ADDRESS32) !== 0) cpu.r[ECX] -= done;
  else cpu.r16[ECX * 2] -= done;
  if (cpu.fault === 0 && goesOn && done !== total) goOn(cpu);
}

/** The instruction under way is not over: it is the next one too. */
export function goOn(cpu: Cpu): void {
  cpu.nextEip = cpu.r[EIP];
  cpu.leaveBlock();
}
