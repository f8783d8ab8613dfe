// SPDX-License-Identifier: MIT
//
// Calls a helper as decoded code would: the instruction is two bytes long at EIP, a memory operand's offset lies in T1.
import type { Helper } from '../../kernel-worker/engines/i386/operands.ts';
import type { BareCpu } from './bare-cpu.ts';

const EIP = 8;
const T1 = 129;
const SEGMENT_SHIFT = 10;

/** Operand word: register operands, a memory operand, and what string instructions take. */
export const register = (size: number, reg: number, rm: number): number => size | (reg << 3) | (rm << 6);
export const memory = (size: number, reg = 0, segment = 3): number =>
  size | (reg << 3) | 0x200 | (segment << SEGMENT_SHIFT) | 0x2000;
export const string = (size: number, repeat = 0, address32 = true, segment = 3): number =>
  size | (segment << SEGMENT_SHIFT) | (address32 ? 0x2000 : 0) | (repeat << 14);

export const REP = 3;
export const REPE = 3;
export const REPNE = 2;

/** Gives the fault as `#vector(code)`, or an empty text. EIP moves as the instruction says. */
export function execute(bare: BareCpu, helper: Helper, operands: number, immediate = 0, offset = 0): string {
  const { cpu, r } = bare;
  cpu.fault = 0;
  cpu.leave = 0;
  cpu.nextEip = (r[EIP] + 2) | 0;
  r[T1] = offset;
  helper(cpu, operands, immediate);
  if (cpu.fault === 0) r[EIP] = cpu.nextEip;
  return bare.fault;
}

/** Executes again until the instruction is over; gives the fault, and in how many goes it was done. */
export function executeAll(bare: BareCpu, helper: Helper, operands: number): { fault: string; goes: number } {
  const start = bare.r[EIP];
  for (let goes = 1; ; goes++) {
    const fault = execute(bare, helper, operands);
    if (fault !== '' || bare.r[EIP] !== start) return { fault, goes };
  }
}

/** Status flags by name, those that are set, in order of their bits. */
export function flagNames(eflags: number, mask = 0x8d5): string {
  const names: [number, string][] = [
    [0x1, 'CF'],
    [0x4, 'PF'],
    [0x10, 'AF'],
    [0x40, 'ZF'],
    [0x80, 'SF'],
    [0x800, 'OF'],
  ];
  return names
    .filter(([bit]) => (eflags & mask & bit) !== 0)
    .map(([, name]) => name)
    .join(' ');
}
