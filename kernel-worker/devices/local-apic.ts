// SPDX-License-Identifier: MIT
// The local APIC at 0xFEE00000 (SDM vol. 3A chapter 10): what interrupts the CPU and in which order, a timer, and the line of the
// 8259A. That reaches the CPU directly in PIC mode, which is how the board starts, and through LINT0 as ExtINT once the IMCR (ports
// 0x22 and 0x23, MultiProcessor Specification 1.4 §3.6.2.1) says so. One CPU: commands reach it or nobody; INIT, start-up, NMI and SMI
// do nothing. A core (syscore) device, as Linux's apic.c: the way down leaves the power-on state. Bytes in layout/local-apic-state.ts.
import { Errno } from '../../shared/errno.ts';
import {
  LOCAL_APIC,
  LOCAL_APIC_ADDRESS,
  LOCAL_APIC_ID,
  LOCAL_APIC_VERSION,
  LVT,
  LVT_ENTRIES,
} from '../../shared/layout/local-apic-state.ts';
import type { Bus } from '../bus.ts';
import type { Clock, Device, DeviceParts, PmCallbacks } from './device.ts';
import {
  ERROR_RECEIVED_VECTOR,
  ERROR_REGISTER,
  ERROR_SEND_VECTOR,
  ICR_LOGICAL,
  ICR_WRITABLE,
  LVT_MASKED,
  LVT_PERIODIC,
  LVT_WRITABLE,
  MODE_EXTINT,
  MODE_LOWEST_PRIORITY,
  MODE_SHIFT,
  matchesLogical,
  REGISTER,
  REGISTERS_BYTES,
  SVR_ENABLED,
  SVR_WRITABLE,
  TO_ALL,
  TO_OTHERS,
  TO_SELF,
} from './local-apic-registers.ts';
import { LocalApicTimer } from './local-apic-timer.ts';
import { LocalApicVectors, NO_VECTOR } from './local-apic-vectors.ts';

const { IRR, ISR, TMR, ID, TPR, LDR, DFR, SVR, ESR, ERRORS, ICR, BASE, IMCR, IMCR_SELECTED, OUTPUT } = LOCAL_APIC;
const { SAVED, SUSPENDED_TICK } = LOCAL_APIC;
const NEVER = Number.POSITIVE_INFINITY;

const BASE_BSP = 0x100;
const BASE_ENABLED = 0x800;
const IMCR_INDEX_PORT = 0x22;
const IMCR_DATA_PORT = 0x23;
const IMCR_INDEX = 0x70;
const OUTPUT_WAITS = 1;
const OUTPUT_HOLDS_PIC = 2;

/** Where registers that read as they were written are kept. */
const STORED_AT: Readonly<Record<number, number>> = {
  [REGISTER.ID]: ID,
  [REGISTER.TPR]: TPR,
  [REGISTER.LDR]: LDR,
  [REGISTER.DFR]: DFR,
  [REGISTER.SVR]: SVR,
  [REGISTER.ESR]: ESR,
  [REGISTER.ICR_LOW]: ICR,
  [REGISTER.ICR_HIGH]: ICR + 4,
};

/** The 8259A as the local APIC sees it. */
interface ExternalInterrupts {
  intr(): boolean;
  acknowledge(): number;
}

interface LocalApicParts extends DeviceParts {
  readonly pic: ExternalInterrupts;
  /** Hears of the end of every level-triggered interrupt. */
  readonly endOfInterrupt: (vector: number) => void;
}

export class LocalApic implements Device {
  readonly name = 'local-apic';
  readonly parent = null;
  readonly pm: PmCallbacks = {
    suspendSyscore: () => this.suspend(),
    resumeSyscore: () => this.resume(),
    shutdown: () => this.powerOn(),
    inherit: () => this.forgetSuspend(),
  };
  private readonly view: DataView;
  private readonly base: number;
  private readonly clock: Clock;
  private readonly pic: ExternalInterrupts;
  private readonly endOfInterrupt: (vector: number) => void;
  private readonly vectors: LocalApicVectors;
  private readonly timer: LocalApicTimer;

