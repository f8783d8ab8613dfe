// SPDX-License-Identifier: MIT
//
// Decimal adjustment (SDM vol. 2A AAA to AAS, DAA, DAS). Undefined flags: AAA and AAS change CF and AF only; DAA and DAS clear OF;
// AAM and AAD clear CF, AF and OF.
import type { Cpu } from './cpu.ts';
import type { Helper } from './operands.ts';

const AX = 0;
const AL = 0;
const EFLAGS = 9;
const CF = 0x1;
const AF = 0x10;
const DIVIDE_ERROR = 0;

function daa(cpu: Cpu): void {
  const eflags = cpu.getEflags();
  const before = cpu.r8[AL];
  const adjustsLow = (before & 0xf) > 9 || (eflags & AF) !== 0;
  const adjustsHigh = before > 0x99 || (eflags & CF) !== 0;
  const result = (before + (adjustsLow ? 0x06 : 0) + (adjustsHigh ? 0x60 : 0)) & 0xff;
  cpu.r8[AL] = result;
  cpu.flags.setResult(1, result, (adjustsLow ? AF : 0) | (adjustsHigh ? CF : 0));
}

function das(cpu: Cpu): void {
  const eflags = cpu.getEflags();
  const before = cpu.r8[AL];
  const adjustsLow = (before & 0xf) > 9 || (eflags & AF) !== 0;
  const adjustsHigh = before > 0x99 || (eflags & CF) !== 0;
  // The first step alone may borrow too.
  const borrows = adjustsHigh || (adjustsLow && before < 6);
  const result = (before - (adjustsLow ? 0x06 : 0) - (adjustsHigh ? 0x60 : 0)) & 0xff;
  cpu.r8[AL] = result;
  cpu.flags.setResult(1, result, (adjustsLow ? AF : 0) | (borrows ? CF : 0));
}

/** AX changes as one number: a carry out of AL reaches AH beside the 1 that is added to it. */
function adjustAscii(cpu: Cpu, delta: number): void {
  const eflags = cpu.getEflags();
  const { r16 } = cpu;
  const adjusts = (r16[AX] & 0xf) > 9 || (eflags & AF) !== 0;
  if (adjusts) r16[AX] += delta;
  r16[AX] &= 0xff0f;
  cpu.r[EFLAGS] = (eflags & ~(CF | AF)) | (adjusts ? CF | AF : 0);
}

function aaa(cpu: Cpu): void {
  adjustAscii(cpu, 0x106);
}

function aas(cpu: Cpu): void {
  adjustAscii(cpu, -0x106);
}

/** `immediate` is the base, normally 10. */
function aam(cpu: Cpu, _operands: number, immediate: number): void {
  const base = immediate & 0xff;
  if (base === 0) {
    cpu.raise(DIVIDE_ERROR, -1);
    return;
  }
  const value = cpu.r8[AL];
  const low = value % base;
  cpu.r16[AX] = (Math.trunc(value / base) << 8) | low;
  cpu.flags.setResult(1, low, 0);
}

function aad(cpu: Cpu, _operands: number, immediate: number): void {
  const ax = cpu.r16[AX];
  const result = ((ax & 0xff) + (ax >>> 8) * (immediate & 0xff)) & 0xff;
  cpu.r16[AX] = result;
  cpu.flags.setResult(1, result, 0);
}

export const BCD_HELPERS = { daa, das, aaa, aas, aam, aad } as const satisfies Record<string, Helper>;
