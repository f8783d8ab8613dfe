// SPDX-License-Identifier: MIT
//
// Loading segment registers (SDM vol. 2A MOV, POP, LDS; vol. 3A §3.4.3, §5.6, §20.1.1). In real mode a load changes selector and base
// only, so a limit from protected mode stays ("unreal mode"); in virtual-8086 mode the whole hidden part is fixed. The hidden
// parts lie in the CPU record and are written here and nowhere else.
import type { Cpu } from './cpu.ts';
import { Descriptor, isNull, markAccessed, readDescriptor, refuse } from './descriptors.ts';
import {
  type Helper,
  isMemory,
  OPERAND_SIZE32,
  offsetOf,
  regOf,
  rmOf,
  segmentOf,
  sizeOf,
  writeRegister,
} from './operands.ts';

const ESP = 4;
const CS = 1;
const SS = 2;
const SEGMENTS = 12;
const INTERRUPT_SHADOW = 61;
const ATTR_DC = 4;
const ATTR_CODE = 8;
const ATTR_S = 0x10;
const ATTR_P = 0x80;
const ATTR_NULL = 0x10000;
/** Writable data of DPL 3, accessed: every segment of virtual-8086 mode. */
const ATTR_VIRTUAL8086 = 0xf3;
/** Writable data, accessed: what makes a null register usable again in real mode. */
const ATTR_REAL = 0x93;
const INVALID_OPCODE = 6;
const SEGMENT_NOT_PRESENT = 11;
const STACK_FAULT = 12;
const GENERAL_PROTECTION = 13;

const descriptor = new Descriptor();

/** Writes a segment register with its hidden part; `cpu.updateMode()` is the caller's. */
export function setSegment(
  cpu: Cpu,
  n: number,
  selector: number,
  base: number,
  limit: number,
  attributes: number,
): void {
  const at = SEGMENTS + n * 4;
  const { r } = cpu;
  r[at] = selector & 0xffff;
  r[at + 1] = base;
  r[at + 2] = limit;
  r[at + 3] = attributes;
}

/** From a descriptor that was checked; `rpl` is written to the selector. */
export function setFromDescriptor(cpu: Cpu, n: number, from: Descriptor, rpl: number): void {
  setSegment(cpu, n, from.code | rpl, from.base, from.limit, from.attributes);
}

/** A null selector: every use of the segment faults. */
export function setNull(cpu: Cpu, n: number, selector: number): void {
  setSegment(cpu, n, selector, 0, 0, ATTR_NULL);
}

/** In real and virtual-8086 mode: nothing can fault. */
export function loadRealSegment(cpu: Cpu, n: number, selector: number): void {
  const { r } = cpu;
  const base = (selector & 0xffff) << 4;
  if (cpu.virtual8086) {
    setSegment(cpu, n, selector, base, 0xffff, ATTR_VIRTUAL8086);
    return;
  }
  const at = SEGMENTS + n * 4;
  if ((r[at + 3] & (ATTR_P | ATTR_NULL)) === ATTR_P) setSegment(cpu, n, selector, base, r[at + 2], r[at + 3]);
  else setSegment(cpu, n, selector, base, 0xffff, ATTR_REAL);
}

/**
 * Loads ES, SS, DS, FS or GS as MOV, POP and LDS do. Posts #GP, #SS or #NP with the selector and leaves the register as it was,
 * or loads it and sets the accessed bit of its descriptor.
 */
export function loadSegment(cpu: Cpu, n: number, selector: number): void {
  if (!cpu.protectedMode || cpu.virtual8086) loadRealSegment(cpu, n, selector);
  else if (n === SS) {
    if (isNull(selector)) cpu.raise(GENERAL_PROTECTION, 0);
    else if (readDescriptor(cpu, descriptor, selector, GENERAL_PROTECTION)) {
      if (!checkStack(cpu, descriptor, cpu.cpl, GENERAL_PROTECTION) || !markAccessed(cpu, descriptor)) return;
      setFromDescriptor(cpu, SS, descriptor, descriptor.rpl);
    }
  } else if (isNull(selector)) setNull(cpu, n, selector);
  else if (readDescriptor(cpu, descriptor, selector, GENERAL_PROTECTION)) {
    if (!checkData(cpu, descriptor, cpu.cpl, GENERAL_PROTECTION) || !markAccessed(cpu, descriptor)) return;
    setFromDescriptor(cpu, n, descriptor, descriptor.rpl);
  }
  if (cpu.fault !== 0) return;
  cpu.updateMode();
  // Behind a load of SS comes an instruction that is not interrupted.
  if (n === SS) cpu.leaveRun();
  else cpu.leaveBlock();
}

