// SPDX-License-Identifier: MIT
// A board for device tests: all devices over one block of bytes and a clock that the test turns. What leaves the machine
// (bytes on the serial line, accesses to the disk's store) is recorded; a second board over a copy of the bytes must go
// on exactly like the first.
import { Bus } from '../../kernel-worker/bus.ts';
import { DebugExit } from '../../kernel-worker/devices/debug-exit.ts';
import type { Device, DeviceMemory } from '../../kernel-worker/devices/device.ts';
import { Disk } from '../../kernel-worker/devices/disk.ts';
import { Dma } from '../../kernel-worker/devices/dma.ts';
import { KeyboardController } from '../../kernel-worker/devices/i8042.ts';
import { Ide } from '../../kernel-worker/devices/ide.ts';
import { IoApic } from '../../kernel-worker/devices/io-apic.ts';
import { LocalApic } from '../../kernel-worker/devices/local-apic.ts';
import { Pic } from '../../kernel-worker/devices/pic.ts';
import { Pit } from '../../kernel-worker/devices/pit.ts';
import { Platform } from '../../kernel-worker/devices/platform.ts';
import { Post } from '../../kernel-worker/devices/post.ts';
import { Rtc } from '../../kernel-worker/devices/rtc.ts';
import type { SectorStore } from '../../kernel-worker/devices/sector-store.ts';
import { SystemControl } from '../../kernel-worker/devices/system-control.ts';
import { Uart } from '../../kernel-worker/devices/uart.ts';
import { VirtioBlock } from '../../kernel-worker/devices/virtio/virtio-block.ts';
import { VirtioConsole } from '../../kernel-worker/devices/virtio/virtio-console.ts';
import { VirtioDevice } from '../../kernel-worker/devices/virtio/virtio-device.ts';
import { VirtioEntropy } from '../../kernel-worker/devices/virtio/virtio-entropy.ts';
import type { VirtioFunction } from '../../kernel-worker/devices/virtio/virtio-function.ts';
import { Errno } from '../../shared/errno.ts';
import { deviceOffset } from '../../shared/layout/device-map.ts';
import { pinOfIrq } from '../../shared/layout/io-apic-state.ts';
import { DEVICE_RECORD_BYTES } from '../../shared/machine-memory.ts';
import { VIRTIO_PLACES, type VirtioName } from '../../shared/virtio-places.ts';

/** 2001-09-09 01:46:40 UTC. */
export const UNIX_SECONDS = 1_000_000_000;
const MEMORY_BYTES = 64 * 1024 ** 2;
const SEED = 7;

/** Sectors in memory; `failWith` makes the host refuse everything. */
export class MemoryStore implements SectorStore {
  readonly sectors: number;
  readonly bytes: Uint8Array;
  readonly log: string[] = [];
  failWith: Errno = Errno.OK;

  constructor(sectors: number) {
    this.sectors = sectors;
    this.bytes = new Uint8Array(sectors * 512);
    for (let lba = 0; lba < sectors; lba++) this.bytes.fill(lba & 0xff, lba * 512, lba * 512 + 512);
  }

  read(lba: number, target: Uint8Array): Errno {
    this.log.push(`read ${range(lba, target)}`);
    if (this.failWith === Errno.OK) target.set(this.bytes.subarray(lba * 512, lba * 512 + target.length));
    return this.failWith;
  }

  write(lba: number, source: Uint8Array): Errno {
    this.log.push(`write ${range(lba, source)}`);
    if (this.failWith === Errno.OK) this.bytes.set(source, lba * 512);
    return this.failWith;
  }

  flush(): Errno {
    this.log.push('flush');
    return this.failWith;
  }

  copy(): MemoryStore {
    const copy = new MemoryStore(this.sectors);
    copy.bytes.set(this.bytes);
    copy.failWith = this.failWith;
    return copy;
  }
}

/** '5' for a sector, '5+3' for three. */
function range(lba: number, { length }: Uint8Array): string {
  return length === 512 ? String(lba) : `${lba}+${length / 512}`;
}

