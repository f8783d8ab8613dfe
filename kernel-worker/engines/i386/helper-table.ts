// SPDX-License-Identifier: MIT
//
// Every helper by name and by number. A number has a meaning in this process only: decoded code is never stored.
import { BCD_HELPERS } from './bcd.ts';
import { BIT_HELPERS } from './bits.ts';
import { EXCHANGE_HELPERS } from './exchange.ts';
import { HAND_OVER_HELPERS } from './hand-over.ts';
import { MULTIPLY_HELPERS } from './multiply-divide.ts';
import type { Helper } from './operands.ts';
import { SHIFT_HELPERS } from './shifts.ts';
import { FRAME_HELPERS } from './stack-frames.ts';
import { STRING_IO_HELPERS } from './string-io.ts';
import { STRING_HELPERS } from './strings.ts';
import { SYSTEM_HELPERS } from './system.ts';
import { X87_HELPERS } from './x87/x87.ts';

const BY_NAME = {
  ...SYSTEM_HELPERS,
  ...SHIFT_HELPERS,
  ...MULTIPLY_HELPERS,
  ...BIT_HELPERS,
  ...BCD_HELPERS,
  ...EXCHANGE_HELPERS,
  ...FRAME_HELPERS,
  ...STRING_HELPERS,
  ...STRING_IO_HELPERS,
  ...X87_HELPERS,
  ...HAND_OVER_HELPERS,
};
export type HelperName = keyof typeof BY_NAME;

const NAMES = Object.keys(BY_NAME) as HelperName[];
export const HELPERS: readonly Helper[] = NAMES.map((name) => BY_NAME[name]);
export const helperNumber: ReadonlyMap<string, number> = new Map(NAMES.map((name, number) => [String(name), number]));
