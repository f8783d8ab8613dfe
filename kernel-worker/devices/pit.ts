// SPDX-License-Identifier: MIT
// The 8254 of a PC at ports 0x40-0x43, with port 0x61, which gates counter 2 and shows its output. Counter 0's OUT is
// IRQ 0. A core (syscore) device: the way down notes the pulse it is stopped at, the way up lets every counter go on from
// there. Bytes in shared/layout/pit-state.ts.
import { Errno } from '../../shared/errno.ts';
import { PIT, PIT_COUNTER_BYTES } from '../../shared/layout/pit-state.ts';
import type { Bus } from '../bus.ts';
import type { Clock, Device, DeviceParts, InterruptLine, PmCallbacks } from './device.ts';
import { cyclesInTicks, ticksForCycles } from './exact-rate.ts';
import { PitCounter } from './pit-counter.ts';

/** Linux's PIT_TICK_RATE. */
const CLK_HZ = 1_193_182;
const COUNTER_PORT = 0x40;
const CONTROL_PORT = 0x43;
const PORT_B = 0x61;
const PORT_B_GATE2 = 0x01;
const PORT_B_WRITABLE = 0x0f;
const PORT_B_REFRESH = 0x10;
const PORT_B_OUT2 = 0x20;
/** CLK pulses between two refresh requests of a PC, each of which toggles the refresh bit. */
const REFRESH_CLOCKS = 18;
const READ_BACK = 3;
const READ_BACK_NO_COUNT = 0x20;
const READ_BACK_NO_STATUS = 0x10;

export class Pit implements Device {
  readonly name = 'pit';
  readonly parent = null;
  readonly pm: PmCallbacks = {
    suspendSyscore: () => this.suspend(),
    resumeSyscore: () => this.resume(),
    inherit: () => this.forgetSuspend(),
  };
  private readonly view: DataView;
  private readonly base: number;
  private readonly clock: Clock;
  private readonly counters: readonly PitCounter[];

  /** `irq` is driven with the level of counter 0's OUT. */
  constructor({ view, base, clock, irq }: DeviceParts & { readonly irq: InterruptLine }) {
    this.view = view;
    this.base = base;
    this.clock = clock;
    const unconnected = (): void => {};
    this.counters = [irq, unconnected, unconnected].map(
      (onOut, index) => new PitCounter(view, base + index * PIT_COUNTER_BYTES, onOut),
    );
  }

  attach(bus: Bus): void {
    bus.claimPorts(this.name, COUNTER_PORT, CONTROL_PORT - 1, {
      read8: (port) => this.counterNow(port - COUNTER_PORT).read(this.nowClock()),
      write8: (port, value) => this.counterNow(port - COUNTER_PORT).write(value, this.nowClock()),
    });
    bus.claimPorts(this.name, CONTROL_PORT, CONTROL_PORT, { write8: (_port, value) => this.writeControl(value) });
    bus.claimPorts(this.name, PORT_B, PORT_B, {
      read8: () => this.readPortB(),
      write8: (_port, value) => this.writePortB(value),
    });
  }

  reset(): void {
    // GATE0 and GATE1 are wired high; GATE2 is bit 0 of port 0x61.
    for (const [index, counter] of this.counters.entries()) counter.reset(index !== 2);
    this.view.setUint8(this.base + PIT.PORT_B, 0);
    this.forgetSuspend();
  }

  /** Only counter 0 can interrupt; the others are advanced when somebody looks. */
  deadlineTick(): number {
    return ticksForCycles(this.counters[0]!.nextClock, CLK_HZ);
  }

  onDeadline(nowTick: number): void {
    this.counters[0]!.advance(cyclesInTicks(nowTick, CLK_HZ));
  }

  busyReason(): null {
    return null;
  }

  private nowClock(): number {
    return cyclesInTicks(this.clock.nowTick(), CLK_HZ);
  }

  private counterNow(index: number): PitCounter {
    const counter = this.counters[index]!;
    counter.advance(this.nowClock());
    return counter;
  }

  private writeControl(value: number): void {
    const select = value >> 6;
    if (select === READ_BACK) {
      this.readBack(value);
      return;
    }
    const counter = this.counterNow(select);
    if ((value & 0x30) === 0) counter.latchCount(this.nowClock());
    else counter.writeControl(value, this.nowClock());
  }

  private readBack(command: number): void {
    for (let index = 0; index < 3; index++) {
      if (!(command & (2 << index))) continue;
      const counter = this.counterNow(index);
      if (!(command & READ_BACK_NO_COUNT)) counter.latchCount(this.nowClock());
      if (!(command & READ_BACK_NO_STATUS)) counter.latchStatus();
    }
  }

  private readPortB(): number {
    const refresh = Math.floor(this.nowClock() / REFRESH_CLOCKS) % 2 === 1 ? PORT_B_REFRESH : 0;
    const out2 = this.counterNow(2).out ? PORT_B_OUT2 : 0;
    return this.view.getUint8(this.base + PIT.PORT_B) | refresh | out2;
  }

  private writePortB(value: number): void {
    this.view.setUint8(this.base + PIT.PORT_B, value & PORT_B_WRITABLE);
    this.counterNow(2).setGate((value & PORT_B_GATE2) !== 0, this.nowClock());
  }

  private suspend(): Errno {
    this.view.setFloat64(this.base + PIT.SUSPENDED_CLOCK, this.nowClock(), true);
    return Errno.OK;
  }

  private resume(): Errno {
    const suspendedClock = this.view.getFloat64(this.base + PIT.SUSPENDED_CLOCK, true);
    if (suspendedClock === Number.POSITIVE_INFINITY) return Errno.OK;
    const away = this.nowClock() - suspendedClock;
    for (const counter of this.counters) counter.delay(away);
    this.forgetSuspend();
    return Errno.OK;
  }

  private forgetSuspend(): void {
    this.view.setFloat64(this.base + PIT.SUSPENDED_CLOCK, Number.POSITIVE_INFINITY, true);
  }
}