/** Memory that devices reach by themselves; `forbidden` is outside the kernel's windows. */
export class TestRam implements DeviceMemory {
  readonly bytes = new Uint8Array(64 * 1024);
  readonly view = new DataView(this.bytes.buffer);
  forbidden: readonly [number, number] = [0, 0];
  readonly strays: string[] = [];

  holds(physAddr: number, length: number): boolean {
    return physAddr + length <= this.bytes.length;
  }
  mayStore(device: string, physAddr: number, length: number): boolean {
    const [start, end] = this.forbidden;
    const strays = physAddr < end && start < physAddr + length;
    if (strays) this.strays.push(`${device} ${Math.max(physAddr, start)}`);
    return !strays;
  }
  read16(physAddr: number): number {
    return this.view.getUint16(physAddr, true);
  }
  read32(physAddr: number): number {
    return this.view.getInt32(physAddr, true);
  }
  readInto(physAddr: number, target: Uint8Array): void {
    target.set(this.bytes.subarray(physAddr, physAddr + target.length));
  }
  write16(physAddr: number, value: number): void {
    this.view.setUint16(physAddr, value, true);
  }
  write32(physAddr: number, value: number): void {
    this.view.setInt32(physAddr, value, true);
  }
  write(physAddr: number, bytes: Uint8Array): void {
    this.bytes.set(bytes, physAddr);
  }
}

export class TestBoard {
  readonly buffer = new SharedArrayBuffer(DEVICE_RECORD_BYTES);
  readonly bytes = new Uint8Array(this.buffer);
  readonly view = new DataView(this.buffer);
  readonly store: MemoryStore | null;
  readonly bus: Bus;
  readonly pic: Pic;
  readonly localApic: LocalApic;
  readonly ioApic: IoApic;
  readonly pit: Pit;
  readonly rtc: Rtc;
  readonly uart: Uart;
  readonly system: SystemControl;
  readonly i8042: KeyboardController;
  readonly dma: Dma;
  readonly ide: Ide;
  readonly disk: Disk;
  readonly secondStore: MemoryStore | null;
  readonly secondIde: Ide;
  readonly secondDisk: Disk;
  /** The first block device has the store of the first ATA disk, the second has none. */
  readonly virtio: Readonly<Record<VirtioName, VirtioDevice>>;
  readonly virtioConsole: VirtioConsole;
  readonly ram = new TestRam();
  readonly post: Post;
  readonly debugExit: DebugExit;
  /** Registration order. */
  readonly devices: readonly Device[];
  /** Bytes that left the serial port, with the tick of each. */
  readonly sent: { byte: number; tick: number }[] = [];
  tick = 0;
  outsideSeconds = 0;
  /** Resets of the machine that somebody asked for. */
  resets = 0;
  /** The level of A20M#, as the CPU record has it. */
  private a20Masked = 0;

