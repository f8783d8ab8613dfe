// SPDX-License-Identifier: MIT
// The keyboard controller of a PC (Intel 8042; commands by the IBM PS/2 hardware interface technical reference) at ports 0x60
// and 0x64, IRQ 1 and 12. Neither a keyboard nor a mouse is attached: a byte for one of them is answered at once with "resend"
// and a time-out, so that a driver need not wait for its own. The output port is two wires of ./system-control.ts: A20 and the
// reset. Bytes in shared/layout/i8042-state.ts.
import { Errno } from '../../shared/errno.ts';
import { I8042, I8042_RAM_BYTES, I8042_STATE } from '../../shared/layout/i8042-state.ts';
import type { Bus } from '../bus.ts';
import type { Device, DeviceParts, InterruptLine, PmCallbacks } from './device.ts';
import type { SystemControl } from './system-control.ts';

const DATA_PORT = 0x60;
const COMMAND_PORT = 0x64;

const STATUS_OBF = 0x01;
const STATUS_SYS = 0x04;
const STATUS_CMD = 0x08;
/** The keyboard is not locked. */
const STATUS_INH = 0x10;
const STATUS_AUXB = 0x20;
const STATUS_TO = 0x40;
const STATUS_ANSWER = STATUS_OBF | STATUS_AUXB | STATUS_TO;

const CTR_INT = 0x01;
const CTR_INT2 = 0x02;
const CTR_SYS = 0x04;
const CTR_EN = 0x10;
const CTR_EN2 = 0x20;
const CTR_XLATE = 0x40;
/** As firmware leaves it: the keyboard's interface is on, that of the mouse is off. */
const CTR_POWER_ON = CTR_INT | CTR_SYS | CTR_EN2 | CTR_XLATE;

const OUTPUT_NOT_RESET = 0x01;
const OUTPUT_A20 = 0x02;
const OUTPUT_OBF = 0x10;
const OUTPUT_AUX_OBF = 0x20;
const INPUT_NOT_LOCKED = 0x80;

const WRITE_OUTPUT_PORT = 0xd1;
const WRITE_OUTPUT_BUFFER = 0xd2;
const WRITE_AUX_OUTPUT_BUFFER = 0xd3;
const WRITE_AUX = 0xd4;
const SELF_TEST_PASSED = 0x55;
const INTERFACE_TEST_PASSED = 0x00;
const NO_PASSWORD = 0xf1;
const RESEND = 0xfe;

export class KeyboardController implements Device {
  readonly name = 'i8042';
  readonly parent = 'platform';
  readonly pm: PmCallbacks = {
    freeze: () => this.freeze(),
    restore: () => this.restore(),
    inherit: () => {
      this.forgetFreeze();
      this.updateLines();
    },
  };
  private readonly view: DataView;
  private readonly base: number;
  private readonly irq1: InterruptLine;
  private readonly irq12: InterruptLine;
  private readonly system: SystemControl;

  constructor(
    parts: Omit<DeviceParts, 'clock'> & {
      readonly irq1: InterruptLine;
      readonly irq12: InterruptLine;
      readonly system: SystemControl;
    },
  ) {
    this.view = parts.view;
    this.base = parts.base;
    this.irq1 = parts.irq1;
    this.irq12 = parts.irq12;
    this.system = parts.system;
  }

  attach(bus: Bus): void {
    bus.claimPorts(this.name, DATA_PORT, DATA_PORT, {
      read8: () => this.readData(),
      write8: (_port, value) => this.writeData(value),
    });
    bus.claimPorts(this.name, COMMAND_PORT, COMMAND_PORT, {
      read8: () => this.get(I8042.STATUS),
      write8: (_port, value) => this.writeCommand(value),
    });
  }

  reset(): void {
    for (let offset = 0; offset < I8042_STATE.bytes; offset++) this.set(offset, 0);
    this.set(I8042.RAM, CTR_POWER_ON);
    this.set(I8042.STATUS, STATUS_SYS | STATUS_INH);
  }

  deadlineTick(): number {
    return Number.POSITIVE_INFINITY;
  }

  onDeadline(): void {}

  busyReason(): null {
    return null;
  }

  private readData(): number {
    this.set(I8042.STATUS, this.get(I8042.STATUS) & ~STATUS_ANSWER);
    this.updateLines();
    return this.get(I8042.OUTPUT_BUFFER);
  }

  /** The parameter of the command before, or a byte for the keyboard, whose interface that switches on. */
  private writeData(value: number): void {
    const command = this.get(I8042.COMMAND);
    this.set(I8042.COMMAND, 0);
    this.set(I8042.STATUS, this.get(I8042.STATUS) & ~STATUS_CMD);
    if (command >= 0x60 && command < 0x80) this.writeRam(command - 0x60, value);
    else if (command === WRITE_OUTPUT_PORT) this.writeOutputPort(value);
    else if (command === WRITE_OUTPUT_BUFFER) this.answer(value);
    else if (command === WRITE_AUX_OUTPUT_BUFFER) this.answer(value, STATUS_AUXB);
    else if (command === WRITE_AUX) this.answer(RESEND, STATUS_AUXB | STATUS_TO);
    else {
      this.set(I8042.RAM, this.get(I8042.RAM) & ~CTR_EN);
      this.answer(RESEND, STATUS_TO);
    }
  }

