// SPDX-License-Identifier: MIT
// Where each device's record lies in the device records region. One table for the devices themselves, for inspection and
// for the comparison of captures; a jump copies the region as one block.
import { assert } from '../errors.ts';
import { DISK_STATE, IDE_STATE, SECOND_DISK_STATE, SECOND_IDE_STATE } from './ata-state.ts';
import { BUS_STATE } from './bus-state.ts';
import { DEBUG_EXIT_STATE } from './debug-exit-state.ts';
import { DMA_STATE } from './dma-state.ts';
import type { RecordLayout } from './fields.ts';
import { I8042_STATE } from './i8042-state.ts';
import { IO_APIC_STATE } from './io-apic-state.ts';
import { LOCAL_APIC_STATE } from './local-apic-state.ts';
import { PIC_STATE } from './pic-state.ts';
import { PIT_STATE } from './pit-state.ts';
import { POST_STATE } from './post-state.ts';
import { RTC_STATE } from './rtc-state.ts';
import { UART_STATE } from './uart-state.ts';
import { VIRTIO_BLOCK0_STATE, VIRTIO_BLOCK1_STATE } from './virtio-block-state.ts';
import { VIRTIO_CONSOLE_STATE } from './virtio-console-state.ts';
import { VIRTIO_ENTROPY_STATE } from './virtio-entropy-state.ts';

export interface DeviceRecord {
  readonly name: string;
  readonly layout: RecordLayout;
  /** Bytes from the start of the device records region, a multiple of 64. */
  readonly offset: number;
}

/** In address order; the gaps are room for growth, and zero. */
export const DEVICE_MAP: readonly DeviceRecord[] = [
  { name: 'bus', layout: BUS_STATE, offset: 0 },
  { name: 'pic', layout: PIC_STATE, offset: 256 },
  { name: 'pit', layout: PIT_STATE, offset: 512 },
  { name: 'rtc', layout: RTC_STATE, offset: 1024 },
  { name: 'uart0', layout: UART_STATE, offset: 1280 },
  { name: 'ide0', layout: IDE_STATE, offset: 1536 },
  { name: 'post', layout: POST_STATE, offset: 1600 },
  { name: 'debug-exit', layout: DEBUG_EXIT_STATE, offset: 1664 },
  { name: 'i8042', layout: I8042_STATE, offset: 1728 },
  { name: 'dma', layout: DMA_STATE, offset: 1792 },
  { name: 'ide1', layout: SECOND_IDE_STATE, offset: 1920 },
  { name: 'disk0', layout: DISK_STATE, offset: 2048 },
  { name: 'disk1', layout: SECOND_DISK_STATE, offset: 2624 },
  { name: 'virtio-block0', layout: VIRTIO_BLOCK0_STATE, offset: 3712 },
  { name: 'virtio-block1', layout: VIRTIO_BLOCK1_STATE, offset: 3840 },
  { name: 'virtio-console', layout: VIRTIO_CONSOLE_STATE, offset: 3968 },
  { name: 'virtio-entropy', layout: VIRTIO_ENTROPY_STATE, offset: 4288 },
  { name: 'local-apic', layout: LOCAL_APIC_STATE, offset: 7168 },
  { name: 'io-apic', layout: IO_APIC_STATE, offset: 7680 },
];

/** Offset of a device's record in the region; asking for a device that is not in the map is our own mistake. */
export function deviceOffset(name: string): number {
  const record = DEVICE_MAP.find((entry) => entry.name === name);
  assert(record !== undefined, `no device record named '${name}'`);
  return record.offset;
}
