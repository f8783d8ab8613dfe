// SPDX-License-Identifier: MIT
// One counter of the 8254 (Intel data sheet 231164) over its slice of the 'pit' record. Nothing counts while nobody looks:
// CE is kept as "this value at that CLK pulse", and OUT as the pulse of its next change. `advance` works through what
// happened up to a pulse; every other method expects the counter to be advanced to its `clock` argument.
import { PIT_COUNTER } from '../../shared/layout/pit-state.ts';

const { CE_CLOCK, EVENT_CLOCK, LOAD_CLOCK, CE, PERIOD, CR, OL, CONTROL, STATUS_LATCH, GATE, OUT } = PIT_COUNTER;
const { CR_LSB, WRITE_MSB, READ_MSB, COUNT_LATCHED, STATUS_LATCHED, NULL_COUNT } = PIT_COUNTER;
const { WRITTEN, LOADED, ARMED, RUNNING } = PIT_COUNTER;

const NEVER = Number.POSITIVE_INFINITY;
const CONTROL_BCD = 0x01;
const RW_LSB = 1;
const RW_MSB = 2;
const RW_BOTH = 3;
const STATUS_OUT = 0x80;
const STATUS_NULL_COUNT = 0x40;
/** Control word of a counter that nobody has programmed: both bytes, mode 0. */
const POWER_ON_CONTROL = RW_BOTH << 4;

export class PitCounter {
  private readonly view: DataView;
  private readonly base: number;
  private readonly onOut: (level: boolean) => void;

  /** `onOut` hears every change of OUT. */
  constructor(view: DataView, base: number, onOut: (level: boolean) => void) {
    this.view = view;
    this.base = base;
    this.onOut = onOut;
  }

  reset(gate: boolean): void {
    for (let offset = 0; offset <= RUNNING; offset++) this.set(offset, 0);
    this.setClock(EVENT_CLOCK, NEVER);
    this.setClock(LOAD_CLOCK, NEVER);
    this.set(CONTROL, POWER_ON_CONTROL);
    this.set(GATE, gate ? 1 : 0);
    this.set(NULL_COUNT, 1);
  }

  get out(): boolean {
    return this.get(OUT) !== 0;
  }

  /** CLK pulse of the next thing to happen by itself; Infinity for none. */
  get nextClock(): number {
    return Math.min(this.clock(LOAD_CLOCK), this.clock(EVENT_CLOCK));
  }

  /** Works through every load and every change of OUT up to and at pulse `clock`. */
  advance(clock: number): void {
    for (;;) {
      const load = this.clock(LOAD_CLOCK);
      const event = this.clock(EVENT_CLOCK);
      if (Math.min(load, event) > clock) return;
      if (load <= event) this.load(load);
      else this.expire(event, clock);
    }
  }

  /** Moves all moments later by a number of pulses: the counter stood still for that long. */
  delay(clocks: number): void {
    for (const offset of [CE_CLOCK, EVENT_CLOCK, LOAD_CLOCK]) this.setClock(offset, this.clock(offset) + clocks);
  }

  /** A control word for this counter (not a latch or read-back command): all logic is reset, OUT takes its first level. */
  writeControl(control: number, clock: number): void {
    this.freezeCE(clock);
    this.setClock(LOAD_CLOCK, NEVER);
    this.setClock(EVENT_CLOCK, NEVER);
    this.set(CONTROL, control & 0x3f);
    for (const flag of [WRITE_MSB, READ_MSB, COUNT_LATCHED, STATUS_LATCHED, WRITTEN, LOADED, ARMED]) this.set(flag, 0);
    this.set(NULL_COUNT, 1);
    this.setOut(this.mode !== 0);
  }

  latchCount(clock: number): void {
    if (this.get(COUNT_LATCHED)) return;
    this.view.setUint16(this.base + OL, this.visibleCount(clock), true);
    this.set(COUNT_LATCHED, this.rw === RW_BOTH ? 2 : 1);
  }

  latchStatus(): void {
    if (this.get(STATUS_LATCHED)) return;
    const flags = (this.out ? STATUS_OUT : 0) | (this.get(NULL_COUNT) ? STATUS_NULL_COUNT : 0);
    this.set(STATUS_LATCH, flags | this.get(CONTROL));
    this.set(STATUS_LATCHED, 1);
  }

