// SPDX-License-Identifier: MIT
//
// Instructions on descriptor tables and selectors (SDM vol. 2A LAR, LGDT, LLDT, LSL, ARPL; vol. 2B LTR, SGDT, SLDT, STR, VERR).
import type { Cpu } from './cpu.ts';
import {
  BUSY_TSS16,
  BUSY_TSS32,
  CALL_GATE16,
  CALL_GATE32,
  Descriptor,
  findDescriptor,
  isNull,
  LDT,
  markBusy,
  readDescriptor,
  refuse,
  TASK_GATE,
  TSS16,
  TSS32,
} from './descriptors.ts';
import {
  type Helper,
  isMemory,
  offsetOf,
  readRm,
  regOf,
  segmentOf,
  sizeOf,
  writeRegister,
  writeRm,
} from './operands.ts';
import { attributeSize, readRm16, setFromDescriptor, setNull, writeSelector } from './segments.ts';

const LDTR = 6;
const TR = 7;
const GDTR_BASE = 44;
const IDTR_BASE = 46;
const ZF = 0x40;
const INVALID_OPCODE = 6;
const SEGMENT_NOT_PRESENT = 11;
const GENERAL_PROTECTION = 13;
/** What LAR gives of the second doubleword: all but base and limit. */
const LAR_MASK = 0xf0ff00;

const descriptor = new Descriptor();

/** True in ring 0; otherwise #GP(0) is posted. */
export function isRing0(cpu: Cpu): boolean {
  if (cpu.cpl === 0) return true;
  cpu.raise(GENERAL_PROTECTION, 0);
  return false;
}

/** Instructions that real and virtual-8086 mode do not know. */
function isProtected(cpu: Cpu): boolean {
  if (cpu.protectedMode && !cpu.virtual8086) return true;
  cpu.raise(INVALID_OPCODE, -1);
  return false;
}

function hasMemory(cpu: Cpu, operands: number): boolean {
  if (isMemory(operands)) return true;
  cpu.raise(INVALID_OPCODE, -1);
  return false;
}

// ---- GDTR and IDTR --------------------------------------------------------------------------------------------------

/** With a 16-bit operand the base has 24 bits. */
function loadTable(cpu: Cpu, operands: number, register: number): void {
  if (!hasMemory(cpu, operands) || !isRing0(cpu)) return;
  const offset = offsetOf(cpu);
  const limit = cpu.load16(segmentOf(operands), offset);
  if (cpu.fault !== 0) return;
  const base = cpu.load32(segmentOf(operands), (offset + 2) | 0);
  if (cpu.fault !== 0) return;
  if (register === GDTR_BASE) cpu.handOver.gdtrChanges(cpu.r[register], cpu.r[register + 1], limit);
  cpu.r[register] = sizeOf(operands) === 2 ? base & 0xffffff : base;
  cpu.r[register + 1] = limit;
}

function storeTable(cpu: Cpu, operands: number, register: number): void {
  if (!hasMemory(cpu, operands)) return;
  const offset = offsetOf(cpu);
  const segment = segmentOf(operands);
  if (!cpu.probeWrite(segment, (offset + 2) | 0, 4)) return;
  const base = cpu.r[register];
  cpu.store16(segment, offset, cpu.r[register + 1]);
  if (cpu.fault === 0) cpu.store32(segment, (offset + 2) | 0, sizeOf(operands) === 2 ? base & 0xffffff : base);
}

const lgdt = (cpu: Cpu, operands: number): void => loadTable(cpu, operands, GDTR_BASE);
const lidt = (cpu: Cpu, operands: number): void => loadTable(cpu, operands, IDTR_BASE);
const sgdt = (cpu: Cpu, operands: number): void => storeTable(cpu, operands, GDTR_BASE);
const sidt = (cpu: Cpu, operands: number): void => storeTable(cpu, operands, IDTR_BASE);

// ---- LDTR and TR ----------------------------------------------------------------------------------------------------

/** A system descriptor of the GDT, into `descriptor`. */
function findInGdt(cpu: Cpu, selector: number): boolean {
  if ((selector & 4) === 0) return readDescriptor(cpu, descriptor, selector, GENERAL_PROTECTION);
  cpu.raise(GENERAL_PROTECTION, selector & 0xfffc);
  return false;
}

function lldt(cpu: Cpu, operands: number): void {
  if (!isProtected(cpu) || !isRing0(cpu)) return;
  const selector = readRm16(cpu, operands);
  if (cpu.fault !== 0) return;
  if (isNull(selector)) setNull(cpu, LDTR, selector);
  else if (findInGdt(cpu, selector)) {
    if (!descriptor.isSystem || descriptor.type !== LDT) refuse(cpu, GENERAL_PROTECTION, descriptor);
    else if (!descriptor.isPresent) refuse(cpu, SEGMENT_NOT_PRESENT, descriptor);
    else setFromDescriptor(cpu, LDTR, descriptor, descriptor.rpl);
  }
}

