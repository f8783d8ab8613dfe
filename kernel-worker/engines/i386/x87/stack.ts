// SPDX-License-Identifier: MIT
//
// The x87's registers in the CPU record (shared/layout/cpu-state.ts), as one instruction sees them: the stack, the status word,
// exceptions that wait, and the pointers to the last instruction (SDM vol. 1 §8.1). Nothing here outlives an instruction.
import type { Cpu } from '../cpu.ts';
import { DE, DENORMAL, Env, IE, Real, SF, SIGNALING, ZE } from './float80.ts';

export const CONTROL = 76;
export const STATUS = 77;
export const TAG = 78;
export const OPCODE = 79;
export const INSTRUCTION = 80;
export const INSTRUCTION_CS = 81;
export const DATA = 82;
export const DATA_DS = 83;
/** Four words a register: mantissa low, high, sign and exponent, 0. */
export const REGISTERS = 84;

const CONTROL_WORD = CONTROL;
const STATUS_WORD = STATUS;
const TAG_WORD = TAG;
const REGISTER_WORDS = REGISTERS;
const EIP = 8;
const CR0 = 48;
const T1 = 129;
const CS = 1;
const CR0_NE = 0x20;
const MATH_FAULT = 16;
const FERR_IRQ = 13;
const OPERAND_MEMORY = 0x200;

const SUMMARY = 0x80;
const BUSY = 0x8000;
const TOP = 0x3800;
const C1 = 0x200;
const C2 = 0x400;
const CONDITIONS = 0x4500;

export class Fpu {
  readonly env = new Env();
  readonly a = new Real();
  readonly b = new Real();
  readonly out = new Real();
  private r: Int32Array = new Int32Array(0);

  begin(cpu: Cpu): void {
    this.r = cpu.r;
    this.env.begin(cpu.r[CONTROL_WORD]);
  }

  // ---- the stack --------------------------------------------------------------------------------------------------

  private physical(i: number): number {
    return ((this.r[STATUS_WORD] >>> 11) + i) & 7;
  }
  isEmpty(i: number): boolean {
    return ((this.r[TAG_WORD] >>> this.physical(i)) & 1) === 0;
  }
  /** ST(i) as an operand. */
  read(i: number, x: Real): void {
    this.readRaw(i, x);
    x.classify();
  }
  /** ST(i) as the bits that it is. */
  readRaw(i: number, x: Real): void {
    const { r } = this;
    const at = REGISTER_WORDS + this.physical(i) * 4;
    const top = r[at + 2];
    x.set((top >>> 15) & 1, top & 0x7fff, r[at + 1], r[at]);
  }
  /** Writes ST(i), which is not empty then. */
  write(i: number, x: Real): void {
    const { r } = this;
    const n = this.physical(i);
    const at = REGISTER_WORDS + n * 4;
    r[at] = x.low;
    r[at + 1] = x.high;
    r[at + 2] = (x.sign << 15) | x.exponent;
    r[TAG_WORD] |= 1 << n;
  }
  free(i: number): void {
    this.r[TAG_WORD] &= ~(1 << this.physical(i));
  }
  /** Moves TOP: −1 makes room for a push. */
  rotate(by: number): void {
    const status = this.r[STATUS_WORD];
    this.r[STATUS_WORD] = (status & ~TOP) | ((status + by * 0x800) & TOP);
  }
  pop(): void {
    this.free(0);
    this.rotate(1);
  }
  push(x: Real): void {
    this.rotate(-1);
    this.write(0, x);
  }

  /** C1, 0 or 1. */
  get c1(): number {
    return (this.r[STATUS_WORD] >>> 9) & 1;
  }

  // ---- status -----------------------------------------------------------------------------------------------------

  /** Signals a stack fault, of which C1 tells the kind. True: it is masked, and an indefinite takes the operand's place. */
  stackFault(isOverflow: boolean): boolean {
    this.env.up = isOverflow ? 1 : 0;
    return !this.env.signal(IE | SF);
  }

  /** A loaded operand of single or double precision is converted: SNaNs and denormals of its format are signaled. */
  signalLoaded(x: Real): void {
    if (x.kind === DENORMAL) this.env.signal(DE);
    else if (x.kind === SIGNALING) {
      this.env.signal(IE);
      x.high |= 0x40000000;
    }
  }

  /** Writes what was signaled to the status word. False: IE, DE or ZE is unmasked, and there is no result. */
  settle(): boolean {
    const { r, env } = this;
    const { flags } = env;
    const unmasked = flags & ~env.control & 0x3f;
    r[STATUS_WORD] = (r[STATUS_WORD] & ~C1) | flags | (env.up !== 0 ? C1 : 0) | (unmasked !== 0 ? SUMMARY | BUSY : 0);
    return (unmasked & (IE | DE | ZE)) === 0;
  }

  /** Sets C3, C2 and C0, and no other bit. */
  setConditions(bits: number): void {
    this.r[STATUS_WORD] = (this.r[STATUS_WORD] & ~CONDITIONS) | bits;
  }

  changeC2(bit: number): void {
    this.r[STATUS_WORD] = (this.r[STATUS_WORD] & ~C2) | bit;
  }

  /** Notes the instruction under way as the last one that was no control instruction (SDM vol. 1 §8.1.8). */
  note(cpu: Cpu, operands: number, immediate: number): void {
    const { r } = cpu;
    r[OPCODE] = immediate & 0x7ff;
    r[INSTRUCTION] = r[EIP];
    r[INSTRUCTION_CS] = cpu.selector(CS);
    if ((operands & OPERAND_MEMORY) === 0) return;
    r[DATA] = r[T1];
    r[DATA_DS] = cpu.selector((operands >>> 10) & 7);
  }
}

/**
 * What a waiting instruction does first (SDM vol. 1 §8.7): with an unmasked exception pending, #MF if CR0.NE is set. If not, FERR#
 * drives interrupt request 13, and the instruction is carried out as with IGNNE# held: a PC's board has no place for the latch at
 * port 0xF0 here, and FERR# falls with the summary bit. True: the instruction is abandoned.
 */
export function isPending(cpu: Cpu): boolean {
  if ((cpu.r[STATUS_WORD] & SUMMARY) === 0) return false;
  if ((cpu.r[CR0] & CR0_NE) !== 0) {
    cpu.raise(MATH_FAULT, -1);
    return true;
  }
  cpu.board.pic.setLine(FERR_IRQ, true);
  cpu.leaveRun();
  return false;
}

/** Brings the summary bits in line with flags and masks, after either was written. */
export function summarize(cpu: Cpu): void {
  const { r } = cpu;
  const before = r[STATUS_WORD];
  const isUnmasked = (before & ~r[CONTROL_WORD] & 0x3f) !== 0;
  r[STATUS_WORD] = isUnmasked ? before | SUMMARY | BUSY : before & ~(SUMMARY | BUSY);
  if (!isUnmasked && (r[CR0] & CR0_NE) === 0) cpu.board.pic.setLine(FERR_IRQ, false);
}

/** FINIT (SDM vol. 2A): the registers keep their bits, and are empty. */
export function initialize(cpu: Cpu): void {
  const { r } = cpu;
  r[CONTROL_WORD] = 0x37f;
  r[STATUS_WORD] = 0;
  r[TAG_WORD] = 0;
  r.fill(0, OPCODE, REGISTER_WORDS);
  summarize(cpu);
}
