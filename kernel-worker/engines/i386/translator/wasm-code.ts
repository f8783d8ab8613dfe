// SPDX-License-Identifier: MIT
//
// Bytes of WebAssembly functions, instruction by instruction (WebAssembly core specification 2.0, chapter 5). Only 32-bit integers,
// and 64-bit ones for a product. Labels are counted from the outside: `open` gives the depth at which a block was opened, and a
// branch to it is written as the distance from where it stands.

import { WasmBytes } from './wasm-bytes.ts';

/** Operations without an immediate. */
export const Op = {
  unreachable: 0x00,
  else: 0x05,
  return: 0x0f,
  drop: 0x1a,
  select: 0x1b,
  eqz: 0x45,
  eq: 0x46,
  ne: 0x47,
  ltS: 0x48,
  ltU: 0x49,
  gtS: 0x4a,
  gtU: 0x4b,
  leS: 0x4c,
  leU: 0x4d,
  geS: 0x4e,
  geU: 0x4f,
  ne64: 0x52,
  popcnt: 0x69,
  add: 0x6a,
  sub: 0x6b,
  mul: 0x6c,
  and: 0x71,
  or: 0x72,
  xor: 0x73,
  shl: 0x74,
  shrS: 0x75,
  shrU: 0x76,
  rotl: 0x77,
  rotr: 0x78,
  mul64: 0x7e,
  wrap: 0xa7,
  extendS: 0xac,
  extend8: 0xc0,
  extend16: 0xc1,
} as const;

export const I32 = 0x7f;
export const I64 = 0x7e;
const VOID = 0x40;
const END = 0x0b;

export class WasmCode {
  readonly bytes = new WasmBytes();
  private depth = 0;

  op(...operations: number[]): this {
    for (const operation of operations) this.bytes.push(operation);
    return this;
  }
  const(value: number): this {
    this.bytes.push(0x41);
    this.bytes.signed(value);
    return this;
  }
  get(local: number): this {
    return this.indexed(0x20, local);
  }
  set(local: number): this {
    return this.indexed(0x21, local);
  }
  tee(local: number): this {
    return this.indexed(0x22, local);
  }
  call(functionIndex: number): this {
    return this.indexed(0x10, functionIndex);
  }
  /** Calls the function of the table whose number is on the stack, behind its arguments. */
  callIndirect(type: number): this {
    this.indexed(0x11, type);
    return this.op(0);
  }
  private indexed(operation: number, index: number): this {
    this.bytes.push(operation);
    this.bytes.unsigned(index);
    return this;
  }

  // The address is on the stack, for stores below the value; `offset` is added to it.
  load32(offset = 0): this {
    return this.access(0x28, offset);
  }
  load8(offset = 0): this {
    return this.access(0x2d, offset);
  }
  load16(offset = 0): this {
    return this.access(0x2f, offset);
  }
  store32(offset = 0): this {
    return this.access(0x36, offset);
  }
  store8(offset = 0): this {
    return this.access(0x3a, offset);
  }
  store16(offset = 0): this {
    return this.access(0x3b, offset);
  }
  private access(operation: number, offset: number): this {
    // No alignment is promised: it changes nothing but what the processor may expect.
    this.bytes.push(operation);
    this.bytes.push(0);
    this.bytes.unsigned(offset);
    return this;
  }

  /** Opens a block, whose end a branch goes to; gives its label. */
  block(): number {
    this.op(0x02, VOID);
    return this.depth++;
  }
  /** Opens a loop, whose beginning a branch goes to; gives its label. */
  loop(): number {
    this.op(0x03, VOID);
    return this.depth++;
  }
  if(type = VOID): this {
    this.op(0x04, type);
    this.depth++;
    return this;
  }
  else(): this {
    return this.op(Op.else);
  }
  end(): this {
    this.depth--;
    return this.op(END);
  }
  /** Ends a function. */
  endFunction(): this {
    return this.op(END);
  }
  br(label: number): this {
    return this.indexed(0x0c, this.depth - 1 - label);
  }
  brIf(label: number): this {
    return this.indexed(0x0d, this.depth - 1 - label);
  }
  /** Branches by the number on the stack; beyond the list, to the last label. */
  brTable(labels: readonly number[], last: number): this {
    this.bytes.push(0x0e);
    this.bytes.unsigned(labels.length);
    for (const label of labels) this.bytes.unsigned(this.depth - 1 - label);
    this.bytes.unsigned(this.depth - 1 - last);
    return this;
  }
}
