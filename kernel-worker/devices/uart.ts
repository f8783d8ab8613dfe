// SPDX-License-Identifier: MIT
// A 16550A serial port (National data sheet PC16550D) at 0x3F8, IRQ 4. What is transmitted leaves as it is written: a guest
// that polls for every character would spend most of its instructions on the baud rate. What comes in waits on the wire, a
// character's time behind each other and until the receiver has room: the other end keeps to flow control. A PC wires OUT2 as
// the gate of the interrupt line, and loopback holds OUT2 off. CTS, DSR and DCD are wired on. Bytes in
// shared/layout/uart-state.ts.
import { Errno } from '../../shared/errno.ts';
import { UART, UART_FIFO_BYTES, UART_STATE, UART_WIRE_BYTES } from '../../shared/layout/uart-state.ts';
import type { Bus } from '../bus.ts';
import type { Clock, Device, DeviceParts, InterruptLine, PmCallbacks } from './device.ts';
import { Wire } from './wire.ts';

const NEVER = Number.POSITIVE_INFINITY;
const FIRST_PORT = 0x3f8;
const CRYSTAL_HZ = 1_843_200;
/** 115200 / 12 = 9600 baud. */
const POWER_ON_DIVISOR = 12;

const IER_ERBFI = 0x01;
const IER_ETBEI = 0x02;
const IER_ELSI = 0x04;
const IER_EDSSI = 0x08;
const IIR_NONE = 0x01;
const IIR_MODEM_STATUS = 0x00;
const IIR_THRE = 0x02;
const IIR_DATA = 0x04;
const IIR_LINE_STATUS = 0x06;
const IIR_TIMEOUT = 0x0c;
const IIR_FIFOS = 0xc0;
const FCR_ENABLE = 0x01;
const FCR_RESET_RX = 0x02;
const FCR_KEPT = 0xc9;
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;
const LCR_STOP = 0x04;
const LCR_PARITY = 0x08;
const LCR_DLAB = 0x80;
const MCR_OUT2 = 0x08;
const MCR_LOOP = 0x10;
const MCR_WRITABLE = 0x1f;
const LSR_DR = 0x01;
const LSR_OE = 0x02;
const LSR_THRE = 0x20;
const LSR_TEMT = 0x40;
const MSR_TERI = 0x04;
const MSR_RI = 0x40;
const MSR_CONNECTED = 0xb0;

const WIRE = { ring: UART.WIRE, head: UART.WIRE_HEAD, count: UART.WIRE_COUNT, capacity: UART_WIRE_BYTES } as const;

export class Uart implements Device {
  readonly name = 'uart0';
  readonly parent = 'platform';
  readonly pm: PmCallbacks = {
    freeze: () => this.freeze(),
    restore: () => this.restore(),
    inherit: () => this.inherit(),
  };
  private readonly view: DataView;
  private readonly base: number;
  private readonly clock: Clock;
  private readonly irq: InterruptLine;
  private readonly transmit: (byte: number) => void;
  private readonly wire: Wire;

  /** `transmit` hears every byte as it is written. */
  constructor(parts: DeviceParts & { readonly irq: InterruptLine; readonly transmit: (byte: number) => void }) {
    this.view = parts.view;
    this.base = parts.base;
    this.clock = parts.clock;
    this.irq = parts.irq;
    this.transmit = parts.transmit;
    this.wire = new Wire(parts.view, parts.base, WIRE);
  }

  attach(bus: Bus): void {
    bus.claimPorts(this.name, FIRST_PORT, FIRST_PORT + 7, {
      read8: (port) => this.read(port - FIRST_PORT),
      write8: (port, value) => this.write(port - FIRST_PORT, value),
    });
  }

  reset(): void {
    for (let offset = 0; offset < UART_STATE.bytes; offset++) this.set(offset, 0);
    for (const offset of [UART.RX_DEADLINE, UART.TIMEOUT_DEADLINE, UART.FROZEN_TICK]) this.setTick(offset, NEVER);
    this.set(UART.MSR, MSR_CONNECTED);
    this.set(UART.DLL, POWER_ON_DIVISOR);
  }

  deadlineTick(): number {
    return Math.min(this.tick(UART.RX_DEADLINE), this.tick(UART.TIMEOUT_DEADLINE));
  }

