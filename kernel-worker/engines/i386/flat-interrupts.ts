// SPDX-License-Identifier: MIT
//
// What nearly all deliveries and IRETs of 32-bit systems are: through a 32-bit interrupt or trap gate, between rings or within one,
// with flat segments of the GDT throughout, everything in the TLB, and nothing that could fault. The two functions find out by
// comparing whole descriptors, do the same as interrupts.ts and iret.ts would, several times faster, or say false and have done
// nothing. Of the mode only the user bit can change then.
import type { Cpu } from './cpu.ts';
import { Mode } from './mode.ts';
import { dropInnerSegments } from './segments.ts';

const ESP = 4;
const EFLAGS = 9;
const CS_SELECTOR = 16;
const CS_ATTRIBUTES = 19;
const SS_SELECTOR = 20;
const SS_ATTRIBUTES = 23;
const TR_BASE = 41;
const TR_LIMIT = 42;
const TR_ATTRIBUTES = 43;
const GDTR_BASE = 44;
const GDTR_LIMIT = 45;
const IDTR_BASE = 46;
const IDTR_LIMIT = 47;
const TF = 0x100;
const IF = 0x200;
const NT = 0x4000;
const RF = 0x10000;
const VM = 0x20000;
const AC = 0x40000;
/** CS, DS, ES and SS flat, 32-bit protected mode. */
const FLAT = Mode.code32 | Mode.stack32 | Mode.flatData | Mode.flatCode | Mode.protected;
/** Attributes of flat segments, accessed, of ring 0; the DPL is added. */
const FLAT_CODE = 0xc09b;
const FLAT_DATA = 0xc093;
/** P, S and the type of a gate but for its lowest bit: a present 32-bit interrupt or trap gate. */
const GATE_MASK = 0x9e00;
const GATE32 = 0x8e00;
const IS_TRAP = 0x100;
const TSS_IS_32 = 8;

/**
 * Level of the descriptor that a selector names, if it is a flat segment of code or data with exactly these attributes; otherwise
 * −1. Its low doubleword and the rest of the high one are those of base 0 and limit FFFFF.
 */
function levelOfFlat(cpu: Cpu, selector: number, attributes: number): number {
  const { r, view } = cpu;
  const index = selector & 0xfffc;
  if (index === 0 || (index & 4) !== 0 || index + 7 > r[GDTR_LIMIT] >>> 0) return -1;
  const linAddr = (r[GDTR_BASE] + index) | 0;
  const host = cpu.mmu.read[linAddr >>> 12];
  const within = linAddr & 0xfff;
  if (host === 0 || within > 0xff8 || view.getInt32(host | within, true) !== 0xffff) return -1;
  const high = view.getInt32((host | within) + 4, true);
  return (high & ~0x6000) === (((attributes & 0xff) << 8) | 0xcf0000) ? (high >>> 13) & 3 : -1;
}

/** Bases and limits stay as they are. */
function setCode({ r }: Cpu, level: number, selector: number): void {
  r[CS_SELECTOR] = (selector & 0xfffc) | level;
  r[CS_ATTRIBUTES] = FLAT_CODE | (level << 5);
}

/** The other half of a change of ring. */
function setStack(cpu: Cpu, level: number, data: number, esp: number): void {
  const { r } = cpu;
  r[SS_SELECTOR] = (data & 0xfffc) | level;
  r[SS_ATTRIBUTES] = FLAT_DATA | (level << 5);
  r[ESP] = esp;
  cpu.cpl = level;
  cpu.mode = level === 3 ? FLAT | Mode.user : FLAT;
  if (level === 3) cpu.handOver.ownJump.inProgram();
  cpu.mmu.setBank(level, false);
}

