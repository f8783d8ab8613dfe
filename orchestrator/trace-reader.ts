// SPDX-License-Identifier: MIT
//
// Turns the records of the trace ring into events, in their order, and puts the phases of one switch together.
import type { EventEmitter } from 'eventemitter3';
import { ConsoleRing } from '../shared/console-ring.ts';
import { DIRECTION_NAMES, Direction, JUMP_LINES, LINE, REPAIRS } from '../shared/jump-lines.ts';
import type { KernelSlot } from '../shared/kernel-slot.ts';
import { KernelState, stateName } from '../shared/lifecycle.ts';
import type { MachineMemory } from '../shared/machine-memory.ts';
import type { MachineViews } from '../shared/machine-views.ts';
import { stopCodeName } from '../shared/stop.ts';
import { type TraceRecord, TraceRing, TraceType } from '../shared/trace-ring.ts';
import { ConsoleLog } from './console-log.ts';
import { deathInMachine } from './death/machine-death.ts';
import type { MachineEvents, PhaseEvent, RefusedEvent, StopReport, SwitchReport } from './events.ts';

/** A switch whose target has not climbed all its lines yet. */
interface OpenSwitch {
  readonly phases: PhaseEvent[];
  startWall: number;
  handOver: TraceRecord | null;
  wake: TraceRecord | null;
}

export class TraceReader {
  private readonly views: MachineViews;
  private readonly machine: MachineMemory;
  private readonly slots: readonly KernelSlot[];
  private readonly events: EventEmitter<MachineEvents>;
  private readonly ring: TraceRing;
  private readonly decoders = new Map<number, TextDecoder>();
  private readonly logs: { life: number; log: ConsoleLog }[] = [];
  private open: OpenSwitch = newSwitch();
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
    this.lastSwitch = null;
    this.lastRefusal = null;
  }

  /** The host brought a kernel in, after one that was over. */
  enteredFromHost(from: KernelSlot, to: KernelSlot | null, tick: number): void {
    this.open = newSwitch();
    this.open.handOver = { ...NO_RECORD, type: TraceType.handOver, a: from.index, b: to?.index ?? -1, tick };
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
    this.open = newSwitch();
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
        this.open.handOver = record;
        // One that left by itself ran no lines: the switch begins here.
        if (this.open.phases.length === 0) this.open.startWall = record.wall;
        return;
      case TraceType.wake:
        this.wake(record);
        return;
      case TraceType.refused:
        this.refused(record, kernel);
        return;
      case TraceType.console:
        this.console(record.kernel, record.a, tick - record.b, tick);
        return;
      case TraceType.stop: {
        this.stopped(record.kernel, tick);
        return;
      }
    }
  }

  private phase(record: TraceRecord, kernel: string): void {
    const event: PhaseEvent = {
      kernel,
      line: JUMP_LINES[record.a],
      direction: DIRECTION_NAMES[record.b],
      errno: record.c,
      tick: record.tick,
      durationUs: record.duration,
    };
    // A jump's first line opens it; lines of a turned-round jump before it are gone with its refusal.
    if (record.a === LINE.lock && record.b === Direction.down) {
      this.open = newSwitch();
      this.open.startWall = record.wall - record.duration;
    }
    this.open.phases.push(event);
    this.events.emit('phase', event);
    if (record.a === LINE.lock && record.b === Direction.up) this.complete(record.wall);
  }

  private wake(record: TraceRecord): void {
    this.open.wake = record;
    // A kernel that is entered for the first time climbs nothing.
    if (this.open.handOver !== null && record.a === 1) this.complete(record.wall);
  }

  private complete(endWall: number): void {
    const { handOver, wake, phases, startWall } = this.open;
    this.open = newSwitch();
    if (handOver === null || wake === null) return;
    this.lastSwitch = {
      from: this.nameOf(handOver.a),
      to: this.nameOf(handOver.b),
      kind: handOver.d === 1 ? 'plain' : 'preserve',
      pages: handOver.c,
      tick: handOver.tick,
      phases,
      repaired: REPAIRS.filter((_, bit) => (wake.b & (1 << bit)) !== 0),
      // When the host brought it in, nobody handed over and the way up is all there is.
      handOverUs: handOver.wall === 0 ? 0 : wake.wall - handOver.wall,
      totalUs: endWall - (handOver.wall === 0 ? wake.wall : startWall),
    };
    this.events.emit('switch', this.lastSwitch);
  }

  private refused(record: TraceRecord, kernel: string): void {
    const line = JUMP_LINES[record.b];
    this.lastRefusal = { kernel, errno: record.a, line, byTest: record.c === 1, tick: record.tick };
    this.open = newSwitch();
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
const newSwitch = (): OpenSwitch => ({ phases: [], startWall: 0, handOver: null, wake: null });