  onDeadline(nowTick: number): void {
    while (this.tick(UART.RX_DEADLINE) <= nowTick) this.arrive();
    this.timeOut(nowTick);
    this.updateLine();
  }

  busyReason(): null {
    return null;
  }

  /** Bytes that `send` would take now. */
  get wireRoom(): number {
    return this.wire.room;
  }

  /** The other end sends: at most `wireRoom` bytes, the first of which is here in a character's time. */
  send(bytes: ArrayLike<number>): void {
    this.wire.push(bytes);
    this.listen(this.clock.nowTick());
  }

  /** A byte has come in. False: it was lost to an overrun, or the port is in loopback and hears nobody. */
  receive(byte: number): boolean {
    this.onDeadline(this.clock.nowTick());
    if (this.get(UART.MCR) & MCR_LOOP) return false;
    const taken = this.enqueueReceived(byte, this.clock.nowTick());
    this.updateLine();
    return taken;
  }

  private read(register: number): number {
    this.onDeadline(this.clock.nowTick());
    const value = this.readRegister(register);
    this.settle();
    return value;
  }

  private readRegister(register: number): number {
    const dlab = (this.get(UART.LCR) & LCR_DLAB) !== 0;
    switch (register) {
      case 0:
        return dlab ? this.get(UART.DLL) : this.readRBR();
      case 1:
        return this.get(dlab ? UART.DLM : UART.IER);
      case 2:
        return this.readIIR();
      case 3:
        return this.get(UART.LCR);
      case 4:
        return this.get(UART.MCR);
      case 5:
        return this.readLSR();
      case 6: {
        const msr = this.get(UART.MSR);
        this.set(UART.MSR, msr & 0xf0);
        return msr;
      }
      default:
        return this.get(UART.SCR);
    }
  }

  private write(register: number, value: number): void {
    this.onDeadline(this.clock.nowTick());
    this.writeRegister(register, value);
    this.settle();
  }

  /** Behind an access: there may be room for what waits on the wire, and the line is as the registers say. */
  private settle(): void {
    this.listen(this.clock.nowTick());
    this.updateLine();
  }

  private writeRegister(register: number, value: number): void {
    const dlab = (this.get(UART.LCR) & LCR_DLAB) !== 0;
    switch (register) {
      case 0:
        if (dlab) this.set(UART.DLL, value);
        else this.writeTHR(value);
        break;
      case 1:
        if (dlab) this.set(UART.DLM, value);
        else this.writeIER(value & 0x0f);
        break;
      case 2:
        this.writeFCR(value);
        break;
      case 3:
        this.set(UART.LCR, value);
        break;
      case 4:
        this.set(UART.MCR, value & MCR_WRITABLE);
        this.updateModemStatus();
        break;
      case 7:
        this.set(UART.SCR, value);
        break;
      default:
        // LSR and MSR are meant for reading only.
        break;
    }
  }

  private get fifosEnabled(): boolean {
    return (this.get(UART.FCR) & FCR_ENABLE) !== 0;
  }

  private get receiverBytes(): number {
    return this.fifosEnabled ? UART_FIFO_BYTES : 1;
  }

  /** Ticks of one character: start, data, parity and stop bits at 16 crystal cycles times the divisor. */
  private charTicks(): number {
    const lcr = this.get(UART.LCR);
    const dataBits = 5 + (lcr & 3);
    const stopBits = lcr & LCR_STOP ? (dataBits === 5 ? 1.5 : 2) : 1;
    const bits = 1 + dataBits + (lcr & LCR_PARITY ? 1 : 0) + stopBits;
    const divisor = this.get(UART.DLL) | (this.get(UART.DLM) << 8) || 0x10000;
    return Math.round((bits * divisor * 16 * 1e9) / CRYSTAL_HZ);
  }

  /** The line falls as THR is written, and rises again as THR is empty: an edge for each character. */
  private writeTHR(value: number): void {
    this.set(UART.THRE_PENDING, 0);
    this.updateLine();
    const byte = value & (0xff >> (3 - (this.get(UART.LCR) & 3)));
    if (this.get(UART.MCR) & MCR_LOOP) this.enqueueReceived(byte, this.clock.nowTick());
    else this.transmit(byte);
    this.set(UART.THRE_PENDING, 1);
  }

