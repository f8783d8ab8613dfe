// SPDX-License-Identifier: MIT
// The console (VIRTIO 1.2 §5.3), one port without a size. What the driver transmits is written to the console of its kernel, like what
// it sends to the serial port. What is typed there belongs to the one of the two that was written to last: who types answers what he
// reads. Before anything was written, and behind a reset by the driver, that is the serial port.
import { Errno } from '../../../shared/errno.ts';
import { VIRTIO_CONSOLE, VIRTIO_CONSOLE_WIRE_BYTES } from '../../../shared/layout/virtio-console-state.ts';
import { Wire } from '../wire.ts';
import type { VirtioFunction, VirtioTransport } from './virtio-function.ts';
import type { Virtqueue } from './virtqueue.ts';

const CONSOLE_DEVICE = 3;
const QUEUE_MAX = 64;
const RECEIVEQ = 0;
const LATENCY_TICKS = 1000;
/** Bytes that are transmitted at a time. */
const CHUNK_BYTES = 256;

const WIRE = {
  ring: VIRTIO_CONSOLE.WIRE,
  head: VIRTIO_CONSOLE.WIRE_HEAD,
  count: VIRTIO_CONSOLE.WIRE_COUNT,
  capacity: VIRTIO_CONSOLE_WIRE_BYTES,
} as const;

export class VirtioConsole implements VirtioFunction {
  readonly deviceId = CONSOLE_DEVICE;
  readonly features = 0;
  readonly queueMax = [QUEUE_MAX, QUEUE_MAX];
  readonly latencyTicks = LATENCY_TICKS;
  private readonly view: DataView;
  private readonly base: number;
  private readonly wire: Wire;
  private readonly transmit: (byte: number) => void;
  private readonly endLine: () => void;
  private schedule: () => void = () => {};
  private readonly chunk = new Uint8Array(CHUNK_BYTES);

  /** `transmit` hears every byte; `endLine`, when the device is handed over, that no other of this kernel follows. */
  constructor(
    parts: { view: DataView; base: number },
    { transmit, endLine }: { transmit: (byte: number) => void; endLine: () => void },
  ) {
    this.view = parts.view;
    this.base = parts.base;
    this.wire = new Wire(parts.view, parts.base, WIRE);
    this.transmit = transmit;
    this.endLine = endLine;
  }

  connect({ schedule }: VirtioTransport): void {
    this.schedule = schedule;
  }

  reset(): void {}

  /** What was typed was typed to the driver that was there. */
  driverReset(): void {
    this.wire.clear();
    this.spokeLast = false;
  }

  /** What is typed belongs here, and not to the serial port. */
  get spokeLast(): boolean {
    return this.view.getUint8(this.base + VIRTIO_CONSOLE.SPOKE_LAST) !== 0;
  }

  set spokeLast(spokeLast: boolean) {
    this.view.setUint8(this.base + VIRTIO_CONSOLE.SPOKE_LAST, spokeLast ? 1 : 0);
  }

  /** Bytes that `send` would take now. */
  get wireRoom(): number {
    return this.wire.room;
  }

  /** The other end sends: at most `wireRoom` bytes. */
  send(bytes: ArrayLike<number>): void {
    this.wire.push(bytes);
    this.schedule();
  }

  serve(queue: Virtqueue, index: number): void {
    if (index === RECEIVEQ) this.receive(queue);
    else this.transmitAll(queue);
  }

  quiesce(): Errno {
    this.endLine();
    return Errno.OK;
  }

  private receive(queue: Virtqueue): void {
    while (!this.wire.isEmpty && queue.next()) {
      const bytes = new Uint8Array(Math.min(this.wire.count, queue.writable.length));
      if (bytes.length === 0) {
        queue.fail();
        return;
      }
      for (let i = 0; i < bytes.length; i++) bytes[i] = this.wire.shift();
      queue.writable.write(0, bytes);
      queue.giveBack(bytes.length);
    }
  }

  private transmitAll(queue: Virtqueue): void {
    while (queue.next()) {
      const { readable } = queue;
      this.spokeLast = true;
      for (let done = 0; done < readable.length; done += CHUNK_BYTES) {
        const chunk = this.chunk.subarray(0, Math.min(CHUNK_BYTES, readable.length - done));
        readable.read(done, chunk);
        for (const byte of chunk) this.transmit(byte);
      }
      queue.giveBack(0);
    }
  }
}
