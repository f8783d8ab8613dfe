// SPDX-License-Identifier: MIT
//
// IRET (SDM vol. 2A IRET/IRETD; vol. 3A §6.12, §7.4, §20.2.3) in all its forms, and SYSENTER and SYSEXIT (vol. 2B), whose segments
// are made up and read from no table.
import type { Cpu } from './cpu.ts';
import { Descriptor, findDescriptor, ioPrivilege, isNull, markAccessed, refuse } from './descriptors.ts';
import { findReturnCode, isInside, returnOutwards } from './far-transfers.ts';
import { returnFlat } from './flat-interrupts.ts';
import { isInCode } from './near-transfers.ts';
import { type Helper, sizeOf } from './operands.ts';
import { loadRealSegment, setFromDescriptor, setSegment } from './segments.ts';
import { switchTask, TaskSwitch } from './task-switch.ts';

const ECX = 1;
const EDX = 2;
const ESP = 4;
const EFLAGS = 9;
const CS = 1;
const SS = 2;
const TR_BASE = 41;
const NMI_BLOCKED = 63;
const SYSENTER_CS = 64;
const SYSENTER_ESP = 65;
const SYSENTER_EIP = 66;
const IF = 0x200;
const IOPL = 0x3000;
const NT = 0x4000;
const RF = 0x10000;
const VM = 0x20000;
const AC = 0x40000;
const VIF = 0x80000;
const VIP = 0x100000;
const ID = 0x200000;
const INVALID_TSS = 10;
const SEGMENT_NOT_PRESENT = 11;
const GENERAL_PROTECTION = 13;
/** CF, PF, AF, ZF, SF, TF, DF, OF, NT: what every IRET may write. */
const FLAGS_ANY = 0x4dd5;
/** Flat segments of SYSENTER and SYSEXIT; the DPL is added. */
const ATTR_FLAT_CODE = 0xc09b;
const ATTR_FLAT_DATA = 0xc093;
const FLAT_LIMIT = -1;
/** From the top of the stack: ESP, SS, ES, DS, FS, GS of a return to virtual-8086 mode, behind EIP, CS and EFLAGS. */
const V86_FRAME = [3, 4, 5, 6, 7, 8] as const;

const code = new Descriptor();
const task = new Descriptor();
const words = new Int32Array(9);
const FRAME_BYTES = 12;

/** Bits of EFLAGS that a return from this privilege may write. */
function writableFlags(cpu: Cpu, size: number): number {
  let mask = FLAGS_ANY;
  if (cpu.cpl <= ioPrivilege(cpu)) mask |= IF;
  if (cpu.cpl === 0) mask |= IOPL;
  if (size === 4) mask |= RF | AC | ID | (cpu.cpl === 0 ? VIF | VIP : 0);
  return mask;
}

function iret(cpu: Cpu, operands: number): void {
  const size = sizeOf(operands);
  if (cpu.protectedMode && !cpu.virtual8086) {
    if ((cpu.r[EFLAGS] & NT) !== 0) returnFromTask(cpu);
    else if (size !== 4 || !returnFlat(cpu, writableFlags(cpu, size))) returnProtected(cpu, size);
  } else if (cpu.virtual8086 && ioPrivilege(cpu) < 3) cpu.raise(GENERAL_PROTECTION, 0);
  else returnReal(cpu, size);
  if (cpu.fault === 0) cpu.r[NMI_BLOCKED] = 0;
}

/** EIP, CS and EFLAGS from the stack into `words`. */
function readFrame(cpu: Cpu, size: number): boolean {
  const host = size === 4 && cpu.stack32 ? cpu.hostOfStack(FRAME_BYTES) : 0;
  if (host !== 0) {
    for (let i = 0; i < 3; i++) words[i] = cpu.view.getInt32(host + 4 * i, true);
    return true;
  }
  for (let i = 0; i < 3; i++) {
    words[i] = cpu.peek(size, i * size);
    if (cpu.fault !== 0) return false;
  }
  return true;
}

