// SPDX-License-Identifier: MIT
//
// Interrupts and exceptions through the IVT or the IDT (SDM vol. 2A INT n; vol. 3A §6.10 to §6.15, §20.1.4, §20.3). Nothing has
// changed if the delivery itself faults: the fault is posted like any other, and the caller combines the two. The only
// exception is a task gate, behind whose switch faults belong to the new task.
import type { Cpu } from './cpu.ts';
import {
  Descriptor,
  INTERRUPT_GATE16,
  INTERRUPT_GATE32,
  ioPrivilege,
  isNull,
  markAccessed,
  readDescriptor,
  readEntry,
  refuse,
  TASK_GATE,
  TRAP_GATE16,
  TRAP_GATE32,
} from './descriptors.ts';
import { findTask, isInside } from './far-transfers.ts';
import { deliverFlat } from './flat-interrupts.ts';
import { addToFrame, beginFrame, findInnerStack, pushFrame, pushOnInnerStack } from './frames.ts';
import type { Helper } from './operands.ts';
import { loadRealSegment, setFromDescriptor, setNull } from './segments.ts';
import { switchTask, TaskSwitch } from './task-switch.ts';

const ESP = 4;
const EIP = 8;
const EFLAGS = 9;
const ES = 0;
const CS = 1;
const SS = 2;
const DS = 3;
const FS = 4;
const GS = 5;
const IDTR_BASE = 46;
const IDTR_LIMIT = 47;
const TR_ATTRIBUTES = 43;
const DR7 = 59;
const TF = 0x100;
const IF = 0x200;
const NT = 0x4000;
const RF = 0x10000;
const VM = 0x20000;
const AC = 0x40000;
/** General detect: cleared for the handler of #DB. */
const DR7_GD = 0x2000;
const DEBUG = 1;
const BREAKPOINT = 3;
const OVERFLOW = 4;
const DOUBLE_FAULT = 8;
const INVALID_TSS = 10;
const SEGMENT_NOT_PRESENT = 11;
const GENERAL_PROTECTION = 13;
const PAGE_FAULT = 14;
/** #DE, #BR, #UD, #NM, #TS, #NP, #SS, #GP, #PF, #MF, #AC: their frames show RF set (SDM vol. 3B §17.3.1.1). */
const FAULT_CLASS = 0x37ce1;
/** #DE, #TS, #NP, #SS, #GP. */
const CONTRIBUTORY = 0x3c01;

/**
 * What is delivered. INT n, INT3 and INTO are software: they must be allowed to use the gate. Exceptions of fault class show RF
 * set in their frame; a #DB behind an instruction is a trap.
 */
export const Delivery = { hardware: 0, software: 1, exception: 2, trap: 3 } as const;
const SOFTWARE = 1;
const EXCEPTION = 2;
const TRAP = 3;

/** Cleared on the way out of virtual-8086 mode. */
const V86_DATA_SEGMENTS = [ES, DS, FS, GS] as const;

/** Answer of `combineFaults`: the CPU shuts down. */
export const SHUTDOWN = -1;

const gate = new Descriptor();
const code = new Descriptor();

/**
 * Delivers an interrupt or exception whose handler returns to the EIP of the record; the handler's EIP is there and in `nextEip`
 * afterwards. `errorCode` −1: none is pushed. A fault of the delivery is posted in `cpu.fault`.
 */
export function deliver(cpu: Cpu, vector: number, kind: number, errorCode: number): void {
  deliverTo(cpu, vector, kind, errorCode, cpu.r[EIP]);
  if (cpu.fault === 0) cpu.r[EIP] = cpu.nextEip;
}

/**
 * What becomes of a fault while exception `first` was delivered (SDM vol. 3A table 6-5): the vector to deliver now, or SHUTDOWN.
 * Interrupts, and INT n of whatever vector, are benign: faults of their delivery count for themselves.
 */
export function combineFaults(first: number, second: number): number {
  const isSecondSevere = isContributory(second) || second === PAGE_FAULT;
  if (first === DOUBLE_FAULT) return isSecondSevere ? SHUTDOWN : second;
  if (isContributory(first)) return isContributory(second) ? DOUBLE_FAULT : second;
  return first === PAGE_FAULT && isSecondSevere ? DOUBLE_FAULT : second;
}

