// SPDX-License-Identifier: MIT
//
// Turns the records of the trace ring into events, in their order, and puts the phases of one switch together.
import type { EventEmitter } from 'eventemitter3';
import { ConsoleRing } from '../shared/console-ring.ts';
import { DIRECTION_NAMES, Direction, JUMP_LINES, PHASES } from '../shared/jump-lines.ts';
import type { KernelSlot } from '../shared/kernel-slot.ts';
import { KernelState, stateName } from '../shared/lifecycle.ts';
import type { MachineMemory } from '../shared/machine-memory.ts';
import type { MachineViews } from '../shared/machine-views.ts';
import { stopCodeName } from '../shared/stop.ts';
import { type TraceRecord, TraceRing, TraceType } from '../shared/trace-ring.ts';
import { ConsoleLog } from './console-log.ts';
import { deathInMachine } from './death/machine-death.ts';
import type { MachineEvents, PhaseEvent, RefusedEvent, StopReport, SwitchReport } from './events.ts';
import { OpenSwitch } from './open-switch.ts';

export class TraceReader {
  private readonly views: MachineViews;
  private readonly machine: MachineMemory;
  private readonly slots: readonly KernelSlot[];
  private readonly events: EventEmitter<MachineEvents>;
  private readonly ring: TraceRing;
  private readonly decoders = new Map<number, TextDecoder>();
  private readonly logs: { life: number; log: ConsoleLog }[] = [];
  private open = new OpenSwitch();
  private readonly names: { life: number; name: string }[] = [];
  /** The last switch that was completed, and the last refusal: what a jump reports. */
  lastSwitch: SwitchReport | null = null;
  lastRefusal: RefusedEvent | null = null;

  constructor(views: MachineViews, events: EventEmitter<MachineEvents>) {
    this.views = views;
    this.machine = views.machine;
    this.slots = views.slots;
    this.events = events;
    this.ring = new TraceRing(views.machine);
  }

  /** Emits everything that lies in the ring. What a listener throws is its own uncaught exception: the machine goes on. */
  drain(): void {
    this.ring.drain((record) => this.guarded(() => this.read(record)));
  }

  private guarded(emit: () => void): void {
    try {
      emit();
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  forgetJump(): void {
    this.runEnded();
    this.lastSwitch = null;
    this.lastRefusal = null;
  }

  /** The host brought a kernel in, after one that was over. */
  enteredFromHost(from: KernelSlot, to: KernelSlot | null, tick: number): void {
    this.close();
    this.open.handOver({ ...NO_RECORD, type: TraceType.handOver, a: from.index, b: to?.index ?? -1, tick });
  }

  /** The run is over: a switch whose newcomer is still on its way back is reported as far as it went. */
  runEnded(): void {
    this.drain();
    if (this.open.isHandedOver) this.guarded(() => this.close());
  }

  /** Takes what was written from one tick to another. */
  private console(slot: number, count: number, firstTick: number, tick: number): void {
    const bytes = new ConsoleRing(this.machine, slot).read(count);
    const text = this.decoder(slot).decode(bytes, { stream: true });
    this.logOf(slot).append(text, firstTick, tick);
    this.events.emit('console', { kernel: this.nameOf(slot), text, tick });
  }

  /** A thread died and could not say that its kernel is over, nor announce what it had written last. */
  threadDied(slot: number, tick: number): void {
    this.close();
    const { unread } = new ConsoleRing(this.machine, slot);
    if (unread > 0) this.console(slot, unread, tick, tick);
    this.stopped(slot, tick);
  }

  private stopped(slot: number, tick: number): void {
    const event = this.slots[slot].state === KernelState.CRASHED ? 'crash' : 'off';
    // A death report is not made for nobody.
    if (this.events.listenerCount(event) > 0) this.events.emit(event, this.endOf(slot, tick));
  }

  /** How a kernel ended; for machine code that still has the machine, with the report of its death. */
  endOf(index: number, tick: number): StopReport {
    const kernel = this.nameOf(index);
    const report = deathInMachine(this.views, this.slots[index], kernel);
    const stop = stopReport(this.slots[index], kernel, tick);
    return report === null ? stop : { ...stop, report };
  }

  /** The name of a kernel stays readable after its slot was given up. Decoded once a life: every record asks. */
  nameOf(index: number): string {
    const slot = this.slots[index];
    const life = slot?.get('life') ?? 0;
    const known = this.names[index];
    if (slot === undefined || (known !== undefined && (known.life === life || slot.state === KernelState.EMPTY))) {
      return known?.name ?? `slot ${index}`;
    }
    this.names[index] = { life, name: slot.name };
    return slot.name;
  }

  private read(record: TraceRecord): void {
    const kernel = this.nameOf(record.kernel);
    const { tick } = record;
    switch (record.type) {
      case TraceType.phase:
        this.phase(record, kernel);
        return;
      case TraceType.handOver:
        if (this.open.isHandedOver) this.close();
        this.open.handOver(record);
        return;
      case TraceType.wake:
        if (this.open.wake(record)) this.close();
        return;
      case TraceType.refused:
        this.refused(record, kernel);
        return;
      case TraceType.console:
        this.console(record.kernel, record.a, tick - record.b, tick);
        return;
      case TraceType.stop:
        this.close();
        this.stopped(record.kernel, tick);
        return;
    }
  }

  private phase(record: TraceRecord, kernel: string): void {
    const event: PhaseEvent = {
      kernel,
      line: PHASES[record.a],
      direction: DIRECTION_NAMES[record.b],
      errno: record.c,
      tick: record.tick,
      durationUs: record.duration,
    };
    if (this.open.isHandedOver && record.b === Direction.down) this.close();
    const isLast = this.open.phase(record, event);
    this.events.emit('phase', event);
    if (isLast) this.close();
  }

  /** Reports the switch, if it came to one; the next record opens another. */
  private close(): void {
    const report = this.open.report((slot) => this.nameOf(slot));
    this.open = new OpenSwitch();
    if (report === null) return;
    this.lastSwitch = report;
    this.events.emit('switch', report);
  }

  private refused(record: TraceRecord, kernel: string): void {
    const line = JUMP_LINES[record.b];
    this.lastRefusal = { kernel, errno: record.a, line, byTest: record.c === 1, tick: record.tick };
    // Its lines are gone with it.
    this.open = new OpenSwitch();
    this.events.emit('refused', this.lastRefusal);
  }

  /** What the kernel in this slot has written, of all that was drained here. */
  logOf(slot: number): ConsoleLog {
    const life = this.slots[slot].get('life');
    if (this.logs[slot]?.life !== life) this.logs[slot] = { life, log: new ConsoleLog() };
    return this.logs[slot].log;
  }

  private decoder(slot: number): TextDecoder {
    const decoder = this.decoders.get(slot) ?? new TextDecoder();
    this.decoders.set(slot, decoder);
    return decoder;
  }
}

/** The report of a kernel's end, from its slot. */
export function stopReport(slot: KernelSlot, kernel: string, tick: number): StopReport {
  return {
    kernel,
    state: stateName(slot.state),
    code: stopCodeName(slot.get('stopCode')),
    address: slot.address('stopAddress'),
    text: slot.stopText,
    exitStatus: slot.get('exitStatus'),
    tick,
  };
}

const NO_RECORD: TraceRecord = { type: 0, kernel: -1, a: 0, b: 0, c: 0, d: 0, tick: 0, wall: 0, duration: 0 };
