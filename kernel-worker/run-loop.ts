// SPDX-License-Identifier: MIT
//
// The life of a thread in a kernel slot: wait for the bell; while the kernel owns the CPU, run it slice by slice and stop for
// a reason. Between slices it looks at its bell (control messages), the host's wishes and the limits of the run.
import { setImmediate } from 'node:timers/promises';
import { Request } from '../shared/jump-lines.ts';
import type { KernelSlot } from '../shared/kernel-slot.ts';
import { LIVE } from '../shared/layout/live-words.ts';
import { KernelState } from '../shared/lifecycle.ts';
import type { TaskResult } from '../shared/protocol.ts';
import { StopCode, StopReason, type StopReasonValue } from '../shared/stop.ts';
import { TraceType } from '../shared/trace-ring.ts';
import type { Board } from './board.ts';
import { type Engine, EngineStop, type EngineStopValue } from './engines/engine.ts';
import { engineFor } from './engines/engine-for.ts';
import { leaveByItself } from './guest-jump.ts';
import { kernelKexec, kernelResume } from './kernel-kexec.ts';

/** In real-time mode virtual time may run ahead of the wall by this much. */
const AHEAD_TICKS = 1_000_000;

export interface LoopStatistics {
  wakes: number;
  slices: number;
}

/**
 * A thread that was away for less than this, lately, spins for its next turn. Longer than it takes to wake a blocked thread: or
 * two kernels that have once blocked would go on to block for each other for ever.
 */
const WORTH_SPINNING_MS = 0.3;
/** Longer absences count as this one: a machine that stood still says nothing of the turns to come. */
const ABSENCE_MAX_MS = 1;

/** What the thread must do next. */
type Next = 'go-on' | 'wait' | 'detach' | 'end';

export class RunLoop {
  private readonly board: Board;
  private readonly slot: KernelSlot;
  private engine: Engine;
  /** Serves the control messages that have come in; their number. */
  private readonly pump: () => number;
  private readonly live: Int32Array;
  private readonly limitTick: Float64Array;
  private generation: number;
  private life: number;
  /** Virtual time minus wall time, both in ticks, when this thread got the CPU. */
  private paceTicks = 0;
  /** When this thread last gave the CPU away, and how long it was without it lately. */
  private leftAtMs = 0;
  private absenceMs = 0;
  readonly statistics: LoopStatistics = { wakes: 0, slices: 0 };

  constructor(board: Board, slot: KernelSlot, pump: () => number) {
    this.board = board;
    this.slot = slot;
    this.engine = engineFor(board, slot);
    this.pump = pump;
    this.generation = board.clock.generation;
    this.life = slot.get('life');
    this.live = board.ownership.live;
    this.limitTick = new Float64Array(this.live.buffer, this.live.byteOffset + LIVE.runLimitTick * 4, 1);
  }

  get engineName(): string {
    return this.engine.name;
  }

  async run(): Promise<TaskResult> {
    const { ownership } = this.board;
    const { index } = this.slot;
    // A thread that has just left the CPU is likely to get it back soon.
    let justLeft = false;
    let owning = false;
    for (;;) {
      const bell = ownership.bell(index);
      if (this.pump() > 0) {
        // One turn of the event loop answers the request.
        await setImmediate();
        continue;
      }
      if (ownership.isOwner(index)) {
        if (!owning) this.takeUp();
        owning = true;
        const next = this.ownTheCpu();
        if (next === 'end') return 'ended';
        if (next === 'detach') return 'detached';
        justLeft = next === 'wait';
        if (justLeft) this.leftAtMs = performance.now();
        owning = next === 'go-on';
        continue;
      }
      if (this.slot.state === KernelState.EMPTY || this.slot.state === KernelState.OFF) return 'ended';
      if (ownership.isAskedToDetach(index)) return 'detached';
      const { spins, maxSpinners } = this.board.options;
      const worth = justLeft && this.absenceMs < WORTH_SPINNING_MS;
      ownership.waitForBell(index, bell, worth ? spins : 0, maxSpinners);
      justLeft = false;
    }
  }

  /** The kernel owns the CPU: wakes if it has not yet, then runs one slice. */
  private ownTheCpu(): Next {
    const { slot, board } = this;
    this.noticeNewLife();
    if (slot.state === KernelState.LOADED || slot.state === KernelState.PARKED) return this.wake();
    if (slot.get('request') !== Request.none) return this.serve(EngineStop.request);
    const steps = this.live[LIVE.stepsLeft];
    if (steps === 0 || this.live[LIVE.switchesLeft] === 0 || board.clock.nowTick() >= this.limitTick[0]) {
      return this.stopForHost(StopReason.limit);
    }
    if (Atomics.load(this.live, LIVE.stopRequest) !== 0) return this.stopForHost(StopReason.requested);
    this.pace();
    this.statistics.slices++;
    const { slice } = this.engine;
    const budget = steps < 0 ? slice : Math.min(steps, slice);
    const before = slot.steps;
    const stop = this.engine.run(budget, this.limitTick[0]);
    board.endLine();
    if (steps > 0) this.live[LIVE.stepsLeft] = Math.max(0, steps - (slot.steps - before));
    return this.serve(stop);
  }

