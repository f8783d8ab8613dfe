// SPDX-License-Identifier: MIT
//
// Status flags in translated code. What the last operation was is known while a block is translated, so most conditions become one
// comparison of its operands. Where it is not known any more (a block that several lead to), the locals hold what flags.ts calls lazy
// flags: op, shift, operands, result. `settle` brings them into that form; everything that leaves translated code does.
import { LAZY_ADD, LAZY_NONE, LAZY_RESULT, LAZY_SUB } from '../flags.ts';
import type { FlagSource } from './exits.ts';
import { FLAG_A, FLAG_B, FLAG_OP, FLAG_RESULT, FLAG_SHIFT, VALUE } from './locals.ts';
import { I32, Op, WasmCode } from './wasm-code.ts';

const CF = 0x1;
const PF_SHIFT = 2;
const AF = 0x10;
const ZF_SHIFT = 6;
const SF_SHIFT = 7;
const OF_SHIFT = 11;
const STATUS = 0x8d5;
const MIN = -0x80000000;

export class FlagsCode {
  private source: FlagSource = 'settled';
  private shift = 0;
  private readonly code: WasmCode;
  /** Byte address of EFLAGS in memory, and the function that gives the status flags that five lazy words stand for. */
  private readonly eflagsAt: number;
  private readonly statusFunction: number;

  constructor(code: WasmCode, eflagsAt: number, statusFunction: number) {
    this.code = code;
    this.eflagsAt = eflagsAt;
    this.statusFunction = statusFunction;
  }

  /** The operation that has just put its operands and result into the locals. */
  now(source: FlagSource, shift: number): void {
    this.source = source;
    this.shift = shift;
  }

  /** For an exit that is taken here. */
  get state(): { flags: FlagSource; shift: number } {
    return { flags: this.source, shift: this.shift };
  }

  /** In front of INC or DEC: the carry is kept. */
  keepCarry(): void {
    if (this.source === 'inc' || this.source === 'dec') return;
    this.carry();
    this.code.set(FLAG_B);
  }

  /** True if `replaceCarryAndOverflow` knows the other flags. */
  get isKnown(): boolean {
    return this.source !== 'settled' && this.source !== 'record';
  }

  /** CF and OF, each in its place, are on the stack: the other flags stay what they are. Only if `isKnown`. */
  replaceCarryAndOverflow(): void {
    const { code, source, shift } = this;
    switch (source) {
      case 'add':
      case 'adc':
      case 'sub':
      case 'sbb':
        code.get(FLAG_A).get(FLAG_B).op(Op.xor).get(FLAG_RESULT).op(Op.xor).const(shift).op(Op.shrU);
        code.const(AF).op(Op.and, Op.or);
        break;
      case 'inc':
      case 'dec':
        this.halfCarry();
        code.op(Op.or);
        break;
      case 'result':
        code.get(FLAG_B).const(AF).op(Op.and, Op.or);
        break;
      case 'logic':
      // Not asked of the last two: `isKnown`.
      case 'record':
      case 'settled':
    }
    code.set(FLAG_B);
    this.source = 'result';
  }

  /** Pushes AF of INC or DEC: the low nibble went over, unshifted (SDM vol. 1 §3.4.3.1). */
  private halfCarry(): void {
    const { code, source, shift } = this;
    const nibble = 15 << shift;
    code
      .get(FLAG_RESULT)
      .const(nibble)
      .op(Op.and)
      .const(source === 'inc' ? 0 : nibble)
      .op(Op.eq)
      .const(4)
      .op(Op.shl);
  }

  /** Pushes CF, 0 or 1. */
  carry(): void {
    const { code } = this;
    switch (this.source) {
      case 'record':
        code.const(0).load32(this.eflagsAt).const(CF).op(Op.and);
        return;
      case 'settled':
        // Of INC and DEC in a loop, mostly.
        code.get(FLAG_OP).const(LAZY_RESULT).op(Op.eq).if(I32).get(FLAG_B).else();
        this.status();
        code.end().const(CF).op(Op.and);
        return;
      case 'add':
        code.get(FLAG_RESULT).get(FLAG_A).op(Op.ltU);
        return;
      case 'sub':
        code.get(FLAG_A).get(FLAG_B).op(Op.ltU);
        return;
      case 'adc':
        carryOfAdd(code);
        return;
      case 'sbb':
        borrowOfSub(code);
        return;
      case 'result':
        code.get(FLAG_B).const(CF).op(Op.and);
        return;
      case 'logic':
        code.const(0);
        return;
      case 'inc':
      case 'dec':
        code.get(FLAG_B);
    }
  }

