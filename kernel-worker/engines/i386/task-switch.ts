// SPDX-License-Identifier: MIT
//
// The hardware task switch (SDM vol. 3A §7.3, table 7-1), from and to 16- and 32-bit task states. Up to the point where TR is
// loaded a fault belongs to the old task and nothing has changed; behind it a fault belongs to the new one, whose EIP is then
// in the record already, as its handler must find it.
import type { Cpu } from './cpu.ts';
import { Descriptor, findDescriptor, isNull, LDT, markAccessed, readEntry, refuse } from './descriptors.ts';
import { checkData, checkStack, loadRealSegment, setFromDescriptor, setNull, setSegment } from './segments.ts';

const EIP = 8;
const EFLAGS = 9;
const CS = 1;
const SS = 2;
const LDTR = 6;
const TR = 7;
const SEGMENTS = 12;
const CS_LIMIT = 18;
const TR_SELECTOR = 40;
const TR_BASE = 41;
const TR_LIMIT = 42;
const TR_ATTRIBUTES = 43;
const GDTR_BASE = 44;
const GDTR_LIMIT = 45;
const CR0 = 48;
const CR3 = 50;
const DR7 = 59;
const CR0_TS = 8;
const CR0_PG = -0x80000000;
const NT = 0x4000;
const VM = 0x20000;
const EFLAGS_KNOWN = 0x3f7fd5;
const EFLAGS_ALWAYS = 2;
const ATTR_NULL = 0x10000;
const HIGH_BUSY = 0x200;
/** L0 to L3 and LE. */
const DR7_LOCAL = 0x155;
/** DR6.BT: the trap bit of the task state. */
const DR6_BT = 0x8000;
const INVALID_TSS = 10;
const SEGMENT_NOT_PRESENT = 11;
const GENERAL_PROTECTION = 13;

/** What starts a switch. */
export const TaskSwitch = { jump: 0, call: 1, interrupt: 2, return: 3 } as const;

/** Task states of 32 bits (SDM vol. 3A figure 7-2); ESP0 to SS2 and the bitmap are read where they are used. */
const TSS32_CR3 = 0x1c;
const TSS32_EIP = 0x20;
const TSS32_LDT = 0x60;
const TSS32_TRAP = 0x64;
const TSS32_LIMIT = 0x67;
/** And of 16 (figure 7-10). */
const TSS16_IP = 0x0e;
const TSS16_LDT = 0x2a;
const TSS16_LIMIT = 0x2b;

/** EIP, EFLAGS, eight registers, six selectors, LDT: in the order of both task states. */
const NEXT_EIP = 0;
const NEXT_EFLAGS = 1;
const NEXT_REGISTERS = 2;
const NEXT_SEGMENTS = 10;
const NEXT_LDT = 16;
const NEXT_CR3 = 17;
const NEXT_TRAP = 18;
const next = new Int32Array(19);
const descriptor = new Descriptor();
const old = new Descriptor();

/**
 * Switches to a task state that may be switched to. `returnEip` and `savedFlags` are what the old task goes on with. The new
 * task's EIP is in `nextEip` and in the record.
 */
export function switchTask(cpu: Cpu, task: Descriptor, how: number, returnEip: number, savedFlags: number): void {
  const { r } = cpu;
  const is32 = (task.type & 8) !== 0;
  if (task.limit >>> 0 < (is32 ? TSS32_LIMIT : TSS16_LIMIT)) {
    refuse(cpu, INVALID_TSS, task);
    return;
  }
  const nests = how === TaskSwitch.call || how === TaskSwitch.interrupt;
  const oldSelector = r[TR_SELECTOR];
  if (!readState(cpu, task.base, is32) || !canSave(cpu, task, nests)) return;
  if (!nests && !release(cpu)) return;
  saveState(cpu, returnEip, how === TaskSwitch.return ? savedFlags & ~NT : savedFlags);
  if (nests) {
    cpu.storeSystem16(task.base, oldSelector);
    next[NEXT_EFLAGS] |= NT;
  }
  if (how !== TaskSwitch.return) cpu.storeSystem8((task.linAddr + 5) | 0, (task.high | HIGH_BUSY) >>> 8);
  task.high |= HIGH_BUSY;
  setFromDescriptor(cpu, TR, task, task.rpl);
  commit(cpu, is32);
  loadSegments(cpu);
  if (cpu.fault === 0 && next[NEXT_EIP] >>> 0 > r[CS_LIMIT] >>> 0) cpu.raise(GENERAL_PROTECTION, 0);
  if (next[NEXT_TRAP] !== 0 && cpu.fault === 0) cpu.trapAfterInstruction(DR6_BT);
}