  /** A restore has put other bytes under everything that was derived from them, or another kernel is in the slot. */
  private noticeNewLife(): void {
    const { generation } = this.board.clock;
    const life = this.slot.get('life');
    if (generation === this.generation && life === this.life) return;
    this.generation = generation;
    this.life = life;
    this.engine = engineFor(this.board, this.slot, this.engine);
    this.board.touchDeadlines();
  }

  private wake(): Next {
    const { board, slot, engine } = this;
    this.statistics.wakes++;
    const first = slot.state === KernelState.LOADED;
    board.powerOn();
    kernelResume(board, slot, engine);
    board.touchDeadlines();
    return first ? this.serve(engine.enter()) : 'go-on';
  }

  private serve(stop: EngineStopValue): Next {
    switch (stop) {
      case EngineStop.budget:
        return this.board.debugExit.requested ? this.debugExit() : 'go-on';
      case EngineStop.deadlock:
        return this.stopForHost(StopReason.deadlock);
      case EngineStop.stopped:
        return this.end(KernelState.CRASHED, StopReason.crashed);
      case EngineStop.request:
        return this.serveRequest();
    }
  }

  private serveRequest(): Next {
    const { board, slot } = this;
    const request = slot.get('request');
    if (request === Request.powerOff) {
      slot.setStop(StopCode.powerOff, 0, `power off with status ${slot.get('exitStatus')}`);
      return this.end(KernelState.OFF, StopReason.powerOff);
    }
    if (request === Request.reset) {
      slot.setStop(StopCode.reset, board.cpu.eip >>> 0, 'it asked for a reset of the machine');
      return this.end(KernelState.OFF, StopReason.powerOff);
    }
    if (request === Request.stop) return this.end(KernelState.CRASHED, StopReason.crashed);
    // The run has no switch left: the request stays, and is the first thing that the next run serves.
    if (this.live[LIVE.switchesLeft] === 0) return this.stopForHost(StopReason.limit);
    if (request === Request.arrived) return this.leftByItself();
    if (kernelKexec(board, slot, this.engine) !== 0) return 'go-on';
    if (request === Request.return) return 'end';
    if (!board.options.amnesia) return 'wait';
    // The thread forgets everything; whoever hands the CPU back finds no thread and asks for a new one.
    return 'detach';
  }

  /** Machine code has handed the CPU over without asking anybody. */
  private leftByItself(): Next {
    const { board, slot } = this;
    const at = board.cpu.eip >>> 0;
    const deadEnd = leaveByItself(board, slot, this.engine);
    if (deadEnd !== null) {
      slot.setStop(deadEnd.code, at, deadEnd.text);
      return this.end(KernelState.CRASHED, StopReason.crashed);
    }
    if (slot.state === KernelState.OFF) return 'end';
    return board.options.amnesia ? 'detach' : 'wait';
  }

  private debugExit(): Next {
    const { slot, board } = this;
    slot.set('exitStatus', board.debugExit.status);
    slot.setStop(StopCode.debugExit, 0, `exit through port 0xF4 with status ${board.debugExit.status}`);
    return this.end(KernelState.OFF, StopReason.powerOff);
  }

  private end(state: typeof KernelState.OFF | typeof KernelState.CRASHED, reason: StopReasonValue): Next {
    const { board, slot } = this;
    slot.moveTo(state);
    board.trace(TraceType.stop, slot.index, board.wallNow(), 0, slot.get('stopCode'), slot.get('stopAddress'));
    this.stopForHost(reason);
    return 'end';
  }

  /** Gives the CPU back to the host: the reason first, then the owner store, then the signal. */
  private stopForHost(reason: StopReasonValue): Next {
    this.engine.flush();
    this.live[LIVE.stopReason] = reason;
    this.live[LIVE.stopKernel] = this.slot.index;
    this.board.ownership.giveToHost();
    this.board.signal({ kind: 'stopped' });
    return 'wait';
  }

  /** The CPU is this thread's again. */
  private takeUp(): void {
    const absence = Math.min(ABSENCE_MAX_MS, performance.now() - this.leftAtMs);
    this.absenceMs += (absence - this.absenceMs) / 4;
    this.setPace();
  }

  /** Real-time mode: virtual time and wall go together from here on; what passed before is no backlog. */
  private setPace(): void {
    this.paceTicks = this.board.clock.nowTick() - this.board.wallNow() * 1000;
  }

  /** Real-time mode: waits until the wall has caught up with virtual time; its own bell wakes it earlier. */
  private pace(): void {
    const { board } = this;
    if (board.options.clock !== 'realtime') return;
    const ahead = board.clock.nowTick() - board.wallNow() * 1000 - this.paceTicks;
    if (ahead <= AHEAD_TICKS) return;
    const bell = board.ownership.bell(this.slot.index);
    // The wish is stored before the bell is rung: either it is seen here, or the bell is no longer the one that was read.
    if (Atomics.load(this.live, LIVE.stopRequest) !== 0) return;
    board.ownership.waitForBell(this.slot.index, bell, 0, 0, ahead / 1e6);
  }
}
