// SPDX-License-Identifier: MIT
// The two 8259A interrupt controllers, written by kernel-worker/devices/pic.ts and pic-chip.ts. One slice a chip,
// registers by the names of Intel's 8259A data sheet (order number 231468); ELCR is the edge/level control register that
// PC chipsets add at 0x4D0. Bit n of a register stands for input IRn.
import { type Field, field, recordLayout } from './fields.ts';

/** Offsets within one chip's slice. */
export const PIC_CHIP = {
  IRR: 0,
  ISR: 1,
  IMR: 2,
  ICW1: 3,
  ICW2: 4,
  ICW3: 5,
  ICW4: 6,
  ELCR: 7,
  LINES: 8,
  INT: 9,
  NEXT_ICW: 10,
  LOWEST_PRIORITY: 11,
  READ_ISR: 12,
  POLL: 13,
  SPECIAL_MASK: 14,
  ROTATE_IN_AEOI: 15,
  SAVED_IMR: 16,
  SAVED: 17,
} as const;

export const PIC_MASTER = 0;
export const PIC_SLAVE = 32;
export const PIC_STATE_BYTES = 64;

function chipFields(chip: string, base: number): Field[] {
  return [
    field(`${chip}.IRR`, base + PIC_CHIP.IRR, 'u8', 'interrupt request register'),
    field(`${chip}.ISR`, base + PIC_CHIP.ISR, 'u8', 'in-service register'),
    field(`${chip}.IMR`, base + PIC_CHIP.IMR, 'u8', 'interrupt mask register (OCW1)'),
    field(`${chip}.ICW1`, base + PIC_CHIP.ICW1, 'u8', 'initialization command word 1'),
    field(`${chip}.ICW2`, base + PIC_CHIP.ICW2, 'u8', 'initialization command word 2: vector of IR0'),
    field(`${chip}.ICW3`, base + PIC_CHIP.ICW3, 'u8', 'initialization command word 3: inputs with slaves, or slave ID'),
    field(`${chip}.ICW4`, base + PIC_CHIP.ICW4, 'u8', 'initialization command word 4'),
    field(`${chip}.ELCR`, base + PIC_CHIP.ELCR, 'u8', 'edge/level control register: 1 = level triggered'),
    field(`${chip}.lines`, base + PIC_CHIP.LINES, 'u8', 'levels of the inputs IR0-IR7'),
    field(`${chip}.INT`, base + PIC_CHIP.INT, 'u8', 'level of the INT output'),
    field(`${chip}.nextICW`, base + PIC_CHIP.NEXT_ICW, 'u8', 'number of the ICW expected next, 0 = initialized'),
    field(`${chip}.lowestPriority`, base + PIC_CHIP.LOWEST_PRIORITY, 'u8', 'level that has the lowest priority'),
    field(`${chip}.readISR`, base + PIC_CHIP.READ_ISR, 'u8', 'OCW3 RIS: reads give ISR (1) or IRR (0)'),
    field(`${chip}.poll`, base + PIC_CHIP.POLL, 'u8', 'OCW3 P: the next read is a poll'),
    field(`${chip}.specialMask`, base + PIC_CHIP.SPECIAL_MASK, 'u8', 'OCW3 SMM: special mask mode'),
    field(`${chip}.rotateInAEOI`, base + PIC_CHIP.ROTATE_IN_AEOI, 'u8', 'OCW2: rotate in automatic EOI mode'),
    field(`${chip}.savedIMR`, base + PIC_CHIP.SAVED_IMR, 'u8', 'IMR from before the suspend'),
    field(`${chip}.saved`, base + PIC_CHIP.SAVED, 'u8', '1 between suspend and resume'),
  ];
}

export const PIC_STATE = recordLayout('pic', PIC_STATE_BYTES, [
  ...chipFields('master', PIC_MASTER),
  ...chipFields('slave', PIC_SLAVE),
]);