  constructor({ view, base, clock, pic, endOfInterrupt }: LocalApicParts) {
    this.view = view;
    this.base = base;
    this.clock = clock;
    this.pic = pic;
    this.endOfInterrupt = endOfInterrupt;
    this.vectors = new LocalApicVectors(view, base);
    this.timer = new LocalApicTimer(view, base);
  }

  attach(bus: Bus): void {
    bus.claimMemory(this.name, LOCAL_APIC_ADDRESS, REGISTERS_BYTES, {
      read32: (at) => (this.isThere ? this.readRegister(at >>> 4) : -1),
      write32: (at, value) => {
        if (this.isThere) this.writeRegister(at >>> 4, value);
        this.evaluate();
      },
    });
    bus.claimPorts('imcr', IMCR_INDEX_PORT, IMCR_DATA_PORT, {
      read8: (port) =>
        port === IMCR_DATA_PORT && this.view.getUint8(this.base + IMCR_SELECTED) !== 0 ? this.imcr : 0xff,
      write8: (port, value) => {
        if (port === IMCR_INDEX_PORT) this.view.setUint8(this.base + IMCR_SELECTED, value === IMCR_INDEX ? 1 : 0);
        else if (this.view.getUint8(this.base + IMCR_SELECTED) !== 0) this.view.setUint8(this.base + IMCR, value & 1);
        this.evaluate();
      },
    });
  }

  reset(): void {
    this.powerOn();
    this.forgetSuspend();
  }

  // ---- the CPU's side ---------------------------------------------------------------------------------------------

  /** Level of the CPU's interrupt request: something here waits, or at the 8259A, if that gets through. */
  intr(): boolean {
    const output = this.view.getUint8(this.base + OUTPUT);
    return (output & OUTPUT_WAITS) !== 0 || ((output & OUTPUT_HOLDS_PIC) === 0 && this.pic.intr());
  }

  /** The CPU takes an interrupt: its vector, the spurious one if the request has gone. */
  acknowledge(): number {
    if ((this.view.getUint8(this.base + OUTPUT) & OUTPUT_WAITS) === 0) return this.pic.acknowledge();
    const vector = this.vectors.take();
    this.evaluate();
    return vector;
  }

  /** IA32_APIC_BASE. */
  get apicBase(): number {
    return this.get(BASE);
  }

  /** False if the value has a reserved bit or another address: this one cannot be moved. Switched off, it forgets everything. */
  setApicBase(value: number, high: number): boolean {
    if (high !== 0 || (value & ~(BASE_BSP | BASE_ENABLED)) >>> 0 !== LOCAL_APIC_ADDRESS) return false;
    const isEnabled = (value & BASE_ENABLED) !== 0;
    if (isEnabled !== this.isThere) {
      const imcr = this.imcr;
      this.powerOn();
      this.view.setUint8(this.base + IMCR, imcr);
      this.set(BASE, LOCAL_APIC_ADDRESS | BASE_BSP | (isEnabled ? BASE_ENABLED : 0));
      this.evaluate();
    }
    return true;
  }

  /** Enabled by IA32_APIC_BASE. */
  get isThere(): boolean {
    return (this.get(BASE) & BASE_ENABLED) !== 0;
  }

  // ---- what comes in ----------------------------------------------------------------------------------------------

  /** A message of the I/O APIC or of the ICR. True if it was for this APIC, and is taken. */
  receive(vector: number, isLevel: boolean, destination: number, isLogical: boolean): boolean {
    if (!this.isEnabled || !this.isMeant(destination, isLogical)) return false;
    return this.request(vector, isLevel);
  }

  private request(vector: number, isLevel: boolean): boolean {
    if (vector < 16) {
      this.noteError(ERROR_RECEIVED_VECTOR);
      return false;
    }
    this.vectors.request(vector, isLevel);
    this.evaluate();
    return true;
  }

  private isMeant(destination: number, isLogical: boolean): boolean {
    if (isLogical) return matchesLogical(destination, this.get(LDR) >>> 24, this.get(DFR) >>> 28);
    return destination === 0xff || destination === this.get(ID) >>> 24;
  }

  private fireLocal(entry: number): void {
    const lvt = this.lvt(entry);
    if ((lvt & LVT_MASKED) === 0) this.request(lvt & 0xff, false);
  }

