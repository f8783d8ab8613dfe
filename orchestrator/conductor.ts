// SPDX-License-Identifier: MIT
//
// Threads, trace and execution of one machine, wired together: who may touch the machine when, what threads say, and what their
// ends mean. The machine's public calls stand on `held` and `burst`.
import { availableParallelism } from 'node:os';
import type { Remote } from 'comlink';
import type { EventEmitter } from 'eventemitter3';
import { KernelState } from '../shared/lifecycle.ts';
import type { KernelControl, Signal, ThreadOptions } from '../shared/protocol.ts';
import { StopReason, stopReasonName } from '../shared/stop.ts';
import type { MachineEvents, RunReport } from './events.ts';
import { Execution, type RunLimits, type Stop } from './execution.ts';
import type { MachineParts } from './machine-parts.ts';
import type { ResolvedOptions } from './options.ts';
import { recoverFromDeath } from './recovery.ts';
import { crashed, machineClosed } from './refusals.ts';
import { stopReport, TraceReader } from './trace-reader.ts';
import { WorkerHost } from './worker-host.ts';

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
    const { machine, ownership, slots, clock, options } = parts;
    this.reader = new TraceReader(machine, slots, events);
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
    this.reader.drain();
    if (reason !== StopReason.crashed) return;
    throw crashed(stopReport(this.parts.slots[kernel], this.reader.nameOf(kernel), this.parts.clock.nowTick()));
  }

  async run(limits: RunLimits): Promise<RunReport> {
    const { reason, kernel }: Stop = await this.execution.run(limits);
    this.reader.drain();
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

  requireOpen(): void {
    if (this.closed !== null) throw machineClosed();
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
    if (signal.kind === 'stopped') this.execution.cameBack();
    if (signal.kind === 'attach') {
      // A forgetful thread has ended, or will, when its kernel needs another.
      if (this.parts.options.amnesia) this.host.release(signal.slot);
      this.attach(signal.slot);
    }
  }

  private attach(slot: number): void {
    this.host.attach(slot).catch((error: Error) => this.execution.end(error));
  }

  private onThreadGone(slot: number, error: Error | null): void {
    this.reader.drain();
    if (!this.parts.ownership.isOwner(slot)) return;
    if (recoverFromDeath(this.parts, slot, error) === 'attach') {
      this.attach(slot);
      return;
    }
    this.reader.threadDied(slot, this.parts.clock.nowTick());
    this.execution.cameBack({ reason: StopReason.crashed, kernel: slot });
  }

  /** Slots that can do without their thread: whoever is not at work in the CPU's way. */
  private spareableSlots(): number[] {
    const { slots, ownership } = this.parts;
    const busy: number[] = [KernelState.RUNNING, KernelState.QUIESCING];
    return slots.filter((s) => !busy.includes(s.state) && !ownership.isOwner(s.index)).map((s) => s.index);
  }
}

function threadOptions(options: ResolvedOptions): ThreadOptions {
  const { amnesia, spins, relocation, mode, clock, disk, rtcSeconds } = options;
  // One core is the working thread's; spinners beyond the others would take its time.
  const maxSpinners = Math.max(0, availableParallelism() - 1);
  const wallZero = Number(process.hrtime.bigint()) / 1000;
  return { amnesia, spins, maxSpinners, relocation, mode, clock, disk, rtcSeconds, wallZero };
}