  /** Pushes a condition by its four bits, 0 or 1 (SDM vol. 1 appendix B). */
  condition(condition: number): void {
    this.positive(condition >>> 1);
    if ((condition & 1) !== 0) this.code.op(Op.eqz);
  }

  private positive(kind: number): void {
    const { code, source } = this;
    const isLazy = source !== 'settled' && source !== 'record';
    switch (kind) {
      case 0:
        if (isLazy) this.overflow();
        else this.statusBit(OF_SHIFT);
        return;
      case 1:
        this.carry();
        return;
      case 2:
        this.zeroOrSign(ZF_SHIFT);
        return;
      case 3:
        if (source === 'sub') code.get(FLAG_A).get(FLAG_B).op(Op.leU);
        else {
          this.zeroOrSign(ZF_SHIFT);
          this.carry();
          code.op(Op.or);
        }
        return;
      case 4:
        this.zeroOrSign(SF_SHIFT);
        return;
      case 5:
        if (isLazy) this.parity();
        else this.statusBit(PF_SHIFT);
        return;
      case 6:
        this.less();
        return;
      default:
        if (source === 'sub') code.get(FLAG_A).get(FLAG_B).op(Op.leS);
        else {
          this.zeroOrSign(ZF_SHIFT);
          this.less();
          code.op(Op.or);
        }
    }
  }

  /** Pushes ZF or SF. */
  private zeroOrSign(shift: number): void {
    const { code, source } = this;
    if (source === 'settled') code.get(FLAG_OP).op(Op.eqz).if(I32);
    if (source === 'settled' || source === 'record') this.recordBit(shift);
    if (source === 'record') return;
    if (source === 'settled') code.else();
    code.get(FLAG_RESULT);
    if (shift === ZF_SHIFT) code.op(Op.eqz);
    else code.const(31).op(Op.shrU);
    if (source === 'settled') code.end();
  }

  private recordBit(shift: number): void {
    this.code.const(0).load32(this.eflagsAt).const(shift).op(Op.shrU).const(1).op(Op.and);
  }

  /** Pushes the status flags in their places; only where they are in the record or settled. */
  private status(): void {
    const { code } = this;
    if (this.source === 'record') code.const(0).load32(this.eflagsAt).const(STATUS).op(Op.and);
    else {
      for (const local of [FLAG_OP, FLAG_SHIFT, FLAG_A, FLAG_B, FLAG_RESULT]) code.get(local);
      code.call(this.statusFunction);
    }
  }
  private statusBit(shift: number): void {
    this.status();
    this.code.const(shift).op(Op.shrU).const(1).op(Op.and);
  }

  /** Pushes PF of a lazy result. */
  private parity(): void {
    this.code
      .get(FLAG_RESULT)
      .const(this.shift)
      .op(Op.shrU)
      .const(0xff)
      .op(Op.and, Op.popcnt)
      .const(1)
      .op(Op.and, Op.eqz);
  }

  /** Pushes OF of a lazy result. */
  private overflow(): void {
    const { code } = this;
    switch (this.source) {
      case 'add':
      case 'adc':
        signsOfAdd(code);
        code.const(31).op(Op.shrU);
        return;
      case 'sub':
      case 'sbb':
        signsOfSub(code);
        code.const(31).op(Op.shrU);
        return;
      case 'result':
        code.get(FLAG_B).const(OF_SHIFT).op(Op.shrU).const(1).op(Op.and);
        return;
      case 'logic':
        code.const(0);
        return;
      case 'inc':
        code.get(FLAG_RESULT).const(MIN).op(Op.eq);
        return;
      case 'dec':
      // Not asked of the last two: `status` serves them.
      case 'record':
      case 'settled':
        code
          .get(FLAG_RESULT)
          .const(MIN - (1 << this.shift))
          .op(Op.eq);
    }
  }

  /** Pushes SF != OF. */
  private less(): void {
    const { code, source } = this;
    if (source === 'settled' || source === 'record') {
      this.status();
      code.tee(VALUE).const(OF_SHIFT).op(Op.shrU).get(VALUE).const(SF_SHIFT).op(Op.shrU, Op.xor).const(1).op(Op.and);
    } else if (source === 'sub') code.get(FLAG_A).get(FLAG_B).op(Op.ltS);
    else {
      this.zeroOrSign(SF_SHIFT);
      if (source === 'logic') return;
      this.overflow();
      code.op(Op.xor);
    }
  }

  /** Pushes EFLAGS with the status flags as they are. */
  eflags(): void {
    const { code } = this;
    code.const(0).load32(this.eflagsAt);
    if (this.source === 'record') return;
    this.settle();
    code.const(~STATUS).op(Op.and);
    this.source = 'settled';
    this.status();
    code.op(Op.or);
  }

