// SPDX-License-Identifier: MIT
// The timer of the local APIC (SDM vol. 3A §10.5.4) over its part of the 'local-apic' record: it counts the crystal of CPUID leaf 0x15
// down, divided by a power of two, once or again and again. Nothing counts while nobody looks: the count is kept as "this value at that
// tick". Whether the end of a count interrupts is its owner's business.
import { LOCAL_APIC } from '../../shared/layout/local-apic-state.ts';
import { CRYSTAL_TICKS } from '../../shared/processor.ts';

const { INITIAL_COUNT, DIVIDE, COUNT, COUNT_TICK } = LOCAL_APIC;
/** Bits 3, 1 and 0 of the divide configuration register. */
const DIVIDE_WRITABLE = 0x0b;

export class LocalApicTimer {
  private readonly view: DataView;
  private readonly base: number;

  constructor(view: DataView, base: number) {
    this.view = view;
    this.base = base;
  }

  reset(): void {
    for (const offset of [INITIAL_COUNT, DIVIDE, COUNT]) this.set(offset, 0);
    this.countTick = 0;
  }

  /** Tick at which the count under way reaches zero; Infinity for none. */
  get endTick(): number {
    const count = this.get(COUNT);
    return count === 0 ? Number.POSITIVE_INFINITY : this.countTick + count * this.unitTicks;
  }

  /** Goes up to `nowTick`; true if a count has ended on the way, however many have. */
  advance(nowTick: number, isPeriodic: boolean): boolean {
    const end = this.endTick;
    if (nowTick < end) return false;
    const initial = this.get(INITIAL_COUNT);
    if (isPeriodic && initial !== 0) {
      const period = initial * this.unitTicks;
      this.countTick = end + Math.floor((nowTick - end) / period) * period;
      this.set(COUNT, initial);
    } else {
      this.set(COUNT, 0);
      this.countTick = 0;
    }
    return true;
  }

  /** The current count. The timer is advanced to `nowTick`, here and below. */
  currentCount(nowTick: number): number {
    const count = this.get(COUNT);
    return count === 0 ? 0 : count - Math.floor((nowTick - this.countTick) / this.unitTicks);
  }

  get initialCount(): number {
    return this.get(INITIAL_COUNT);
  }

  /** Starts over; 0 stops the timer. */
  start(initial: number, nowTick: number): void {
    this.set(INITIAL_COUNT, initial);
    this.set(COUNT, initial);
    this.countTick = initial >>> 0 === 0 ? 0 : nowTick;
  }

  get divide(): number {
    return this.get(DIVIDE);
  }

  /** The count goes on from where it is, at another rate. */
  setDivide(value: number, nowTick: number): void {
    const count = this.currentCount(nowTick);
    this.set(DIVIDE, value & DIVIDE_WRITABLE);
    this.set(COUNT, count);
    if (count !== 0) this.countTick = nowTick;
  }

  /** It stood still for so long. */
  delay(ticks: number): void {
    if (this.get(COUNT) !== 0) this.countTick += ticks;
  }

  /** 000 to 110 stand for 2 to 128, 111 for 1. */
  private get unitTicks(): number {
    const divide = this.get(DIVIDE);
    const code = (divide & 3) | ((divide >>> 1) & 4);
    return CRYSTAL_TICKS << (code === 7 ? 0 : code + 1);
  }

  private get countTick(): number {
    return this.view.getFloat64(this.base + COUNT_TICK, true);
  }

  private set countTick(tick: number) {
    this.view.setFloat64(this.base + COUNT_TICK, tick, true);
  }

  private get(offset: number): number {
    return this.view.getUint32(this.base + offset, true);
  }

  private set(offset: number, value: number): void {
    this.view.setUint32(this.base + offset, value, true);
  }
}
