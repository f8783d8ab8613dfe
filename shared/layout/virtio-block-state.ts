// SPDX-License-Identifier: MIT
// The virtio block devices `virtio-block0` and `virtio-block1` (VIRTIO 1.2 §5.2), written by kernel-worker/devices/virtio/. A request is
// carried out whole at the deadline of its queue, so nothing of one is ever on its way in the bytes.
import { field, recordLayout } from './fields.ts';
import { behindQueues, virtioFields } from './virtio-state.ts';

const OWN = behindQueues(1);

export const VIRTIO_BLOCK = {
  CAPACITY: OWN,
  UNFLUSHED: OWN + 8,
} as const;

export const VIRTIO_BLOCK_STATE_BYTES = 128;

const FIELDS = [
  ...virtioFields(1),
  field('capacity', VIRTIO_BLOCK.CAPACITY, 'f64', 'sectors of 512 bytes that the driver was told of, 0 before'),
  field('unflushed', VIRTIO_BLOCK.UNFLUSHED, 'u8', 'written to since the last flush'),
];
export const VIRTIO_BLOCK0_STATE = recordLayout('virtio-block0', VIRTIO_BLOCK_STATE_BYTES, FIELDS);
export const VIRTIO_BLOCK1_STATE = recordLayout('virtio-block1', VIRTIO_BLOCK_STATE_BYTES, FIELDS);
