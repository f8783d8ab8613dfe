// SPDX-License-Identifier: MIT
// A device on the virtio-mmio transport (VIRTIO 1.2 §4.2, version 2): the register file, the life of a driver's set-up, and the time of
// its work. A notification makes a deadline, and there the queues are served: what is available by then is done whole. So nothing is
// ever half done, and a capture between any two accesses goes on identically. A mistake of the driver is answered by
// DEVICE_NEEDS_RESET (§2.1.2). Bytes in shared/layout/virtio-state.ts; what the device is for is in its VirtioFunction.
import { Errno } from '../../../shared/errno.ts';
import { VIRTIO, VIRTQUEUE, VIRTQUEUE_BYTES } from '../../../shared/layout/virtio-state.ts';
import { VIRTIO_MMIO_BYTES } from '../../../shared/virtio-places.ts';
import type { Bus } from '../../bus.ts';
import type { Clock, Device, DeviceMemory, DeviceParts, InterruptLine, PmCallbacks } from '../device.ts';
import type { VirtioFunction } from './virtio-function.ts';
import { F_EVENT_IDX, F_INDIRECT_DESC, Virtqueue } from './virtqueue.ts';

const NEVER = Number.POSITIVE_INFINITY;

const MAGIC_VALUE = 0x74726976; // 'virt', little endian
const VERSION = 2;
const VENDOR_ID = 0x504d4a4b; // 'KJMP', little endian
const CONFIG = 0x100;
/** Word 1: bit 32. */
const F_VERSION_1 = 1;

const STATUS_FEATURES_OK = 8;
const STATUS_DRIVER_OK = 4;
const STATUS_NEEDS_RESET = 0x40;
/** ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, FAILED. */
const STATUS_WRITABLE = 0x8f;
const INTERRUPT_USED = 1;
const INTERRUPT_CONFIG = 2;

/** Bytes from a record's start that the driver's reset leaves alone. */
const KEPT: readonly number[] = [VIRTIO.CONFIG_GENERATION, VIRTIO.FROZEN];

export class VirtioDevice implements Device {
  readonly name: string;
  readonly parent = 'platform';
  readonly pm: PmCallbacks = {
    freeze: () => this.freeze(),
    freezeNoirq: () => this.setFrozen(1),
    restoreNoirq: () => this.restore(),
    shutdown: () => this.shutdown(),
    inherit: () => this.inherit(),
  };
  private readonly view: DataView;
  private readonly base: number;
  private readonly clock: Clock;
  private readonly irq: InterruptLine;
  private readonly address: number;
  private readonly function: VirtioFunction;
  private readonly queues: readonly Virtqueue[];

  constructor(
    name: string,
    parts: DeviceParts & {
      readonly irq: InterruptLine;
      readonly memory: DeviceMemory;
      /** Where its registers are. */
      readonly address: number;
      readonly function: VirtioFunction;
    },
  ) {
    this.name = name;
    this.view = parts.view;
    this.base = parts.base;
    this.clock = parts.clock;
    this.irq = parts.irq;
    this.address = parts.address;
    this.function = parts.function;
    this.queues = this.function.queueMax.map((max, index) => {
      const at = this.base + VIRTIO.QUEUES + index * VIRTQUEUE_BYTES;
      return new Virtqueue(name, this.view, at, parts.memory, max);
    });
    this.function.connect?.({ schedule: () => this.schedule(), configChanged: () => this.configChanged() });
  }

  attach(bus: Bus): void {
    bus.claimMemory(this.name, this.address, VIRTIO_MMIO_BYTES, {
      // Registers are 32 bits wide and aligned (§4.2.2.2); in the configuration space any width goes.
      read8: (at) => (at >= CONFIG ? this.readConfig8(at) : 0),
      read32: (at) => {
        if (at < CONFIG) return this.readRegister(at);
        return [0, 1, 2, 3].reduce((value, i) => value | (this.readConfig8(at + i) << (8 * i)), 0);
      },
      write32: (at, value) => {
        if (at < CONFIG && this.function.deviceId !== 0) this.writeRegister(at, value >>> 0);
      },
    });
  }

  /** Power-on. */
  reset(): void {
    for (const offset of KEPT) this.set(offset, 0);
    this.function.reset();
    this.driverReset();
  }

