// SPDX-License-Identifier: MIT
// The MC146818 real-time clock (Motorola data sheet MC146818A) with 128 bytes of CMOS at ports 0x70/0x71, IRQ 8. Time is
// a base plus virtual time, so it goes on while another system has the machine. PF, AF and UF are worked out when
// somebody looks, up to flagsTick; only an enabled flag that is still clear needs a deadline, and so there is never more
// than one interrupt for any time away. It has a battery: seconds that passed outside while the machine was in an image, if they
// count (shared/layout/clock.ts), are made up for at the next look, alarms included. Bytes in shared/layout/rtc-state.ts.
import { Errno } from '../../shared/errno.ts';
import { CMOS_BYTES, RTC, RTC_STATE } from '../../shared/layout/rtc-state.ts';
import type { Bus } from '../bus.ts';
import { noteMemorySize } from './cmos-memory-size.ts';
import type { Clock, Device, DeviceParts, InterruptLine, PmCallbacks } from './device.ts';
import { cyclesInTicks, ticksForCycles } from './exact-rate.ts';
import { decodeTime, encodeTime, isTimeRegister, nextAlarmSecond, REGISTER_B } from './rtc-time.ts';

const NEVER = Number.POSITIVE_INFINITY;
const TICKS_PER_SECOND = 1e9;
const CRYSTAL_HZ = 32_768;
/** UIP rises 244 µs before an update cycle, which takes 1984 µs and ends as the new second begins. */
const UIP_TICKS = 244_000 + 1_984_000;
const INDEX_PORT = 0x70;
const DATA_PORT = 0x71;

const REGISTER_A = 0x0a;
const REGISTER_C = 0x0c;
const REGISTER_D = 0x0d;
const A_RS = 0x0f;
const A_DV_RESET = 0x60;
const A_UIP = 0x80;
const A_POWER_ON = 0x26;
const B_24_HOURS = 0x02;
const B_UIE = 0x10;
const B_ENABLES = 0x70;
const B_SET = 0x80;
const C_UF = 0x10;
const C_AF = 0x20;
const C_PF = 0x40;
const C_IRQF = 0x80;
const D_VRT = 0x80;

export class Rtc implements Device {
  readonly name = 'rtc';
  readonly parent = 'platform';
  readonly pm: PmCallbacks = {
    freeze: () => this.freeze(),
    restore: () => this.restore(),
    inherit: () => {
      this.forgetFreeze();
      this.updateLine();
    },
  };
  private readonly view: DataView;
  private readonly base: number;
  private readonly clock: Clock;
  private readonly irq: InterruptLine;
  private readonly unixSeconds: number;
  private readonly memoryBytes: number;
  private readonly outsideSeconds: () => number;
  private readonly cmos: Uint8Array;

  /**
   * `unixSeconds`, a whole number, is what a reset sets the clock to at tick 0; `memoryBytes` is the size of RAM, which a reset
   * notes in the CMOS memory, as firmware does.
   */
  constructor(
    parts: DeviceParts & {
      readonly irq: InterruptLine;
      readonly unixSeconds: number;
      readonly memoryBytes: number;
      /** Seconds that have passed outside of virtual time, in all. */
      readonly outsideSeconds: () => number;
    },
  ) {
    this.view = parts.view;
    this.base = parts.base;
    this.clock = parts.clock;
    this.irq = parts.irq;
    this.unixSeconds = parts.unixSeconds;
    this.memoryBytes = parts.memoryBytes;
    this.outsideSeconds = parts.outsideSeconds;
    this.cmos = new Uint8Array(parts.view.buffer, parts.view.byteOffset + parts.base + RTC.CMOS, CMOS_BYTES);
  }

  attach(bus: Bus): void {
    bus.claimPorts(this.name, INDEX_PORT, DATA_PORT, {
      // Port 0x70 is write-only on a PC.
      read8: (port) => (port === INDEX_PORT ? 0xff : this.read()),
      write8: (port, value) => (port === INDEX_PORT ? this.setIndex(value) : this.write(value)),
    });
  }

  /** Bit 7 of port 0x70. */
  get nmiDisabled(): boolean {
    return (this.view.getUint8(this.base + RTC.INDEX) & 0x80) !== 0;
  }