  /** The next byte on the wire is on its way if the receiver has room for it, and none is on its way already. */
  private listen(fromTick: number): void {
    const hears = (this.get(UART.MCR) & MCR_LOOP) === 0 && this.get(UART.RX_COUNT) < this.receiverBytes;
    if (!hears || this.wire.isEmpty || this.tick(UART.RX_DEADLINE) !== NEVER) return;
    this.setTick(UART.RX_DEADLINE, fromTick + this.charTicks());
  }

  /** The byte on its way is here; if the receiver has lost its room since, it stays on the wire. */
  private arrive(): void {
    const atTick = this.tick(UART.RX_DEADLINE);
    this.setTick(UART.RX_DEADLINE, NEVER);
    this.timeOut(atTick);
    if (this.get(UART.MCR) & MCR_LOOP || this.get(UART.RX_COUNT) >= this.receiverBytes) return;
    this.enqueueReceived(this.wire.shift(), atTick);
    this.listen(atTick);
  }

  private timeOut(nowTick: number): void {
    if (this.tick(UART.TIMEOUT_DEADLINE) > nowTick) return;
    this.set(UART.TIMEOUT_PENDING, 1);
    this.setTick(UART.TIMEOUT_DEADLINE, NEVER);
  }

  /** With FIFOs an overrun loses the new byte, without them the old one. */
  private enqueueReceived(byte: number, atTick: number): boolean {
    const count = this.get(UART.RX_COUNT);
    if (count >= this.receiverBytes) {
      this.set(UART.LSR_ERRORS, this.get(UART.LSR_ERRORS) | LSR_OE);
      const overruns = this.base + UART.OVERRUNS;
      this.view.setUint32(overruns, this.view.getUint32(overruns, true) + 1, true);
      if (!this.fifosEnabled) this.set(UART.RX_FIFO + this.get(UART.RX_HEAD), byte);
      return false;
    }
    this.set(UART.RX_FIFO + ((this.get(UART.RX_HEAD) + count) % UART_FIFO_BYTES), byte);
    this.set(UART.RX_COUNT, count + 1);
    this.restartTimeout(atTick);
    return true;
  }

  private readRBR(): number {
    const count = this.get(UART.RX_COUNT);
    const head = this.get(UART.RX_HEAD);
    const byte = this.get(UART.RX_FIFO + head);
    if (count === 0) return byte;
    this.set(UART.RX_HEAD, (head + 1) % UART_FIFO_BYTES);
    this.set(UART.RX_COUNT, count - 1);
    this.set(UART.TIMEOUT_PENDING, 0);
    this.restartTimeout(this.clock.nowTick());
    return byte;
  }

  /** Four characters' time without a byte coming or going, while the FIFO holds one. */
  private restartTimeout(fromTick: number): void {
    const waiting = this.fifosEnabled && this.get(UART.RX_COUNT) > 0;
    this.setTick(UART.TIMEOUT_DEADLINE, waiting ? fromTick + 4 * this.charTicks() : NEVER);
  }

  private writeIER(value: number): void {
    const enabled = value & ~this.get(UART.IER);
    this.set(UART.IER, value);
    // Enabling ETBEI while THR is empty, as it always is here, interrupts at once.
    if (enabled & IER_ETBEI) this.set(UART.THRE_PENDING, 1);
  }

  /** FCR0 switches the FIFOs, and any change of it empties the receiver's; the other bits count only if it is written as 1. */
  private writeFCR(value: number): void {
    const changed = (value ^ this.get(UART.FCR)) & FCR_ENABLE;
    if (changed || (value & FCR_ENABLE && value & FCR_RESET_RX)) {
      this.set(UART.RX_HEAD, 0);
      this.set(UART.RX_COUNT, 0);
      this.set(UART.TIMEOUT_PENDING, 0);
      this.setTick(UART.TIMEOUT_DEADLINE, NEVER);
    }
    this.set(UART.FCR, value & FCR_ENABLE ? value & FCR_KEPT : 0);
  }

  private readLSR(): number {
    const errors = this.get(UART.LSR_ERRORS);
    this.set(UART.LSR_ERRORS, 0);
    return errors | (this.get(UART.RX_COUNT) > 0 ? LSR_DR : 0) | LSR_THRE | LSR_TEMT;
  }

