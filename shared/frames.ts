// SPDX-License-Identifier: MIT
//
// The frame pool: a stack of free frames and a reference count a frame (one reference for every page that maps it, one for
// every capture that lists it or is stored in it). Frame 0 is zeros for ever and is not counted.
//
// Safe from any thread: the owner allocates and shares, anyone may release a capture meanwhile. One short lock orders them.
// The lock word holds the key of its holder, so that a thread that dies inside can be told from one that works: the host then
// inherits the lock and rebuilds counts and stack from the page table and the captures (`Captures.recover`).
//
// The promise behind "a store never fails for want of frames": free >= reserved at all times, and reserved >= the number of
// pages whose next store needs a frame. `reserved` may be too high for a while (a capture released, a sharer gone);
// `PhysicalMemory.promise` counts again before anybody is refused.
import { assert } from './errors.ts';
import { LIVE } from './layout/live-words.ts';
import type { MachineMemory } from './machine-memory.ts';
import { PAGE_SIZE } from './units.ts';

export const ZERO_FRAME = 0;
/** Key of the host in the lock word; a kernel thread's key is its slot + 2. A key belongs to one thread at a time. */
export const HOST_KEY = 1;
export const kernelKey = (slot: number): number => slot + 2;

const LOCK = LIVE.poolLock;
const FREE = LIVE.poolFree;
const RESERVED = LIVE.poolReserved;
const SPINS = 2000;
/** Milliseconds that one holder may keep the lock before it is taken for dead. */
const LONGEST_WAIT = 10_000;

export class FramePool {
  readonly count: number;
  /** Byte offset of frame 0 in the buffer. */
  readonly base: number;
  readonly references: Int32Array;
  /** Odd while somebody holds code decoded from the frame; every store to it then makes the count even. */
  readonly codeGenerations: Int32Array;
  readonly key: number;
  private readonly live: Int32Array;
  private readonly stack: Int32Array;

  constructor(machine: MachineMemory, key: number) {
    this.count = machine.geometry.frames;
    this.base = machine.region('frames').offset;
    this.references = machine.words('frame-references');
    this.codeGenerations = machine.words('code-generations');
    this.stack = machine.words('free-frames');
    this.live = machine.words('live');
    this.key = key;
  }

  get free(): number {
    return this.live[FREE];
  }
  get reserved(): number {
    return this.live[RESERVED];
  }
  set reserved(frames: number) {
    this.live[RESERVED] = frames;
  }

  lock(): void {
    let waited = 0;
    for (let spin = 0; Atomics.compareExchange(this.live, LOCK, 0, this.key) !== 0; spin++) {
      const holder = Atomics.load(this.live, LOCK);
      assert(holder !== this.key, 'the frame pool is locked twice by one thread');
      // Sections are microseconds long; a holder that lost its core is waited for, not spun for.
      if (spin < SPINS || holder === 0 || Atomics.wait(this.live, LOCK, holder, 1) !== 'timed-out') continue;
      // Better a report than a hang: somebody forgot to recover from that thread's death.
      assert(++waited < LONGEST_WAIT, `the frame pool stays locked by the thread with key ${holder}`);
    }
  }

  unlock(): void {
    Atomics.store(this.live, LOCK, 0);
  }

  /** Takes the lock over from a dead thread. True if it held it: counts and stack must then be rebuilt, and unlocked. */
  inheritLock(deadKey: number): boolean {
    return Atomics.compareExchange(this.live, LOCK, deadKey, this.key) === deadKey;
  }

  /** Takes a frame with one reference. Its bytes are whatever they were. Lock held. */
  take(): number {
    const free = this.live[FREE] - 1;
    assert(free >= 0, 'no free frame: the promise to stores was broken');
    this.live[FREE] = free;
    const frame = this.stack[free];
    this.references[frame] = 1;
    // Its next user has other bytes than the code that was decoded from it.
    if ((this.codeGenerations[frame] & 1) !== 0) this.codeGenerations[frame] += 1;
    return frame;
  }

  /** Drops one reference; the last one frees the frame. Lock held. */
  drop(frame: number): void {
    if (frame === ZERO_FRAME) return;
    const left = this.references[frame] - 1;
    assert(left >= 0, 'a frame was freed twice');
    this.references[frame] = left;
    if (left > 0) return;
    this.stack[this.live[FREE]] = frame;
    this.live[FREE] = this.live[FREE] + 1;
  }

  /** Refills the stack with every frame that has no reference, lowest on top. Lock held. */
  rebuildStack(): void {
    let free = 0;
    for (let frame = this.count - 1; frame > ZERO_FRAME; frame--) {
      if (this.references[frame] === 0) this.stack[free++] = frame;
    }
    this.live[FREE] = free;
  }

  offsetOf(frame: number): number {
    return this.base + frame * PAGE_SIZE;
  }
}
