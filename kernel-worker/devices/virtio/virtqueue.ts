// SPDX-License-Identifier: MIT
// A split virtqueue, from the device's side (VIRTIO 1.2 §2.7): takes chains of descriptors from the available ring and gives them back
// in the used ring, both in the driver's memory. What the driver wrote there is checked before anything of a chain is used; a queue that
// makes no sense is `broken`, and nothing more is taken from it. Its registers and counts are in the bytes (virtio-state.ts).
import { VIRTQUEUE } from '../../../shared/layout/virtio-state.ts';
import type { DeviceMemory } from '../device.ts';
import { Buffers } from './buffers.ts';

export const F_INDIRECT_DESC = 1 << 28;
export const F_EVENT_IDX = 1 << 29;

const DESC_BYTES = 16;
const DESC_F_NEXT = 1;
const DESC_F_WRITE = 2;
const DESC_F_INDIRECT = 4;
const AVAIL_F_NO_INTERRUPT = 1;
/** From the start of a ring to its elements: flags, idx. */
const RING = 4;
const USED_BYTES = 8;
const HIGH = 2 ** 32;

export class Virtqueue {
  /** Largest size that the driver may choose. */
  readonly max: number;
  /** Of the chain that `next` took. */
  readonly readable: Buffers;
  readonly writable: Buffers;
  /** The driver made a mistake since `begin`. */
  broken = false;
  private readonly device: string;
  private readonly view: DataView;
  private readonly base: number;
  private readonly memory: DeviceMemory;
  private head = 0;
  private features = 0;
  private usedBefore = 0;

  /** `device` is whom the queue is of, for who looks for a store that went astray. */
  constructor(device: string, view: DataView, base: number, memory: DeviceMemory, max: number) {
    this.device = device;
    this.view = view;
    this.base = base;
    this.memory = memory;
    this.max = max;
    this.readable = new Buffers(memory);
    this.writable = new Buffers(memory);
  }

  // ---- registers --------------------------------------------------------------------------------------------------

  get isReady(): boolean {
    return this.get(VIRTQUEUE.READY) !== 0;
  }

  setSize(size: number): void {
    // What does not fit the register is not a size either.
    this.set(VIRTQUEUE.NUM, Math.min(size, 0xffff));
  }

  /** `area` is one of VIRTQUEUE.DESC, DRIVER and DEVICE, 4 higher for the high word. */
  setAddressWord(area: number, word: number): void {
    this.view.setInt32(this.base + area, word, true);
  }

  /** The driver has set the queue up: false if a queue cannot be so. Ring counts begin at 0. */
  enable(): boolean {
    const { size } = this;
    const isSize = size > 0 && size <= this.max && (size & (size - 1)) === 0;
    if (!isSize || !this.isPlaced(VIRTQUEUE.DESC, DESC_BYTES * size, DESC_BYTES)) return false;
    if (!this.isPlaced(VIRTQUEUE.DRIVER, RING + 2 * size + 2, 2)) return false;
    if (!this.isPlaced(VIRTQUEUE.DEVICE, this.usedRingBytes, 4)) return false;
    this.set(VIRTQUEUE.READY, 1);
    return true;
  }

  disable(): void {
    for (const offset of [VIRTQUEUE.READY, VIRTQUEUE.LAST_AVAIL, VIRTQUEUE.USED]) this.set(offset, 0);
  }

  // ---- chains -----------------------------------------------------------------------------------------------------

  /** The device is about to look at the queue, with the features that the driver accepted (word 0). */
  begin(features: number): void {
    this.features = features;
    this.usedBefore = this.get(VIRTQUEUE.USED);
    const device = this.address(VIRTQUEUE.DEVICE);
    this.broken = !this.memory.mayStore(this.device, device, this.usedRingBytes);
  }

  /** Takes the next chain: `readable` and `writable` are its. False if there is none, or if the queue is broken. */
  next(): boolean {
    if (this.broken) return false;
    const { memory, size } = this;
    const driver = this.address(VIRTQUEUE.DRIVER);
    const taken = this.get(VIRTQUEUE.LAST_AVAIL);
    const waiting = (memory.read16(driver + 2) - taken) & 0xffff;
    if (waiting === 0) return false;
    if (waiting > size) return this.fail();
    this.head = memory.read16(driver + RING + 2 * (taken & (size - 1)));
    if (!this.walk()) return false;
    this.set(VIRTQUEUE.LAST_AVAIL, taken + 1);
    return true;
  }