  deadlineTick(): number {
    return this.view.getFloat64(this.base + VIRTIO.DEADLINE, true);
  }

  onDeadline(nowTick: number): void {
    if (this.deadlineTick() > nowTick) return;
    this.setDeadline(NEVER);
    const features = this.get(VIRTIO.DRIVER_FEATURES);
    for (let index = 0; index < this.queues.length && this.isLive; index++) {
      const queue = this.queues[index]!;
      if (!queue.isReady) continue;
      queue.begin(features);
      this.function.serve(queue, index, features);
      if (queue.end()) this.interrupt(INTERRUPT_USED);
      if (queue.broken) this.needReset();
    }
  }

  busyReason(): string | null {
    return this.deadlineTick() === NEVER ? null : 'a request is in flight';
  }

  // ---- registers (§4.2.2) -----------------------------------------------------------------------------------------

  private readConfig8(at: number): number {
    return this.function.readConfig?.(at - CONFIG) ?? 0;
  }

  private readRegister(at: number): number {
    switch (at) {
      case 0x000:
        return MAGIC_VALUE;
      case 0x004:
        return VERSION;
      case 0x008:
        return this.function.deviceId;
      case 0x00c:
        return VENDOR_ID;
      case 0x010:
        return this.offered(this.get(VIRTIO.DEVICE_FEATURES_SEL));
      case 0x034:
        return this.selected?.max ?? 0;
      case 0x044:
        return this.selected?.isReady ? 1 : 0;
      case 0x060:
        return this.get(VIRTIO.INTERRUPT_STATUS);
      case 0x070:
        return this.get(VIRTIO.STATUS);
      case 0x0b0: // SHMLenLow, SHMLenHigh, SHMBaseLow, SHMBaseHigh: there is no shared memory
      case 0x0b4:
      case 0x0b8:
      case 0x0bc:
        return -1;
      case 0x0fc:
        return this.get(VIRTIO.CONFIG_GENERATION);
      default:
        return 0;
    }
  }

  private writeRegister(at: number, value: number): void {
    switch (at) {
      case 0x014:
        this.set(VIRTIO.DEVICE_FEATURES_SEL, value);
        break;
      case 0x020:
        this.acceptFeatures(value);
        break;
      case 0x024:
        this.set(VIRTIO.DRIVER_FEATURES_SEL, value);
        break;
      case 0x030:
        this.set(VIRTIO.QUEUE_SEL, value);
        break;
      case 0x038:
        if (this.selected?.isReady === false) this.selected.setSize(value);
        break;
      case 0x044:
        this.writeQueueReady(value);
        break;
      case 0x050:
        if (this.isLive && this.queues[value]?.isReady) this.schedule();
        break;
      case 0x064:
        this.set(VIRTIO.INTERRUPT_STATUS, this.get(VIRTIO.INTERRUPT_STATUS) & ~value);
        this.updateLine();
        break;
      case 0x070:
        this.writeStatus(value);
        break;
      case 0x080: // QueueDescLow, QueueDescHigh
      case 0x084:
        this.writeQueueAddress(VIRTQUEUE.DESC + at - 0x080, value);
        break;
      case 0x090: // QueueDriverLow, QueueDriverHigh
      case 0x094:
        this.writeQueueAddress(VIRTQUEUE.DRIVER + at - 0x090, value);
        break;
      case 0x0a0: // QueueDeviceLow, QueueDeviceHigh
      case 0x0a4:
        this.writeQueueAddress(VIRTQUEUE.DEVICE + at - 0x0a0, value);
        break;
    }
  }

  private get selected(): Virtqueue | undefined {
    return this.queues[this.get(VIRTIO.QUEUE_SEL)];
  }

  private offered(word: number): number {
    if (this.function.deviceId === 0 || word > 1) return 0;
    return word === 1 ? F_VERSION_1 : this.function.features | F_INDIRECT_DESC | F_EVENT_IDX;
  }

  private acceptFeatures(features: number): void {
    const word = this.get(VIRTIO.DRIVER_FEATURES_SEL);
    if (word > 1 || this.get(VIRTIO.STATUS) & STATUS_FEATURES_OK) return;
    this.set(VIRTIO.DRIVER_FEATURES + 4 * word, features);
  }

