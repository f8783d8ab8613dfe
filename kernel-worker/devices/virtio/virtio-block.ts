// SPDX-License-Identifier: MIT
// The block device (VIRTIO 1.2 §5.2) over a SectorStore: read, write, flush, identify. Its cache is write-back for a driver that can
// flush, and write-through for one that cannot (§5.2.6.2). If the store has another size than the driver was told of, because the
// machine goes on with another file, that is a change of the configuration. With no store there is no device.
import { Errno } from '../../../shared/errno.ts';
import { SECTOR_BYTES } from '../../../shared/layout/ata-state.ts';
import { VIRTIO_BLOCK } from '../../../shared/layout/virtio-block-state.ts';
import type { SectorStore } from '../sector-store.ts';
import type { Buffers } from './buffers.ts';
import type { VirtioFunction, VirtioTransport } from './virtio-function.ts';
import type { Virtqueue } from './virtqueue.ts';

const BLOCK_DEVICE = 2;
const QUEUE_MAX = 128;
/** Buffers of data in one request: the header and the status take one each. */
const SEG_MAX = QUEUE_MAX - 2;
/** A request of some sectors, to the medium and back. */
const LATENCY_TICKS = 20_000;

const F_SEG_MAX = 1 << 2;
const F_FLUSH = 1 << 9;
const CONFIG_BYTES = 16;
const CONFIG_CAPACITY = 0;
const CONFIG_SEG_MAX = 12;

const HEADER_BYTES = 16;
const T_IN = 0;
const T_OUT = 1;
const T_FLUSH = 4;
const T_GET_ID = 8;
const ID_BYTES = 20;
const S_OK = 0;
const S_IOERR = 1;
const S_UNSUPP = 2;

const HIGH = 2 ** 32;
/** Sectors go through here, so many at a time. */
const CHUNK_BYTES = 128 * SECTOR_BYTES;

const NO_STORE: SectorStore = { sectors: 0, read: () => Errno.EIO, write: () => Errno.EIO, flush: () => Errno.OK };

export class VirtioBlock implements VirtioFunction {
  readonly deviceId: number;
  readonly features = F_SEG_MAX | F_FLUSH;
  readonly queueMax = [QUEUE_MAX];
  readonly latencyTicks = LATENCY_TICKS;
  private readonly view: DataView;
  private readonly base: number;
  private readonly store: SectorStore;
  private readonly id: Uint8Array;
  private configChanged: () => void = () => {};
  private readonly header = new DataView(new ArrayBuffer(HEADER_BYTES));
  private readonly chunk = new Uint8Array(CHUNK_BYTES);

  /** `id`, at most 20 characters, is what the guest sees as its serial number; `store` null for an empty place. */
  constructor(parts: { view: DataView; base: number }, id: string, store: SectorStore | null) {
    this.view = parts.view;
    this.base = parts.base;
    this.deviceId = store === null ? 0 : BLOCK_DEVICE;
    this.store = store ?? NO_STORE;
    this.id = new TextEncoder().encode(id.padEnd(ID_BYTES, '\0'));
  }

  connect({ configChanged }: VirtioTransport): void {
    this.configChanged = configChanged;
  }

  reset(): void {
    this.capacity = 0;
    this.unflushed = false;
  }

  readConfig(offset: number): number {
    if (offset >= CONFIG_BYTES) return 0;
    const config = new DataView(new ArrayBuffer(CONFIG_BYTES));
    this.lookAtStore();
    config.setUint32(CONFIG_CAPACITY, this.capacity, true);
    config.setUint32(CONFIG_CAPACITY + 4, Math.floor(this.capacity / HIGH), true);
    config.setUint32(CONFIG_SEG_MAX, SEG_MAX, true);
    return config.getUint8(offset);
  }

  serve(queue: Virtqueue, _index: number, features: number): void {
    this.lookAtStore();
    while (queue.next()) {
      const { readable, writable } = queue;
      if (readable.length < HEADER_BYTES || writable.length === 0) {
        queue.fail();
        return;
      }
      const data = writable.length - 1;
      const status = this.execute(readable, writable, features);
      writable.write(data, Uint8Array.of(status));
      // Of a read that failed nothing but the status counts; it may have come behind data all the same.
      queue.giveBack(writable.length);
    }
  }

  quiesce(): Errno {
    if (!this.unflushed) return Errno.OK;
    return this.store.flush() === Errno.OK ? Errno.OK : Errno.EIO;
  }

  /** The size that the driver is told of. A file that is gone says nothing of it: its requests fail. */
  private lookAtStore(): void {
    const { sectors } = this.store;
    const before = this.capacity;
    if (sectors === before || sectors === 0) return;
    this.capacity = sectors;
    if (before !== 0) this.configChanged();
  }

  private execute(readable: Buffers, writable: Buffers, features: number): number {
    const { header } = this;
    readable.read(0, new Uint8Array(header.buffer));
    const sector = header.getUint32(8, true) + header.getUint32(12, true) * HIGH;
    switch (header.getUint32(0, true)) {
      case T_IN:
        return this.transfer(sector, writable.length - 1, (lba, chunk, done) => {
          const errno = this.store.read(lba, chunk);
          if (errno === Errno.OK) writable.write(done, chunk);
          return errno;
        });
      case T_OUT: {
        const status = this.transfer(sector, readable.length - HEADER_BYTES, (lba, chunk, done) => {
          readable.read(HEADER_BYTES + done, chunk);
          this.unflushed = true;
          return this.store.write(lba, chunk);
        });
        return status === S_OK && (features & F_FLUSH) === 0 ? this.flush() : status;
      }
      case T_FLUSH:
        return this.flush();
      case T_GET_ID:
        writable.write(0, this.id.subarray(0, Math.min(ID_BYTES, writable.length - 1)));
        return S_OK;
      default:
        return S_UNSUPP;
    }
  }

  /** Moves whole sectors from `sector` on, chunk by chunk; all of them must be there. */
  private transfer(
    sector: number,
    bytes: number,
    move: (lba: number, chunk: Uint8Array, done: number) => Errno,
  ): number {
    if (bytes % SECTOR_BYTES !== 0 || sector + bytes / SECTOR_BYTES > this.store.sectors) return S_IOERR;
    for (let done = 0; done < bytes; done += CHUNK_BYTES) {
      const chunk = this.chunk.subarray(0, Math.min(CHUNK_BYTES, bytes - done));
      if (move(sector + done / SECTOR_BYTES, chunk, done) !== Errno.OK) return S_IOERR;
    }
    return S_OK;
  }

  private flush(): number {
    if (this.store.flush() !== Errno.OK) return S_IOERR;
    this.unflushed = false;
    return S_OK;
  }

  private get capacity(): number {
    return this.view.getFloat64(this.base + VIRTIO_BLOCK.CAPACITY, true);
  }
  private set capacity(sectors: number) {
    this.view.setFloat64(this.base + VIRTIO_BLOCK.CAPACITY, sectors, true);
  }

  private get unflushed(): boolean {
    return this.view.getUint8(this.base + VIRTIO_BLOCK.UNFLUSHED) !== 0;
  }
  private set unflushed(unflushed: boolean) {
    this.view.setUint8(this.base + VIRTIO_BLOCK.UNFLUSHED, unflushed ? 1 : 0);
  }
}
