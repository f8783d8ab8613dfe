// SPDX-License-Identifier: MIT
// What a virtio device does, beside the transport that all of them have (virtio-device.ts): its number, its features, what is in its
// configuration space, and what becomes of the chains in its queues. Its bytes follow the queues in the device's record.
import type { Errno } from '../../../shared/errno.ts';
import type { Virtqueue } from './virtqueue.ts';

/** What the transport does for a function. */
export interface VirtioTransport {
  /** Serves the queues before long. */
  schedule(): void;
  /** The configuration space has changed: the driver is told. */
  configChanged(): void;
}

export interface VirtioFunction {
  /** Number of its kind (VIRTIO 1.2 §5); 0 for a place where no device is. */
  readonly deviceId: number;
  /** Features of its kind, word 0. */
  readonly features: number;
  /** The largest size of each of its queues. */
  readonly queueMax: readonly number[];
  /** Virtual time from a notification to its queues being served. */
  readonly latencyTicks: number;
  /** Before anything else is called. */
  connect?(transport: VirtioTransport): void;
  /** A byte of the configuration space. */
  readConfig?(offset: number): number;
  /** Power-on; behind it `driverReset` is called. */
  reset(): void;
  /** The driver has reset the device. */
  driverReset?(): void;
  /** Takes chains from the queue and gives them back. `features`: word 0 of what the driver accepted. */
  serve(queue: Virtqueue, index: number, features: number): void;
  /** The device is about to be handed over; its queues are served. */
  quiesce?(): Errno;
  /** Another system begins with the device. */
  inherit?(nowTick: number): void;
}