const isContributory = (vector: number): boolean => vector < 32 && ((CONTRIBUTORY >>> vector) & 1) !== 0;

function deliverTo(cpu: Cpu, vector: number, kind: number, errorCode: number, returnEip: number): void {
  const isFault = kind === EXCEPTION && vector < 32 && ((FAULT_CLASS >>> vector) & 1) !== 0;
  const flags = (cpu.getEflags() & ~RF) | (isFault ? RF : 0);
  if (!cpu.protectedMode) throughVector(cpu, vector, flags, returnEip);
  else if (!deliverFlat(cpu, vector, kind === SOFTWARE, errorCode, returnEip, flags)) {
    throughIdt(cpu, vector, kind, errorCode, returnEip, flags);
  }
  if (cpu.fault === 0) {
    if (vector === DEBUG && kind >= EXCEPTION) cpu.r[DR7] &= ~DR7_GD;
    cpu.interrupted = kind === SOFTWARE;
    cpu.leaveBlock();
  } else if (kind !== SOFTWARE && cpu.fault > INVALID_TSS && cpu.fault <= GENERAL_PROTECTION + 1) {
    // EXT: the program did not ask for it (SDM vol. 3A §6.13).
    cpu.faultCode |= 1;
  }
}

/** Real mode. */
function throughVector(cpu: Cpu, vector: number, flags: number, returnEip: number): void {
  const { r } = cpu;
  if (vector * 4 + 3 > r[IDTR_LIMIT] >>> 0) {
    cpu.raise(GENERAL_PROTECTION, 0);
    return;
  }
  const entry = cpu.loadSystem32((r[IDTR_BASE] + vector * 4) | 0);
  if (cpu.fault !== 0) return;
  beginFrame();
  addToFrame(flags);
  addToFrame(cpu.selector(CS));
  addToFrame(returnEip);
  if (!pushFrame(cpu, 2)) return;
  r[EFLAGS] &= ~(IF | TF | AC | RF);
  loadRealSegment(cpu, CS, entry >>> 16);
  cpu.updateMode();
  cpu.nextEip = entry & 0xffff;
}

function throughIdt(cpu: Cpu, vector: number, kind: number, errorCode: number, returnEip: number, flags: number): void {
  if (!findGate(cpu, vector, kind)) return;
  if (gate.type === TASK_GATE) {
    throughTaskGate(cpu, errorCode, returnEip, flags);
    return;
  }
  const selector = gate.gateSelector;
  if (isNull(selector)) {
    cpu.raise(GENERAL_PROTECTION, 0);
    return;
  }
  if (!readDescriptor(cpu, code, selector, GENERAL_PROTECTION)) return;
  const isInner = !code.isConforming && code.dpl < cpu.cpl;
  // Out of virtual-8086 mode there is one way only, to ring 0.
  const allowed = cpu.virtual8086 ? isInner && code.dpl === 0 : code.dpl <= cpu.cpl;
  if (!code.isCode || !allowed) {
    refuse(cpu, GENERAL_PROTECTION, code);
    return;
  }
  if (!code.isPresent) {
    refuse(cpu, SEGMENT_NOT_PRESENT, code);
    return;
  }
  const isInterruptGate = gate.type === INTERRUPT_GATE16 || gate.type === INTERRUPT_GATE32;
  const entered = isInner ? enterInner(cpu, flags, returnEip, errorCode) : enterSame(cpu, flags, returnEip, errorCode);
  if (!entered) return;
  cpu.r[EFLAGS] &= ~(TF | NT | RF | VM | (isInterruptGate ? IF : 0));
  cpu.nextEip = gate.gateOffset;
}