  /** A latched status first, then a latched count, else the count as it is. */
  read(clock: number): number {
    if (this.get(STATUS_LATCHED)) {
      this.set(STATUS_LATCHED, 0);
      return this.get(STATUS_LATCH);
    }
    const latched = this.get(COUNT_LATCHED);
    const count = latched ? this.view.getUint16(this.base + OL, true) : this.visibleCount(clock);
    if (latched) this.set(COUNT_LATCHED, latched - 1);
    let high = this.rw === RW_MSB;
    if (this.rw === RW_BOTH) {
      high = this.get(READ_MSB) !== 0;
      this.set(READ_MSB, high ? 0 : 1);
    }
    return high ? count >>> 8 : count & 0xff;
  }

  write(value: number, clock: number): void {
    // Mode 0: even the first of two bytes stops the count, and OUT goes low without waiting for CLK.
    if (this.mode === 0) {
      this.freezeCE(clock);
      this.set(ARMED, 0);
      this.setClock(EVENT_CLOCK, NEVER);
      this.setClock(LOAD_CLOCK, NEVER);
      this.setOut(false);
    }
    if (this.rw === RW_BOTH && !this.get(WRITE_MSB)) {
      this.set(CR_LSB, value);
      this.set(WRITE_MSB, 1);
      return;
    }
    this.set(WRITE_MSB, 0);
    const count = this.rw === RW_LSB ? value : (value << 8) | (this.rw === RW_BOTH ? this.get(CR_LSB) : 0);
    this.view.setUint16(this.base + CR, count, true);
    this.set(NULL_COUNT, 1);
    this.set(WRITTEN, 1);
    // Modes 0 and 4 take the new count with the next CLK pulse; 2 and 3 only the first, then at the end of a period or half
    // period; 1 and 5 wait for a trigger.
    const mode = this.mode;
    if (mode === 0 || mode === 4 || ((mode === 2 || mode === 3) && !this.get(LOADED))) {
      this.setClock(LOAD_CLOCK, clock + 1);
    }
  }

  setGate(high: boolean, clock: number): void {
    if ((this.get(GATE) !== 0) === high) return;
    this.set(GATE, high ? 1 : 0);
    const mode = this.mode;
    if (mode === 0 || mode === 4) {
      if (high) this.resume(clock);
      else this.pause(clock);
      return;
    }
    if (high) {
      if (this.get(WRITTEN)) this.setClock(LOAD_CLOCK, clock + 1);
    } else if (mode === 2 || mode === 3) {
      this.pause(clock);
      this.setOut(true);
    }
  }

  private get mode(): number {
    const bits = (this.get(CONTROL) >> 1) & 7;
    return bits > 5 ? bits - 4 : bits;
  }

  private get rw(): number {
    return this.get(CONTROL) >> 4;
  }

  private get modulus(): number {
    return this.get(CONTROL) & CONTROL_BCD ? 10_000 : 0x10000;
  }

  /** The count in CR; 0 stands for the largest. A count of 1, illegal in modes 2 and 3, counts as 2 there. */
  private get initialCount(): number {
    const raw = this.view.getUint16(this.base + CR, true);
    const count = (this.get(CONTROL) & CONTROL_BCD ? fromBCD(raw) : raw) || this.modulus;
    return this.mode === 2 || this.mode === 3 ? Math.max(count, 2) : count;
  }

  /** CR → CE at a CLK pulse. Modes 2 and 3 come here again at the end of every period. */
  private load(clock: number): void {
    const mode = this.mode;
    this.setClock(LOAD_CLOCK, NEVER);
    this.set(LOADED, 1);
    this.set(ARMED, 1);
    this.set(RUNNING, mode === 1 || mode === 5 ? 1 : this.get(GATE));
    this.beginCount(clock);
    this.setOut(mode > 1);
    this.schedule(clock);
  }

  private beginCount(clock: number): void {
    const count = this.initialCount;
    this.set(NULL_COUNT, 0);
    this.view.setUint32(this.base + PERIOD, count, true);
    // Mode 3 loads an even number, and counts by two.
    this.view.setUint32(this.base + CE, this.mode === 3 ? count & ~1 : count, true);
    this.setClock(CE_CLOCK, clock);
  }

