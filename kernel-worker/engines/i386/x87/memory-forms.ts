// SPDX-License-Identifier: MIT
//
// x87 instructions with a memory operand (SDM vol. 2D tables, ModRM below C0H), but for those that load and store
// the whole state. An instruction that stores checks all of its operand first, and stores nothing where an exception other than PE is
// unmasked.
import type { Cpu } from '../cpu.ts';
import {
  Decimal,
  fromDecimal,
  fromInteger,
  integerIndefinite,
  narrow32,
  narrow64,
  toInteger,
  widen32,
  widen64,
} from './convert.ts';
import { DE, IE, OE, UE, ZE, ZERO } from './float80.ts';
import { canStore, operandAddress } from './operand.ts';
import { compareTop, operateWithMemory, pushResult } from './operations.ts';
import type { Fpu } from './stack.ts';

const decimal = new Decimal();

/** Formats of operands. */
export const SINGLE = 0;
export const DOUBLE = 1;
export const INTEGER16 = 2;
export const INTEGER32 = 3;
export const INTEGER64 = 4;
export const EXTENDED = 5;
export const DECIMAL = 6;
const BYTES = [4, 8, 2, 4, 8, 10, 10];
const ALIGNMENTS = [4, 8, 2, 4, 8, 8, 8];

/** Loads an operand into `fpu.b`; a NaN, a denormal of its format are not signaled yet. False: it faulted. */
function load(cpu: Cpu, fpu: Fpu, operands: number, format: number): boolean {
  const { mmu } = cpu;
  const linAddr = operandAddress(cpu, operands, BYTES[format], ALIGNMENTS[format], false);
  if (cpu.fault !== 0) return false;
  if (format === INTEGER16) {
    const value = (mmu.load16(linAddr) << 16) >> 16;
    fromInteger(fpu.b, value >> 31, value);
    return cpu.fault === 0;
  }
  const low = mmu.load32(linAddr);
  if (format === SINGLE || format === INTEGER32) {
    if (format === SINGLE) widen32(fpu.b, low);
    else fromInteger(fpu.b, low >> 31, low);
    return cpu.fault === 0;
  }
  if (cpu.fault !== 0) return false;
  const high = mmu.load32((linAddr + 4) | 0);
  if (format === DOUBLE) widen64(fpu.b, high, low);
  else if (format === INTEGER64) fromInteger(fpu.b, high, low);
  else {
    if (cpu.fault !== 0) return false;
    const top = mmu.load16((linAddr + 8) | 0);
    if (format === DECIMAL) fromDecimal(fpu.b, low, high, top);
    else {
      fpu.b.kind = ZERO;
      fpu.b.set(top >>> 15, top & 0x7fff, high, low);
    }
  }
  return cpu.fault === 0;
}

/** FADD m … FDIVR m; operations 2 and 3 are FCOM and FCOMP. */
export function arithmeticMemory(
  cpu: Cpu,
  fpu: Fpu,
  operands: number,
  immediate: number,
  operation: number,
  format: number,
): void {
  if (!load(cpu, fpu, operands, format)) return;
  fpu.note(cpu, operands, immediate);
  if (operation === 2 || operation === 3) compareTop(fpu, fpu.isEmpty(0), false, operation - 2);
  else operateWithMemory(fpu, operation);
}

/** FLD, FILD, FBLD. */
export function loadMemory(cpu: Cpu, fpu: Fpu, operands: number, immediate: number, format: number): void {
  if (!load(cpu, fpu, operands, format)) return;
  fpu.note(cpu, operands, immediate);
  const { b } = fpu;
  if (!fpu.isEmpty(7)) {
    pushResult(fpu, b);
    return;
  }
  // A denormal is loaded even where DE is unmasked.
  fpu.signalLoaded(b);
  if (fpu.settle() || (fpu.env.flags & IE) === 0) fpu.push(b);
}

/** FST, FSTP, FIST, FISTP, FBSTP. */
export function storeMemory(
  cpu: Cpu,
  fpu: Fpu,
  operands: number,
  immediate: number,
  format: number,
  pops: boolean,
): void {
  const { env, a } = fpu;
  const { mmu } = cpu;
  const size = BYTES[format];
  const linAddr = operandAddress(cpu, operands, size, ALIGNMENTS[format], true);
  if (cpu.fault !== 0) return;
  let top = 0;
  const isEmpty = fpu.isEmpty(0);
  if (isEmpty) {
    fpu.stackFault(false);
    a.setIndefinite();
    a.classify();
  } else if (format === EXTENDED) fpu.readRaw(0, a);
  else fpu.read(0, a);
  if (format === EXTENDED) {
    env.low = a.low;
    env.high = a.high;
    top = (a.sign << 15) | a.exponent;
  } else if (format === DECIMAL) {
    if (isEmpty) decimal.setIndefinite();
    else decimal.convert(env, a);
    env.low = decimal.word0;
    env.high = decimal.word1;
    top = decimal.word2;
  } else if (format === SINGLE) narrow32(env, a, fpu.out);
  else if (format === DOUBLE) narrow64(env, a, fpu.out);
  else {
    const bits = size * 8;
    if (isEmpty) integerIndefinite(env, bits);
    else toInteger(env, a, bits);
  }
  const isRefused = (env.flags & ~env.control & (OE | UE)) !== 0;
  const isStored = !isRefused && (env.flags & ~env.control & (IE | DE | ZE)) === 0;
  // Without a result nothing is stored, and what the page would say to that is never asked.
  if (isStored && !canStore(cpu, linAddr, size, size === 10 ? 2 : Math.min(size, 4))) return;
  fpu.note(cpu, operands, immediate);
  if (isRefused) env.up = 0;
  fpu.settle();
  if (!isStored) return;
  if (size === 2) mmu.store16(linAddr, env.low & 0xffff);
  else mmu.store32(linAddr, env.low);
  if (size >= 8) mmu.store32((linAddr + 4) | 0, env.high);
  if (size === 10) mmu.store16((linAddr + 8) | 0, top);
  if (pops) fpu.pop();
}
