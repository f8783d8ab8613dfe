// SPDX-License-Identifier: MIT
//
// The x87 of a P6: opcodes D8 to DF and 9B, FXSAVE and FXRSTOR (SDM vol. 1 chapter 8; opcode maps in vol. 2D tables ).
// All state is in the CPU record. Encodings that the tables leave open but that a P6 executes as another instruction are aliases of
// that one here; the rest is #UD. Addresses of operands and instructions are kept for every instruction that is no control instruction.
import type { Cpu } from '../cpu.ts';
import type { Helper } from '../operands.ts';
import {
  loadEnvironment,
  restoreAll,
  restoreExtended,
  saveAll,
  saveEnvironment,
  saveExtended,
  setControl,
} from './environment.ts';
import {
  arithmeticMemory,
  DECIMAL,
  DOUBLE,
  EXTENDED,
  INTEGER16,
  INTEGER32,
  INTEGER64,
  loadMemory,
  SINGLE,
  storeMemory,
} from './memory-forms.ts';
import { operandAddress, storeAddress } from './operand.ts';
import { compareStack, compareToFlags, operateOnStack } from './operations.ts';
import {
  changeSign,
  elementary,
  examine,
  exchange,
  loadConstant,
  loadStack,
  moveAndPop,
  moveIf,
  storeStack,
  test,
} from './register-forms.ts';
import { CONTROL, Fpu, initialize, isPending, STATUS, summarize } from './stack.ts';

const EAX = 0;
const CR0 = 48;
const CR0_MP = 0x2;
const CR0_EM = 0x4;
const CR0_TS = 0x8;
const INVALID_OPCODE = 6;
const DEVICE_NOT_AVAILABLE = 7;
const OPERAND_MEMORY = 0x200;
/** IE to PE, SF, ES and B. */
const EXCEPTION_BITS = 0x80ff;

const shared = new Fpu();

/** Any instruction of D8 to DF; `immediate` is the first opcode byte << 8 | ModRM. */
function fpu(cpu: Cpu, operands: number, immediate: number): void {
  if ((cpu.r[CR0] & (CR0_EM | CR0_TS)) !== 0) {
    cpu.raise(DEVICE_NOT_AVAILABLE, -1);
    return;
  }
  const index = ((immediate >>> 5) & 0x38) | ((immediate >>> 3) & 7);
  if ((operands & OPERAND_MEMORY) !== 0) memoryForm(cpu, operands, immediate, index);
  else registerForm(cpu, operands, immediate, index);
}

// ---- memory operands ------------------------------------------------------------------------------------------------

/** By the low three bits of the first byte: format of the arithmetic that D8, DA, DC and DE do. */
const ARITHMETIC_FORMATS = [SINGLE, -1, INTEGER32, -1, DOUBLE, -1, INTEGER16, -1];

/** `index`: low three bits of the first byte, then the reg field. */
function memoryForm(cpu: Cpu, operands: number, immediate: number, index: number): void {
  switch (index) {
    // Control instructions that do not wait.
    case 0x0e:
      saveEnvironment(cpu, operands);
      return;
    case 0x0f:
      storeWord(cpu, operands, cpu.r[CONTROL]);
      return;
    case 0x2e:
      saveAll(cpu, operands);
      return;
    case 0x2f:
      storeWord(cpu, operands, cpu.r[STATUS]);
      return;
    case 0x09:
    case 0x19:
    case 0x1c:
    case 0x1e:
    case 0x29:
    case 0x2d:
    case 0x39:
      cpu.raise(INVALID_OPCODE, -1);
      return;
  }
  if (isPending(cpu)) return;
  shared.begin(cpu);
  if ((index & 8) === 0) {
    arithmeticMemory(cpu, shared, operands, immediate, index & 7, ARITHMETIC_FORMATS[index >>> 3]);
    return;
  }
  switch (index) {
    case 0x08:
      loadMemory(cpu, shared, operands, immediate, SINGLE);
      return;
    case 0x0a:
    case 0x0b:
      storeMemory(cpu, shared, operands, immediate, SINGLE, index === 0x0b);
      return;
    case 0x0c:
      loadEnvironment(cpu, operands);
      return;
    case 0x0d:
      loadControl(cpu, operands);
      return;
    case 0x18:
      loadMemory(cpu, shared, operands, immediate, INTEGER32);
      return;
    case 0x1a:
    case 0x1b:
      storeMemory(cpu, shared, operands, immediate, INTEGER32, index === 0x1b);
      return;
    case 0x1d:
      loadMemory(cpu, shared, operands, immediate, EXTENDED);
      return;
    case 0x1f:
      storeMemory(cpu, shared, operands, immediate, EXTENDED, true);
      return;
    case 0x28:
      loadMemory(cpu, shared, operands, immediate, DOUBLE);
      return;
    case 0x2a:
    case 0x2b:
      storeMemory(cpu, shared, operands, immediate, DOUBLE, index === 0x2b);
      return;
    case 0x2c:
      restoreAll(cpu, operands);
      return;
    case 0x38:
      loadMemory(cpu, shared, operands, immediate, INTEGER16);
      return;
    case 0x3a:
    case 0x3b:
      storeMemory(cpu, shared, operands, immediate, INTEGER16, index === 0x3b);
      return;
    case 0x3c:
      loadMemory(cpu, shared, operands, immediate, DECIMAL);
      return;
    case 0x3d:
      loadMemory(cpu, shared, operands, immediate, INTEGER64);
      return;
    case 0x3e:
      storeMemory(cpu, shared, operands, immediate, DECIMAL, true);
      return;
    default:
      storeMemory(cpu, shared, operands, immediate, INTEGER64, true);
  }
}