/** Reads the new task's state; with it every page of it was reached once. */
function readState(cpu: Cpu, base: number, is32: boolean): boolean {
  const size = is32 ? 4 : 2;
  const first = is32 ? TSS32_EIP : TSS16_IP;
  // 16-bit task states have no FS and GS.
  const segments = is32 ? 6 : 4;
  for (let i = 0; i < NEXT_SEGMENTS + segments; i++) next[i] = loadSystem(cpu, (base + first + i * size) | 0, size);
  for (let i = NEXT_SEGMENTS + segments; i < NEXT_LDT; i++) next[i] = 0;
  next[NEXT_LDT] = loadSystem(cpu, (base + (is32 ? TSS32_LDT : TSS16_LDT)) | 0, 2);
  next[NEXT_CR3] = is32 ? cpu.loadSystem32((base + TSS32_CR3) | 0) : cpu.r[CR3];
  next[NEXT_TRAP] = is32 ? cpu.loadSystem16((base + TSS32_TRAP) | 0) & 1 : 0;
  return cpu.fault === 0;
}

function loadSystem(cpu: Cpu, linAddr: number, size: number): number {
  if (cpu.fault !== 0) return 0;
  return size === 4 ? cpu.loadSystem32(linAddr) : cpu.loadSystem16(linAddr);
}

/** True if all that the switch stores can be stored; otherwise the fault is posted. */
function canSave(cpu: Cpu, task: Descriptor, nests: boolean): boolean {
  const { r, mmu } = cpu;
  const is32 = (r[TR_ATTRIBUTES] & 8) !== 0;
  const last = is32 ? TSS32_LDT - 1 : TSS16_LDT - 1;
  if (r[TR_LIMIT] >>> 0 < last) {
    cpu.raise(INVALID_TSS, r[TR_SELECTOR] & 0xfffc);
    return false;
  }
  const first = is32 ? TSS32_EIP : TSS16_IP;
  const oldEntry = (r[GDTR_BASE] + (r[TR_SELECTOR] & 0xfff8) + 5) | 0;
  return mmu.asSupervisor(
    () =>
      mmu.probeWrite((r[TR_BASE] + first) | 0, last + 1 - first) &&
      (!nests || mmu.probeWrite(task.base, 2)) &&
      mmu.probeWrite(oldEntry, 1) &&
      mmu.probeWrite((task.linAddr + 5) | 0, 1),
  );
}

/** Nobody runs on the old task state any more. */
function release(cpu: Cpu): boolean {
  const { r } = cpu;
  const selector = r[TR_SELECTOR];
  if ((selector & 0xfff8) + 7 > r[GDTR_LIMIT] >>> 0) return true;
  if (!readEntry(cpu, old, (r[GDTR_BASE] + (selector & 0xfff8)) | 0)) return false;
  cpu.storeSystem8((old.linAddr + 5) | 0, (old.high & ~HIGH_BUSY) >>> 8);
  return cpu.fault === 0;
}

function saveState(cpu: Cpu, eip: number, eflags: number): void {
  const { r } = cpu;
  const is32 = (r[TR_ATTRIBUTES] & 8) !== 0;
  const size = is32 ? 4 : 2;
  let linAddr = (r[TR_BASE] + (is32 ? TSS32_EIP : TSS16_IP)) | 0;
  const put = (value: number): void => {
    if (is32) cpu.storeSystem32(linAddr, value);
    else cpu.storeSystem16(linAddr, value);
    linAddr = (linAddr + size) | 0;
  };
  put(eip);
  put(eflags);
  for (let n = 0; n < 8; n++) put(r[n]);
  for (let n = 0; n < (is32 ? 6 : 4); n++) put(r[SEGMENTS + 4 * n]);
}

