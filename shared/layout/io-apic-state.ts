// SPDX-License-Identifier: MIT
// The I/O APIC, written by kernel-worker/devices/io-apic.ts. Registers by the names of Intel's 82093AA data sheet (order number 290566).
import { field, recordLayout } from './fields.ts';

export const IO_APIC_ADDRESS = 0xfec00000;
export const IO_APIC_ID = 2;
/** Of an 82093AA. */
export const IO_APIC_VERSION = 0x11;
export const IO_APIC_PINS = 24;

/** Pin of an ISA interrupt request line: the timer is where a PC has it, since there is no line 2. */
export const pinOfIrq = (irq: number): number => (irq === 0 ? 2 : irq);

export const IO_APIC = {
  ENTRIES_LOW: 0,
  ENTRIES_HIGH: 96,
  ID: 192,
  IOREGSEL: 196,
  /** What a suspend puts away and a resume brings back: all of the above. */
  SAVED: 200,
  LINES: 400,
  SUSPENDED: 404,
} as const;

export const IO_APIC_STATE_BYTES = 448;

export const IO_APIC_STATE = recordLayout('io-apic', IO_APIC_STATE_BYTES, [
  field('entriesLow', IO_APIC.ENTRIES_LOW, 'u32', 'redirection table, bits 31 to 0', IO_APIC_PINS),
  field('entriesHigh', IO_APIC.ENTRIES_HIGH, 'u32', 'redirection table, bits 63 to 32', IO_APIC_PINS),
  field('ID', IO_APIC.ID, 'u32', 'ID in bits 27 to 24'),
  field('IOREGSEL', IO_APIC.IOREGSEL, 'u32', 'register that IOWIN shows'),
  field('saved', IO_APIC.SAVED, 'u32', 'all of the above from before the suspend', 50),
  field('lines', IO_APIC.LINES, 'u32', 'levels of the inputs INTIN0-INTIN23'),
  field('suspended', IO_APIC.SUSPENDED, 'u32', '1 between suspend and resume'),
]);
