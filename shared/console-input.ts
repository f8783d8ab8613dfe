// SPDX-License-Identifier: MIT
//
// One ring a kernel of what the host types on its serial console: from the host to the kernel's thread, which moves it to the
// UART's wire (kernel-worker/board.ts). Each entry says from which tick on it may be taken. What is pushed while the machine
// stands still is taken before the next instruction; the trace says at which tick (TraceType.input), and the same bytes pushed
// for those ticks give the same run again. Like the console ring this is no state of the machine: no capture carries it.
//
// Entry, 16 bytes: f64 tick from which on it may be taken; u8 number of bytes; up to 7 bytes.
import { LIVE_KERNEL } from './layout/live-words.ts';
import { INPUT_RING_BYTES, type MachineMemory } from './machine-memory.ts';
import { liveKernelWord } from './ownership.ts';

const ENTRY_BYTES = 16;
const COUNT = 8;
const DATA = 9;
/** A power of two, so that counts may wrap at 2^32. */
const CAPACITY = INPUT_RING_BYTES / ENTRY_BYTES;
/** Bytes of one entry at most. */
export const INPUT_ENTRY_MAX = ENTRY_BYTES - DATA;

export class ConsoleInput {
  private readonly live: Int32Array;
  private readonly view: DataView;
  private readonly base: number;
  private readonly head: number;
  private readonly tail: number;

  constructor(machine: MachineMemory, slot: number) {
    this.live = machine.words('live');
    this.view = machine.view;
    this.base = machine.region('inputs').offset + slot * INPUT_RING_BYTES;
    this.head = liveKernelWord(slot, LIVE_KERNEL.inputHead);
    this.tail = liveKernelWord(slot, LIVE_KERNEL.inputTail);
  }

  /**
   * Types bytes that may be taken from `fromTick` on, but not before what was pushed earlier; the number of bytes that there was
   * room for. Host only; a thread that waits for input because nothing else can happen must be run again.
   */
  push(bytes: ArrayLike<number>, fromTick = 0): number {
    let done = 0;
    for (let head = this.live[this.head]!; done < bytes.length; head = (head + 1) | 0) {
      if (((head - Atomics.load(this.live, this.tail)) | 0) >= CAPACITY) break;
      const at = this.entryAt(head);
      const count = Math.min(INPUT_ENTRY_MAX, bytes.length - done);
      this.view.setFloat64(at, fromTick, true);
      this.view.setUint8(at + COUNT, count);
      for (let i = 0; i < count; i++) this.view.setUint8(at + DATA + i, bytes[done + i]!);
      Atomics.store(this.live, this.head, (head + 1) | 0);
      done += count;
    }
    return done;
  }

  /** Forgets what nobody has taken. By whoever gives the slot to a kernel: nobody types to it, or listens, before it is there. */
  clear(): void {
    Atomics.store(this.live, this.tail, this.live[this.head]!);
  }

  get isEmpty(): boolean {
    return Atomics.load(this.live, this.head) === this.live[this.tail];
  }

  /** The tick from which on the next entry may be taken; Infinity if there is none. */
  nextTick(): number {
    return this.isEmpty ? Number.POSITIVE_INFINITY : this.view.getFloat64(this.entryAt(this.live[this.tail]!), true);
  }

  /** Takes the next entry's bytes. The kernel's thread only, and only if there is one. */
  take(): Uint8Array {
    const tail = this.live[this.tail]!;
    const at = this.entryAt(tail);
    const bytes = new Uint8Array(this.view.getUint8(at + COUNT));
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.view.getUint8(at + DATA + i);
    Atomics.store(this.live, this.tail, (tail + 1) | 0);
    return bytes;
  }

  private entryAt(count: number): number {
    return this.base + (count & (CAPACITY - 1)) * ENTRY_BYTES;
  }
}