  /** A driver only ever sets bits, and resets the device with 0. It may ask for what is offered, and must know version 1 (§6.1). */
  private writeStatus(value: number): void {
    if (value === 0) {
      this.driverReset();
      return;
    }
    let status = this.get(VIRTIO.STATUS) | (value & STATUS_WRITABLE);
    const [low, high] = [this.get(VIRTIO.DRIVER_FEATURES), this.get(VIRTIO.DRIVER_FEATURES + 4)];
    if ((low & ~this.offered(0)) !== 0 || high !== F_VERSION_1) status &= ~STATUS_FEATURES_OK;
    if ((status & STATUS_FEATURES_OK) === 0) status &= ~STATUS_DRIVER_OK;
    this.set(VIRTIO.STATUS, status);
  }

  private writeQueueReady(value: number): void {
    const queue = this.selected;
    if (queue === undefined) return;
    if (value !== 1) queue.disable();
    else if (!queue.isReady && !queue.enable()) this.needReset();
  }

  private writeQueueAddress(area: number, word: number): void {
    if (this.selected?.isReady === false) this.selected.setAddressWord(area, word);
  }

  // ---- work -------------------------------------------------------------------------------------------------------

  /** The driver is there, and the device can work for it (§3.1.1). */
  private get isLive(): boolean {
    return (this.get(VIRTIO.STATUS) & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET)) === STATUS_DRIVER_OK;
  }

  private schedule(): void {
    if (this.isLive && this.deadlineTick() === NEVER)
      this.setDeadline(this.clock.nowTick() + this.function.latencyTicks);
  }

  private needReset(): void {
    this.set(VIRTIO.STATUS, this.get(VIRTIO.STATUS) | STATUS_NEEDS_RESET);
    this.setDeadline(NEVER);
    if (this.get(VIRTIO.STATUS) & STATUS_DRIVER_OK) this.interrupt(INTERRUPT_CONFIG);
  }

  private configChanged(): void {
    this.set(VIRTIO.CONFIG_GENERATION, this.get(VIRTIO.CONFIG_GENERATION) + 1);
    if (this.isLive) this.interrupt(INTERRUPT_CONFIG);
  }

  private interrupt(bit: number): void {
    this.set(VIRTIO.INTERRUPT_STATUS, this.get(VIRTIO.INTERRUPT_STATUS) | bit);
    this.updateLine();
  }

  private updateLine(): void {
    this.irq(this.get(VIRTIO.INTERRUPT_STATUS) !== 0);
  }

  private driverReset(): void {
    const end = VIRTIO.QUEUES + this.queues.length * VIRTQUEUE_BYTES;
    for (let offset = VIRTIO.STATUS; offset < end; offset += 4) if (!KEPT.includes(offset)) this.set(offset, 0);
    this.setDeadline(NEVER);
    this.function.driverReset?.();
    this.updateLine();
  }

  // ---- power management -------------------------------------------------------------------------------------------

  /** What is in flight is done now, as a driver drains its queues. Whose last request makes no sense may not leave on it. */
  private freeze(): Errno {
    const before = this.get(VIRTIO.STATUS);
    while (this.deadlineTick() !== NEVER) this.onDeadline(this.deadlineTick());
    if (this.get(VIRTIO.STATUS) !== before) return Errno.EIO;
    return this.function.quiesce?.() ?? Errno.OK;
  }

  private setFrozen(frozen: number): Errno {
    this.set(VIRTIO.FROZEN, frozen);
    return Errno.OK;
  }

  private restore(): Errno {
    this.setFrozen(0);
    this.updateLine();
    return Errno.OK;
  }

  private shutdown(): void {
    this.function.quiesce?.();
    this.driverReset();
  }

  /**
   * The queues of a system that is parked, with a copy of these bytes, are not in this one's memory: the device forgets them. Who came
   * by itself finds the device as it was left.
   */
  private inherit(): void {
    if (this.get(VIRTIO.FROZEN) !== 0) this.driverReset();
    this.function.inherit?.(this.clock.nowTick());
    this.restore();
  }

  private setDeadline(tick: number): void {
    this.view.setFloat64(this.base + VIRTIO.DEADLINE, tick, true);
  }

  private get(offset: number): number {
    return this.view.getUint32(this.base + offset, true);
  }

  private set(offset: number, value: number): void {
    this.view.setUint32(this.base + offset, value, true);
  }
}