  /** Errors show in ESR at the next write to it. */
  private noteError(error: number): void {
    const errors = this.get(ERRORS);
    if ((errors & error) !== 0) return;
    this.set(ERRORS, errors | error);
    if ((this.lvt(LVT.ERROR) & 0xff) >= 16) this.fireLocal(LVT.ERROR);
  }

  private sendCommand(low: number): void {
    const mode = (low >>> MODE_SHIFT) & 7;
    const shorthand = (low >>> 18) & 3;
    if (mode > MODE_LOWEST_PRIORITY || shorthand === TO_OTHERS) return;
    const vector = low & 0xff;
    if (vector < 16) this.noteError(ERROR_SEND_VECTOR);
    else if (shorthand === TO_SELF || shorthand === TO_ALL) this.receive(vector, false, 0xff, false);
    else this.receive(vector, false, this.get(ICR + 4) >>> 24, (low & ICR_LOGICAL) !== 0);
  }

  // ---- registers --------------------------------------------------------------------------------------------------

  private readRegister(register: number): number {
    const stored = STORED_AT[register];
    if (stored !== undefined) return this.get(stored);
    switch (register) {
      case REGISTER.VERSION:
        return LOCAL_APIC_VERSION | ((LVT_ENTRIES - 1) << 16);
      case REGISTER.PPR:
        return this.processorPriority;
      case REGISTER.APR:
      case REGISTER.RRD:
      case REGISTER.EOI:
        return 0;
      case REGISTER.INITIAL_COUNT:
        return this.timer.initialCount;
      case REGISTER.CURRENT_COUNT:
        return this.timerNow().currentCount(this.clock.nowTick());
      case REGISTER.DIVIDE:
        return this.timer.divide;
      default:
        return this.readArray(register);
    }
  }

  private readArray(register: number): number {
    const entry = register - REGISTER.LVT;
    if (entry >= 0 && entry < LVT_ENTRIES) return this.lvt(entry);
    const word = (register & 7) * 4;
    const array = register & ~7;
    if (array === REGISTER.ISR) return this.get(ISR + word);
    if (array === REGISTER.TMR) return this.get(TMR + word);
    if (array === REGISTER.IRR) return this.get(IRR + word);
    this.noteError(ERROR_REGISTER);
    return 0;
  }

  private writeRegister(register: number, value: number): void {
    const now = this.clock.nowTick();
    switch (register) {
      case REGISTER.ID:
      case REGISTER.LDR:
      case REGISTER.ICR_HIGH:
        this.set(STORED_AT[register]!, value & 0xff000000);
        break;
      case REGISTER.TPR:
        this.set(TPR, value & 0xff);
        break;
      case REGISTER.EOI: {
        const vector = this.vectors.end();
        if (vector !== NO_VECTOR && this.vectors.isLevel(vector)) this.endOfInterrupt(vector);
        break;
      }
      case REGISTER.DFR:
        this.set(DFR, value | 0x0fffffff);
        break;
      case REGISTER.SVR:
        this.set(SVR, value & SVR_WRITABLE);
        if (!this.isEnabled) for (let entry = 0; entry < LVT_ENTRIES; entry++) this.setLvt(entry, this.lvt(entry));
        break;
      case REGISTER.ESR:
        this.set(ESR, this.get(ERRORS));
        this.set(ERRORS, 0);
        break;
      case REGISTER.ICR_LOW:
        this.set(ICR, value & ICR_WRITABLE);
        this.sendCommand(value);
        break;
      case REGISTER.INITIAL_COUNT:
        this.timerNow().start(value, now);
        break;
      case REGISTER.DIVIDE:
        this.timerNow().setDivide(value, now);
        break;
      default:
        this.writeLvt(register - REGISTER.LVT, value);
    }
  }

  private writeLvt(entry: number, value: number): void {
    if (entry < 0 || entry >= LVT_ENTRIES) {
      this.noteError(ERROR_REGISTER);
      return;
    }
    // What has ended so far, ended under the old entry.
    if (entry === LVT.TIMER) this.timerNow();
    this.setLvt(entry, value & LVT_WRITABLE[entry]!);
  }

