// SPDX-License-Identifier: MIT
//
// Threads, trace and execution of one machine, wired together: who may touch the machine when, what threads say, and what their
// ends mean. The machine's public calls stand on `held` and `burst`.
import { availableParallelism } from 'node:os';
import type { Remote } from 'comlink';
import type { EventEmitter } from 'eventemitter3';
import { ConsoleInput } from '../shared/console-input.ts';
import { KernelState } from '../shared/lifecycle.ts';
import { HOST } from '../shared/ownership.ts';
import type { KernelControl, Signal, ThreadOptions } from '../shared/protocol.ts';
import { StopReason, type StopReasonValue, stopReasonName } from '../shared/stop.ts';
import type { MachineEvents, RunReport } from './events.ts';
import { Execution, type RunLimits, type Stop } from './execution.ts';
import type { MachineParts } from './machine-parts.ts';
import type { ResolvedOptions } from './options.ts';
import { recoverFromDeath } from './recovery.ts';
import { aborted, crashed, isOver, machineClosed, nothingToRun } from './refusals.ts';
import { TraceReader } from './trace-reader.ts';
import { WorkerHost } from './worker-host.ts';

const LISTEN_EVERY_MS = 50;
/** Virtual time after which a run looks whether what it waits for has come: a million instructions. */
const LOOK_EVERY_TICKS = 10_000_000;

export class Conductor {
  readonly reader: TraceReader;
  private readonly parts: MachineParts;
  private readonly events: EventEmitter<MachineEvents>;
  private readonly execution: Execution;
  private readonly host: WorkerHost;
  private closed: Promise<void> | null = null;

  constructor(parts: MachineParts, events: EventEmitter<MachineEvents>) {
    this.parts = parts;
    this.events = events;
    const { machine, ownership, clock, options } = parts;
    this.reader = new TraceReader(parts, events);
    this.host = new WorkerHost(machine, ownership, threadOptions(options), options.threads, {
      signal: (signal) => this.onSignal(signal),
      gone: (slot, error) => this.onThreadGone(slot, error),
      cannotStart: (error) => this.execution.end(error),
      spareable: () => this.spareableSlots(),
    });
    this.execution = new Execution({
      ownership,
      nowTick: () => clock.nowTick(),
      current: () => clock.current,
      over: () => this.over(),
      attach: (slot) => this.host.attach(slot),
    });
  }

  // ---- the CPU ----------------------------------------------------------------------------------------------------

  /** Runs `work` while the host owns the CPU and nothing moves; a run under way pauses for it. */
  async held<T>(work: () => Promise<T> | T): Promise<T> {
    this.requireOpen();
    return this.execution.held(work);
  }

  /** While held: lets the machine run to these limits. Throws `KERNEL_CRASHED` or `WINDOW_VIOLATION` if a kernel ended so. */
  async burst(limits: RunLimits): Promise<void> {
    const { reason, kernel } = await this.execution.burst(limits);
    this.reader.runEnded();
    if (reason !== StopReason.crashed) return;
    throw crashed(this.reader.endOf(kernel, this.parts.clock.nowTick()));
  }

  /** Throws `BAD_STATE` if there is nothing to run, and `ABORTED` at the slice boundary behind the signal. */
  run(limits: RunLimits, signal?: AbortSignal): Promise<RunReport> {
    return this.attended(() => this.execution.run(limits), signal);
  }

  /** Runs for so many ticks, or until `done` says so at the end of a slice: where that is depends on virtual time alone. */
  runUntil(done: () => boolean, ticks: number, signal?: AbortSignal): Promise<RunReport> {
    const { clock } = this.parts;
    const endTick = clock.nowTick() + ticks;
    const slice = (): RunLimits => ({ ticks: Math.min(LOOK_EVERY_TICKS, endTick - clock.nowTick()) });
    const next = (): RunLimits | null => {
      this.reader.drain();
      return done() || clock.nowTick() >= endTick ? null : slice();
    };
    return this.attended(() => this.execution.run(slice(), next), signal);
  }