  /** Brings the locals into the form of flags.ts. What is known here stays known: the code may be one of two ways. */
  settle(): void {
    const { code, source, shift } = this;
    if (source === 'settled') return;
    if (source === 'record') {
      code.const(LAZY_NONE).set(FLAG_OP);
      return;
    }
    if (source === 'inc' || source === 'dec') {
      code.get(FLAG_B);
      this.overflow();
      code.const(OF_SHIFT).op(Op.shl, Op.or);
      this.halfCarry();
      code.op(Op.or).set(FLAG_B);
    } else if (source === 'logic') code.const(0).set(FLAG_B);
    const op =
      source === 'add' || source === 'adc' ? LAZY_ADD : source === 'sub' || source === 'sbb' ? LAZY_SUB : LAZY_RESULT;
    code.const(op).set(FLAG_OP).const(shift).set(FLAG_SHIFT);
  }
}

/** Bit 31 of the sum of FLAG_A and FLAG_B that is FLAG_RESULT, with or without a carry in: as flags.ts derives it. */
function carryOfAdd(code: WasmCode): void {
  code.get(FLAG_A).get(FLAG_B).op(Op.and);
  code.get(FLAG_A).get(FLAG_B).op(Op.or).get(FLAG_RESULT).const(-1).op(Op.xor, Op.and, Op.or).const(31).op(Op.shrU);
}
function borrowOfSub(code: WasmCode): void {
  code.get(FLAG_A).const(-1).op(Op.xor).get(FLAG_B).op(Op.and);
  code.get(FLAG_A).const(-1).op(Op.xor).get(FLAG_B).op(Op.or).get(FLAG_RESULT).op(Op.and, Op.or).const(31).op(Op.shrU);
}
/** Pushes a word whose bit 31 is OF. */
function signsOfAdd(code: WasmCode): void {
  code.get(FLAG_A).get(FLAG_RESULT).op(Op.xor).get(FLAG_B).get(FLAG_RESULT).op(Op.xor, Op.and);
}
function signsOfSub(code: WasmCode): void {
  code.get(FLAG_A).get(FLAG_B).op(Op.xor).get(FLAG_A).get(FLAG_RESULT).op(Op.xor, Op.and);
}

/** The function that gives status flags: parameters op, shift, a, b, result; a translation of `statusFlags`. */
export function statusFunction(eflagsAt: number): WasmCode {
  const [op, shift, a, b, result] = [0, 1, 2, 3, 4];
  const code = new WasmCode();
  code.get(op).op(Op.eqz).if();
  code.const(0).load32(eflagsAt).const(STATUS).op(Op.and, Op.return);
  code.end();
  // PF, ZF, SF.
  code.get(result).get(shift).op(Op.shrU).const(0xff).op(Op.and, Op.popcnt).const(1).op(Op.and, Op.eqz);
  code.const(PF_SHIFT).op(Op.shl);
  code.get(result).op(Op.eqz).const(ZF_SHIFT).op(Op.shl, Op.or);
  code
    .get(result)
    .const(24)
    .op(Op.shrU)
    .const(1 << SF_SHIFT)
    .op(Op.and, Op.or);
  code.get(op).const(LAZY_RESULT).op(Op.eq).if(I32);
  code
    .get(b)
    .const(CF | AF | (1 << OF_SHIFT))
    .op(Op.and);
  code.else();
  // AF.
  code.get(a).get(b).op(Op.xor).get(result).op(Op.xor).get(shift).op(Op.shrU).const(AF).op(Op.and);
  code.get(op).const(LAZY_ADD).op(Op.eq).if(I32);
  code
    .get(a)
    .get(b)
    .op(Op.and)
    .get(a)
    .get(b)
    .op(Op.or)
    .get(result)
    .const(-1)
    .op(Op.xor, Op.and, Op.or)
    .const(31)
    .op(Op.shrU);
  code.get(a).get(result).op(Op.xor).get(b).get(result).op(Op.xor, Op.and);
  code
    .const(20)
    .op(Op.shrU)
    .const(1 << OF_SHIFT)
    .op(Op.and, Op.or);
  code.else();
  code.get(a).const(-1).op(Op.xor).get(b).op(Op.and).get(a).const(-1).op(Op.xor).get(b).op(Op.or);
  code.get(result).op(Op.and, Op.or).const(31).op(Op.shrU);
  code.get(a).get(b).op(Op.xor).get(a).get(result).op(Op.xor, Op.and);
  code
    .const(20)
    .op(Op.shrU)
    .const(1 << OF_SHIFT)
    .op(Op.and, Op.or);
  code.end();
  code.op(Op.or);
  code.end();
  code.op(Op.or);
  return code.endFunction();
}
