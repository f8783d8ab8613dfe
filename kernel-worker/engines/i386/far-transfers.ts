// SPDX-License-Identifier: MIT
//
// Far JMP, CALL and RET (SDM vol. 2A CALL, JMP; vol. 2B RET; vol. 3A §5.8): code segments, call gates, task gates and task states
// in protected mode; selector times 16 in real and virtual-8086 mode. All checks come before anything changes; the rest
// of a CALL or RET to another ring is in frames.ts.
import type { Cpu } from './cpu.ts';
import {
  CALL_GATE16,
  CALL_GATE32,
  Descriptor,
  isNull,
  markAccessed,
  readDescriptor,
  refuse,
  TASK_GATE,
} from './descriptors.ts';
import { addToFrame, beginFrame, findInnerStack, pushFrame, pushOnInnerStack } from './frames.ts';
import { isInCode } from './near-transfers.ts';
import { type Helper, isMemory, offsetOf, segmentOf, sizeOf } from './operands.ts';
import { checkStack, dropInnerSegments, loadRealSegment, setFromDescriptor } from './segments.ts';
import { switchTask, TaskSwitch } from './task-switch.ts';

const ESP = 4;
const CS = 1;
const SS = 2;
const T2 = 130;
const ATTR_DB = 0x4000;
const SS_ATTRIBUTES = 23;
const INVALID_OPCODE = 6;
const SEGMENT_NOT_PRESENT = 11;
const GENERAL_PROTECTION = 13;

const target = new Descriptor();
const gate = new Descriptor();
const stack = new Descriptor();

/** True if the offset lies in the segment; otherwise #GP(0) is posted. */
export function isInside(cpu: Cpu, offset: number, code: Descriptor): boolean {
  if (offset >>> 0 <= code.limit >>> 0) return true;
  cpu.raise(GENERAL_PROTECTION, 0);
  return false;
}

/** Code that a JMP or CALL, without a gate, may enter. */
function checkDirect(cpu: Cpu, code: Descriptor): boolean {
  const allowed = code.isConforming ? code.dpl <= cpu.cpl : code.rpl <= cpu.cpl && code.dpl === cpu.cpl;
  if (!allowed) return refuse(cpu, GENERAL_PROTECTION, code);
  return code.isPresent || refuse(cpu, SEGMENT_NOT_PRESENT, code);
}

/** Goes on at CS:EIP, both checked, at the privilege that stands. */
function enterCode(cpu: Cpu, code: Descriptor, eip: number): void {
  setFromDescriptor(cpu, CS, code, cpu.cpl);
  cpu.updateMode();
  cpu.nextEip = eip;
  cpu.leaveBlock();
}

function enterReal(cpu: Cpu, selector: number, eip: number): void {
  loadRealSegment(cpu, CS, selector);
  cpu.updateMode();
  cpu.nextEip = eip;
  cpu.leaveBlock();
}

/** The two words of a return address. False with a fault posted. */
function pushReturn(cpu: Cpu, size: number): boolean {
  beginFrame();
  addToFrame(cpu.selector(CS));
  addToFrame(cpu.nextEip);
  return pushFrame(cpu, size);
}

// ---- JMP and CALL ---------------------------------------------------------------------------------------------------

function transfer(cpu: Cpu, selector: number, offset: number, size: number, isCall: boolean): void {
  const eip = size === 2 ? offset & 0xffff : offset;
  if (!cpu.protectedMode || cpu.virtual8086) {
    if (isInCode(cpu, eip) && (!isCall || pushReturn(cpu, size))) enterReal(cpu, selector, eip);
    return;
  }
  if (isNull(selector)) {
    cpu.raise(GENERAL_PROTECTION, 0);
    return;
  }
  if (!readDescriptor(cpu, target, selector, GENERAL_PROTECTION)) return;
  if (target.isSystem) {
    throughSystem(cpu, isCall);
    return;
  }
  if (!target.isCode) {
    refuse(cpu, GENERAL_PROTECTION, target);
    return;
  }
  if (!checkDirect(cpu, target) || !isInside(cpu, eip, target) || !markAccessed(cpu, target)) return;
  if (isCall && !pushReturn(cpu, size)) return;
  enterCode(cpu, target, eip);
}

