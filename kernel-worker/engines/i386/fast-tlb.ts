// SPDX-License-Identifier: MIT
//
// What translated code sees of the TLB: a small copy in shared memory, one a kernel slot, which only the thread of that slot reads and
// writes. A part for loads, one for stores, one for fetches; an entry by the low bits of the linear page: [page | key, host offset −
// linear address]. An entry is there only while the TLB itself (tlb.ts) has it; zeros are no entry. No capture carries it.
import { FAST_TLB_BYTES, JUMP_TABLE_BYTES, type MachineMemory } from '../../../shared/machine-memory.ts';

const ENTRIES = FAST_TLB_BYTES / 24;
/** Words of a part. */
const PART = ENTRIES * 2;
const BANK = 1 << 20;
/** Keys in a tag: the entry is one; of user mode. */
const VALID = 1;
const USER = 2;

/** What the tag of an entry has beside the page. */
export const tlbKey = (isUser: boolean): number => (isUser ? VALID | USER : VALID);

export class FastTlb {
  /** Byte addresses of the parts, and the mask for an entry's offset in its part. */
  readonly readAt: number;
  readonly writeAt: number;
  readonly fetchAt: number;
  readonly entryMask = (ENTRIES - 1) * 8;
  private readonly words: Int32Array;

  constructor(machine: MachineMemory, slotIndex: number) {
    this.readAt = machine.region('fast-tlbs').offset + slotIndex * (FAST_TLB_BYTES + JUMP_TABLE_BYTES);
    this.writeAt = this.readAt + PART * 4;
    this.fetchAt = this.writeAt + PART * 4;
    this.words = new Int32Array(machine.buffer, this.readAt, FAST_TLB_BYTES / 4);
    // The thread that had the slot before may have died with it full.
    this.words.fill(0);
  }

  /** Copies the entry of the TLB for loads, if there is one: true if it was not here. */
  fillRead(linAddr: number, bank: number, read: Int32Array): boolean {
    return this.fill(linAddr, bank, read, 0);
  }
  fillWrite(linAddr: number, bank: number, write: Int32Array): boolean {
    return this.fill(linAddr, bank, write, PART);
  }
  fillFetch(linAddr: number, bank: number, fetch: Int32Array): boolean {
    return this.fill(linAddr, bank, fetch, PART * 2);
  }

  private fill(linAddr: number, bank: number, hosts: Int32Array, part: number): boolean {
    const host = hosts[(linAddr >>> 12) + bank];
    if (host === 0) return false;
    const { words } = this;
    const at = part + ((linAddr >>> 12) & (ENTRIES - 1)) * 2;
    const tag = (linAddr & -4096) | tlbKey(bank === BANK);
    const delta = host - (linAddr & -4096);
    if (words[at] === tag && words[at + 1] === delta) return false;
    words[at] = tag;
    words[at + 1] = delta;
    return true;
  }

  /** The TLB has lost its entry of an index, or its right to be stored to. What else lies in the same place goes too. */
  forget(index: number): void {
    const at = (index & (ENTRIES - 1)) * 2;
    this.words[at] = 0;
    this.words[PART + at] = 0;
    this.words[PART * 2 + at] = 0;
  }
  forbidStores(index: number): void {
    this.words[PART + (index & (ENTRIES - 1)) * 2] = 0;
  }
}
