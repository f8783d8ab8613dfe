// SPDX-License-Identifier: MIT
// Where the virtio-mmio devices are: nothing in the machine tells a guest, so its command line must (Linux
// drivers/virtio/virtio_mmio.c, virtio_mmio.device=<size>@<address>:<irq>). Interrupt lines that no other device of this PC has.

/** Registers and configuration space of one. */
export const VIRTIO_MMIO_BYTES = 0x200;

export const VIRTIO_PLACES = {
  'virtio-block0': { address: 0xd0000000, irq: 5 },
  'virtio-block1': { address: 0xd0000200, irq: 9 },
  'virtio-console': { address: 0xd0000400, irq: 10 },
  'virtio-entropy': { address: 0xd0000600, irq: 11 },
} as const;
export type VirtioName = keyof typeof VIRTIO_PLACES;

/** What tells Linux of these devices on its command line. */
export function virtioParameters(names: readonly VirtioName[]): string {
  const parameter = (name: VirtioName): string => {
    const { address, irq } = VIRTIO_PLACES[name];
    return `virtio_mmio.device=${VIRTIO_MMIO_BYTES}@0x${address.toString(16)}:${irq}`;
  };
  return names.map(parameter).join(' ');
}
