// SPDX-License-Identifier: MIT
// The 82093AA I/O APIC at 0xFEC00000: 24 inputs, each with a redirection entry that makes messages to the local APIC of it. The ISA
// lines of the board go here as well as to the 8259A; the guest masks them at one of the two. Messages are fixed and lowest-priority
// ones; entries that ask for SMI, NMI, INIT or ExtINT send nothing. A core (syscore) device, as Linux's arch/x86/kernel/apic/io_apic.c:
// the way down leaves every entry masked (disable_IO_APIC). Bytes in shared/layout/io-apic-state.ts.
import { Errno } from '../../shared/errno.ts';
import {
  IO_APIC,
  IO_APIC_ADDRESS,
  IO_APIC_ID,
  IO_APIC_PINS,
  IO_APIC_VERSION,
} from '../../shared/layout/io-apic-state.ts';
import type { Bus } from '../bus.ts';
import type { Device, PmCallbacks } from './device.ts';

const { ENTRIES_LOW, ENTRIES_HIGH, ID, IOREGSEL, SAVED, LINES, SUSPENDED } = IO_APIC;
const REGISTERS_BYTES = 0x1000;
const IOREGSEL_OFFSET = 0x00;
const IOWIN_OFFSET = 0x10;

const INDEX_ID = 0x00;
const INDEX_VERSION = 0x01;
const INDEX_ARBITRATION = 0x02;
const INDEX_ENTRIES = 0x10;
const ID_WRITABLE = 0x0f000000;

const LOWEST_PRIORITY_MODE = 1;
const LOGICAL = 1 << 11;
const LOW_ACTIVE = 1 << 13;
const REMOTE_IRR = 1 << 14;
const LEVEL = 1 << 15;
const MASKED = 1 << 16;
/** All but delivery status, which nobody can catch pending, and Remote IRR. */
const LOW_WRITABLE = 0x1afff;
const HIGH_WRITABLE = 0xff000000;

/** A message on the way to the local APIC; true if that took it. */
export type InterruptMessage = (vector: number, isLevel: boolean, destination: number, isLogical: boolean) => boolean;

export class IoApic implements Device {
  readonly name = 'io-apic';
  readonly parent = null;
  readonly pm: PmCallbacks = {
    suspendSyscore: () => this.suspend(),
    resumeSyscore: () => this.resume(),
    shutdown: () => this.mask(),
    inherit: () => this.forgetSuspend(),
  };
  private readonly view: DataView;
  private readonly base: number;
  private readonly send: InterruptMessage;

  constructor({ view, base, send }: { view: DataView; base: number; send: InterruptMessage }) {
    this.view = view;
    this.base = base;
    this.send = send;
  }

  attach(bus: Bus): void {
    bus.claimMemory(this.name, IO_APIC_ADDRESS, REGISTERS_BYTES, {
      read32: (at) => {
        if (at === IOREGSEL_OFFSET) return this.get(IOREGSEL);
        return at === IOWIN_OFFSET ? this.readRegister(this.get(IOREGSEL)) : 0;
      },
      write32: (at, value) => {
        if (at === IOREGSEL_OFFSET) this.set(IOREGSEL, value & 0xff);
        else if (at === IOWIN_OFFSET) this.writeRegister(this.get(IOREGSEL), value);
      },
    });
  }

  reset(): void {
    this.set(LINES, 0);
    this.set(IOREGSEL, 0);
    this.set(ID, IO_APIC_ID << 24);
    this.mask();
    this.forgetSuspend();
  }

  /** Drives an input. */
  setLine(pin: number, level: boolean): void {
    const lines = this.get(LINES);
    const bit = 1 << pin;
    if (((lines & bit) !== 0) === level) return;
    this.set(LINES, lines ^ bit);
    this.service(pin, true);
  }

  /** The local APIC is done with a level-triggered interrupt: entries whose input still asks for it send it again. */
  endOfInterrupt(vector: number): void {
    for (let pin = 0; pin < IO_APIC_PINS; pin++) {
      const low = this.get(ENTRIES_LOW + pin * 4);
      if ((low & REMOTE_IRR) === 0 || (low & 0xff) !== vector) continue;
      this.set(ENTRIES_LOW + pin * 4, low & ~REMOTE_IRR);
      this.service(pin, false);
    }
  }