function ltr(cpu: Cpu, operands: number): void {
  if (!isProtected(cpu) || !isRing0(cpu)) return;
  const selector = readRm16(cpu, operands);
  if (cpu.fault !== 0) return;
  if (isNull(selector)) cpu.raise(GENERAL_PROTECTION, 0);
  else if (findInGdt(cpu, selector)) {
    if (!descriptor.isFreeTss) refuse(cpu, GENERAL_PROTECTION, descriptor);
    else if (!descriptor.isPresent) refuse(cpu, SEGMENT_NOT_PRESENT, descriptor);
    else if (markBusy(cpu, descriptor)) setFromDescriptor(cpu, TR, descriptor, descriptor.rpl);
  }
}

function sldt(cpu: Cpu, operands: number): void {
  if (isProtected(cpu)) writeSelector(cpu, operands, cpu.selector(LDTR), attributeSize(operands));
}
function str(cpu: Cpu, operands: number): void {
  if (isProtected(cpu)) writeSelector(cpu, operands, cpu.selector(TR), attributeSize(operands));
}

// ---- asking about selectors -----------------------------------------------------------------------------------------

/**
 * The r/m operand as a selector, its descriptor in `descriptor`: true if there is one that CPL and RPL may see. Check
 * `cpu.fault` first.
 */
function isVisible(cpu: Cpu, operands: number): boolean {
  const selector = readRm16(cpu, operands);
  if (cpu.fault !== 0 || isNull(selector) || !findDescriptor(cpu, descriptor, selector)) return false;
  return descriptor.isConforming || (cpu.cpl <= descriptor.dpl && descriptor.rpl <= descriptor.dpl);
}

/** ZF is the answer. */
function answer(cpu: Cpu, yes: boolean): void {
  cpu.flags.change(yes ? ZF : 0, ZF);
}

const hasLimit = (type: number): boolean =>
  type === TSS16 || type === LDT || type === BUSY_TSS16 || type === TSS32 || type === BUSY_TSS32;
const hasRights = (type: number): boolean =>
  hasLimit(type) || type === CALL_GATE16 || type === TASK_GATE || type === CALL_GATE32;

function lar(cpu: Cpu, operands: number): void {
  if (!isProtected(cpu)) return;
  const found = isVisible(cpu, operands);
  if (cpu.fault !== 0) return;
  const known = found && (!descriptor.isSystem || hasRights(descriptor.type));
  if (known) writeRegister(cpu, regOf(operands), sizeOf(operands), descriptor.high & LAR_MASK);
  answer(cpu, known);
}

function lsl(cpu: Cpu, operands: number): void {
  if (!isProtected(cpu)) return;
  const found = isVisible(cpu, operands);
  if (cpu.fault !== 0) return;
  const known = found && (!descriptor.isSystem || hasLimit(descriptor.type));
  if (known) writeRegister(cpu, regOf(operands), sizeOf(operands), descriptor.limit);
  answer(cpu, known);
}

function verr(cpu: Cpu, operands: number): void {
  if (!isProtected(cpu)) return;
  const found = isVisible(cpu, operands);
  if (cpu.fault === 0) answer(cpu, found && descriptor.isReadable);
}

function verw(cpu: Cpu, operands: number): void {
  if (!isProtected(cpu)) return;
  const found = isVisible(cpu, operands);
  if (cpu.fault === 0) answer(cpu, found && descriptor.isWritableData);
}

/** Raises the RPL of a selector to that of the register. */
function arpl(cpu: Cpu, anyOperands: number): void {
  if (!isProtected(cpu)) return;
  const operands = (anyOperands & ~7) | 2;
  // It is stored to only if the privilege changes: it may lie in a segment that is not writable else.
  const selector = readRm(cpu, operands);
  if (cpu.fault !== 0) return;
  const rpl = cpu.r16[regOf(operands) * 2] & 3;
  const isRaised = (selector & 3) < rpl;
  if (isRaised) writeRm(cpu, operands, (selector & ~3) | rpl);
  if (cpu.fault === 0) answer(cpu, isRaised);
}

export const TABLE_HELPERS = {
  lgdt,
  lidt,
  sgdt,
  sidt,
  lldt,
  ltr,
  sldt,
  str,
  lar,
  lsl,
  verr,
  verw,
  arpl,
} as const satisfies Record<string, Helper>;