  /** In loopback the modem inputs are the modem outputs: RTS → CTS, DTR → DSR, OUT1 → RI, OUT2 → DCD. */
  private updateModemStatus(): void {
    const mcr = this.get(UART.MCR);
    const old = this.get(UART.MSR);
    const loop = ((mcr & 2) << 3) | ((mcr & 1) << 5) | ((mcr & 4) << 4) | ((mcr & 8) << 4);
    const inputs = mcr & MCR_LOOP ? loop : MSR_CONNECTED;
    const changed = (old ^ inputs) & 0xf0;
    // The delta bit of RI tells only of its trailing edge.
    const deltas = ((changed & ~MSR_RI) >> 4) | (changed & old & MSR_RI ? MSR_TERI : 0);
    this.set(UART.MSR, inputs | (old & 0x0f) | deltas);
  }

  /** The highest of the enabled interrupts, in the data sheet's order. */
  private pendingInterrupt(): number {
    const ier = this.get(UART.IER);
    if (ier & IER_ELSI && this.get(UART.LSR_ERRORS)) return IIR_LINE_STATUS;
    if (ier & IER_ERBFI) {
      const trigger = this.fifosEnabled ? TRIGGER_LEVELS[this.get(UART.FCR) >> 6]! : 1;
      if (this.get(UART.RX_COUNT) >= trigger) return IIR_DATA;
      if (this.get(UART.TIMEOUT_PENDING)) return IIR_TIMEOUT;
    }
    if (ier & IER_ETBEI && this.get(UART.THRE_PENDING)) return IIR_THRE;
    if (ier & IER_EDSSI && this.get(UART.MSR) & 0x0f) return IIR_MODEM_STATUS;
    return IIR_NONE;
  }

  private readIIR(): number {
    const interrupt = this.pendingInterrupt();
    if (interrupt === IIR_THRE) this.set(UART.THRE_PENDING, 0);
    return interrupt | (this.fifosEnabled ? IIR_FIFOS : 0);
  }

  private updateLine(): void {
    const gate = (this.get(UART.MCR) & (MCR_OUT2 | MCR_LOOP)) === MCR_OUT2;
    this.irq(gate && this.pendingInterrupt() !== IIR_NONE);
  }

  /**
   * No more interrupts. The registers change without the line: a fall now and a rise at the restore would be an edge that
   * nobody caused. The next access from anywhere drives the line as the registers say.
   */
  private freeze(): Errno {
    this.set(UART.SAVED_IER, this.get(UART.IER));
    this.set(UART.SAVED_MCR, this.get(UART.MCR));
    this.set(UART.IER, 0);
    this.set(UART.MCR, 0);
    this.setTick(UART.FROZEN_TICK, this.clock.nowTick());
    return Errno.OK;
  }

  /** A byte half on its way at the freeze is half on its way now. */
  private restore(): Errno {
    const frozenTick = this.tick(UART.FROZEN_TICK);
    if (frozenTick === NEVER) return Errno.OK;
    const away = this.clock.nowTick() - frozenTick;
    for (const offset of [UART.RX_DEADLINE, UART.TIMEOUT_DEADLINE]) this.setTick(offset, this.tick(offset) + away);
    this.set(UART.IER, this.get(UART.SAVED_IER));
    this.set(UART.MCR, this.get(UART.SAVED_MCR));
    this.forgetFreeze();
    this.settle();
    return Errno.OK;
  }

  /** What was sent to the system before is in its own copy of the bytes, and not for the next one. */
  private inherit(): void {
    this.forgetFreeze();
    this.wire.clear();
    this.setTick(UART.RX_DEADLINE, NEVER);
    this.updateLine();
  }

  private forgetFreeze(): void {
    this.set(UART.SAVED_IER, 0);
    this.set(UART.SAVED_MCR, 0);
    this.setTick(UART.FROZEN_TICK, NEVER);
  }

  private tick(offset: number): number {
    return this.view.getFloat64(this.base + offset, true);
  }

  private setTick(offset: number, tick: number): void {
    this.view.setFloat64(this.base + offset, tick, true);
  }

  private get(offset: number): number {
    return this.view.getUint8(this.base + offset);
  }

  private set(offset: number, value: number): void {
    this.view.setUint8(this.base + offset, value);
  }
}
