// SPDX-License-Identifier: MIT
// The two 8237A DMA controllers and the page registers beside them, written by kernel-worker/devices/dma.ts. Registers by the
// names of Intel's 8237A data sheet (order number 231466). Chip 0 has channels 0-3, chip 1 channels 4-7.
import { type Field, field, recordLayout } from './fields.ts';

/** Offsets within one chip's slice; the first four are a word for each channel. */
export const DMA_CHIP = {
  BASE_ADDRESS: 0,
  BASE_WORD_COUNT: 8,
  CURRENT_ADDRESS: 16,
  CURRENT_WORD_COUNT: 24,
  MODE: 32,
  COMMAND: 36,
  REQUEST: 37,
  MASK: 38,
  FIRST_LAST: 39,
} as const;

export const DMA_CHIP_BYTES = 40;
export const DMA_PAGES = 2 * DMA_CHIP_BYTES;
export const DMA_STATE_BYTES = 128;

function chipFields(chip: number): Field[] {
  const name = `chip${chip}`;
  const base = chip * DMA_CHIP_BYTES;
  return [
    field(`${name}.baseAddress`, base + DMA_CHIP.BASE_ADDRESS, 'u16', 'base address register of each channel', 4),
    field(
      `${name}.baseWordCount`,
      base + DMA_CHIP.BASE_WORD_COUNT,
      'u16',
      'base word count register of each channel',
      4,
    ),
    field(`${name}.currentAddress`, base + DMA_CHIP.CURRENT_ADDRESS, 'u16', 'current address register', 4),
    field(`${name}.currentWordCount`, base + DMA_CHIP.CURRENT_WORD_COUNT, 'u16', 'current word count register', 4),
    field(`${name}.mode`, base + DMA_CHIP.MODE, 'u8', 'mode register of each channel', 4),
    field(`${name}.command`, base + DMA_CHIP.COMMAND, 'u8', 'command register'),
    field(`${name}.request`, base + DMA_CHIP.REQUEST, 'u8', 'request register: a bit a channel'),
    field(`${name}.mask`, base + DMA_CHIP.MASK, 'u8', 'mask register: a bit a channel'),
    field(
      `${name}.firstLast`,
      base + DMA_CHIP.FIRST_LAST,
      'u8',
      'first/last flip-flop: 1 = the next byte is the high one',
    ),
  ];
}

export const DMA_STATE = recordLayout('dma', DMA_STATE_BYTES, [
  ...chipFields(0),
  ...chipFields(1),
  field('pages', DMA_PAGES, 'u8', 'page registers, ports 0x80-0x8F (0x80 is the POST port)', 16),
]);
