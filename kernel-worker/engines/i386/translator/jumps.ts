// SPDX-License-Identifier: MIT
//
// From one translated function to the next without a way through JavaScript. The driver is a function of WebAssembly that calls a
// region, looks up in a table where it has led, and calls the next. An entry says of a linear address what `find` of the code cache
// would say: it counts only in the age it was made in (no mapping has changed since), in its mode, while its frame has its
// generation, and if the budget covers the block. Everything else goes back to the interpreter.
import { FAST_TLB_BYTES, JUMP_TABLE_BYTES } from '../../../../shared/machine-memory.ts';
import type { Board } from '../../../board.ts';
import { EXIT_WORD } from './locals.ts';
import { ENTRY_BITS } from './region.ts';
import { Op, WasmCode } from './wasm-code.ts';

/** An entry in words: [linear address, mode, age, address of the generation, generation, instructions, translation, unused]. */
const ENTRY_BYTES = 32;
const ENTRIES = JUMP_TABLE_BYTES / ENTRY_BYTES;
const EIP = 8;
/** The word of the first entry that no entry uses holds the age. */
const AGE = 7;

export class Jumps {
  readonly address: number;
  private readonly words: Int32Array;
  private readonly generationsAt: number;

  constructor({ machine }: Board, slotIndex: number) {
    const { offset } = machine.region('fast-tlbs');
    // Behind the halves of the fast TLB.
    this.address = offset + slotIndex * (FAST_TLB_BYTES + JUMP_TABLE_BYTES) + FAST_TLB_BYTES;
    this.words = new Int32Array(machine.buffer, this.address, JUMP_TABLE_BYTES / 4);
    this.words.fill(0);
    this.generationsAt = machine.region('code-generations').offset;
  }

  /** The age of the code cache. */
  set age(age: number) {
    this.words[AGE] = age;
  }

  /** Notes that a block with a translation begins at a linear address. */
  add(linAddr: number, code: Int32Array, block: number, age: number): void {
    const { words } = this;
    const at = ((linAddr ^ (linAddr >>> 12)) & (ENTRIES - 1)) << 3;
    words[at] = linAddr;
    words[at + 1] = code[block + 6];
    words[at + 2] = age;
    words[at + 3] = this.generationsAt + code[block + 1] * 4;
    words[at + 4] = code[block + 2];
    words[at + 5] = code[block];
    words[at + 6] = code[block + 9];
  }

  /** Every function is forgotten; the age goes on. */
  clear(): void {
    this.words.fill(0, 0, AGE);
    this.words.fill(0, AGE + 1);
  }
}

/** The driver: (instructions left, translation, mode or −1 for one region only) → instructions left. */
export function driverCode(cpuAt: number, jumpsAt: number, regionType: number): WasmCode {
  const [left, translation, mode, address, entry] = [0, 1, 2, 3, 4];
  const code = new WasmCode();
  const back = code.block();
  const next = code.loop();
  code
    .get(left)
    .get(translation)
    .const((1 << ENTRY_BITS) - 1)
    .op(Op.and)
    .get(translation)
    .const(ENTRY_BITS)
    .op(Op.shrU);
  code.callIndirect(regionType).set(left);
  code
    .const(0)
    .load32(cpuAt + EXIT_WORD * 4)
    .brIf(back);
  code
    .const(0)
    .load32(cpuAt + EIP * 4)
    .tee(address);
  code
    .get(address)
    .const(12)
    .op(Op.shrU, Op.xor)
    .const(ENTRIES - 1)
    .op(Op.and)
    .const(5)
    .op(Op.shl)
    .tee(entry);
  code.load32(jumpsAt).get(address).op(Op.ne).brIf(back);
  code
    .get(entry)
    .load32(jumpsAt + 4)
    .get(mode)
    .op(Op.ne)
    .brIf(back);
  code
    .get(entry)
    .load32(jumpsAt + 8)
    .const(0)
    .load32(jumpsAt + AGE * 4)
    .op(Op.ne)
    .brIf(back);
  code
    .get(entry)
    .load32(jumpsAt + 12)
    .load32()
    .get(entry)
    .load32(jumpsAt + 16)
    .op(Op.ne)
    .brIf(back);
  code
    .get(entry)
    .load32(jumpsAt + 20)
    .get(left)
    .op(Op.gtS)
    .brIf(back);
  code
    .get(entry)
    .load32(jumpsAt + 24)
    .set(translation);
  code.br(next).end().end();
  return code.get(left).endFunction();
}
