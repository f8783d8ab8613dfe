// SPDX-License-Identifier: MIT
// A driver for tests: sets a virtio-mmio device up as VIRTIO 1.2 §3.1 says, keeps its queues in the board's memory, and makes chains in
// them. It is one side of the specification; what it is asked to do wrong, it does.
import type { Bus } from '../../kernel-worker/bus.ts';
import type { DeviceMemory } from '../../kernel-worker/devices/device.ts';
import { VIRTIO_PLACES, type VirtioName } from '../../shared/virtio-places.ts';
import type { TestBoard } from './test-board.ts';

/** What a driver needs of its board. */
interface DriverBoard {
  readonly bus: Bus;
  readonly ram: Pick<DeviceMemory, 'read16' | 'read32' | 'write16' | 'write32' | 'write'>;
}

export const REGISTER = {
  magicValue: 0x000,
  version: 0x004,
  deviceID: 0x008,
  vendorID: 0x00c,
  deviceFeatures: 0x010,
  deviceFeaturesSel: 0x014,
  driverFeatures: 0x020,
  driverFeaturesSel: 0x024,
  queueSel: 0x030,
  queueNumMax: 0x034,
  queueNum: 0x038,
  queueReady: 0x044,
  queueNotify: 0x050,
  interruptStatus: 0x060,
  interruptACK: 0x064,
  status: 0x070,
  queueDescLow: 0x080,
  queueDescHigh: 0x084,
  queueDriverLow: 0x090,
  queueDeviceLow: 0x0a0,
  shmLenLow: 0x0b0,
  configGeneration: 0x0fc,
  config: 0x100,
} as const;
export type RegisterName = keyof typeof REGISTER;

export const F_INDIRECT_DESC = 1 << 28;
export const F_EVENT_IDX = 1 << 29;
export const NEXT = 1;
export const WRITE = 2;
export const INDIRECT = 4;

/** Each queue has 4 KiB of the board's memory: descriptors, available ring at 0x800, used ring at 0xa00; indirect tables at 0xc00. */
const QUEUE_BYTES = 0x1000;
const AVAIL = 0x800;
const USED = 0xa00;
export const INDIRECT_TABLE = 0xc00;

export interface Descriptor {
  readonly at: number;
  readonly length: number;
  readonly flags?: number;
  readonly next?: number;
}

export class TestDriver<Board extends DriverBoard = TestBoard> {
  readonly board: Board;
  readonly size: number;
  private readonly address: number;
  private readonly queueBase: (queue: number) => number;

  /** `place` tells drivers of one board apart: which 8 KiB of its memory are this one's. */
  constructor(board: Board, name: VirtioName, { place = 0, size = 8 } = {}) {
    this.board = board;
    this.size = size;
    this.address = VIRTIO_PLACES[name].address;
    this.queueBase = (queue) => (2 * place + queue) * QUEUE_BYTES;
  }

  read(register: RegisterName, offset = 0): number {
    return this.board.bus.readMemory(this.address + REGISTER[register] + offset, 4);
  }

  write(register: RegisterName, value: number): void {
    this.board.bus.writeMemory(this.address + REGISTER[register], 4, value);
  }

  config(offset: number, size: number): number {
    return this.board.bus.readMemory(this.address + REGISTER.config + offset, size);
  }

  /** §3.1.1, up to DRIVER_OK; the status then. */
  start({ features = 0, queues = 1 } = {}): number {
    this.negotiate(features);
    for (let queue = 0; queue < queues; queue++) this.placeQueue(queue);
    this.write('status', 0x0f);
    return this.read('status');
  }

  negotiate(features: number, high = 1): number {
    this.write('status', 0);
    this.write('status', 3);
    [features, high].forEach((word, i) => {
      this.write('driverFeaturesSel', i);
      this.write('driverFeatures', word);
    });
    this.write('status', 0x0b);
    return this.read('status');
  }

  placeQueue(queue: number): void {
    const base = this.queueBase(queue);
    this.board.ram.write(base, new Uint8Array(QUEUE_BYTES));
    this.write('queueSel', queue);
    this.write('queueNum', this.size);
    this.write('queueDescLow', base);
    this.write('queueDriverLow', base + AVAIL);
    this.write('queueDeviceLow', base + USED);
    this.write('queueReady', 1);
  }

  /** Writes descriptors into the table of the queue, or into one elsewhere. */
  describe(descriptors: readonly Descriptor[], first = 0, table = this.queueBase(0)): void {
    const { ram } = this.board;
    descriptors.forEach(({ at, length, flags = 0, next = 0 }, i) => {
      const entry = table + 16 * (first + i);
      ram.write32(entry, at);
      ram.write32(entry + 4, Math.floor(at / 2 ** 32));
      ram.write32(entry + 8, length);
      ram.write16(entry + 12, flags);
      ram.write16(entry + 14, next);
    });
  }

  /** A chain of these buffers from descriptor `first` on, made available and, unless told otherwise, notified. */
  give(queue: number, buffers: readonly Descriptor[], { first = 0, notify = true } = {}): void {
    const chain = buffers.map((buffer, i) =>
      i === buffers.length - 1 ? buffer : { ...buffer, flags: (buffer.flags ?? 0) | NEXT, next: first + i + 1 },
    );
    this.describe(chain, first, this.queueBase(queue));
    this.makeAvailable(queue, first);
    if (notify) this.write('queueNotify', queue);
  }

  makeAvailable(queue: number, head: number): void {
    const { ram } = this.board;
    const ring = this.queueBase(queue) + AVAIL;
    const index = ram.read16(ring + 2);
    ram.write16(ring + 4 + 2 * (index % this.size), head);
    ram.write16(ring + 2, index + 1);
  }

  setAvailFlags(queue: number, flags: number): void {
    this.board.ram.write16(this.queueBase(queue) + AVAIL, flags);
  }
  setAvailIndex(queue: number, index: number): void {
    this.board.ram.write16(this.queueBase(queue) + AVAIL + 2, index);
  }
  /** Interrupt once the used ring's index goes beyond this. */
  setUsedEvent(queue: number, index: number): void {
    this.board.ram.write16(this.queueBase(queue) + AVAIL + 4 + 2 * this.size, index);
  }
  availEvent(queue: number): number {
    return this.board.ram.read16(this.queueBase(queue) + USED + 4 + 8 * this.size);
  }

  /** Everything in the used ring so far: [head, bytes written] each. */
  used(queue: number): [number, number][] {
    const { ram } = this.board;
    const ring = this.queueBase(queue) + USED;
    return Array.from({ length: ram.read16(ring + 2) }, (_, i) => {
      const element = ring + 4 + 8 * (i % this.size);
      return [ram.read32(element) >>> 0, ram.read32(element + 4) >>> 0];
    });
  }

  usedRing(queue: number): number {
    return this.queueBase(queue) + USED;
  }
}