/** Delivers an interrupt or exception; `needsDpl`: only through a gate that this ring may use. */
export function deliverFlat(
  cpu: Cpu,
  vector: number,
  needsDpl: boolean,
  errorCode: number,
  returnEip: number,
  flags: number,
): boolean {
  const { mmu, r, view } = cpu;
  if ((cpu.mode & FLAT) !== FLAT || vector * 8 + 7 > r[IDTR_LIMIT] >>> 0) return false;
  const gateAddr = (r[IDTR_BASE] + vector * 8) | 0;
  const gateHost = mmu.read[gateAddr >>> 12];
  if (gateHost === 0 || (gateAddr & 0xfff) > 0xff8) return false;
  const low = view.getInt32(gateHost | (gateAddr & 0xfff), true);
  const high = view.getInt32((gateHost | (gateAddr & 0xfff)) + 4, true);
  if ((high & GATE_MASK) !== GATE32 || (needsDpl && ((high >>> 13) & 3) < cpu.cpl)) return false;
  const code = low >>> 16;
  const level = levelOfFlat(cpu, code, FLAT_CODE);
  if (level < 0 || level > cpu.cpl) return false;

  let esp = r[ESP];
  let data = 0;
  let bank = mmu.bank;
  const isInner = level < cpu.cpl;
  if (isInner) {
    const offset = 4 + 8 * level;
    if ((r[TR_ATTRIBUTES] & TSS_IS_32) === 0 || offset + 5 > r[TR_LIMIT] >>> 0) return false;
    const stackAddr = (r[TR_BASE] + offset) | 0;
    const stackHost = mmu.read[stackAddr >>> 12];
    const within = stackAddr & 0xfff;
    if (stackHost === 0 || within > 0xff8) return false;
    esp = view.getInt32(stackHost | within, true);
    data = view.getUint16((stackHost | within) + 4, true);
    if ((data & 3) !== level || levelOfFlat(cpu, data, FLAT_DATA) !== level) return false;
    bank = 0;
  }
  const top = (esp - (isInner ? 20 : 12) - (errorCode === -1 ? 0 : 4)) | 0;
  const host = mmu.write[(top >>> 12) + bank];
  // The frame lies in one page, and may end with it.
  if (host === 0 || top >>> 12 !== (esp - 1) >>> 12) return false;
  let at = host | (top & 0xfff);
  if (errorCode !== -1) {
    view.setInt32(at, errorCode, true);
    at += 4;
  }
  view.setInt32(at, returnEip, true);
  view.setInt32(at + 4, r[CS_SELECTOR], true);
  view.setInt32(at + 8, flags, true);
  if (isInner) {
    view.setInt32(at + 12, r[ESP], true);
    view.setInt32(at + 16, r[SS_SELECTOR], true);
    setStack(cpu, level, data, top);
  } else r[ESP] = top;
  setCode(cpu, level, code);
  r[EFLAGS] &= ~(TF | NT | RF | VM | ((high & IS_TRAP) === 0 ? IF : 0));
  cpu.nextEip = (high & -0x10000) | (low & 0xffff);
  return true;
}

/** IRETD with NT clear; `mask` are the bits of EFLAGS that this ring may write. */
export function returnFlat(cpu: Cpu, mask: number): boolean {
  const { mmu, r, view } = cpu;
  const esp = r[ESP];
  const within = esp & 0xfff;
  const host = mmu.read[(esp >>> 12) + mmu.bank];
  if ((cpu.mode & FLAT) !== FLAT || (r[EFLAGS] & AC) !== 0 || host === 0 || within > 0xfec) return false;
  const at = host | within;
  const code = view.getUint16(at + 4, true);
  const eflags = view.getInt32(at + 8, true);
  const level = code & 3;
  const { cpl } = cpu;
  if (level < cpl || (eflags & VM) !== 0 || levelOfFlat(cpu, code, FLAT_CODE) !== level) return false;
  const eip = view.getInt32(at, true);
  if (level === cpl) {
    r[ESP] = esp + 12;
    setCode(cpu, level, code);
  } else {
    const data = view.getUint16(at + 16, true);
    if ((data & 3) !== level || levelOfFlat(cpu, data, FLAT_DATA) !== level) return false;
    setCode(cpu, level, code);
    setStack(cpu, level, data, view.getInt32(at + 12, true));
    if (dropInnerSegments(cpu)) cpu.updateMode();
  }
  cpu.setEflags(eflags, mask);
  cpu.nextEip = eip;
  return true;
}