  /** The pulse of the next change of OUT, if CE holds its stored value at `clock`. */
  private schedule(clock: number): void {
    if (!this.get(RUNNING) || !this.get(ARMED)) {
      this.setClock(EVENT_CLOCK, NEVER);
      return;
    }
    let pulses = this.view.getUint32(this.base + CE, true);
    if (this.mode === 2) pulses -= 1;
    else if (this.mode === 3) pulses = (this.view.getUint32(this.base + PERIOD, true) + (this.out ? 1 : 0)) >>> 1;
    this.setClock(EVENT_CLOCK, clock + pulses);
  }

  /** The change of OUT that was due at `clock`; `until` bounds the whole periods that may be skipped. */
  private expire(clock: number, until: number): void {
    switch (this.mode) {
      case 0:
      case 1:
        this.set(ARMED, 0);
        this.setClock(EVENT_CLOCK, NEVER);
        this.setOut(true);
        break;
      case 2:
        if (this.out) {
          this.setClock(EVENT_CLOCK, clock + 1);
          this.setOut(false);
        } else {
          this.load(clock);
          this.skipPeriods(clock, until);
        }
        break;
      case 3:
        if (this.out) {
          this.beginCount(clock);
          this.setOut(false);
          this.schedule(clock);
        } else {
          this.load(clock);
          this.skipPeriods(clock, until);
        }
        break;
      default:
        // Modes 4 and 5: a strobe of one CLK pulse, which GATE does not shorten.
        this.set(ARMED, 0);
        this.setClock(EVENT_CLOCK, this.out ? clock + 1 : NEVER);
        this.setOut(!this.out);
    }
  }

  /** Right after a load at `clock`: whole periods up to `until` are one low and one high of OUT, however many they are. */
  private skipPeriods(clock: number, until: number): void {
    const period = this.view.getUint32(this.base + PERIOD, true);
    const periods = Math.floor((until - clock) / period);
    if (periods === 0) return;
    this.setOut(false);
    this.setOut(true);
    this.setClock(CE_CLOCK, clock + periods * period);
    this.setClock(EVENT_CLOCK, this.clock(EVENT_CLOCK) + periods * period);
  }

  /** GATE low. A strobe already begun (no longer armed) runs to its end. */
  private pause(clock: number): void {
    this.freezeCE(clock);
    if (this.get(ARMED)) this.setClock(EVENT_CLOCK, NEVER);
  }

  /** GATE high in modes 0 and 4: the count goes on. */
  private resume(clock: number): void {
    if (!this.get(LOADED)) return;
    this.setClock(CE_CLOCK, clock);
    this.set(RUNNING, 1);
    if (this.get(ARMED)) this.schedule(clock);
  }

  private freezeCE(clock: number): void {
    this.view.setUint32(this.base + CE, this.count(clock), true);
    this.set(RUNNING, 0);
  }

  private count(clock: number): number {
    const count = this.view.getUint32(this.base + CE, true);
    if (!this.get(RUNNING)) return count;
    const pulses = clock - this.clock(CE_CLOCK);
    const rest = count - (this.mode === 3 ? 2 * pulses : pulses);
    // After the terminal count CE wraps around and goes on.
    return rest >= 0 ? rest : ((rest % this.modulus) + this.modulus) % this.modulus;
  }

  /** CE as a program sees it: 16 bits, four BCD digits if the control word says so. */
  private visibleCount(clock: number): number {
    const count = this.count(clock) % this.modulus;
    return this.get(CONTROL) & CONTROL_BCD ? toBCD(count) : count;
  }

  private setOut(high: boolean): void {
    if (this.out === high) return;
    this.set(OUT, high ? 1 : 0);
    this.onOut(high);
  }

  private clock(offset: number): number {
    return this.view.getFloat64(this.base + offset, true);
  }

  private setClock(offset: number, clock: number): void {
    this.view.setFloat64(this.base + offset, clock, true);
  }

  private get(offset: number): number {
    return this.view.getUint8(this.base + offset);
  }

  private set(offset: number, value: number): void {
    this.view.setUint8(this.base + offset, value);
  }
}

function fromBCD(raw: number): number {
  return (raw >> 12) * 1000 + ((raw >> 8) & 15) * 100 + ((raw >> 4) & 15) * 10 + (raw & 15);
}

function toBCD(count: number): number {
  const digit = (unit: number) => Math.floor(count / unit) % 10;
  return (digit(1000) << 12) | (digit(100) << 8) | (digit(10) << 4) | digit(1);
}
