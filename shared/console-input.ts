// SPDX-License-Identifier: MIT
//
// One ring a kernel of what the host types on its serial console: from the host to the kernel's thread, which moves it to the
// UART's wire (kernel-worker/board.ts). Each entry says from which tick on it may be taken. What is pushed while the machine
// stands still is taken before the next instruction; the trace says at which tick (TraceType.input), and the same bytes pushed
// for those ticks give the same run again. The wire holds part of a long line at a time, so the ring is a record of the machine:
// a capture without it would go on with half a line.
//
// u32 entries ever pushed; u32 entries ever taken; 8 bytes of nothing; then the entries.
// Entry, 16 bytes: f64 tick from which on it may be taken; u8 number of bytes; up to 7 bytes.
import { INPUT_RING_BYTES, type MachineMemory } from './machine-memory.ts';

const ENTRIES = 16;
const ENTRY_BYTES = 16;
const COUNT = 8;
const DATA = 9;
/** A power of two, so that counts may wrap at 2^32. */
const CAPACITY = (INPUT_RING_BYTES - ENTRIES) / ENTRY_BYTES;
/** Bytes of one entry at most. */
export const INPUT_ENTRY_MAX = ENTRY_BYTES - DATA;

export class ConsoleInput {
  private readonly bytes: Uint8Array;
  private readonly words: Int32Array;
  private readonly view: DataView;
  private readonly base: number;
  private readonly head: number;
  private readonly tail: number;

  constructor(machine: MachineMemory, slot: number) {
    this.bytes = machine.u8;
    this.words = machine.i32;
    this.view = machine.view;
    this.base = machine.region('inputs').offset + slot * INPUT_RING_BYTES;
    this.head = this.base >>> 2;
    this.tail = this.head + 1;
  }

  /**
   * Types bytes that may be taken from `fromTick` on, but not before what was pushed earlier; the number of bytes that there was
   * room for. Host only; a thread that waits for input because nothing else can happen must be run again.
   */
  push(bytes: ArrayLike<number>, fromTick = 0): number {
    let done = 0;
    for (let head = this.words[this.head]!; done < bytes.length; head = (head + 1) | 0) {
      if (((head - Atomics.load(this.words, this.tail)) | 0) >= CAPACITY) break;
      const at = this.entryAt(head);
      const count = Math.min(INPUT_ENTRY_MAX, bytes.length - done);
      this.view.setFloat64(at, fromTick, true);
      this.view.setUint8(at + COUNT, count);
      for (let i = 0; i < count; i++) this.view.setUint8(at + DATA + i, bytes[done + i]!);
      Atomics.store(this.words, this.head, (head + 1) | 0);
      done += count;
    }
    return done;
  }

  /** Forgets what nobody has taken. By whoever gives the slot to a kernel: nobody types to it, or listens, before it is there. */
  clear(): void {
    Atomics.store(this.words, this.tail, this.words[this.head]!);
  }

  /** Has the other ring's entries instead of its own. Owner of the CPU only, and while nobody types. */
  copyFrom(other: ConsoleInput): void {
    this.bytes.copyWithin(this.base, other.base, other.base + INPUT_RING_BYTES);
  }

  get isEmpty(): boolean {
    return Atomics.load(this.words, this.head) === this.words[this.tail];
  }

  /** The tick from which on the next entry may be taken; Infinity if there is none. */
  nextTick(): number {
    return this.isEmpty ? Number.POSITIVE_INFINITY : this.view.getFloat64(this.entryAt(this.words[this.tail]!), true);
  }

  /** Takes the next entry's bytes. The kernel's thread only, and only if there is one. */
  take(): Uint8Array {
    const tail = this.words[this.tail]!;
    const at = this.entryAt(tail);
    const bytes = new Uint8Array(this.view.getUint8(at + COUNT));
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.view.getUint8(at + DATA + i);
    Atomics.store(this.words, this.tail, (tail + 1) | 0);
    return bytes;
  }

  private entryAt(count: number): number {
    return this.base + ENTRIES + (count & (CAPACITY - 1)) * ENTRY_BYTES;
  }
}
