// SPDX-License-Identifier: MIT
//
// Operands of micro-operations in translated code. An index of the record, of words, halfwords or bytes, is a local or a part of one;
// ZERO is a constant. Values for flags are shifted up, so that their sign is bit 31 (flags.ts).
import { REGISTERS, SCRATCH, VALUE } from './locals.ts';
import { Op, type WasmCode } from './wasm-code.ts';

const T0_WORD = 128;
const ZERO_WORD = 131;

/** Bytes of an operand. */
export type Size = 1 | 2 | 4;

/** How far an operand of a size is shifted up. */
export const shiftOf = (size: Size): number => 32 - 8 * size;

const wordOf = (index: number, size: Size): number => (size === 4 ? index : size === 2 ? index >>> 1 : index >>> 2);
/** Where in its word an operand begins. */
const bitOf = (index: number, size: Size): number => (size === 1 ? (index & 3) * 8 : 0);

export class OperandCode {
  private readonly code: WasmCode;

  constructor(code: WasmCode) {
    this.code = code;
  }

  /** The local that holds a word of the record. */
  local(word: number): number {
    return word < T0_WORD ? REGISTERS + word : SCRATCH + word - T0_WORD;
  }

  /** Pushes a word plus a constant. */
  word(word: number, immediate = 0): void {
    const { code } = this;
    if (word === ZERO_WORD) {
      code.const(immediate);
      return;
    }
    code.get(this.local(word));
    if (immediate !== 0) code.const(immediate).op(Op.add);
  }

  /** Pushes an operand, zero-extended. */
  value(index: number, size: Size): void {
    const word = wordOf(index, size);
    this.word(word);
    if (size === 4 || word === ZERO_WORD) return;
    const bit = bitOf(index, size);
    if (bit !== 0) this.code.const(bit).op(Op.shrU);
    this.code.const(size === 2 ? 0xffff : 0xff).op(Op.and);
  }

  /** Pushes a source, register or immediate, shifted up. */
  top(index: number, immediate: number, size: Size): void {
    const { code } = this;
    const word = wordOf(index, size);
    const shift = shiftOf(size);
    if (word === ZERO_WORD) {
      code.const(immediate << shift);
      return;
    }
    this.word(word, size === 4 ? immediate : 0);
    const bit = bitOf(index, size);
    if (shift > bit) code.const(shift - bit).op(Op.shl);
    if (bit !== 0) code.const(0xff << shift).op(Op.and);
  }

  /** Takes the value on the stack, whose upper bits do not matter, as the new operand. */
  set(index: number, size: Size): void {
    const { code } = this;
    const word = wordOf(index, size);
    const local = this.local(word);
    // Of a scratch word nobody reads more than was written.
    if (size === 4 || word >= T0_WORD) {
      code.set(local);
      return;
    }
    const bit = bitOf(index, size);
    const mask = size === 2 ? 0xffff : 0xff;
    code.const(mask).op(Op.and);
    if (bit !== 0) code.const(bit).op(Op.shl);
    code
      .set(VALUE)
      .get(local)
      .const(~(mask << bit))
      .op(Op.and)
      .get(VALUE)
      .op(Op.or)
      .set(local);
  }

  /** The same with a value that is shifted up. */
  setTop(index: number, size: Size, local: number): void {
    this.code.get(local);
    if (size !== 4) this.code.const(shiftOf(size)).op(Op.shrU);
    this.set(index, size);
  }
}
