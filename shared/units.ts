// SPDX-License-Identifier: MIT
//
// Page arithmetic and the sizes people write. A physical address is an unsigned 32-bit number of bytes, a page index is
// that address divided by 4096. Sizes are spelled as QEMU spells them: 64M, 512K, 1G, 0x100000, or a plain number of bytes.
import { KjumpError } from './errors.ts';

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
export const PAGE_MASK = 0xfffff000;

/** A number of bytes, or a text such as `64M`, `0x100000`, `4K`. */
export type Size = number | string;

const FACTORS: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

/** Bytes of a size. Throws `BAD_SIZE` for anything that is not a whole, non-negative number of bytes. */
export function parseSize(size: Size, what = 'size'): number {
  const bytes = typeof size === 'number' ? size : parseSizeText(size);
  if (!Number.isSafeInteger(bytes) || bytes < 0) {
    throw new KjumpError('BAD_SIZE', `${what} '${size}' is not a size`, {
      why: 'a size is a whole number of bytes, in decimal or hexadecimal, with an optional K, M or G',
      fix: 'write it like 64M, 512K, 0x100000 or 4096',
    });
  }
  return bytes;
}

function parseSizeText(text: string): number {
  const match = /^\s*(0x[0-9a-f]+|\d+(?:\.\d+)?)\s*(?:([KMG])(?:i?B)?|B)?\s*$/i.exec(text);
  return match === null ? Number.NaN : Number(match[1]) * FACTORS[(match[2] ?? '').toUpperCase()];
}

/** A size as people read it: `64M`, `15M`, `4K`, `100`. */
export function formatSize(bytes: number): string {
  for (const [suffix, factor] of [
    ['G', 1024 ** 3],
    ['M', 1024 ** 2],
    ['K', 1024],
  ] as const) {
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${suffix}`;
  }
  return String(bytes);
}

/** A physical address or word as `0x00100000`. */
export function hex(value: number, digits = 8): string {
  return `0x${(value >>> 0).toString(16).padStart(digits, '0')}`;
}

export const pageIndexOf = (physAddr: number): number => physAddr >>> PAGE_SHIFT;
export const pageAddress = (pageIndex: number): number => (pageIndex << PAGE_SHIFT) >>> 0;
export const isPageAligned = (physAddr: number): boolean => (physAddr & (PAGE_SIZE - 1)) === 0;
export const pagesIn = (bytes: number): number => Math.ceil(bytes / PAGE_SIZE);
