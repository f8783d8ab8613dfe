// SPDX-License-Identifier: MIT
//
// Lazy status flags. Arithmetic leaves its operands and result here, and only who reads a flag computes it. Operands and result
// are shifted up so that their sign is bit 31, whatever their size; then one formula serves all sizes:
//   carry of a + b = r, with or without carry in:    majority(a, b, ~r), bit 31
//   borrow of a − b = r, with or without borrow in:  majority(~a, b, r), bit 31
//   overflow: the sign of r is not the one that the signs of a and b ask for
//   AF: bit 4 of a ^ b ^ r, unshifted; PF: parity of the low byte of r, unshifted (SDM vol. 1 §3.4.3.1)
const EFLAGS = 9;
const CF = 0x1;
const PF = 0x4;
const AF = 0x10;
const ZF = 0x40;
const SF = 0x80;
const OF = 0x800;
const STATUS = CF | PF | AF | ZF | SF | OF;

/** What the lazy operands stand for. */
export const LAZY_NONE = 0;
export const LAZY_ADD = 1;
export const LAZY_SUB = 2;
/** CF, AF and OF are given in `b`, in their places in EFLAGS; ZF, SF and PF follow from `result`. */
export const LAZY_RESULT = 3;

/** Bit n is set if n has an even number of ones in its low nibble. */
const EVEN_NIBBLES = 0x9669;

export class Flags {
  /** One of LAZY_*; LAZY_NONE: the flags are in EFLAGS. */
  op = LAZY_NONE;
  /** 0, 16 or 24: how far operands and result are shifted up. */
  shift = 0;
  a = 0;
  b = 0;
  result = 0;
  private readonly r: Int32Array;

  constructor(registers: Int32Array) {
    this.r = registers;
  }

  /** The record was written by somebody else. */
  reload(): void {
    this.op = LAZY_NONE;
  }

  /** Writes the status flags to EFLAGS. */
  materialize(): void {
    if (this.op === LAZY_NONE) return;
    this.r[EFLAGS] = (this.r[EFLAGS] & ~STATUS) | statusFlags(this.op, this.shift, this.a, this.b, this.result);
    this.op = LAZY_NONE;
  }

  /** Sets ZF, SF and PF from a result of `size` bytes, and CF, AF, OF as given. */
  setResult(size: number, result: number, carryAuxOverflow: number): void {
    this.op = LAZY_RESULT;
    this.shift = 32 - 8 * size;
    this.result = result << this.shift;
    this.b = carryAuxOverflow;
  }
  /** a + b (+ carry) = result, of `size` bytes. */
  setAdd(size: number, a: number, b: number, result: number): void {
    this.op = LAZY_ADD;
    this.setOperands(size, a, b, result);
  }
  /** a − b (− borrow) = result. */
  setSub(size: number, a: number, b: number, result: number): void {
    this.op = LAZY_SUB;
    this.setOperands(size, a, b, result);
  }
  private setOperands(size: number, a: number, b: number, result: number): void {
    this.shift = 32 - 8 * size;
    this.a = a << this.shift;
    this.b = b << this.shift;
    this.result = result << this.shift;
  }

  /** Writes these status flags, and leaves the others. */
  change(values: number, mask: number): void {
    this.materialize();
    this.r[EFLAGS] = (this.r[EFLAGS] & ~mask) | (values & mask);
  }

  /** 0 or 1. */
  carry(): number {
    return this.op === LAZY_NONE ? this.r[EFLAGS] & CF : lazyCarry(this.op, this.a, this.b, this.result);
  }

  /** The condition of Jcc, SETcc, CMOVcc by its four bits (SDM vol. 1 appendix B). */
  condition(code: number): boolean {
    this.materialize();
    return conditionOf(code, this.r[EFLAGS]);
  }
}

export function lazyCarry(op: number, a: number, b: number, result: number): number {
  if (op === LAZY_ADD) return ((a & b) | ((a | b) & ~result)) >>> 31;
  if (op === LAZY_SUB) return ((~a & b) | ((~a | b) & result)) >>> 31;
  return b & CF;
}

/** The six status flags that lazy operands stand for. */
export function statusFlags(op: number, shift: number, a: number, b: number, result: number): number {
  const low = result >>> shift;
  let flags = parityFlag(low) | (result === 0 ? ZF : 0) | ((result >>> 24) & SF);
  if (op === LAZY_RESULT) return flags | (b & (CF | AF | OF));
  flags |= lazyCarry(op, a, b, result) | (((a ^ b ^ result) >>> shift) & AF);
  const overflow = op === LAZY_ADD ? (a ^ result) & (b ^ result) : (a ^ b) & (a ^ result);
  return flags | ((overflow >>> 20) & OF);
}

export function parityFlag(value: number): number {
  return ((EVEN_NIBBLES >>> ((value ^ (value >>> 4)) & 0xf)) & 1) << 2;
}

/** A condition from materialized flags. */
export function conditionOf(code: number, flags: number): boolean {
  let holds: boolean;
  switch (code >>> 1) {
    case 0:
      holds = (flags & OF) !== 0;
      break;
    case 1:
      holds = (flags & CF) !== 0;
      break;
    case 2:
      holds = (flags & ZF) !== 0;
      break;
    case 3:
      holds = (flags & (CF | ZF)) !== 0;
      break;
    case 4:
      holds = (flags & SF) !== 0;
      break;
    case 5:
      holds = (flags & PF) !== 0;
      break;
    case 6:
      holds = ((flags >>> 4) & SF) !== (flags & SF);
      break;
    default:
      holds = ((flags >>> 4) & SF) !== (flags & SF) || (flags & ZF) !== 0;
  }
  return holds !== ((code & 1) !== 0);
}