  reset(): void {
    for (let offset = 0; offset < RTC_STATE.bytes; offset++) this.view.setUint8(this.base + offset, 0);
    this.cmos[REGISTER_A] = A_POWER_ON;
    this.cmos[REGISTER_B] = B_24_HOURS;
    this.cmos[REGISTER_D] = D_VRT;
    this.setValue(RTC.BASE_SECONDS, this.unixSeconds);
    this.setValue(RTC.FLAGS_TICK, this.clock.nowTick());
    this.setValue(RTC.OUTSIDE_SECONDS, this.outsideSeconds());
    this.setValue(RTC.DEADLINE, NEVER);
    encodeTime(this.cmos, this.unixSeconds);
    noteMemorySize(this.cmos, this.memoryBytes);
  }

  deadlineTick(): number {
    return this.value(RTC.OUTSIDE_SECONDS) === this.outsideSeconds() ? this.value(RTC.DEADLINE) : 0;
  }

  onDeadline(nowTick: number): void {
    this.catchUp(nowTick);
    this.arm();
    this.updateLine();
  }

  busyReason(): null {
    return null;
  }

  private setIndex(value: number): void {
    this.view.setUint8(this.base + RTC.INDEX, value);
  }

  private get index(): number {
    return this.view.getUint8(this.base + RTC.INDEX) & 0x7f;
  }

  private read(): number {
    const now = this.clock.nowTick();
    const index = this.index;
    this.catchUp(now);
    if (isTimeRegister(index)) this.refresh(now);
    let value = this.cmos[index]!;
    if (index === REGISTER_A && this.updateInProgress(now)) value |= A_UIP;
    if (index === REGISTER_C) this.cmos[REGISTER_C] = 0;
    this.arm();
    this.updateLine();
    return value;
  }

  private write(value: number): void {
    const now = this.clock.nowTick();
    const index = this.index;
    this.catchUp(now);
    if (index === REGISTER_A) this.writeControl(now, REGISTER_A, value & ~A_UIP);
    else if (index === REGISTER_B) this.writeControl(now, REGISTER_B, value & B_SET ? value & ~B_UIE : value);
    else if (index !== REGISTER_C && index !== REGISTER_D) {
      if (isTimeRegister(index)) this.refresh(now);
      this.cmos[index] = value;
      if (isTimeRegister(index) && this.running) this.takeTimeFromRegisters(now);
    }
    this.arm();
    this.updateLine();
  }

  /**
   * SET and a divider held in reset both stop the time registers, which then are plain memory; when neither does any more,
   * time goes on from what they hold. A divider that leaves reset makes its first update half a second later.
   */
  private writeControl(now: number, register: number, value: number): void {
    const ran = this.running;
    const wasReset = this.dividerReset;
    this.refresh(now);
    this.cmos[register] = value;
    if (wasReset && !this.dividerReset) this.setValue(RTC.DIVIDER_TICK, now - TICKS_PER_SECOND / 2);
    if (!ran && this.running) this.takeTimeFromRegisters(now);
  }

  private get dividerReset(): boolean {
    return (this.cmos[REGISTER_A]! & A_DV_RESET) === A_DV_RESET;
  }

  private get running(): boolean {
    return !(this.cmos[REGISTER_B]! & B_SET) && !this.dividerReset;
  }

  private dividerSeconds(tick: number): number {
    return Math.floor((tick - this.value(RTC.DIVIDER_TICK)) / TICKS_PER_SECOND);
  }

  private refresh(now: number): void {
    if (this.running) encodeTime(this.cmos, this.value(RTC.BASE_SECONDS) + this.dividerSeconds(now));
  }

  private takeTimeFromRegisters(now: number): void {
    this.setValue(RTC.BASE_SECONDS, decodeTime(this.cmos) - this.dividerSeconds(now));
  }

  private updateInProgress(now: number): boolean {
    if (!this.running) return false;
    const nextUpdate = this.value(RTC.DIVIDER_TICK) + (this.dividerSeconds(now) + 1) * TICKS_PER_SECOND;
    return nextUpdate - now <= UIP_TICKS;
  }

  /** Crystal cycles between two periodic interrupts; 0 for none. */
  private periodCycles(): number {
    const rs = this.cmos[REGISTER_A]! & A_RS;
    if (rs === 0) return 0;
    return 1 << (rs < 3 ? rs + 6 : rs - 1);
  }

