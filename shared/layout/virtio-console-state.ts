// SPDX-License-Identifier: MIT
// The virtio console (VIRTIO 1.2 §5.3), written by kernel-worker/devices/virtio/. What was typed and has found no buffer of the driver
// waits in `wire`. Nothing of what is transmitted is kept.
import { field, recordLayout } from './fields.ts';
import { behindQueues, virtioFields } from './virtio-state.ts';

/** A line that was typed, in most cases. */
export const VIRTIO_CONSOLE_WIRE_BYTES = 160;

const OWN = behindQueues(2);

export const VIRTIO_CONSOLE = {
  WIRE: OWN,
  WIRE_HEAD: OWN + VIRTIO_CONSOLE_WIRE_BYTES,
  WIRE_COUNT: OWN + VIRTIO_CONSOLE_WIRE_BYTES + 1,
  SPOKE_LAST: OWN + VIRTIO_CONSOLE_WIRE_BYTES + 2,
} as const;

export const VIRTIO_CONSOLE_STATE = recordLayout('virtio-console', 320, [
  ...virtioFields(2),
  field('wire', VIRTIO_CONSOLE.WIRE, 'u8', 'bytes sent to the console and not received yet', VIRTIO_CONSOLE_WIRE_BYTES),
  field('wireHead', VIRTIO_CONSOLE.WIRE_HEAD, 'u8', 'index of the next byte to arrive'),
  field('wireCount', VIRTIO_CONSOLE.WIRE_COUNT, 'u8', 'bytes on the wire'),
  field('spokeLast', VIRTIO_CONSOLE.SPOKE_LAST, 'u8', '1: transmitted to since the serial port was'),
]);
