// SPDX-License-Identifier: MIT
//
// One ring of bytes a kernel, from its thread to the host; never console.log, whose lines are lost when a thread is ended.
// The trace says when how many bytes were written, so consoles and other events stay in one order.

import { LIVE_KERNEL } from './layout/live-words.ts';
import { CONSOLE_RING_BYTES, type MachineMemory } from './machine-memory.ts';
import { liveKernelWord } from './ownership.ts';

/**
 * A kernel that has written nothing for so long has paused: what it has written until then is looked at as it stands. A character
 * takes a tenth of it at 115200 baud.
 */
export const CONSOLE_PAUSE_TICKS = 1_000_000;

export class ConsoleRing {
  private readonly live: Int32Array;
  private readonly ring: Uint8Array;
  private readonly head: number;
  private readonly tail: number;

  constructor(machine: MachineMemory, slot: number) {
    this.live = machine.words('live');
    const { offset } = machine.region('consoles');
    this.ring = new Uint8Array(machine.buffer, offset + slot * CONSOLE_RING_BYTES, CONSOLE_RING_BYTES);
    this.head = liveKernelWord(slot, LIVE_KERNEL.consoleHead);
    this.tail = liveKernelWord(slot, LIVE_KERNEL.consoleTail);
  }

  /** Writes as much of `bytes` as there is room for; the number of bytes written. */
  write(bytes: Uint8Array): number {
    const head = this.live[this.head];
    const room = CONSOLE_RING_BYTES - ((head - Atomics.load(this.live, this.tail)) | 0);
    const count = Math.min(room, bytes.length);
    for (let i = 0; i < count; i++) this.ring[(head + i) & (CONSOLE_RING_BYTES - 1)] = bytes[i];
    Atomics.store(this.live, this.head, (head + count) | 0);
    return count;
  }

  /** Waits, a tenth of a second at most, until the host has read something. */
  waitForRoom(): void {
    const tail = Atomics.load(this.live, this.tail);
    if (((this.live[this.head] - tail) | 0) >= CONSOLE_RING_BYTES) Atomics.wait(this.live, this.tail, tail, 100);
  }

  /** Bytes written and not read: while nothing is announced, what a kernel wrote that ended before it could say so. */
  get unread(): number {
    return (Atomics.load(this.live, this.head) - this.live[this.tail]) | 0;
  }

  /** Takes the next `count` bytes. Host only. */
  read(count: number): Uint8Array {
    const tail = this.live[this.tail];
    const bytes = new Uint8Array(count);
    for (let i = 0; i < count; i++) bytes[i] = this.ring[(tail + i) & (CONSOLE_RING_BYTES - 1)];
    Atomics.store(this.live, this.tail, (tail + count) | 0);
    Atomics.notify(this.live, this.tail);
    return bytes;
  }
}