  /** Gives back the chain that `next` took, with so many bytes stored to its writable buffers. The element first, then the index. */
  giveBack(written: number): void {
    const device = this.address(VIRTQUEUE.DEVICE);
    const used = this.get(VIRTQUEUE.USED);
    const element = device + RING + USED_BYTES * (used & (this.size - 1));
    this.memory.write32(element, this.head);
    this.memory.write32(element + 4, written);
    this.set(VIRTQUEUE.USED, used + 1);
    this.memory.write16(device + 2, used + 1);
  }

  /** The driver made a chain that the device has no use for. */
  fail(): false {
    this.broken = true;
    return false;
  }

  /** The device has looked. True if the driver wants to hear of what was given back since `begin` (§2.7.7.2, §2.7.10). */
  end(): boolean {
    if (this.broken) return false;
    const { memory, size } = this;
    const driver = this.address(VIRTQUEUE.DRIVER);
    const used = this.get(VIRTQUEUE.USED);
    const given = (used - this.usedBefore) & 0xffff;
    if ((this.features & F_EVENT_IDX) === 0) return given > 0 && (memory.read16(driver) & AVAIL_F_NO_INTERRUPT) === 0;
    // The next chain that is made available is to be told of, whether all before it were taken or not.
    memory.write16(this.address(VIRTQUEUE.DEVICE) + RING + USED_BYTES * size, memory.read16(driver + 2));
    const usedEvent = memory.read16(driver + RING + 2 * size);
    return ((used - usedEvent - 1) & 0xffff) < given;
  }

  private walk(): boolean {
    const { memory, readable, writable } = this;
    readable.clear();
    writable.clear();
    let table = this.address(VIRTQUEUE.DESC);
    let entries = this.size;
    let isIndirect = false;
    let index = this.head;
    for (let left = this.size; left > 0; ) {
      if (index >= entries) return this.fail();
      const at = table + DESC_BYTES * index;
      const physAddr = (memory.read32(at) >>> 0) + (memory.read32(at + 4) >>> 0) * HIGH;
      const length = memory.read32(at + 8) >>> 0;
      const flags = memory.read16(at + 12);
      if (!memory.holds(physAddr, length)) return this.fail();
      if ((flags & DESC_F_INDIRECT) !== 0) {
        const isTable = length > 0 && length % DESC_BYTES === 0 && (flags & DESC_F_NEXT) === 0;
        if (!isTable || isIndirect || (this.features & F_INDIRECT_DESC) === 0) return this.fail();
        table = physAddr;
        entries = length / DESC_BYTES;
        isIndirect = true;
        index = 0;
        continue;
      }
      if (!this.addBuffer(physAddr, length, flags)) return this.fail();
      if ((flags & DESC_F_NEXT) === 0) return true;
      index = memory.read16(at + 14);
      left--;
    }
    // Longer than the queue: there is a circle in it (§2.7.5.2).
    return this.fail();
  }

  /** Buffers for the device to write follow all that it reads (§2.7.4.2). */
  private addBuffer(physAddr: number, length: number, flags: number): boolean {
    const isWrite = (flags & DESC_F_WRITE) !== 0;
    if (length === 0) return true;
    if (isWrite ? !this.memory.mayStore(this.device, physAddr, length) : this.writable.length > 0) return false;
    (isWrite ? this.writable : this.readable).add(physAddr, length);
    return true;
  }

  // ---- bytes ------------------------------------------------------------------------------------------------------

  private get size(): number {
    return this.get(VIRTQUEUE.NUM);
  }

  private get usedRingBytes(): number {
    return RING + USED_BYTES * this.size + 2;
  }

  private isPlaced(area: number, bytes: number, alignment: number): boolean {
    const physAddr = this.address(area);
    return physAddr % alignment === 0 && this.memory.holds(physAddr, bytes);
  }

  private address(area: number): number {
    const at = this.base + area;
    return this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * HIGH;
  }

  private get(offset: number): number {
    return this.view.getUint16(this.base + offset, true);
  }

  /** Modulo 2^16, as rings count. */
  private set(offset: number, value: number): void {
    this.view.setUint16(this.base + offset, value, true);
  }
}
