// SPDX-License-Identifier: MIT
// What every virtio-mmio device keeps: the registers of its transport and its split virtqueues, by the names of the specification
// (VIRTIO 1.2 §4.2.2, §2.7). Written by kernel-worker/devices/virtio/. The queues themselves lie in the driver's memory; here is where,
// and how far the device has come. What a device of one kind keeps beside it follows its queues (virtio-*-state.ts).
import { type Field, field } from './fields.ts';

/** Most queues that a device here has. */
export const VIRTIO_QUEUES_MAX = 2;

export const VIRTIO = {
  DEADLINE: 0,
  STATUS: 8,
  INTERRUPT_STATUS: 12,
  DEVICE_FEATURES_SEL: 16,
  DRIVER_FEATURES_SEL: 20,
  DRIVER_FEATURES: 24,
  QUEUE_SEL: 32,
  CONFIG_GENERATION: 36,
  FROZEN: 40,
  /** The first queue; each takes VIRTQUEUE_BYTES. */
  QUEUES: 64,
} as const;

export const VIRTQUEUE = {
  DESC: 0,
  DRIVER: 8,
  DEVICE: 16,
  NUM: 24,
  READY: 26,
  LAST_AVAIL: 28,
  USED: 30,
} as const;

export const VIRTQUEUE_BYTES = 32;

/** Offset of what follows the queues in the record of a device with so many. */
export function behindQueues(queues: number): number {
  return VIRTIO.QUEUES + queues * VIRTQUEUE_BYTES;
}

export function virtioFields(queues: number): Field[] {
  return [
    field('deadlineTick', VIRTIO.DEADLINE, 'f64', 'tick at which what is available is used, Infinity for none'),
    field('Status', VIRTIO.STATUS, 'u32', 'device status'),
    field('InterruptStatus', VIRTIO.INTERRUPT_STATUS, 'u32', 'bit 0: used buffers, bit 1: the configuration changed'),
    field('DeviceFeaturesSel', VIRTIO.DEVICE_FEATURES_SEL, 'u32', 'word of the features that are offered to be read'),
    field(
      'DriverFeaturesSel',
      VIRTIO.DRIVER_FEATURES_SEL,
      'u32',
      'word of the features that are accepted to be written',
    ),
    field('DriverFeatures', VIRTIO.DRIVER_FEATURES, 'u32', 'features that the driver accepts', 2),
    field('QueueSel', VIRTIO.QUEUE_SEL, 'u32', 'queue that the queue registers are of'),
    field('ConfigGeneration', VIRTIO.CONFIG_GENERATION, 'u32', 'changes of the configuration space'),
    field('frozen', VIRTIO.FROZEN, 'u32', '1 between freeze and restore'),
    ...Array.from({ length: queues }, (_, index) => queueFields(index)).flat(),
  ];
}

function queueFields(index: number): Field[] {
  const at = VIRTIO.QUEUES + index * VIRTQUEUE_BYTES;
  const name = (register: string) => `queue${index}.${register}`;
  return [
    field(name('QueueDesc'), at + VIRTQUEUE.DESC, 'u32', 'address of the descriptor area, low and high word', 2),
    field(name('QueueDriver'), at + VIRTQUEUE.DRIVER, 'u32', 'address of the driver area, the available ring', 2),
    field(name('QueueDevice'), at + VIRTQUEUE.DEVICE, 'u32', 'address of the device area, the used ring', 2),
    field(name('QueueNum'), at + VIRTQUEUE.NUM, 'u16', 'size of the queue'),
    field(name('QueueReady'), at + VIRTQUEUE.READY, 'u16', '1: the device may use the queue'),
    field(name('lastAvail'), at + VIRTQUEUE.LAST_AVAIL, 'u16', 'chains taken from the available ring, modulo 2^16'),
    field(name('used'), at + VIRTQUEUE.USED, 'u16', 'chains given to the used ring, modulo 2^16'),
  ];
}