/** `target` is a gate or a task state. */
function throughSystem(cpu: Cpu, isCall: boolean): void {
  const { type } = target;
  const isCallGate = type === CALL_GATE16 || type === CALL_GATE32;
  if (!isCallGate && type !== TASK_GATE && !target.isFreeTss) {
    refuse(cpu, GENERAL_PROTECTION, target);
    return;
  }
  if (target.dpl < cpu.cpl || target.rpl > target.dpl) {
    refuse(cpu, GENERAL_PROTECTION, target);
    return;
  }
  if (!target.isPresent) {
    refuse(cpu, SEGMENT_NOT_PRESENT, target);
    return;
  }
  if (isCallGate) throughCallGate(cpu, isCall);
  else if (type === TASK_GATE) throughTaskGate(cpu, target.gateSelector, isCall);
  else toTask(cpu, isCall);
}

function throughTaskGate(cpu: Cpu, selector: number, isCall: boolean): void {
  if (findTask(cpu, target, selector)) toTask(cpu, isCall);
}

/** The task state that a task gate names: it must be in the GDT, free and present. */
export function findTask(cpu: Cpu, task: Descriptor, selector: number): boolean {
  if ((selector & 4) !== 0 || isNull(selector)) {
    cpu.raise(GENERAL_PROTECTION, selector & 0xfffc);
    return false;
  }
  if (!readDescriptor(cpu, task, selector, GENERAL_PROTECTION)) return false;
  if (!task.isFreeTss) return refuse(cpu, GENERAL_PROTECTION, task);
  return task.isPresent || refuse(cpu, SEGMENT_NOT_PRESENT, task);
}

function toTask(cpu: Cpu, isCall: boolean): void {
  if ((target.selector & 4) !== 0) {
    refuse(cpu, GENERAL_PROTECTION, target);
    return;
  }
  switchTask(cpu, target, isCall ? TaskSwitch.call : TaskSwitch.jump, cpu.nextEip, cpu.getEflags());
}

/** `target` is a call gate that may be used. */
function throughCallGate(cpu: Cpu, isCall: boolean): void {
  gate.high = target.high;
  gate.low = target.low;
  const selector = gate.gateSelector;
  if (isNull(selector)) {
    cpu.raise(GENERAL_PROTECTION, 0);
    return;
  }
  if (!readDescriptor(cpu, target, selector, GENERAL_PROTECTION)) return;
  // A JMP stays in its ring; a CALL may also go inwards.
  const reachable = target.dpl === cpu.cpl || (target.dpl < cpu.cpl && (isCall || target.isConforming));
  if (!target.isCode || !reachable) {
    refuse(cpu, GENERAL_PROTECTION, target);
    return;
  }
  if (!target.isPresent) {
    refuse(cpu, SEGMENT_NOT_PRESENT, target);
    return;
  }
  const eip = gate.gateOffset;
  if (isCall && !target.isConforming && target.dpl < cpu.cpl) {
    callInwards(cpu, eip);
    return;
  }
  if (!isInside(cpu, eip, target) || !markAccessed(cpu, target)) return;
  if (isCall && !pushReturn(cpu, gate.gateSize)) return;
  enterCode(cpu, target, eip);
}

/** Through `gate` to `target` in an inner ring: old stack, parameters, return address. */
function callInwards(cpu: Cpu, eip: number): void {
  const size = gate.gateSize;
  if (!findInnerStack(cpu, target.dpl) || !isInside(cpu, eip, target)) return;
  beginFrame();
  addToFrame(cpu.selector(SS));
  addToFrame(cpu.r[ESP]);
  for (let i = gate.gateParameters - 1; i >= 0; i--) {
    addToFrame(cpu.peek(size, i * size));
    if (cpu.fault !== 0) return;
  }
  addToFrame(cpu.selector(CS));
  addToFrame(cpu.nextEip);
  if (!pushOnInnerStack(cpu, target, size)) return;
  cpu.nextEip = eip;
  cpu.leaveRun();
}

/** JMP ptr16:16, ptr16:32: the offset is the immediate, the selector in T2. */
function jmpFar(cpu: Cpu, operands: number, offset: number): void {
  transfer(cpu, cpu.r[T2] & 0xffff, offset, sizeOf(operands), false);
}
function callFar(cpu: Cpu, operands: number, offset: number): void {
  transfer(cpu, cpu.r[T2] & 0xffff, offset, sizeOf(operands), true);
}

