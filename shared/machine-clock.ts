// SPDX-License-Identifier: MIT
//
// The clock record as an object. Virtual time is a float64 that always holds a whole number of ticks (exact for 104 days).
import { CLOCK } from './layout/clock.ts';
import type { MachineMemory } from './machine-memory.ts';

export class MachineClock {
  private readonly view: DataView;
  private readonly base: number;

  constructor(machine: MachineMemory) {
    this.view = machine.view;
    this.base = machine.region('clock').offset;
  }

  nowTick(): number {
    return this.view.getFloat64(this.base + CLOCK.nowTick, true);
  }
  setNow(tick: number): void {
    this.view.setFloat64(this.base + CLOCK.nowTick, tick, true);
  }
  advance(deltaTicks: number): number {
    const now = this.nowTick() + deltaTicks;
    this.setNow(now);
    return now;
  }

  get switches(): number {
    return this.view.getFloat64(this.base + CLOCK.switches, true);
  }
  set switches(count: number) {
    this.view.setFloat64(this.base + CLOCK.switches, count, true);
  }
  get seed(): number {
    return this.view.getUint32(this.base + CLOCK.seed, true);
  }
  set seed(seed: number) {
    this.view.setUint32(this.base + CLOCK.seed, seed, true);
  }
  /** Seconds that passed outside and were made up for when the machine was resumed; a whole number. */
  get outsideSeconds(): number {
    return this.view.getFloat64(this.base + CLOCK.outsideSeconds, true);
  }
  set outsideSeconds(seconds: number) {
    this.view.setFloat64(this.base + CLOCK.outsideSeconds, seconds, true);
  }
  get generation(): number {
    return this.view.getUint32(this.base + CLOCK.generation, true);
  }
  set generation(generation: number) {
    this.view.setUint32(this.base + CLOCK.generation, generation, true);
  }
  /** Slot of the kernel that has the machine; −1 before the first. */
  get current(): number {
    return this.view.getInt32(this.base + CLOCK.current, true);
  }
  set current(slot: number) {
    this.view.setInt32(this.base + CLOCK.current, slot, true);
  }
  /** Slot whose console is in the foreground; −1 while a jump is under way. */
  get foreground(): number {
    return this.view.getInt32(this.base + CLOCK.foreground, true);
  }
  set foreground(slot: number) {
    this.view.setInt32(this.base + CLOCK.foreground, slot, true);
  }
  get poweredOn(): boolean {
    return this.view.getUint32(this.base + CLOCK.poweredOn, true) !== 0;
  }
  set poweredOn(on: boolean) {
    this.view.setUint32(this.base + CLOCK.poweredOn, on ? 1 : 0, true);
  }
}