/** The gate of a vector, into `gate`. False with a fault posted: its error code names the IDT entry (SDM vol. 3A §6.13). */
function findGate(cpu: Cpu, vector: number, kind: number): boolean {
  const { r } = cpu;
  const errorCode = vector * 8 + 2;
  const isReached = vector * 8 + 7 <= r[IDTR_LIMIT] >>> 0;
  if (isReached && !readEntry(cpu, gate, (r[IDTR_BASE] + vector * 8) | 0)) return false;
  if (!isReached || !isIdtGate(gate) || (kind === SOFTWARE && gate.dpl < cpu.cpl)) {
    cpu.raise(GENERAL_PROTECTION, errorCode);
    return false;
  }
  if (gate.isPresent) return true;
  cpu.raise(SEGMENT_NOT_PRESENT, errorCode);
  return false;
}

function isIdtGate({ isSystem, type }: Descriptor): boolean {
  if (!isSystem) return false;
  if (type === TASK_GATE || type === INTERRUPT_GATE16 || type === TRAP_GATE16) return true;
  return type === INTERRUPT_GATE32 || type === TRAP_GATE32;
}

function throughTaskGate(cpu: Cpu, errorCode: number, returnEip: number, flags: number): void {
  if (!findTask(cpu, code, gate.gateSelector)) return;
  switchTask(cpu, code, TaskSwitch.interrupt, returnEip, flags);
  if (cpu.fault === 0 && errorCode !== -1) cpu.push((cpu.r[TR_ATTRIBUTES] & 8) !== 0 ? 4 : 2, errorCode);
}

function addReturn(cpu: Cpu, flags: number, returnEip: number, errorCode: number): void {
  addToFrame(flags);
  addToFrame(cpu.selector(CS));
  addToFrame(returnEip);
  if (errorCode !== -1) addToFrame(errorCode);
}

function enterSame(cpu: Cpu, flags: number, returnEip: number, errorCode: number): boolean {
  if (!isInside(cpu, gate.gateOffset, code) || !markAccessed(cpu, code)) return false;
  beginFrame();
  addReturn(cpu, flags, returnEip, errorCode);
  if (!pushFrame(cpu, gate.gateSize)) return false;
  setFromDescriptor(cpu, CS, code, cpu.cpl);
  cpu.updateMode();
  return true;
}

function enterInner(cpu: Cpu, flags: number, returnEip: number, errorCode: number): boolean {
  if (!findInnerStack(cpu, code.dpl) || !isInside(cpu, gate.gateOffset, code)) return false;
  const { virtual8086 } = cpu;
  beginFrame();
  if (virtual8086) {
    addToFrame(cpu.selector(GS));
    addToFrame(cpu.selector(FS));
    addToFrame(cpu.selector(DS));
    addToFrame(cpu.selector(ES));
  }
  addToFrame(cpu.selector(SS));
  addToFrame(cpu.r[ESP]);
  addReturn(cpu, flags, returnEip, errorCode);
  if (!pushOnInnerStack(cpu, code, gate.gateSize)) return false;
  if (virtual8086) {
    for (const n of V86_DATA_SEGMENTS) setNull(cpu, n, 0);
    cpu.updateMode();
  }
  return true;
}

// ---- instructions ---------------------------------------------------------------------------------------------------

/** INT n. Virtual-8086 code needs IOPL 3 for it, but not for INT3 and INTO (SDM vol. 3A §20.3.3). */
function int(cpu: Cpu, _operands: number, vector: number): void {
  if (cpu.virtual8086 && ioPrivilege(cpu) < 3) cpu.raise(GENERAL_PROTECTION, 0);
  else deliverTo(cpu, vector & 0xff, SOFTWARE, -1, cpu.nextEip);
}
function int3(cpu: Cpu): void {
  deliverTo(cpu, BREAKPOINT, SOFTWARE, -1, cpu.nextEip);
}
function into(cpu: Cpu): void {
  if (cpu.flags.condition(0)) deliverTo(cpu, OVERFLOW, SOFTWARE, -1, cpu.nextEip);
}
/** F1: a #DB that no bit of DR6 tells of, through a gate of any DPL. */
function int1(cpu: Cpu): void {
  deliverTo(cpu, DEBUG, TRAP, -1, cpu.nextEip);
}

export const INTERRUPT_HELPERS = { int, int3, into, int1 } as const satisfies Record<string, Helper>;
