// SPDX-License-Identifier: MIT
//
// Near transfers where code is not 32-bit without a limit, or the stack is not flat (SDM vol. 2A JMP, Jcc, LOOP, CALL, vol. 2B RET):
// the target is cut to the operand size and must lie inside CS before anything changes. Displacements count from the next
// instruction.
import type { Cpu } from './cpu.ts';
import { type Helper, readRm, sizeOf } from './operands.ts';

const ECX = 1;
const CS_LIMIT = 18;
const GENERAL_PROTECTION = 13;

/** True if the offset lies in the code segment; otherwise #GP(0) is posted. */
export function isInCode(cpu: Cpu, offset: number): boolean {
  if (offset >>> 0 <= cpu.r[CS_LIMIT] >>> 0) return true;
  cpu.raise(GENERAL_PROTECTION, 0);
  return false;
}

const cut = (offset: number, size: number): number => (size === 2 ? offset & 0xffff : offset | 0);

function jumpTo(cpu: Cpu, target: number): void {
  if (!isInCode(cpu, target)) return;
  cpu.nextEip = target;
  cpu.leaveBlock();
}

function callTo(cpu: Cpu, target: number, size: number): void {
  if (!isInCode(cpu, target)) return;
  cpu.push(size, cpu.nextEip);
  if (cpu.fault !== 0) return;
  cpu.nextEip = target;
  cpu.leaveBlock();
}

function jmpNear(cpu: Cpu, operands: number, displacement: number): void {
  jumpTo(cpu, cut(cpu.nextEip + displacement, sizeOf(operands)));
}

/** Jcc: the condition is in bits 3 to 6 of the operand word. */
function branch(cpu: Cpu, operands: number, displacement: number): void {
  if (cpu.flags.condition((operands >>> 3) & 15)) jmpNear(cpu, operands, displacement);
}

/** LOOPNE 0, LOOPE 1, LOOP 2, JCXZ 3 in bits 3 and 4 of the operand word; bit 5: the counter is ECX. */
function loopBranch(cpu: Cpu, operands: number, displacement: number): void {
  const kind = (operands >>> 3) & 3;
  const isWide = (operands & 0x20) !== 0;
  const count = isWide ? cpu.r[ECX] : cpu.r16[ECX * 2];
  const left = isWide ? (count - 1) | 0 : (count - 1) & 0xffff;
  let taken = kind === 3 ? count === 0 : left !== 0;
  if (kind < 2) taken &&= cpu.flags.condition(4) === (kind === 1);
  if (taken) jmpNear(cpu, operands, displacement);
  if (cpu.fault !== 0 || kind === 3) return;
  if (isWide) cpu.r[ECX] = left;
  else cpu.r16[ECX * 2] = left;
}

function jmpNearIndirect(cpu: Cpu, operands: number): void {
  const target = readRm(cpu, operands);
  if (cpu.fault === 0) jumpTo(cpu, target);
}

function callNear(cpu: Cpu, operands: number, displacement: number): void {
  const size = sizeOf(operands);
  callTo(cpu, cut(cpu.nextEip + displacement, size), size);
}

function callNearIndirect(cpu: Cpu, operands: number): void {
  const target = readRm(cpu, operands);
  if (cpu.fault === 0) callTo(cpu, target, sizeOf(operands));
}

function retNear(cpu: Cpu, operands: number, release: number): void {
  const size = sizeOf(operands);
  const target = cpu.peek(size, 0);
  if (cpu.fault !== 0 || !isInCode(cpu, target)) return;
  cpu.drop(size + (release & 0xffff));
  cpu.nextEip = target;
  cpu.leaveBlock();
}

export const NEAR_HELPERS = {
  jmpNear,
  branch,
  loopBranch,
  jmpNearIndirect,
  callNear,
  callNearIndirect,
  retNear,
} as const satisfies Record<string, Helper>;
