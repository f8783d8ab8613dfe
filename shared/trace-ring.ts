// SPDX-License-Identifier: MIT
//
// The trace ring: every event of the machine, in order, from the thread that owns the CPU to the host. Nothing is ever lost:
// a producer that finds the ring full asks the host to drain it and waits. One producer at a time (the owner), one consumer.
//
// Record, 48 bytes: i32 type, kernel slot, a, b, c, d; f64 tick, wall clock in µs since the machine was made, duration in µs.
import { LIVE } from './layout/live-words.ts';
import type { MachineMemory } from './machine-memory.ts';

export const TraceType = {
  /** a: line of the jump or own work (shared/jump-lines.ts), b: direction, c: errno, d: pages that machine code moved by itself. */
  phase: 1,
  /** a: from slot, b: to slot, c: pages exchanged, d: 1 plain, 0 preserve. Wall: the instant before the owner store. */
  handOver: 2,
  /**
   * First thing the woken thread writes. a: 1 if the kernel climbs no lines, b: what was repaired, c: its own way back that is
   * ahead (shared/jump-lines.ts).
   */
  wake: 3,
  /** a: bytes written to the kernel's console ring, b: ticks from the first of them to the last, which was written at this tick. */
  console: 4,
  /** a: stop code, b: address. */
  stop: 5,
  /** a: errno of a jump that was refused, b: line. */
  refused: 6,
  /** a: device index, b: device phase, c: errno. Only for failures and refusals of devices. */
  device: 7,
  /** a: bytes taken from the kernel's console input, at this tick. */
  input: 8,
} as const;

export interface TraceRecord {
  readonly type: number;
  readonly kernel: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly tick: number;
  readonly wall: number;
  readonly duration: number;
}

const RECORD_BYTES = 48;
/** A power of two, so that counts may wrap at 2^32. */
const CAPACITY = 16384;
/** The host is asked to drain when the ring is this full, long before the producer has to wait. */
const NUDGE_AT = CAPACITY >> 1;
const { traceHead: HEAD, traceTail: TAIL, traceWaiting: WAITING } = LIVE;

export class TraceRing {
  private readonly live: Int32Array;
  private readonly view: DataView;
  private readonly base: number;

  constructor(machine: MachineMemory) {
    this.live = machine.words('live');
    this.view = machine.view;
    this.base = machine.region('trace').offset;
  }

  /** Appends a record. `nudge` asks the host to drain; it may be called from here. */
  push(
    nudge: () => void,
    type: number,
    kernel: number,
    tick: number,
    wall: number,
    duration: number,
    a = 0,
    b = 0,
    c = 0,
    d = 0,
  ): void {
    const head = this.live[HEAD];
    const filled = (head - Atomics.load(this.live, TAIL)) | 0;
    if (filled === NUDGE_AT) nudge();
    else if (filled >= CAPACITY) this.waitForRoom(nudge, head);
    const at = this.base + slotOf(head) * RECORD_BYTES;
    const { view } = this;
    view.setInt32(at, type, true);
    view.setInt32(at + 4, kernel, true);
    view.setInt32(at + 8, a, true);
    view.setInt32(at + 12, b, true);
    view.setInt32(at + 16, c, true);
    view.setInt32(at + 20, d, true);
    view.setFloat64(at + 24, tick, true);
    view.setFloat64(at + 32, wall, true);
    view.setFloat64(at + 40, duration, true);
    Atomics.store(this.live, HEAD, (head + 1) | 0);
  }

  private waitForRoom(nudge: () => void, head: number): void {
    nudge();
    for (;;) {
      const tail = Atomics.load(this.live, TAIL);
      if (((head - tail) | 0) < CAPACITY) return;
      Atomics.store(this.live, WAITING, 1);
      Atomics.wait(this.live, TAIL, tail, 100);
    }
  }

  /** Hands every record to `visit` and makes room. Host only. */
  drain(visit: (record: TraceRecord) => void): void {
    let tail = this.live[TAIL];
    const head = Atomics.load(this.live, HEAD);
    while (tail !== head) {
      const record = this.read(slotOf(tail));
      tail = (tail + 1) | 0;
      // Room first: a visitor that throws must not see the record again.
      Atomics.store(this.live, TAIL, tail);
      visit(record);
    }
    if (Atomics.exchange(this.live, WAITING, 0) === 1) Atomics.notify(this.live, TAIL);
  }

  private read(slot: number): TraceRecord {
    const at = this.base + slot * RECORD_BYTES;
    const { view } = this;
    return {
      type: view.getInt32(at, true),
      kernel: view.getInt32(at + 4, true),
      a: view.getInt32(at + 8, true),
      b: view.getInt32(at + 12, true),
      c: view.getInt32(at + 16, true),
      d: view.getInt32(at + 20, true),
      tick: view.getFloat64(at + 24, true),
      wall: view.getFloat64(at + 32, true),
      duration: view.getFloat64(at + 40, true),
    };
  }
}

const slotOf = (count: number): number => count & (CAPACITY - 1);
