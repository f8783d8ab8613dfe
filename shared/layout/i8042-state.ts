// SPDX-License-Identifier: MIT
// The keyboard controller, written by kernel-worker/devices/i8042.ts. Registers by the names of Intel's 8042 data sheet and the
// IBM PS/2 hardware interface technical reference; CTR, the command byte, is byte 0 of the controller's RAM.
import { field, recordLayout } from './fields.ts';

export const I8042_RAM_BYTES = 32;

export const I8042 = {
  RAM: 0,
  STATUS: 32,
  OUTPUT_BUFFER: 33,
  COMMAND: 34,
  SAVED_CTR: 35,
  FROZEN: 36,
} as const;

export const I8042_STATE_BYTES = 64;

export const I8042_STATE = recordLayout('i8042', I8042_STATE_BYTES, [
  field('ram', I8042.RAM, 'u8', 'RAM that commands 0x20-0x3F read; byte 0 is CTR, the command byte', I8042_RAM_BYTES),
  field('status', I8042.STATUS, 'u8', 'status register, port 0x64'),
  field('outputBuffer', I8042.OUTPUT_BUFFER, 'u8', 'output buffer, port 0x60'),
  field('command', I8042.COMMAND, 'u8', 'command that waits for a byte at port 0x60, 0 = none'),
  field('savedCTR', I8042.SAVED_CTR, 'u8', 'CTR from before the freeze'),
  field('frozen', I8042.FROZEN, 'u8', '1 between freeze and restore'),
]);
