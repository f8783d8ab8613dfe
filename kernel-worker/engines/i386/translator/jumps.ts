// SPDX-License-Identifier: MIT
//
// From one translated function to the next without a way through JavaScript. The driver is a function of WebAssembly that calls a
// region, looks up where it has led, and calls the next: linear address to host offset in the fast TLB, host offset to translation in
// a table. An entry of that says what `find` of the code cache would say: it counts only for its privilege (all else of the mode is
// the same for all translated code that pages), while its frame has its generation, and if the budget covers the block. Everything
// else goes back to the interpreter.
import { FAST_TLB_BYTES, JUMP_TABLE_BYTES } from '../../../../shared/machine-memory.ts';
import type { Board } from '../../../board.ts';
import type { FastTlb } from '../fast-tlb.ts';
import { EXIT_WORD } from './locals.ts';
import { ENTRY_BITS } from './region.ts';
import { Op, WasmCode } from './wasm-code.ts';

/** An entry in words: [host offset of the code, with the key in its upper bits; generation; instructions; translation]. */
const ENTRY_BYTES = 16;
const ENTRY_SHIFT = 4;
const ENTRIES = JUMP_TABLE_BYTES / ENTRY_BYTES;
const EIP = 8;
const KEY_SHIFT = 30;
const NO_ENTRY = -1;
export const DRIVER_PARAMETERS = 3;
export const DRIVER_LOCALS = 3;
/** In the place of a key of the fast TLB: no entry there has it, so one region is all that is called. */
export const ONE_REGION = 4;

export class Jumps {
  readonly address: number;
  private readonly words: Int32Array;

  constructor({ machine }: Board, slotIndex: number) {
    const { offset } = machine.region('fast-tlbs');
    // Behind the parts of the fast TLB.
    this.address = offset + slotIndex * (FAST_TLB_BYTES + JUMP_TABLE_BYTES) + FAST_TLB_BYTES;
    this.words = new Int32Array(machine.buffer, this.address, JUMP_TABLE_BYTES / 4);
    this.clear();
  }

  /** Notes that a block with a translation has its code at a host offset. */
  add(host: number, key: number, code: Int32Array, block: number): void {
    const { words } = this;
    const at = ((host ^ (host >>> 12)) & (ENTRIES - 1)) << 2;
    words[at] = host ^ (key << KEY_SHIFT);
    words[at + 1] = code[block + 2];
    words[at + 2] = code[block];
    words[at + 3] = code[block + 9];
  }

  /** Every function is forgotten. */
  clear(): void {
    this.words.fill(NO_ENTRY);
  }
}

/** The driver: (instructions left, translation, key of the fast TLB or ONE_REGION) → instructions left. */
export function driverCode({ machine }: Board, tlb: FastTlb, jumpsAt: number, regionType: number): WasmCode {
  const [left, translation, key, address, entry, host] = [0, 1, 2, 3, 4, 5];
  const cpuAt = machine.region('cpu').offset;
  // Of frame 0 if there were frames from offset 0 on.
  const generationsAt = machine.region('code-generations').offset - (machine.region('frames').offset >>> 10);
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
    .const(ENTRY_SHIFT)
    .op(Op.shl)
    .tee(entry);
  code.load32(jumpsAt).get(host).get(key).const(KEY_SHIFT).op(Op.shl, Op.xor, Op.ne).brIf(back);
  const field = (word: number): WasmCode => code.get(entry).load32(jumpsAt + word * 4);
  field(1).get(host).const(12).op(Op.shrU).const(2).op(Op.shl).load32(generationsAt).op(Op.ne).brIf(back);
  field(2).get(left).op(Op.gtS).brIf(back);
  field(3).set(translation);
  code.br(next).end().end();
  return code.get(left).endFunction();
}