/** FLDCW. */
function loadControl(cpu: Cpu, operands: number): void {
  const linAddr = operandAddress(cpu, operands, 2, 2, false);
  if (cpu.fault !== 0) return;
  const value = cpu.mmu.load16(linAddr);
  if (cpu.fault === 0) setControl(cpu, value);
}

/** FNSTCW, FNSTSW. */
function storeWord(cpu: Cpu, operands: number, value: number): void {
  const linAddr = storeAddress(cpu, operands, 2, 2, 2);
  if (cpu.fault === 0) cpu.mmu.store16(linAddr, value & 0xffff);
}

// ---- register operands ----------------------------------------------------------------------------------------------

function registerForm(cpu: Cpu, operands: number, immediate: number, index: number): void {
  const i = immediate & 7;
  if (isControl(cpu, index, i)) return;
  if (!isDefined(index, i)) {
    cpu.raise(INVALID_OPCODE, -1);
    return;
  }
  if (isPending(cpu)) return;
  shared.begin(cpu);
  shared.note(cpu, operands, immediate);
  switch (index >>> 3) {
    case 0:
      if ((index & 6) === 2) compareStack(shared, i, false, index & 1);
      else operateOnStack(shared, index & 7, i, 0, false);
      return;
    case 1:
      stackForm(shared, index & 7, i);
      return;
    case 2:
      if (index === 0x15) compareStack(shared, 1, true, 2);
      else moveIf(cpu, shared, i, index & 3, false);
      return;
    case 3:
      if (index < 0x1c) moveIf(cpu, shared, i, index & 3, true);
      else compareToFlags(cpu, shared, i, index === 0x1d, false);
      return;
    case 4:
      if ((index & 6) === 2) compareStack(shared, i, false, index & 1);
      else operateOnStack(shared, index & 7, i, i, false);
      return;
    case 5:
      freeForm(shared, index & 7, i);
      return;
    case 6:
      if (index === 0x32) compareStack(shared, i, false, 1);
      else if (index === 0x33) compareStack(shared, 1, false, 2);
      else operateOnStack(shared, index & 7, i, i, true);
      return;
    default:
      popForm(cpu, shared, index & 7, i);
  }
}

/** FNCLEX, FNINIT, FNSTSW AX, and the no-operations FENI, FDISI and FSETPM; they do not wait, and are not noted. */
function isControl(cpu: Cpu, index: number, i: number): boolean {
  if (index === 0x1c && i < 5) {
    if (i === 2) {
      cpu.r[STATUS] &= ~EXCEPTION_BITS;
      summarize(cpu);
    } else if (i === 3) initialize(cpu);
    return true;
  }
  if (index !== 0x3c || i !== 0) return false;
  cpu.r16[EAX * 2] = cpu.r[STATUS] & 0xffff;
  return true;
}

/** False: no P6 knows the encoding. */
function isDefined(index: number, i: number): boolean {
  switch (index) {
    case 0x0a: // D9 D0: FNOP
      return i === 0;
    case 0x0c: // D9 E0: FCHS, FABS, FTST, FXAM
      return i < 6 && (i & 2) === 0;
    case 0x0d: // D9 E8: constants
      return i < 7;
    case 0x15: // DA E9: FUCOMPP
    case 0x33: // DE D9: FCOMPP
      return i === 1;
    case 0x14:
    case 0x16:
    case 0x17:
    case 0x1c:
    case 0x1f:
    case 0x2e:
    case 0x2f:
    case 0x3c:
    case 0x3f:
      return false;
    default:
      return true;
  }
}

/** D9. */
function stackForm(state: Fpu, group: number, i: number): void {
  switch (group) {
    case 0:
      loadStack(state, i);
      return;
    case 1:
      exchange(state, i);
      return;
    case 2:
      return;
    case 3:
      moveAndPop(state, i);
      return;
    case 4:
      if (i < 2) changeSign(state, i === 1);
      else if (i === 4) test(state);
      else examine(state);
      return;
    case 5:
      loadConstant(state, i);
      return;
    default:
      elementary(state, (group - 6) * 8 + i);
  }
}

/** DD. */
function freeForm(state: Fpu, group: number, i: number): void {
  if (group === 0) {
    state.settle();
    state.free(i);
  } else if (group === 1) exchange(state, i);
  else if (group < 4) storeStack(state, i, group === 3);
  else compareStack(state, i, true, group - 4);
}

/** DF. */
function popForm(cpu: Cpu, state: Fpu, group: number, i: number): void {
  if (group === 0) {
    state.settle();
    state.free(i);
    state.pop();
  } else if (group === 1) exchange(state, i);
  else if (group < 4) storeStack(state, i, true);
  else compareToFlags(cpu, state, i, group === 5, true);
}

// ---- the rest -------------------------------------------------------------------------------------------------------

/** WAIT. */
function fwait(cpu: Cpu): void {
  if ((cpu.r[CR0] & (CR0_MP | CR0_TS)) === (CR0_MP | CR0_TS)) cpu.raise(DEVICE_NOT_AVAILABLE, -1);
  else isPending(cpu);
}

function fxsave(cpu: Cpu, operands: number): void {
  if ((cpu.r[CR0] & (CR0_EM | CR0_TS)) !== 0) cpu.raise(DEVICE_NOT_AVAILABLE, -1);
  else saveExtended(cpu, operands);
}

function fxrstor(cpu: Cpu, operands: number): void {
  if ((cpu.r[CR0] & (CR0_EM | CR0_TS)) !== 0) cpu.raise(DEVICE_NOT_AVAILABLE, -1);
  else restoreExtended(cpu, operands);
}

export const X87_HELPERS = { fpu, fwait, fxsave, fxrstor } as const satisfies Record<string, Helper>;
