// SPDX-License-Identifier: MIT
//
// A random instruction sequence while it is being made: its bytes, and what is known at each point about registers, segment
// bases and the stack, so that memory operands hit the data page on purpose. It also tracks which flags the manual leaves
// undefined: an instruction that reads such a flag gets a CMP before it, and what is still undefined at the place where the
// sequence ends is masked out of the comparison.
import { DATA } from './batch-layout.ts';
import type { Mode } from './modes.ts';
import { segmentOf } from './modes.ts';
import { type Operand, registerOperand } from './operand.ts';

export const CF = 0x1;
export const PF = 0x4;
export const AF = 0x10;
export const ZF = 0x40;
export const SF = 0x80;
export const OF = 0x800;
export const STATUS = CF | PF | AF | ZF | SF | OF;

export type Size = 8 | 16 | 32;
export const SP = 4;
export const BP = 5;

/** What holds if execution stops with EIP here. `name` is of the instruction that begins here. */
export interface Boundary {
  readonly offset: number;
  readonly undefinedFlags: number;
  /** Condition codes C0, C1, C2, C3 of the x87 status word that are undefined here. */
  readonly undefinedConditions: number;
  /** Pieces [first, end) of the data page whose contents are undefined. */
  readonly undefinedBytes: readonly (readonly [number, number])[];
  name: string;
}

export interface Parts {
  readonly size?: Size;
  readonly prefixes?: readonly number[];
  readonly opcode: readonly number[];
  readonly operand?: Operand;
  /** The reg field of ModRM. */
  readonly reg?: number;
  readonly immediate?: readonly number[];
}

/** The registers that a sequence begins with. */
export interface Start {
  readonly general: readonly number[];
  readonly segments: readonly number[];
  readonly eip: number;
  readonly eflags: number;
}

export class Sequence {
  readonly mode: Mode;
  readonly below: (n: number) => number;
  readonly bytes: number[] = [];
  readonly boundaries: Boundary[] = [];
  /** Values of the general registers, undefined where not known. */
  readonly known: (number | undefined)[];
  /** Selectors of the segment registers, undefined where not known. */
  readonly selectors: (number | undefined)[];
  undefinedFlags = 0;
  undefinedConditions = 0;
  undefinedBytes: (readonly [number, number])[] = [];
  /** EIP of the first byte. */
  readonly origin: number;
  readonly ioPrivilege: number;
  /** Mostly x87 instructions. */
  floating = false;
  /** Registers on the x87 stack. */
  depth = 0;
  /** Within code that may be jumped over: nothing that moves the stacks. */
  conditional = false;
  /** What the next instruction does wrong on purpose; goes before its name. */
  tag = '';

