// SPDX-License-Identifier: MIT
//
// Descriptors of the GDT and LDT (SDM vol. 3A §3.4.5, §3.5, §5.8.3). Tables are read with supervisor privilege whatever the CPL;
// a table that is not mapped posts #PF like any other access. The objects are scratch: nothing in them outlives an instruction.
import type { Cpu } from './cpu.ts';

const GDTR_BASE = 44;
const GDTR_LIMIT = 45;
const LDTR_BASE = 37;
const LDTR_LIMIT = 38;
const LDTR_ATTRIBUTES = 39;
const ATTR_P = 0x80;
const ATTR_NULL = 0x10000;
const TABLE_INDICATOR = 4;
const HIGH_ACCESSED = 0x100;
const HIGH_BUSY = 0x200;

/** Types of system descriptors (SDM vol. 3A table 3-2); bit 3 tells 32-bit from 16-bit gates and task states. */
export const TSS16 = 1;
export const LDT = 2;
export const BUSY_TSS16 = 3;
export const CALL_GATE16 = 4;
export const TASK_GATE = 5;
export const INTERRUPT_GATE16 = 6;
export const TRAP_GATE16 = 7;
export const TSS32 = 9;
export const BUSY_TSS32 = 11;
export const CALL_GATE32 = 12;
export const INTERRUPT_GATE32 = 14;
export const TRAP_GATE32 = 15;

/** One descriptor as it lies in its table, or in the IDT. */
export class Descriptor {
  selector = 0;
  /** Linear address of the descriptor. */
  linAddr = 0;
  low = 0;
  high = 0;

  /** Bits 8 to 23 of the second doubleword without the limit, as the CPU record keeps them. */
  get attributes(): number {
    return (this.high >>> 8) & 0xd0ff;
  }
  get type(): number {
    return (this.high >>> 8) & 0xf;
  }
  get dpl(): number {
    return (this.high >>> 13) & 3;
  }
  get rpl(): number {
    return this.selector & 3;
  }
  /** Selector as error codes have it: without RPL. */
  get code(): number {
    return this.selector & 0xfffc;
  }
  get isPresent(): boolean {
    return (this.high & 0x8000) !== 0;
  }
  get isSystem(): boolean {
    return (this.high & 0x1000) === 0;
  }
  get isCode(): boolean {
    return (this.high & 0x1800) === 0x1800;
  }
  get isConforming(): boolean {
    return (this.high & 0x1c00) === 0x1c00;
  }
  get isWritableData(): boolean {
    return (this.high & 0x1a00) === 0x1200;
  }
  /** Data, or code that may be read. */
  get isReadable(): boolean {
    return (this.high & 0x1000) !== 0 && (this.high & 0xa00) !== 0x800;
  }
  /** A task state that no task runs on. */
  get isFreeTss(): boolean {
    return (this.high & 0x1700) === 0x100;
  }
  get isBusyTss(): boolean {
    return (this.high & 0x1700) === 0x300;
  }
  get base(): number {
    return (this.low >>> 16) | ((this.high & 0xff) << 16) | (this.high & -0x1000000);
  }
  /** In bytes, inclusive; signed. */
  get limit(): number {
    const limit = (this.low & 0xffff) | (this.high & 0xf0000);
    return (this.high & 0x800000) !== 0 ? (limit << 12) | 0xfff : limit;
  }

  // ---- gates ------------------------------------------------------------------------------------------------------

  get gateSelector(): number {
    return this.low >>> 16;
  }
  /** 16 bits of a 16-bit gate. */
  get gateOffset(): number {
    const low = this.low & 0xffff;
    return this.gateSize === 4 ? (this.high & -0x10000) | low : low;
  }
  /** Bytes of an item that the gate pushes: 2 or 4. */
  get gateSize(): number {
    return (this.high & 0x800) !== 0 ? 4 : 2;
  }
  get gateParameters(): number {
    return this.high & 0x1f;
  }
}

export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;

/** Reads eight bytes of a table. False with a fault posted. */
export function readEntry(cpu: Cpu, descriptor: Descriptor, linAddr: number): boolean {
  descriptor.linAddr = linAddr;
  descriptor.low = cpu.loadSystem32(linAddr);
  if (cpu.fault !== 0) return false;
  descriptor.high = cpu.loadSystem32((linAddr + 4) | 0);
  return cpu.fault === 0;
}

/**
 * The descriptor that a selector names. False if its table does not reach so far, or with a fault posted if the table is not
 * mapped. A null selector must be told apart by the caller.
 */
export function findDescriptor(cpu: Cpu, descriptor: Descriptor, selector: number): boolean {
  const { r } = cpu;
  descriptor.selector = selector & 0xffff;
  const index = selector & 0xfff8;
  const isLocal = (selector & TABLE_INDICATOR) !== 0;
  if (isLocal && (r[LDTR_ATTRIBUTES] & (ATTR_P | ATTR_NULL)) !== ATTR_P) return false;
  if (index + 7 > r[isLocal ? LDTR_LIMIT : GDTR_LIMIT] >>> 0) return false;
  return readEntry(cpu, descriptor, (r[isLocal ? LDTR_BASE : GDTR_BASE] + index) | 0);
}

/** The same; a selector outside its table posts `vector` with the selector. */
export function readDescriptor(cpu: Cpu, descriptor: Descriptor, selector: number, vector: number): boolean {
  if (findDescriptor(cpu, descriptor, selector)) return true;
  // The first fault counts: #PF of the table itself stays.
  cpu.raise(vector, selector & 0xfffc);
  return false;
}

/** Posts `vector` with the descriptor's selector; false, for returns. */
export function refuse(cpu: Cpu, vector: number, descriptor: Descriptor): false {
  cpu.raise(vector, descriptor.code);
  return false;
}

/** Sets the accessed bit in the table, if it is clear. False with a fault posted. */
export function markAccessed(cpu: Cpu, descriptor: Descriptor): boolean {
  if ((descriptor.high & HIGH_ACCESSED) !== 0) return true;
  cpu.storeSystem8((descriptor.linAddr + 5) | 0, ((descriptor.high | HIGH_ACCESSED) >>> 8) & 0xff);
  if (cpu.fault !== 0) return false;
  descriptor.high |= HIGH_ACCESSED;
  return true;
}

/** Sets the busy bit of a task state in the table. False with a fault posted. */
export function markBusy(cpu: Cpu, descriptor: Descriptor): boolean {
  cpu.storeSystem8((descriptor.linAddr + 5) | 0, ((descriptor.high | HIGH_BUSY) >>> 8) & 0xff);
  if (cpu.fault !== 0) return false;
  descriptor.high |= HIGH_BUSY;
  return true;
}

/** Privilege level that the flags allow port access and CLI to. */
export const ioPrivilege = (cpu: Cpu): number => (cpu.r[9] >>> 12) & 3;