/** JMP m16:16, m16:32. */
function jmpFarIndirect(cpu: Cpu, operands: number): void {
  transferThrough(cpu, operands, false);
}
function callFarIndirect(cpu: Cpu, operands: number): void {
  transferThrough(cpu, operands, true);
}

function transferThrough(cpu: Cpu, operands: number, isCall: boolean): void {
  if (!isMemory(operands)) {
    cpu.raise(INVALID_OPCODE, -1);
    return;
  }
  const size = sizeOf(operands);
  const offset = cpu.load(segmentOf(operands), offsetOf(cpu), size);
  if (cpu.fault !== 0) return;
  const selector = cpu.load16(segmentOf(operands), (offsetOf(cpu) + size) | 0);
  if (cpu.fault === 0) transfer(cpu, selector, offset, size, isCall);
}

// ---- RET ------------------------------------------------------------------------------------------------------------

/** Code that RET or IRET with this selector may go back to, `rpl` its new privilege. Read into `code`. */
export function findReturnCode(cpu: Cpu, code: Descriptor, selector: number): boolean {
  if (isNull(selector)) {
    cpu.raise(GENERAL_PROTECTION, 0);
    return false;
  }
  if (!readDescriptor(cpu, code, selector, GENERAL_PROTECTION)) return false;
  const allowed = code.isConforming ? code.dpl <= code.rpl : code.dpl === code.rpl;
  if (!code.isCode || code.rpl < cpu.cpl || !allowed) return refuse(cpu, GENERAL_PROTECTION, code);
  return code.isPresent || refuse(cpu, SEGMENT_NOT_PRESENT, code);
}

/**
 * Back to ring `code.rpl` with the stack at `depth` bytes above the top of this one: SS:ESP of `size` bytes each. `release` more
 * are taken off that stack. EFLAGS stays the caller's. False with a fault posted, and everything as before.
 */
export function returnOutwards(
  cpu: Cpu,
  code: Descriptor,
  eip: number,
  size: number,
  depth: number,
  release: number,
): boolean {
  const esp = cpu.peek(size, depth);
  if (cpu.fault !== 0) return false;
  const selector = cpu.peek(size, depth + size) & 0xffff;
  if (cpu.fault !== 0) return false;
  if (isNull(selector)) {
    cpu.raise(GENERAL_PROTECTION, 0);
    return false;
  }
  if (!readDescriptor(cpu, stack, selector, GENERAL_PROTECTION)) return false;
  if (!checkStack(cpu, stack, code.rpl, GENERAL_PROTECTION) || !isInside(cpu, eip, code)) return false;
  if (!markAccessed(cpu, code) || !markAccessed(cpu, stack)) return false;
  setFromDescriptor(cpu, CS, code, code.rpl);
  setFromDescriptor(cpu, SS, stack, code.rpl);
  // A 16-bit stack segment takes SP only: the upper half of ESP stays that of the inner stack.
  if ((cpu.r[SS_ATTRIBUTES] & ATTR_DB) !== 0) cpu.r[ESP] = esp + release;
  else cpu.r16[ESP * 2] = esp + release;
  cpu.updateMode();
  if (dropInnerSegments(cpu)) cpu.updateMode();
  return true;
}

/** RET far: `immediate` more bytes are released, on both stacks. */
function retFar(cpu: Cpu, operands: number, immediate: number): void {
  const size = sizeOf(operands);
  const release = immediate & 0xffff;
  const eip = cpu.peek(size, 0);
  if (cpu.fault !== 0) return;
  const selector = cpu.peek(size, size) & 0xffff;
  if (cpu.fault !== 0) return;
  if (!cpu.protectedMode || cpu.virtual8086) {
    if (!isInCode(cpu, eip)) return;
    cpu.drop(2 * size + release);
    enterReal(cpu, selector, eip);
    return;
  }
  if (!findReturnCode(cpu, target, selector)) return;
  if (target.rpl > cpu.cpl) {
    if (!returnOutwards(cpu, target, eip, size, 2 * size + release, release)) return;
    cpu.nextEip = eip;
    cpu.leaveRun();
  } else if (isInside(cpu, eip, target) && markAccessed(cpu, target)) {
    cpu.drop(2 * size + release);
    enterCode(cpu, target, eip);
  }
}

export const FAR_HELPERS = {
  jmpFar,
  callFar,
  jmpFarIndirect,
  callFarIndirect,
  retFar,
} as const satisfies Record<string, Helper>;
