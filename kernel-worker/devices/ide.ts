// SPDX-License-Identifier: MIT
// The ATA channels of a PC: `ide0` at ports 0x1F0-0x1F7 and 0x3F6, IRQ 14; `ide1` at 0x170-0x177 and 0x376, IRQ 15. A channel
// passes the command block on to its disk and owns the device control register: SRST, and nIEN as the gate of the interrupt
// line. With no disk nothing drives the bus, and every register reads as ones. Bytes in shared/layout/ata-state.ts.
import { Errno } from '../../shared/errno.ts';
import { IDE } from '../../shared/layout/ata-state.ts';
import type { Bus } from '../bus.ts';
import type { Device, DeviceParts, InterruptLine, PmCallbacks } from './device.ts';
import type { Disk } from './disk.ts';

const DATA_PORTS = { ide0: 0x1f0, ide1: 0x170 } as const;
const LAST_REGISTER = 7;
/** From the data port to the device control register. */
const CONTROL_OFFSET = 0x206;
const CONTROL_nIEN = 0x02;
const CONTROL_SRST = 0x04;
const CONTROL_WRITABLE = CONTROL_nIEN | CONTROL_SRST;
const FLOATING = 0xff;

export class Ide implements Device {
  readonly name: 'ide0' | 'ide1';
  readonly parent = 'platform';
  readonly pm: PmCallbacks = {
    async: true,
    freezeNoirq: () => this.freeze(),
    restoreNoirq: () => this.restore(),
    inherit: () => {
      this.forgetFreeze();
      this.updateLine();
    },
  };
  private readonly view: DataView;
  private readonly base: number;
  private readonly irq: InterruptLine;
  private readonly disk: Disk;

  constructor(name: 'ide0' | 'ide1', parts: DeviceParts & { readonly irq: InterruptLine; readonly disk: Disk }) {
    this.name = name;
    this.view = parts.view;
    this.base = parts.base;
    this.irq = parts.irq;
    this.disk = parts.disk;
    this.disk.connect(() => this.updateLine());
  }

  attach(bus: Bus): void {
    const { disk } = this;
    const dataPort = DATA_PORTS[this.name];
    const controlPort = dataPort + CONTROL_OFFSET;
    bus.claimPorts(this.name, dataPort, dataPort, {
      read16: () => disk.readData16(),
      write16: (_port, value) => disk.writeData16(value),
      // Two words, the lower first.
      read32: () => disk.readData16() | (disk.readData16() << 16),
      write32: (_port, value) => {
        disk.writeData16(value & 0xffff);
        disk.writeData16(value >>> 16);
      },
    });
    bus.claimPorts(this.name, dataPort + 1, dataPort + LAST_REGISTER, {
      read8: (port) => (disk.present ? disk.readRegister(port - dataPort) : FLOATING),
      write8: (port, value) => {
        if (disk.present) disk.writeRegister(port - dataPort, value);
      },
    });
    bus.claimPorts(this.name, controlPort, controlPort, {
      read8: () => (disk.present ? disk.readStatus() : FLOATING),
      write8: (_port, value) => this.writeControl(value),
    });
  }

  reset(): void {
    for (const offset of [IDE.DEVICE_CONTROL, IDE.SAVED_DEVICE_CONTROL, IDE.FROZEN]) this.set(offset, 0);
  }

  /** The channel's deadlines are its disk's; running them from either device is the same. */
  deadlineTick(): number {
    return this.disk.deadlineTick();
  }

  onDeadline(nowTick: number): void {
    this.disk.onDeadline(nowTick);
  }

  busyReason(): string | null {
    return this.disk.busyReason();
  }

  /** Drives the interrupt line as the disk and nIEN say. */
  private updateLine(): void {
    const enabled = (this.get(IDE.DEVICE_CONTROL) & CONTROL_nIEN) === 0;
    this.irq(enabled && this.disk.interruptPending);
  }

  private writeControl(value: number): void {
    const changed = this.get(IDE.DEVICE_CONTROL) ^ value;
    this.set(IDE.DEVICE_CONTROL, value & CONTROL_WRITABLE);
    if (changed & CONTROL_SRST && this.disk.present) {
      if (value & CONTROL_SRST) this.disk.assertReset();
      else this.disk.releaseReset();
    }
    this.updateLine();
  }

  /** nIEN on, but the line keeps its level: a fall now and a rise later would be an edge that nobody caused. */
  private freeze(): Errno {
    const control = this.get(IDE.DEVICE_CONTROL);
    this.set(IDE.SAVED_DEVICE_CONTROL, control);
    this.set(IDE.FROZEN, 1);
    this.set(IDE.DEVICE_CONTROL, control | CONTROL_nIEN);
    return Errno.OK;
  }

  private restore(): Errno {
    if (!this.get(IDE.FROZEN)) return Errno.OK;
    this.set(IDE.DEVICE_CONTROL, this.get(IDE.SAVED_DEVICE_CONTROL));
    this.forgetFreeze();
    this.updateLine();
    return Errno.OK;
  }

  private forgetFreeze(): void {
    this.set(IDE.SAVED_DEVICE_CONTROL, 0);
    this.set(IDE.FROZEN, 0);
  }

  private get(offset: number): number {
    return this.view.getUint8(this.base + offset);
  }

  private set(offset: number, value: number): void {
    this.view.setUint8(this.base + offset, value);
  }
}