  private lvt(entry: number): number {
    return this.get(LOCAL_APIC.LVT + entry * 4);
  }

  /** While the APIC is disabled by software every entry is masked. */
  private setLvt(entry: number, value: number): void {
    this.set(LOCAL_APIC.LVT + entry * 4, this.isEnabled ? value : value | LVT_MASKED);
  }

  private get isEnabled(): boolean {
    return this.isThere && (this.get(SVR) & SVR_ENABLED) !== 0;
  }

  private get imcr(): number {
    return this.view.getUint8(this.base + IMCR);
  }

  /** PPR: the task's priority, or the class of the highest interrupt in service. */
  private get processorPriority(): number {
    const task = this.get(TPR);
    const inService = this.vectors.highestInService;
    return inService >>> 4 > task >>> 4 ? inService & 0xf0 : task;
  }

  /** Works the output out again from the registers. */
  private evaluate(): void {
    const waits = this.vectors.highestRequest >>> 4 > this.processorPriority >>> 4;
    const lint0 = this.lvt(LVT.LINT0);
    const takesExternal = (lint0 & LVT_MASKED) === 0 && ((lint0 >>> MODE_SHIFT) & 7) === MODE_EXTINT;
    const holdsPic = this.imcr !== 0 && this.isThere && !takesExternal;
    this.view.setUint8(this.base + OUTPUT, (waits ? OUTPUT_WAITS : 0) | (holdsPic ? OUTPUT_HOLDS_PIC : 0));
  }

  // ---- time -------------------------------------------------------------------------------------------------------

  deadlineTick(): number {
    // A timer whose end nobody would hear of counts on by itself.
    return (this.lvt(LVT.TIMER) & LVT_MASKED) === 0 ? this.timer.endTick : NEVER;
  }

  onDeadline(): void {
    this.timerNow();
  }

  /** The timer, up to date; what has ended on the way interrupts. */
  private timerNow(): LocalApicTimer {
    const isPeriodic = (this.lvt(LVT.TIMER) & LVT_PERIODIC) !== 0;
    if (this.timer.advance(this.clock.nowTick(), isPeriodic)) this.fireLocal(LVT.TIMER);
    return this.timer;
  }

  // ---- power management -------------------------------------------------------------------------------------------

  busyReason(): string | null {
    return this.isEnabled ? 'it is enabled' : null;
  }

  /** As firmware finds it: enabled by IA32_APIC_BASE but not by SVR, everything masked, the 8259A connected to the CPU. */
  private powerOn(): void {
    for (let offset = 0; offset < SAVED; offset += 4) this.set(offset, 0);
    for (let entry = 0; entry < LVT_ENTRIES; entry++) this.setLvt(entry, 0);
    this.timer.reset();
    this.set(ID, LOCAL_APIC_ID << 24);
    this.set(DFR, -1);
    this.set(SVR, 0xff);
    this.set(BASE, LOCAL_APIC_ADDRESS | BASE_BSP | BASE_ENABLED);
    this.evaluate();
  }

  private suspend(): Errno {
    for (let offset = 0; offset < SAVED; offset += 4) this.set(SAVED + offset, this.get(offset));
    this.view.setFloat64(this.base + SUSPENDED_TICK, this.clock.nowTick(), true);
    this.powerOn();
    return Errno.OK;
  }

  private resume(): Errno {
    const suspendedTick = this.view.getFloat64(this.base + SUSPENDED_TICK, true);
    if (suspendedTick === NEVER) return Errno.OK;
    for (let offset = 0; offset < SAVED; offset += 4) this.set(offset, this.get(SAVED + offset));
    this.timer.delay(this.clock.nowTick() - suspendedTick);
    this.forgetSuspend();
    return Errno.OK;
  }

  private forgetSuspend(): void {
    for (let offset = SAVED; offset < SUSPENDED_TICK; offset += 4) this.set(offset, 0);
    this.view.setFloat64(this.base + SUSPENDED_TICK, NEVER, true);
  }

  private get(offset: number): number {
    return this.view.getInt32(this.base + offset, true);
  }

  private set(offset: number, value: number): void {
    this.view.setInt32(this.base + offset, value, true);
  }
}