/** A stack segment for privilege `cpl`: what is wrong posts `vector`, but #SS if it is only not present. */
export function checkStack(cpu: Cpu, stack: Descriptor, cpl: number, vector: number): boolean {
  if (stack.rpl !== cpl || !stack.isWritableData || stack.dpl !== cpl) return refuse(cpu, vector, stack);
  return stack.isPresent || refuse(cpu, STACK_FAULT, stack);
}

/** A segment for DS, ES, FS or GS: what is wrong posts `vector`, but #NP if it is only not present. */
export function checkData(cpu: Cpu, data: Descriptor, cpl: number, vector: number): boolean {
  if (!data.isReadable) return refuse(cpu, vector, data);
  if (!data.isConforming && (data.rpl > data.dpl || cpl > data.dpl)) return refuse(cpu, vector, data);
  return data.isPresent || refuse(cpu, SEGMENT_NOT_PRESENT, data);
}

/** Behind a return to an outer ring: registers that it may not see are made null (SDM vol. 2B RET). True if there was one. */
export function dropInnerSegments(cpu: Cpu): boolean {
  const { r } = cpu;
  let dropped = false;
  for (let n = 0; n < 6; n++) {
    if (n === CS || n === SS) continue;
    const attributes = r[SEGMENTS + n * 4 + 3];
    const conforming = ATTR_S | ATTR_CODE | ATTR_DC;
    if ((attributes & ATTR_NULL) !== 0 || (attributes & conforming) === conforming) continue;
    if (cpu.cpl <= ((attributes >>> 5) & 3)) continue;
    setNull(cpu, n, 0);
    dropped = true;
  }
  return dropped;
}

// ---- instructions ---------------------------------------------------------------------------------------------------

/** MOV Sreg, r/m16. */
function movToSreg(cpu: Cpu, operands: number): void {
  const n = regOf(operands);
  const selector = readRm16(cpu, operands);
  if (cpu.fault !== 0) return;
  loadSegment(cpu, n, selector);
  if (cpu.fault === 0 && n === SS) cpu.r[INTERRUPT_SHADOW] = 1;
}

/** MOV r/m16, Sreg. */
function movFromSreg(cpu: Cpu, operands: number): void {
  writeSelector(cpu, operands, cpu.selector(regOf(operands)), sizeOf(operands));
}

function pushSreg(cpu: Cpu, operands: number): void {
  cpu.push(sizeOf(operands), cpu.selector(regOf(operands)));
}

function popSreg(cpu: Cpu, operands: number): void {
  const n = regOf(operands);
  const size = sizeOf(operands);
  const selector = cpu.peek(size, 0) & 0xffff;
  if (cpu.fault !== 0) return;
  // The stack pointer moves as the old stack segment says.
  const { stack32 } = cpu;
  loadSegment(cpu, n, selector);
  if (cpu.fault !== 0) return;
  if (stack32) cpu.r[ESP] += size;
  else cpu.r16[ESP * 2] += size;
  if (n === SS) cpu.r[INTERRUPT_SHADOW] = 1;
}

/** LDS, LES, LFS, LGS, LSS: `n` is the segment register. */
function loadFarPointer(cpu: Cpu, operands: number, n: number): void {
  const size = sizeOf(operands);
  if (!isMemory(operands)) {
    cpu.raise(INVALID_OPCODE, -1);
    return;
  }
  const offset = cpu.load(segmentOf(operands), offsetOf(cpu), size);
  if (cpu.fault !== 0) return;
  const selector = cpu.load16(segmentOf(operands), (offsetOf(cpu) + size) | 0);
  if (cpu.fault !== 0) return;
  loadSegment(cpu, n, selector);
  if (cpu.fault !== 0) return;
  writeRegister(cpu, regOf(operands), size, offset);
}

/** A 16-bit r/m operand, whatever the operand-size attribute. */
export function readRm16(cpu: Cpu, operands: number): number {
  if (isMemory(operands)) return cpu.load16(segmentOf(operands), offsetOf(cpu));
  return cpu.r16[rmOf(operands) * 2];
}

/** A selector or the like to r/m: 16 bits in memory; a register of `size` bytes, zero-extended (P6). */
export function writeSelector(cpu: Cpu, operands: number, value: number, size: number): void {
  if (isMemory(operands)) cpu.store16(segmentOf(operands), offsetOf(cpu), value);
  else writeRegister(cpu, rmOf(operands), size, value);
}

/** Operand-size attribute in bytes, for instructions whose operand is always a word. */
export const attributeSize = (operands: number): number => ((operands & OPERAND_SIZE32) !== 0 ? 4 : 2);

export const SEGMENT_HELPERS = {
  movToSreg,
  movFromSreg,
  pushSreg,
  popSreg,
  loadFarPointer,
} as const satisfies Record<string, Helper>;