/** Real mode, and virtual-8086 mode with IOPL 3, where IOPL stays. */
function returnReal(cpu: Cpu, size: number): void {
  if (!readFrame(cpu, size) || !isInCode(cpu, words[0])) return;
  const mask = FLAGS_ANY | IF | (cpu.virtual8086 ? 0 : IOPL) | (size === 4 ? RF | AC | ID : 0);
  cpu.drop(3 * size);
  loadRealSegment(cpu, CS, words[1]);
  cpu.setEflags(words[2], mask);
  cpu.updateMode();
  cpu.nextEip = words[0];
}

function returnProtected(cpu: Cpu, size: number): void {
  if (!readFrame(cpu, size)) return;
  const eip = words[0];
  const selector = words[1];
  const eflags = words[2];
  if (size === 4 && (eflags & VM) !== 0 && cpu.cpl === 0) {
    returnToVirtual8086(cpu);
    return;
  }
  if (!findReturnCode(cpu, code, selector & 0xffff)) return;
  const mask = writableFlags(cpu, size);
  if (code.rpl > cpu.cpl) {
    if (!returnOutwards(cpu, code, eip, size, 3 * size, 0)) return;
  } else {
    if (!isInside(cpu, eip, code) || !markAccessed(cpu, code)) return;
    cpu.drop(3 * size);
    setFromDescriptor(cpu, CS, code, cpu.cpl);
    cpu.updateMode();
  }
  cpu.setEflags(eflags, mask);
  cpu.nextEip = eip;
}

function returnToVirtual8086(cpu: Cpu): void {
  for (const i of V86_FRAME) {
    words[i] = cpu.peek(4, i * 4);
    if (cpu.fault !== 0) return;
  }
  const [eip, cs, eflags, esp, ss, es, ds, fs, gs] = words;
  if (eip >>> 0 > 0xffff) {
    cpu.raise(GENERAL_PROTECTION, 0);
    return;
  }
  cpu.setEflags(eflags, -1);
  [es, cs, ss, ds, fs, gs].forEach((selector, n) => {
    loadRealSegment(cpu, n, selector);
  });
  cpu.r[ESP] = esp;
  cpu.updateMode();
  cpu.nextEip = eip;
}

/** NT is set: the task goes back to the one that called it (SDM vol. 3A §7.4). */
function returnFromTask(cpu: Cpu): void {
  const selector = cpu.loadSystem16(cpu.r[TR_BASE]);
  if (cpu.fault !== 0) return;
  if ((selector & 4) !== 0 || isNull(selector) || !findDescriptor(cpu, task, selector)) {
    cpu.raise(INVALID_TSS, selector & 0xfffc);
    return;
  }
  if (!task.isBusyTss) refuse(cpu, INVALID_TSS, task);
  else if (!task.isPresent) refuse(cpu, SEGMENT_NOT_PRESENT, task);
  else switchTask(cpu, task, TaskSwitch.return, cpu.nextEip, cpu.getEflags());
}

// ---- SYSENTER and SYSEXIT -------------------------------------------------------------------------------------------

function enterFlat(cpu: Cpu, codeSelector: number, level: number, eip: number, esp: number): void {
  setSegment(cpu, CS, (codeSelector & 0xfffc) | level, 0, FLAT_LIMIT, ATTR_FLAT_CODE | (level << 5));
  setSegment(cpu, SS, ((codeSelector + 8) & 0xfffc) | level, 0, FLAT_LIMIT, ATTR_FLAT_DATA | (level << 5));
  cpu.r[ESP] = esp;
  cpu.updateMode();
  cpu.nextEip = eip;
  cpu.leaveRun();
}

function sysenter(cpu: Cpu): void {
  const { r } = cpu;
  if (!cpu.protectedMode || isNull(r[SYSENTER_CS])) {
    cpu.raise(GENERAL_PROTECTION, 0);
    return;
  }
  cpu.setEflags(0, VM | IF | RF);
  enterFlat(cpu, r[SYSENTER_CS], 0, r[SYSENTER_EIP], r[SYSENTER_ESP]);
}

function sysexit(cpu: Cpu): void {
  const { r } = cpu;
  if (!cpu.protectedMode || cpu.cpl !== 0 || isNull(r[SYSENTER_CS])) {
    cpu.raise(GENERAL_PROTECTION, 0);
    return;
  }
  enterFlat(cpu, r[SYSENTER_CS] + 16, 3, r[EDX], r[ECX]);
}

export const IRET_HELPERS = { iret, sysenter, sysexit } as const satisfies Record<string, Helper>;