  /** Sets the flags whose moments lie after flagsTick, up to and at `now`; seconds outside lie before it. */
  private catchUp(now: number): void {
    const since = this.value(RTC.FLAGS_TICK);
    const leap = this.takeLeap();
    if (now <= since && leap === 0) return;
    this.setValue(RTC.FLAGS_TICK, now);
    if (this.dividerReset) return;
    let flags = this.cmos[REGISTER_C]!;
    if (this.nextPeriodTick(since) <= now + leap * TICKS_PER_SECOND) flags |= C_PF;
    if (this.running) {
      const before = this.dividerSeconds(since);
      const after = this.dividerSeconds(now) + leap;
      const unixBase = this.value(RTC.BASE_SECONDS);
      this.setValue(RTC.BASE_SECONDS, unixBase + leap);
      if (after > before) flags |= C_UF;
      if (after > before && nextAlarmSecond(this.cmos, unixBase + before) <= unixBase + after) flags |= C_AF;
    }
    this.cmos[REGISTER_C] = flags;
  }

  /** Seconds that have passed outside since the last look. A system that another machine has left behind may have seen more. */
  private takeLeap(): number {
    const outside = this.outsideSeconds();
    const leap = outside - this.value(RTC.OUTSIDE_SECONDS);
    this.setValue(RTC.OUTSIDE_SECONDS, outside);
    return Math.max(0, leap);
  }

  private nextPeriodTick(afterTick: number): number {
    const period = this.periodCycles();
    if (period === 0) return NEVER;
    const dividerTick = this.value(RTC.DIVIDER_TICK);
    const periods = Math.floor(cyclesInTicks(afterTick - dividerTick, CRYSTAL_HZ) / period);
    return dividerTick + ticksForCycles((periods + 1) * period, CRYSTAL_HZ);
  }

  /** The deadline: the first moment at which an enabled flag that is clear will be set. */
  private arm(): void {
    const since = this.value(RTC.FLAGS_TICK);
    const wanted = this.cmos[REGISTER_B]! & ~this.cmos[REGISTER_C]! & B_ENABLES;
    let deadline = NEVER;
    if (wanted & C_PF && !this.dividerReset) deadline = this.nextPeriodTick(since);
    if (wanted & (C_UF | C_AF) && this.running) {
      const second = this.dividerSeconds(since);
      const unixBase = this.value(RTC.BASE_SECONDS);
      const next = wanted & C_UF ? second + 1 : nextAlarmSecond(this.cmos, unixBase + second) - unixBase;
      deadline = Math.min(deadline, this.value(RTC.DIVIDER_TICK) + next * TICKS_PER_SECOND);
    }
    this.setValue(RTC.DEADLINE, deadline);
  }

  /** IRQF is the OR of the flags that are enabled: each has the bit of its enable in register B. */
  private updateLine(): void {
    const flags = this.cmos[REGISTER_C]! & ~C_IRQF;
    const interrupt = (flags & this.cmos[REGISTER_B]! & B_ENABLES) !== 0;
    this.cmos[REGISTER_C] = flags | (interrupt ? C_IRQF : 0);
    this.irq(interrupt);
  }

  /** No more interrupts; the line keeps its level, for a fall and a rise would be an edge that nobody caused. */
  private freeze(): Errno {
    const b = this.cmos[REGISTER_B]!;
    this.view.setUint8(this.base + RTC.SAVED_B, b);
    this.view.setUint8(this.base + RTC.FROZEN, 1);
    this.cmos[REGISTER_B] = b & ~B_ENABLES;
    this.setValue(RTC.DEADLINE, NEVER);
    return Errno.OK;
  }

  private restore(): Errno {
    if (!this.view.getUint8(this.base + RTC.FROZEN)) return Errno.OK;
    this.cmos[REGISTER_B] = this.view.getUint8(this.base + RTC.SAVED_B);
    this.forgetFreeze();
    this.arm();
    this.updateLine();
    return Errno.OK;
  }

  private forgetFreeze(): void {
    this.view.setUint8(this.base + RTC.SAVED_B, 0);
    this.view.setUint8(this.base + RTC.FROZEN, 0);
  }

  private value(offset: number): number {
    return this.view.getFloat64(this.base + offset, true);
  }

  private setValue(offset: number, value: number): void {
    this.view.setFloat64(this.base + offset, value, true);
  }
}
