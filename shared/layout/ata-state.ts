// SPDX-License-Identifier: MIT
// The ATA channels `ide0` and `ide1` and the device 0 of each, `disk0` and `disk1`, written by kernel-worker/devices/ide.ts and disk.ts.
// Registers by the names of ATA/ATAPI-5 (T13/1321D). The sector on its way lies in `buffer`, so a capture in the middle
// of a transfer goes on in the middle of it; the sectors themselves are in the backing store, not in the bytes.
import { type Field, field, recordLayout } from './fields.ts';

export const SECTOR_BYTES = 512;

export const IDE = {
  DEVICE_CONTROL: 0,
  SAVED_DEVICE_CONTROL: 1,
  FROZEN: 2,
} as const;

export const IDE_STATE_BYTES = 64;

const IDE_FIELDS: readonly Field[] = [
  field('deviceControl', IDE.DEVICE_CONTROL, 'u8', 'device control register: SRST, nIEN'),
  field('savedDeviceControl', IDE.SAVED_DEVICE_CONTROL, 'u8', 'device control from before the freeze'),
  field('frozen', IDE.FROZEN, 'u8', '1 between freeze and restore'),
];
export const IDE_STATE = recordLayout('ide0', IDE_STATE_BYTES, IDE_FIELDS);
export const SECOND_IDE_STATE = recordLayout('ide1', IDE_STATE_BYTES, IDE_FIELDS);

/** What the disk does next: values of `phase`. */
export const ATA_PHASE = {
  IDLE: 0,
  /** BSY; the deadline executes the command. */
  EXECUTE: 1,
  /** BSY; the deadline fetches the next block. */
  FETCH: 2,
  /** DRQ towards the host. */
  DATA_IN: 3,
  /** DRQ from the host. */
  DATA_OUT: 4,
  /** BSY; the deadline stores the sector in the buffer. */
  STORE: 5,
  /** BSY; SRST is asserted, or the deadline ends the reset. */
  RESET: 6,
} as const;

export const DISK = {
  BUFFER: 0,
  DEADLINE: 512,
  LBA: 520,
  REMAINING: 524,
  POSITION: 526,
  HEADS: 530,
  SECTORS_PER_TRACK: 531,
  PHASE: 532,
  COMMAND: 533,
  STATUS: 534,
  ERROR: 535,
  FEATURES: 536,
  SECTOR_COUNT: 537,
  LBA_LOW: 538,
  LBA_MID: 539,
  LBA_HIGH: 540,
  DEVICE: 541,
  INTRQ: 542,
  BLOCK_LEFT: 543,
  MULTIPLE: 544,
  WRITE_CACHE: 545,
  UNFLUSHED: 546,
} as const;

export const DISK_STATE_BYTES = 576;

const DISK_FIELDS: readonly Field[] = [
  field('buffer', DISK.BUFFER, 'u8', 'the sector on its way', SECTOR_BYTES),
  field('deadlineTick', DISK.DEADLINE, 'f64', 'tick at which BSY ends, Infinity when not busy'),
  field('lba', DISK.LBA, 'u32', 'the sector on its way, or the last one'),
  field('remaining', DISK.REMAINING, 'u16', 'sectors of this command still to be moved'),
  field('position', DISK.POSITION, 'u16', 'bytes of the buffer already moved by the host'),
  field('heads', DISK.HEADS, 'u8', 'heads of the current translation'),
  field('sectorsPerTrack', DISK.SECTORS_PER_TRACK, 'u8', 'sectors per track of the current translation'),
  field('phase', DISK.PHASE, 'u8', 'what comes next (ATA_PHASE)'),
  field('command', DISK.COMMAND, 'u8', 'command register'),
  field('status', DISK.STATUS, 'u8', 'status register'),
  field('error', DISK.ERROR, 'u8', 'error register'),
  field('features', DISK.FEATURES, 'u8', 'features register'),
  field('sectorCount', DISK.SECTOR_COUNT, 'u8', 'sector count register'),
  field('lbaLow', DISK.LBA_LOW, 'u8', 'LBA low (sector number) register'),
  field('lbaMid', DISK.LBA_MID, 'u8', 'LBA mid (cylinder low) register'),
  field('lbaHigh', DISK.LBA_HIGH, 'u8', 'LBA high (cylinder high) register'),
  field('device', DISK.DEVICE, 'u8', 'device register: LBA, DEV, head or LBA bits 24-27'),
  field('INTRQ', DISK.INTRQ, 'u8', 'interrupt pending in the device'),
  field('blockLeft', DISK.BLOCK_LEFT, 'u8', 'sectors left in this DRQ block'),
  field('multiple', DISK.MULTIPLE, 'u8', 'sectors a block of READ/WRITE MULTIPLE, 0 = not set'),
  field('writeCache', DISK.WRITE_CACHE, 'u8', '1: writes need FLUSH CACHE to be durable'),
  field('unflushed', DISK.UNFLUSHED, 'u8', 'written to since the last FLUSH CACHE'),
];
export const DISK_STATE = recordLayout('disk0', DISK_STATE_BYTES, DISK_FIELDS);
export const SECOND_DISK_STATE = recordLayout('disk1', DISK_STATE_BYTES, DISK_FIELDS);
