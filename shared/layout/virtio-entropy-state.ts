// SPDX-License-Identifier: MIT
// The virtio entropy device (VIRTIO 1.2 §5.4), written by kernel-worker/devices/virtio/, and its generator (shared/entropy-generator.ts),
// which whoever makes two machines of one may seed anew.
import { field, recordLayout } from './fields.ts';
import { behindQueues, virtioFields } from './virtio-state.ts';

export const VIRTIO_ENTROPY = { GENERATOR: behindQueues(1) } as const;

export const VIRTIO_ENTROPY_STATE = recordLayout('virtio-entropy', 128, [
  ...virtioFields(1),
  field('generator', VIRTIO_ENTROPY.GENERATOR, 'u32', 'state of the generator, never all zeros', 4),
]);
