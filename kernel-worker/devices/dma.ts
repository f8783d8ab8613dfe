// SPDX-License-Identifier: MIT
// The registers of a PC's two 8237A DMA controllers (Intel data sheet 231466), at ports 0x00-0x0F and, two apart, 0xC0-0xDF,
// and the page registers at 0x81-0x8F. No device of this machine asks for DMA, so no channel ever moves anything: a system
// finds the controllers, programs them and reads back what it wrote. Bytes in shared/layout/dma-state.ts.
import { DMA_CHIP, DMA_CHIP_BYTES, DMA_PAGES, DMA_STATE } from '../../shared/layout/dma-state.ts';
import type { Bus } from '../bus.ts';
import type { Device, DeviceParts, PmCallbacks } from './device.ts';

const FIRST_PORTS = [0x00, 0xc0] as const;
const FIRST_PAGE_PORT = 0x81;
const LAST_PAGE_PORT = 0x8f;

const STATUS_COMMAND = 0x08;
const REQUEST = 0x09;
const SINGLE_MASK = 0x0a;
const MODE = 0x0b;
const CLEAR_FIRST_LAST = 0x0c;
const TEMPORARY_MASTER_CLEAR = 0x0d;
const CLEAR_MASK = 0x0e;
const ALL_MASK = 0x0f;
const CHANNELS = 0x0f;
const WRITE_ONLY = 0xff;

export class Dma implements Device {
  readonly name = 'dma';
  readonly parent = 'platform';
  readonly pm: PmCallbacks = {};
  private readonly view: DataView;
  private readonly base: number;

  constructor({ view, base }: Omit<DeviceParts, 'clock'>) {
    this.view = view;
    this.base = base;
  }

  attach(bus: Bus): void {
    for (const [chip, firstPort] of FIRST_PORTS.entries()) {
      bus.claimPorts(this.name, firstPort, firstPort + (16 << chip) - 1, {
        read8: (port) => this.read(chip, (port - firstPort) >> chip),
        write8: (port, value) => this.write(chip, (port - firstPort) >> chip, value),
      });
    }
    bus.claimPorts(this.name, FIRST_PAGE_PORT, LAST_PAGE_PORT, {
      read8: (port) => this.get(DMA_PAGES + (port & 0x0f)),
      write8: (port, value) => this.set(DMA_PAGES + (port & 0x0f), value),
    });
  }

  reset(): void {
    for (let offset = 0; offset < DMA_STATE.bytes; offset++) this.set(offset, 0);
    for (const chip of FIRST_PORTS.keys()) this.masterClear(chip);
  }

  deadlineTick(): number {
    return Number.POSITIVE_INFINITY;
  }

  onDeadline(): void {}

  busyReason(): null {
    return null;
  }

  private read(chip: number, register: number): number {
    const at = chip * DMA_CHIP_BYTES;
    if (register < STATUS_COMMAND) {
      const current = register & 1 ? DMA_CHIP.CURRENT_WORD_COUNT : DMA_CHIP.CURRENT_ADDRESS;
      return this.get(at + current + (register & 6) + this.nextByte(at));
    }
    // No channel has ever reached its terminal count; the upper half tells who asks.
    if (register === STATUS_COMMAND) return this.get(at + DMA_CHIP.REQUEST) << 4;
    // The temporary register holds a byte of memory-to-memory transfers, of which there are none.
    return register === TEMPORARY_MASTER_CLEAR ? 0 : WRITE_ONLY;
  }

  private write(chip: number, register: number, value: number): void {
    const at = chip * DMA_CHIP_BYTES;
    if (register < STATUS_COMMAND) {
      const isCount = (register & 1) !== 0;
      const byte = (register & 6) + this.nextByte(at);
      this.set(at + (isCount ? DMA_CHIP.BASE_WORD_COUNT : DMA_CHIP.BASE_ADDRESS) + byte, value);
      this.set(at + (isCount ? DMA_CHIP.CURRENT_WORD_COUNT : DMA_CHIP.CURRENT_ADDRESS) + byte, value);
      return;
    }
    switch (register) {
      case STATUS_COMMAND:
        this.set(at + DMA_CHIP.COMMAND, value);
        break;
      case REQUEST:
        this.setChannelBit(at + DMA_CHIP.REQUEST, value);
        break;
      case SINGLE_MASK:
        this.setChannelBit(at + DMA_CHIP.MASK, value);
        break;
      case MODE:
        this.set(at + DMA_CHIP.MODE + (value & 3), value & 0xfc);
        break;
      case CLEAR_FIRST_LAST:
        this.set(at + DMA_CHIP.FIRST_LAST, 0);
        break;
      case TEMPORARY_MASTER_CLEAR:
        this.masterClear(chip);
        break;
      case CLEAR_MASK:
        this.set(at + DMA_CHIP.MASK, 0);
        break;
      case ALL_MASK:
        this.set(at + DMA_CHIP.MASK, value & CHANNELS);
        break;
    }
  }

  /** Which byte of a word the flip-flop selects; it turns over with every access. */
  private nextByte(at: number): number {
    const byte = this.get(at + DMA_CHIP.FIRST_LAST);
    this.set(at + DMA_CHIP.FIRST_LAST, byte ^ 1);
    return byte;
  }

  /** Bits 0 and 1 select the channel, bit 2 is the new value. */
  private setChannelBit(offset: number, value: number): void {
    const bit = 1 << (value & 3);
    const old = this.get(offset);
    this.set(offset, value & 4 ? old | bit : old & ~bit);
  }

  private masterClear(chip: number): void {
    const at = chip * DMA_CHIP_BYTES;
    for (const offset of [DMA_CHIP.COMMAND, DMA_CHIP.REQUEST, DMA_CHIP.FIRST_LAST]) this.set(at + offset, 0);
    this.set(at + DMA_CHIP.MASK, CHANNELS);
  }

  private get(offset: number): number {
    return this.view.getUint8(this.base + offset);
  }

  private set(offset: number, value: number): void {
    this.view.setUint8(this.base + offset, value);
  }
}