  private writeCommand(command: number): void {
    this.set(I8042.STATUS, this.get(I8042.STATUS) | STATUS_CMD);
    this.set(I8042.COMMAND, 0);
    if (command >= 0x20 && command < 0x40) this.answer(this.get(I8042.RAM + command - 0x20));
    else if ((command >= 0x60 && command < 0x80) || (command >= WRITE_OUTPUT_PORT && command <= WRITE_AUX)) {
      this.set(I8042.COMMAND, command);
    } else if (command >= 0xf0) this.pulse(command);
    else this.execute(command);
  }

  private execute(command: number): void {
    const ctr = this.get(I8042.RAM);
    switch (command) {
      case 0xa4:
        this.answer(NO_PASSWORD);
        break;
      case 0xa7:
        this.set(I8042.RAM, ctr | CTR_EN2);
        break;
      case 0xa8:
        this.set(I8042.RAM, ctr & ~CTR_EN2);
        break;
      case 0xa9:
      case 0xab:
        this.answer(INTERFACE_TEST_PASSED);
        break;
      case 0xaa:
        this.set(I8042.STATUS, this.get(I8042.STATUS) | STATUS_SYS);
        this.answer(SELF_TEST_PASSED);
        break;
      case 0xad:
        this.set(I8042.RAM, ctr | CTR_EN);
        break;
      case 0xae:
        this.set(I8042.RAM, ctr & ~CTR_EN);
        break;
      case 0xc0:
        this.answer(INPUT_NOT_LOCKED);
        break;
      case 0xd0:
        this.answer(this.readOutputPort());
        break;
      // Two of HP's Vectra that others took over: A20 off and on.
      case 0xdd:
        this.system.a20Open = false;
        break;
      case 0xdf:
        this.system.a20Open = true;
        break;
      case 0xe0:
        // Both clocks are low: nobody is there to let go of them.
        this.answer(0);
        break;
      default:
        // As a real one does with what it does not know: nothing.
        break;
    }
  }

  /** Bits 0-3 that are 0 pull those of the output port low for 6 µs, which only the reset notices. */
  private pulse(command: number): void {
    if ((command & OUTPUT_NOT_RESET) === 0) this.system.reset();
  }

  private readOutputPort(): number {
    const status = this.get(I8042.STATUS);
    const a20 = this.system.a20Open ? OUTPUT_A20 : 0;
    if (!(status & STATUS_OBF)) return OUTPUT_NOT_RESET | a20;
    return OUTPUT_NOT_RESET | a20 | (status & STATUS_AUXB ? OUTPUT_AUX_OBF : OUTPUT_OBF);
  }

  private writeOutputPort(value: number): void {
    this.system.a20Open = (value & OUTPUT_A20) !== 0;
    if ((value & OUTPUT_NOT_RESET) === 0) this.system.reset();
  }

  private writeRam(index: number, value: number): void {
    this.set(I8042.RAM + (index % I8042_RAM_BYTES), value);
    if (index !== 0) return;
    const sys = value & CTR_SYS ? STATUS_SYS : 0;
    this.set(I8042.STATUS, (this.get(I8042.STATUS) & ~STATUS_SYS) | sys);
    this.updateLines();
  }

  /** Puts a byte into the output buffer; one that nobody has read is lost. */
  private answer(value: number, how = 0): void {
    this.set(I8042.OUTPUT_BUFFER, value);
    this.set(I8042.STATUS, (this.get(I8042.STATUS) & ~STATUS_ANSWER) | STATUS_OBF | how);
    this.updateLines();
  }

  private updateLines(): void {
    const ctr = this.get(I8042.RAM);
    const from = this.get(I8042.STATUS) & (STATUS_OBF | STATUS_AUXB);
    this.irq1(from === STATUS_OBF && (ctr & CTR_INT) !== 0);
    this.irq12(from === (STATUS_OBF | STATUS_AUXB) && (ctr & CTR_INT2) !== 0);
  }

  /** No more interrupts (drivers/input/serio/i8042.c:i8042_controller_reset); the lines keep their levels. */
  private freeze(): Errno {
    const ctr = this.get(I8042.RAM);
    this.set(I8042.SAVED_CTR, ctr);
    this.set(I8042.FROZEN, 1);
    this.set(I8042.RAM, ctr & ~(CTR_INT | CTR_INT2));
    return Errno.OK;
  }

  private restore(): Errno {
    if (!this.get(I8042.FROZEN)) return Errno.OK;
    this.set(I8042.RAM, this.get(I8042.SAVED_CTR));
    this.forgetFreeze();
    this.updateLines();
    return Errno.OK;
  }

  private forgetFreeze(): void {
    this.set(I8042.SAVED_CTR, 0);
    this.set(I8042.FROZEN, 0);
  }

  private get(offset: number): number {
    return this.view.getUint8(this.base + offset);
  }

  private set(offset: number, value: number): void {
    this.view.setUint8(this.base + offset, value);
  }
}
