// SPDX-License-Identifier: MIT
//
// A bzImage made by hand: a setup header of boot protocol 2.15 (Documentation/arch/x86/boot.rst), and code that is a pattern.

export const CODE_BYTES = 0x5000;
const SETUP_BYTES = 3 * 512;

type Width = 8 | 16 | 32;
/** [offset, width in bits, value] */
export type Patch = readonly [offset: number, width: Width, value: number];

const HEADER: readonly Patch[] = [
  [0x1f1, 8, 2],
  [0x1f4, 32, CODE_BYTES / 16],
  [0x1fe, 16, 0xaa55],
  [0x200, 16, 0x6aeb],
  [0x202, 32, 0x53726448],
  [0x206, 16, 0x020f],
  [0x211, 8, 1],
  [0x214, 32, 0x100000],
  [0x22c, 32, 0x37ffffff],
  [0x230, 32, 0x200000],
  [0x234, 8, 1],
  [0x238, 32, 2047],
  [0x258, 32, 0x1000000],
  [0x260, 32, 0x800000],
];

export const codeByte = (index: number): number => (index * 7 + 1) & 0xff;

/** The file, with these fields of its header otherwise. */
export function bzImage(...patches: readonly Patch[]): Uint8Array {
  const file = new Uint8Array(SETUP_BYTES + CODE_BYTES).fill(0xcc, 0, 0x1f1);
  const view = new DataView(file.buffer);
  for (const [offset, width, value] of [...HEADER, ...patches]) {
    if (width === 8) view.setUint8(offset, value);
    else if (width === 16) view.setUint16(offset, value, true);
    else view.setUint32(offset, value, true);
  }
  for (let i = 0; i < CODE_BYTES; i++) file[SETUP_BYTES + i] = codeByte(i);
  return file;
}