  constructor(store: MemoryStore | null = new MemoryStore(64), secondStore: MemoryStore | null = null) {
    this.store = store;
    this.secondStore = secondStore;
    const clock = { nowTick: () => this.tick };
    const part = (name: string) => ({ view: this.view, base: deviceOffset(name), clock });
    const irq = (line: number) => (level: boolean) => {
      this.pic.setLine(line, level);
      this.ioApic.setLine(pinOfIrq(line), level);
    };
    this.bus = new Bus(part('bus'));
    this.pic = new Pic(part('pic'));
    this.localApic = new LocalApic({
      ...part('local-apic'),
      pic: this.pic,
      endOfInterrupt: (vector) => this.ioApic.endOfInterrupt(vector),
    });
    this.ioApic = new IoApic({ ...part('io-apic'), send: (...message) => this.localApic.receive(...message) });
    this.pit = new Pit({ ...part('pit'), irq: irq(0) });
    this.rtc = new Rtc({
      ...part('rtc'),
      irq: irq(8),
      unixSeconds: UNIX_SECONDS,
      outsideSeconds: () => this.outsideSeconds,
      memoryBytes: MEMORY_BYTES,
    });
    this.uart = new Uart({
      ...part('uart0'),
      irq: irq(4),
      transmit: (byte) => this.sent.push({ byte, tick: this.tick }),
    });
    const pin = { word: () => this.a20Masked, setWord: (_offset: number, value: number) => (this.a20Masked = value) };
    this.system = new SystemControl(pin, () => this.resets++);
    this.i8042 = new KeyboardController({ ...part('i8042'), irq1: irq(1), irq12: irq(12), system: this.system });
    this.dma = new Dma(part('dma'));
    this.disk = new Disk('disk0', { ...part('disk0'), store });
    this.ide = new Ide('ide0', { ...part('ide0'), irq: irq(14), disk: this.disk });
    this.secondDisk = new Disk('disk1', { ...part('disk1'), store: secondStore });
    this.secondIde = new Ide('ide1', { ...part('ide1'), irq: irq(15), disk: this.secondDisk });
    this.virtioConsole = new VirtioConsole(part('virtio-console'), {
      transmit: (byte) => this.sent.push({ byte, tick: this.tick }),
      endLine: () => {},
    });
    const virtio = (name: VirtioName, what: VirtioFunction) => {
      const { address, irq: line } = VIRTIO_PLACES[name];
      return new VirtioDevice(name, { ...part(name), irq: irq(line), memory: this.ram, address, function: what });
    };
    this.virtio = {
      'virtio-block0': virtio('virtio-block0', new VirtioBlock(part('virtio-block0'), 'test-disk', store)),
      'virtio-block1': virtio('virtio-block1', new VirtioBlock(part('virtio-block1'), 'test-disk', null)),
      'virtio-console': virtio('virtio-console', this.virtioConsole),
      'virtio-entropy': virtio('virtio-entropy', new VirtioEntropy(part('virtio-entropy'), () => SEED)),
    };
    this.post = new Post(part('post'));
    this.debugExit = new DebugExit(part('debug-exit'));
    this.devices = [
      new Platform(),
      this.pic,
      this.localApic,
      this.ioApic,
      this.pit,
      this.rtc,
      this.uart,
      this.i8042,
      this.dma,
      this.ide,
      this.disk,
      this.secondIde,
      this.secondDisk,
      ...Object.values(this.virtio),
      this.post,
      this.debugExit,
    ];
    const { pic, localApic, ioApic, pit, rtc, uart, system, i8042, dma, ide, secondIde, post, debugExit } = this;
    for (const device of [pic, localApic, ioApic, pit, rtc, uart, system, i8042, dma, ide, secondIde, post, debugExit])
      device.attach(this.bus);
    for (const device of Object.values(this.virtio)) device.attach(this.bus);
    for (const device of this.devices) device.reset();
  }

  /** Fresh objects over a copy of the bytes and of the disk, at the same tick. */
  rebuild(): TestBoard {
    const copy = new TestBoard(this.store?.copy() ?? null, this.secondStore?.copy() ?? null);
    copy.bytes.set(this.bytes);
    copy.ram.bytes.set(this.ram.bytes);
    copy.ram.forbidden = this.ram.forbidden;
    copy.a20Masked = this.a20Masked;
    copy.tick = this.tick;
    return copy;
  }

  snapshot(): Uint8Array {
    return Uint8Array.from(this.bytes);
  }

  nextDeadline(): number {
    return Math.min(...this.devices.map((device) => device.deadlineTick()));
  }

  /** Lets time pass, stopping at every deadline on the way. */
  pass(ticks: number): void {
    const end = this.tick + ticks;
    for (let next = this.nextDeadline(); next <= end; next = this.nextDeadline()) {
      this.tick = Math.max(this.tick, next);
      for (const device of this.devices) if (device.deadlineTick() <= this.tick) device.onDeadline(this.tick);
    }
    this.tick = end;
  }

  in8(port: number): number {
    return this.bus.read8(port);
  }

  out8(port: number, ...values: number[]): void {
    for (const value of values) this.bus.write8(port, value);
  }

  /** The usual PC set-up of both 8259A: vectors 0x20 and 0x28, slave on IR2, everything unmasked. */
  initializePics(icw4 = 0x01): void {
    this.out8(0x20, 0x11);
    this.out8(0x21, 0x20, 0x04, icw4, 0x00);
    this.out8(0xa0, 0x11);
    this.out8(0xa1, 0x28, 0x02, icw4, 0x00);
  }
}