  deadlineTick(): number {
    return Number.POSITIVE_INFINITY;
  }

  onDeadline(): void {}

  busyReason(): string | null {
    for (let pin = 0; pin < IO_APIC_PINS; pin++) {
      if ((this.get(ENTRIES_LOW + pin * 4) & MASKED) === 0)
        return `entry ${pin} of its redirection table is not masked`;
    }
    return null;
  }

  private readRegister(index: number): number {
    if (index === INDEX_ID || index === INDEX_ARBITRATION) return this.get(ID);
    if (index === INDEX_VERSION) return IO_APIC_VERSION | ((IO_APIC_PINS - 1) << 16);
    const at = this.entryAt(index);
    return at < 0 ? 0 : this.get(at);
  }

  private writeRegister(index: number, value: number): void {
    if (index === INDEX_ID) this.set(ID, value & ID_WRITABLE);
    const at = this.entryAt(index);
    if (at < 0) return;
    if (at >= ENTRIES_HIGH) {
      this.set(at, value & HIGH_WRITABLE);
      return;
    }
    // An edge-triggered entry waits for nobody: drivers clear Remote IRR by switching to and fro.
    const remoteIrr = (value & LEVEL) === 0 ? 0 : this.get(at) & REMOTE_IRR;
    this.set(at, (value & LOW_WRITABLE) | remoteIrr);
    this.service((index - INDEX_ENTRIES) >>> 1, false);
  }

  /** Offset of the half of a redirection entry that a register is, −1 for other registers. */
  private entryAt(index: number): number {
    const half = index - INDEX_ENTRIES;
    if (half < 0 || half >= 2 * IO_APIC_PINS) return -1;
    return ((half & 1) === 0 ? ENTRIES_LOW : ENTRIES_HIGH) + (half >>> 1) * 4;
  }

  /**
   * Sends what an input asks for: on an edge if it has just `changed`, by level until the message is taken; then Remote IRR holds it
   * back up to the EOI. An edge at a masked entry is lost.
   */
  private service(pin: number, changed: boolean): void {
    const at = ENTRIES_LOW + pin * 4;
    const low = this.get(at);
    if ((low & MASKED) !== 0) return;
    const isHigh = (this.get(LINES) & (1 << pin)) !== 0;
    if (isHigh === ((low & LOW_ACTIVE) !== 0)) return;
    const isLevel = (low & LEVEL) !== 0;
    if (isLevel ? (low & REMOTE_IRR) !== 0 : !changed) return;
    if (((low >>> 8) & 7) > LOWEST_PRIORITY_MODE) return;
    const destination = this.get(ENTRIES_HIGH + pin * 4) >>> 24;
    const isTaken = this.send(low & 0xff, isLevel, destination, (low & LOGICAL) !== 0);
    if (isLevel && isTaken) this.set(at, low | REMOTE_IRR);
  }

  // ---- power management -------------------------------------------------------------------------------------------

  private mask(): void {
    for (let pin = 0; pin < IO_APIC_PINS; pin++) {
      this.set(ENTRIES_LOW + pin * 4, MASKED);
      this.set(ENTRIES_HIGH + pin * 4, 0);
    }
  }

  private suspend(): Errno {
    for (let offset = 0; offset < SAVED; offset += 4) this.set(SAVED + offset, this.get(offset));
    this.set(SUSPENDED, 1);
    this.mask();
    return Errno.OK;
  }

  private resume(): Errno {
    if (this.get(SUSPENDED) === 0) return Errno.OK;
    for (let offset = 0; offset < SAVED; offset += 4) this.set(offset, this.get(SAVED + offset));
    this.forgetSuspend();
    for (let pin = 0; pin < IO_APIC_PINS; pin++) this.service(pin, false);
    return Errno.OK;
  }

  private forgetSuspend(): void {
    for (let offset = SAVED; offset < LINES; offset += 4) this.set(offset, 0);
    this.set(SUSPENDED, 0);
  }

  private get(offset: number): number {
    return this.view.getInt32(this.base + offset, true);
  }

  private set(offset: number, value: number): void {
    this.view.setInt32(this.base + offset, value, true);
  }
}