  private async attended(run: () => Promise<Stop>, signal: AbortSignal | undefined): Promise<RunReport> {
    this.requireOpen();
    const current = this.parts.currentSlot;
    if (current === null || isOver(current)) throw nothingToRun(current);
    if (signal?.aborted) throw aborted(signal);
    const onAbort = () => this.execution.pause();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      const report = await this.listenedTo(run);
      if (signal?.aborted) throw aborted(signal);
      return report;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  private async listenedTo(run: () => Promise<Stop>): Promise<RunReport> {
    // Threads call when they have come somewhere. What a kernel writes to its console on the way is to be seen before that.
    const listening = setInterval(() => this.reader.drain(), LISTEN_EVERY_MS);
    const { reason, kernel } = await run().finally(() => clearInterval(listening));
    this.reader.runEnded();
    const { clock } = this.parts;
    const report: RunReport = {
      reason: stopReasonName(reason),
      kernel: this.reader.nameOf(kernel),
      tick: clock.nowTick(),
      switches: clock.switches,
    };
    this.events.emit('stopped', report);
    return report;
  }

  pause(): void {
    this.execution.pause();
  }

  get isClosed(): boolean {
    return this.closed !== null;
  }

  requireOpen(): void {
    if (this.closed !== null) throw machineClosed();
  }

  /** Types on a kernel's console, whether it runs or not; the number of bytes that there was room for. */
  type(slot: number, bytes: Uint8Array): number {
    const { machine, ownership } = this.parts;
    const typed = new ConsoleInput(machine, slot).push(bytes);
    // Its thread may be waiting for the wall clock.
    if (ownership.isOwner(slot)) ownership.ring(slot);
    return typed;
  }

  // ---- threads ----------------------------------------------------------------------------------------------------

  callThread<T>(slot: number, use: (control: Remote<KernelControl>) => Promise<T>): Promise<T> {
    return this.host.call(slot, use);
  }

  /** Ends the thread of a slot at once. */
  kill(slot: number): Promise<void> {
    return this.host.kill(slot);
  }

  /** The thread of a kernel that does not have the CPU leaves. */
  detach(slot: number): Promise<void> {
    return this.host.detach(slot);
  }

  close(): Promise<void> {
    this.closed ??= this.shutDown();
    return this.closed;
  }

  private async shutDown(): Promise<void> {
    this.execution.end(machineClosed());
    await this.host.close();
    this.reader.drain();
  }

  // ---- what threads say -------------------------------------------------------------------------------------------

  private onSignal(signal: Signal): void {
    this.reader.drain();
    if (signal.kind === 'stopped' || signal.kind === 'attach') this.look();
  }

  /**
   * Where is the CPU? Threads say that it moved, and may die before they can: the owner word decides what there is to do, so
   * that no signal can be lost, come late or come twice.
   */
  private look(): void {
    const { ownership } = this.parts;
    const { owner } = ownership;
    if (owner === HOST) this.execution.cameBack();
    else if (!ownership.hasThread(owner - 1)) {
      this.host.attach(owner - 1).catch((error: Error) => this.execution.end(error));
    }
  }

  private onThreadGone(slot: number, error: Error | null): void {
    this.reader.drain();
    const { ownership, clock } = this.parts;
    if (ownership.isOwner(slot) && recoverFromDeath(this.parts, slot, error)) {
      this.reader.threadDied(slot, clock.nowTick());
    }
    this.look();
  }

  /** Why the kernel that has the machine cannot run: null if it can. Throws `BAD_STATE` if there is none. */
  private over(): StopReasonValue | null {
    const slot = this.parts.currentSlot;
    if (slot === null || slot.state === KernelState.EMPTY) throw nothingToRun(null);
    if (!isOver(slot)) return null;
    return slot.state === KernelState.CRASHED ? StopReason.crashed : StopReason.powerOff;
  }

  /** Slots that can do without their thread: whoever is not at work in the CPU's way. */
  private spareableSlots(): number[] {
    const { slots, ownership } = this.parts;
    const busy: number[] = [KernelState.RUNNING, KernelState.QUIESCING];
    return slots.filter((s) => !busy.includes(s.state) && !ownership.isOwner(s.index)).map((s) => s.index);
  }
}

function threadOptions(options: ResolvedOptions): ThreadOptions {
  const { amnesia, spins, relocation, mode, clock, interpret, disk, secondDisk, virtio, rtcSeconds } = options;
  // One core is the working thread's; spinners beyond the others would take its time.
  const maxSpinners = Math.max(0, availableParallelism() - 1);
  const wallZero = Number(process.hrtime.bigint()) / 1000;
  return {
    amnesia,
    spins,
    maxSpinners,
    relocation,
    mode,
    clock,
    interpret,
    disk,
    secondDisk,
    virtio,
    rtcSeconds,
    wallZero,
  };
}
