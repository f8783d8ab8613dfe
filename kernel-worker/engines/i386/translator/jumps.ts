// SPDX-License-Identifier: MIT
//
// From one translated function to the next without a way through JavaScript. The driver is a function of WebAssembly that calls a
// region, looks up where it has led, and calls the next: linear address to host offset in the fast TLB, host offset to translation in
// a table. An entry of that says what `find` of the code cache would say: it counts only in its mode, while its frame has its
// generation, and if the budget covers the block. Everything else goes back to the interpreter.
import { FAST_TLB_BYTES, JUMP_TABLE_BYTES } from '../../../../shared/machine-memory.ts';
import type { Board } from '../../../board.ts';
import type { FastTlb } from '../fast-tlb.ts';
import { EXIT_WORD } from './locals.ts';
import { ENTRY_BITS } from './region.ts';
import { Op, WasmCode } from './wasm-code.ts';

/** An entry in words: [host offset of the code, mode, address of the generation, generation, instructions, translation, 0, 0]. */
const ENTRY_BYTES = 32;
const ENTRIES = JUMP_TABLE_BYTES / ENTRY_BYTES;
const EIP = 8;
export const DRIVER_PARAMETERS = 4;
export const DRIVER_LOCALS = 3;

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

  /** Notes that a block with a translation has its code at a host offset. */
  add(host: number, code: Int32Array, block: number): void {
    const { words } = this;
    const at = ((host ^ (host >>> 12)) & (ENTRIES - 1)) << 3;
    words[at] = host;
    words[at + 1] = code[block + 6];
    words[at + 2] = this.generationsAt + code[block + 1] * 4;
    words[at + 3] = code[block + 2];
    words[at + 4] = code[block];
    words[at + 5] = code[block + 9];
  }

  /** Every function is forgotten. */
  clear(): void {
    this.words.fill(0);
  }
}

/** The driver: (instructions left, translation, mode or −1 for one region only, key of the fast TLB) → instructions left. */
export function driverCode(cpuAt: number, tlb: FastTlb, jumpsAt: number, regionType: number): WasmCode {
  const [left, translation, mode, key, address, entry, host] = [0, 1, 2, 3, 4, 5, 6];
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
  code.const(9).op(Op.shrU).const(tlb.entryMask).op(Op.and).tee(entry).load32(tlb.fetchAt);
  code.get(address).const(-4096).op(Op.and).get(key).op(Op.or, Op.ne).brIf(back);
  code
    .get(entry)
    .load32(tlb.fetchAt + 4)
    .get(address)
    .op(Op.add)
    .tee(host);
  code
    .get(host)
    .const(12)
    .op(Op.shrU, Op.xor)
    .const(ENTRIES - 1)
    .op(Op.and)
    .const(5)
    .op(Op.shl)
    .tee(entry);
  code.load32(jumpsAt).get(host).op(Op.ne).brIf(back);
  const field = (word: number): WasmCode => code.get(entry).load32(jumpsAt + word * 4);
  field(1).get(mode).op(Op.ne).brIf(back);
  field(2).load32();
  field(3).op(Op.ne).brIf(back);
  field(4).get(left).op(Op.gtS).brIf(back);
  field(5).set(translation);
  code.br(next).end().end();
  return code.get(left).endFunction();
}