/** The new task has the CPU. Its segments hold selectors, but nothing may go through them yet. */
function commit(cpu: Cpu, is32: boolean): void {
  const { r } = cpu;
  if (is32 && (r[CR0] & CR0_PG) !== 0) cpu.mmu.changeTables(next[NEXT_CR3]);
  cpu.flags.reload();
  r[EFLAGS] = (next[NEXT_EFLAGS] & EFLAGS_KNOWN) | EFLAGS_ALWAYS;
  // The upper halves that a 16-bit task state does not have are undefined; ones.
  for (let n = 0; n < 8; n++) r[n] = is32 ? next[NEXT_REGISTERS + n] : next[NEXT_REGISTERS + n] | -0x10000;
  r[CR0] |= CR0_TS;
  if ((r[DR7] & DR7_LOCAL) !== 0) {
    r[DR7] &= ~DR7_LOCAL;
    cpu.noticeBreakpoints();
  }
  const rpl = (r[EFLAGS] & VM) !== 0 ? 3 : next[NEXT_SEGMENTS + CS] & 3;
  for (let n = 0; n < 6; n++) setSegment(cpu, n, next[NEXT_SEGMENTS + n], 0, 0, ATTR_NULL | (rpl << 5));
  setNull(cpu, LDTR, next[NEXT_LDT]);
  cpu.updateMode();
  r[EIP] = next[NEXT_EIP];
  cpu.nextEip = next[NEXT_EIP];
  cpu.leaveRun();
}

function loadSegments(cpu: Cpu): void {
  if (!loadLdt(cpu)) return;
  if (cpu.virtual8086) {
    for (let n = 0; n < 6; n++) loadRealSegment(cpu, n, next[NEXT_SEGMENTS + n]);
  } else {
    if (!loadCode(cpu) || !loadStack(cpu)) return;
    cpu.updateMode();
    for (let n = 0; n < 6; n++) if (n !== CS && n !== SS && !loadData(cpu, n)) return;
  }
  cpu.updateMode();
}

/** Reads the descriptor of a selector of the task state; #TS with the selector if there is none. */
function find(cpu: Cpu, selector: number): boolean {
  if (!isNull(selector) && findDescriptor(cpu, descriptor, selector)) return true;
  cpu.raise(INVALID_TSS, selector & 0xfffc);
  return false;
}

function loadLdt(cpu: Cpu): boolean {
  const selector = next[NEXT_LDT] & 0xffff;
  if (isNull(selector)) return true;
  if ((selector & 4) !== 0) {
    cpu.raise(INVALID_TSS, selector & 0xfffc);
    return false;
  }
  if (!find(cpu, selector)) return false;
  if (!descriptor.isSystem || descriptor.type !== LDT || !descriptor.isPresent) {
    return refuse(cpu, INVALID_TSS, descriptor);
  }
  setFromDescriptor(cpu, LDTR, descriptor, descriptor.rpl);
  return true;
}

function loadCode(cpu: Cpu): boolean {
  if (!find(cpu, next[NEXT_SEGMENTS + CS] & 0xffff)) return false;
  const { rpl, dpl } = descriptor;
  const allowed = descriptor.isConforming ? dpl <= rpl : dpl === rpl;
  if (!descriptor.isCode || !allowed) return refuse(cpu, INVALID_TSS, descriptor);
  if (!descriptor.isPresent) return refuse(cpu, SEGMENT_NOT_PRESENT, descriptor);
  if (!markAccessed(cpu, descriptor)) return false;
  setFromDescriptor(cpu, CS, descriptor, rpl);
  return true;
}

function loadStack(cpu: Cpu): boolean {
  if (!find(cpu, next[NEXT_SEGMENTS + SS] & 0xffff)) return false;
  if (!checkStack(cpu, descriptor, cpu.cpl, INVALID_TSS) || !markAccessed(cpu, descriptor)) return false;
  setFromDescriptor(cpu, SS, descriptor, descriptor.rpl);
  return true;
}

function loadData(cpu: Cpu, n: number): boolean {
  const selector = next[NEXT_SEGMENTS + n] & 0xffff;
  if (isNull(selector)) {
    setNull(cpu, n, selector);
    return true;
  }
  if (!find(cpu, selector)) return false;
  if (!checkData(cpu, descriptor, cpu.cpl, INVALID_TSS) || !markAccessed(cpu, descriptor)) return false;
  setFromDescriptor(cpu, n, descriptor, descriptor.rpl);
  return true;
}
