// SPDX-License-Identifier: MIT
//
// The host's half of ownership. The host owns the CPU whenever nothing runs, and may then write the machine; `burst` gives
// the CPU to the current kernel and settles when it comes back. A run is a chain of bursts: whoever needs the machine to stand
// still for a moment (a snapshot, a load) ends the burst at a slice boundary, does its work and lets the run go on. Limits
// of the run are in the live words, so that a pause does not change where it stops.
import { assert, KjumpError } from '../shared/errors.ts';
import { LIVE } from '../shared/layout/live-words.ts';
import { HOST, type Ownership } from '../shared/ownership.ts';
import { StopReason, type StopReasonValue } from '../shared/stop.ts';
import { Mutex } from './mutex.ts';

/** Limits of a run; the first one reached stops it. Absent is no limit. */
export interface RunLimits {
  /** Virtual time to run for. */
  readonly ticks?: number;
  /** Steps (of TypeScript kernels) or instructions. */
  readonly steps?: number;
  readonly switches?: number;
}

export interface Stop {
  readonly reason: StopReasonValue;
  readonly kernel: number;
}

/** What the execution needs of the machine around it. */
export interface ExecutionParts {
  readonly ownership: Ownership;
  readonly nowTick: () => number;
  /** Slot of the kernel that has the machine. */
  readonly current: () => number;
  /** Why that kernel cannot run; null if it can. */
  readonly over: () => StopReasonValue | null;
  readonly attach: (slot: number) => Promise<void>;
}

export class Execution {
  private readonly parts: ExecutionParts;
  private readonly live: Int32Array;
  private readonly limitTick: Float64Array;
  private readonly mutex = new Mutex();
  private waiter: { resolve: (stop: Stop) => void; reject: (error: Error) => void } | null = null;
  /** How many want the machine to stand still. */
  private wanted = 0;
  private running = false;
  private pauseAsked = false;
  private ended: Error | null = null;

  constructor(parts: ExecutionParts) {
    this.parts = parts;
    this.live = parts.ownership.live;
    this.limitTick = new Float64Array(this.live.buffer, this.live.byteOffset + LIVE.runLimitTick * 4, 1);
    this.setLimits({});
  }

  /** Runs `work` while the host owns the CPU; a run under way pauses for it. */
  held<T>(work: () => Promise<T> | T): Promise<T> {
    this.wanted++;
    this.interrupt();
    return this.mutex.run(async () => {
      this.wanted--;
      if (this.ended !== null) throw this.ended;
      assert(this.parts.ownership.owner === HOST, 'the host does not own the CPU');
      return await work();
    });
  }

  /**
   * Runs the current kernel, and whoever follows it, until a limit or something else stops it. At a limit `next` may give others
   * to go on to: it is one run all the same.
   */
  async run(limits: RunLimits, next: () => RunLimits | null = () => null): Promise<Stop> {
    if (this.running) {
      throw new KjumpError('BAD_STATE', 'the machine is already running', {
        why: 'one run at a time has the CPU',
        fix: 'await the first run, or pause() it',
      });
    }
    this.running = true;
    this.pauseAsked = false;
    try {
      await this.mutex.run(() => this.setLimits(limits));
      for (;;) {
        const stop = await this.mutex.run(() => this.slice());
        if (stop.reason === StopReason.limit) {
          const more = next();
          if (more === null) return stop;
          if (this.pauseAsked) return { ...stop, reason: StopReason.requested };
          await this.mutex.run(() => this.setLimits(more));
        } else if (stop.reason !== StopReason.requested || this.pauseAsked) return stop;
      }
    } finally {
      this.running = false;
    }
  }

  /** Ends the run at the next slice boundary; it settles with the reason `requested`. */
  pause(): void {
    this.pauseAsked = true;
    this.interrupt();
  }

  private slice(): Promise<Stop> | Stop {
    if (this.ended !== null) throw this.ended;
    // Whoever made the run pause may have ended the kernel that it was for.
    const over = this.parts.over();
    if (over !== null) return { reason: over, kernel: this.parts.current() };
    const asked = this.wanted > 0 || this.pauseAsked;
    return asked ? { reason: StopReason.requested, kernel: this.parts.current() } : this.giveCpu();
  }

  /**
   * While held: lets the machine run under limits of its own; those of the run under way are kept. Who wants the machine
   * meanwhile waits for the end of it.
   */
  async burst(limits: RunLimits): Promise<Stop> {
    const kept = [this.live[LIVE.switchesLeft], this.live[LIVE.stepsLeft], this.limitTick[0]];
    this.setLimits(limits);
    try {
      for (;;) {
        const stop = await this.giveCpu();
        if (stop.reason !== StopReason.requested) return stop;
      }
    } finally {
      [this.live[LIVE.switchesLeft], this.live[LIVE.stepsLeft], this.limitTick[0]] = kept;
    }
  }

  /** Gives the CPU to the current kernel; settles when the host has it again. */
  private async giveCpu(): Promise<Stop> {
    const { ownership } = this.parts;
    const slot = this.parts.current();
    // Before the wait for a thread: what is asked for from here on is meant for this burst.
    Atomics.store(this.live, LIVE.stopRequest, 0);
    if (!ownership.hasThread(slot)) await this.parts.attach(slot);
    if (this.ended !== null) throw this.ended;
    const stopped = new Promise<Stop>((resolve, reject) => {
      this.waiter = { resolve, reject };
    });
    ownership.giveToKernel(slot);
    return stopped;
  }

  /** The CPU is the host's again; why, the live words say. May be called whenever the host owns the CPU. */
  cameBack(): void {
    const { waiter, live } = this;
    this.waiter = null;
    waiter?.resolve({ reason: live[LIVE.stopReason] as StopReasonValue, kernel: live[LIVE.stopKernel] });
  }

  /** The machine is over, or cannot go on: whoever waits hears it. */
  end(error: Error): void {
    this.ended = error;
    const { waiter } = this;
    this.waiter = null;
    waiter?.reject(error);
  }

  private interrupt(): void {
    Atomics.store(this.live, LIVE.stopRequest, 1);
    // The owner may be waiting for the wall clock.
    const { owner } = this.parts.ownership;
    if (owner !== HOST) this.parts.ownership.ring(owner - 1);
  }

  private setLimits({ ticks, steps, switches }: RunLimits): void {
    this.live[LIVE.switchesLeft] = switches ?? -1;
    this.live[LIVE.stepsLeft] = steps ?? -1;
    this.limitTick[0] = ticks === undefined ? Number.POSITIVE_INFINITY : this.parts.nowTick() + ticks;
  }
}