  constructor(mode: Mode, below: (n: number) => number, start: Start) {
    this.mode = mode;
    this.below = below;
    this.known = [...start.general];
    this.selectors = [...start.segments];
    this.origin = start.eip;
    this.ioPrivilege = (start.eflags >> 12) & 3;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  random32(): number {
    return ((this.below(0x10000) << 16) | this.below(0x10000)) >>> 0;
  }

  /** A number worth computing with. */
  interesting(): number {
    if (this.chance(40)) return this.random32();
    return this.pick([
      0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x99, 0x42,
    ]);
  }

  size(): Size {
    return this.pick([8, 16, 32]);
  }

  wideSize(): 16 | 32 {
    if (this.chance(70)) return this.mode.bits;
    return this.mode.bits === 16 ? 32 : 16;
  }

  /** Ring 0 and real mode: interrupts are delivered on the stack of the case, so ESP must stay good. */
  get stackMustHold(): boolean {
    return !this.mode.ring3;
  }

  segmentBase(segment: number): number | undefined {
    const selector = this.selectors[segment];
    return selector === undefined ? undefined : segmentOf(this.mode, selector)?.base;
  }

  /** A register that an instruction of this size may write. */
  destination(size: Size): number {
    for (;;) {
      const register = this.below(8);
      if (size === 8 || register !== SP || !(this.stackMustHold || this.chance(80))) return register;
    }
  }

  /** The register is written with something not known here. */
  clobber(register: number, size: Size): void {
    this.known[size === 8 ? register & 3 : register] = undefined;
  }

  clobberOperand(operand: Operand, size: Size): void {
    if (operand.register !== undefined) this.clobber(operand.register, size);
  }

  /** Appends one instruction. */
  emit(name: string, parts: Parts): void {
    this.mark(this.tag + name);
    this.tag = '';
    const prefixes = [...(parts.prefixes ?? []), ...(parts.operand?.prefixes ?? [])];
    if (parts.size !== undefined && parts.size !== 8 && parts.size !== this.mode.bits) prefixes.push(0x66);
    for (let i = prefixes.length - 1; i > 0; i--) {
      const other = this.below(i + 1);
      [prefixes[i], prefixes[other]] = [prefixes[other]!, prefixes[i]!];
    }
    this.bytes.push(...prefixes, ...parts.opcode);
    if (parts.operand) this.bytes.push(...parts.operand.encode(parts.reg ?? 0));
    if (parts.immediate) this.bytes.push(...parts.immediate);
  }

  /** Notes what holds at the present offset. */
  mark(name: string): void {
    this.boundaries.push({
      offset: this.bytes.length,
      undefinedFlags: this.undefinedFlags,
      undefinedConditions: this.undefinedConditions,
      undefinedBytes: [...this.undefinedBytes],
      name,
    });
  }

  /** The instruction about to be emitted reads these flags: define them first if need be. */
  needs(flags: number): void {
    if ((this.undefinedFlags & flags) === 0) return;
    this.emit('cmp', {
      size: 32,
      opcode: [0x83],
      operand: registerOperand(this.below(8)),
      reg: 7,
      immediate: [this.below(256)],
    });
    this.undefinedFlags = 0;
  }

  /** Flags that the instruction just emitted sets as the manual says, and flags that it leaves undefined. */
  flags(defined: number, undefined_: number): void {
    this.undefinedFlags = (this.undefinedFlags & ~defined) | undefined_;
  }

  /** Emits MOV register, value; the value is then known. */
  load(register: number, value: number): void {
    this.emit('mov', { size: 32, opcode: [0xb8 + register], immediate: little(value, 32) });
    this.known[register] = value >>> 0;
  }

  /** Emits MOV of the low byte of ECX, where the counts of shifts lie, if it is not known. */
  countInCl(choices: readonly number[]): number {
    const value = this.known[1];
    if (value !== undefined && choices.includes(value & 0xff) && this.chance(50)) return value & 0xff;
    const count = this.pick(choices);
    this.emit('mov', { opcode: [0xb1], immediate: [count] });
    this.known[1] = value === undefined ? undefined : ((value & ~0xff) | count) >>> 0;
    return count;
  }

  /** Generates with `body` something that may or may not run, and keeps only what holds either way. */
  perhaps(body: () => void): void {
    const known = [...this.known];
    const selectors = [...this.selectors];
    const flags = this.undefinedFlags;
    const conditions = this.undefinedConditions;
    this.conditional = true;
    body();
    this.conditional = false;
    known.forEach((value, i) => {
      if (this.known[i] !== value) this.known[i] = undefined;
    });
    selectors.forEach((value, i) => {
      if (this.selectors[i] !== value) this.selectors[i] = undefined;
    });
    this.undefinedFlags |= flags;
    this.undefinedConditions |= conditions;
  }

  /** Whether `bytes` may be pushed (or popped, if negative) here. */
  stackHasRoom(bytes: number): boolean {
    if (this.conditional) return false;
    const pointer = this.known[SP];
    const base = this.segmentBase(2);
    if (pointer === undefined || base === undefined) return !this.stackMustHold;
    const offset = ((pointer + base - bytes) >>> 0) - DATA;
    return offset >= 0xa00 && offset <= 0xf00;
  }

  /** Moves the known ESP. */
  moveStack(bytes: number): void {
    const pointer = this.known[SP];
    if (pointer !== undefined) this.known[SP] = (pointer + bytes) >>> 0;
  }
}

export function little(value: number, bits: number): number[] {
  return Array.from({ length: bits / 8 }, (_, i) => Math.floor((value >>> 0) / 2 ** (8 * i)) & 0xff);
}
