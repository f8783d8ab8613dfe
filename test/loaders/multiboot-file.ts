// SPDX-License-Identifier: MIT
//
// Multiboot headers made by hand (Multiboot Specification 0.6.96, §3.1).

export const PAGE_ALIGN = 1;
export const MEMORY_INFO = 2;
export const VIDEO_MODE = 4;
export const ADDRESSES = 0x10000;

interface HeaderFields {
  readonly flags?: number;
  readonly checksumError?: number;
  /** header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr. */
  readonly addresses?: readonly [number, number, number, number, number];
}

/** The bytes of a header; with addresses its flag 16 is set. */
export function header({ flags = 0, checksumError = 0, addresses }: HeaderFields): number[] {
  const allFlags = addresses === undefined ? flags : flags | ADDRESSES;
  const words = [0x1badb002, allFlags, -(0x1badb002 + allFlags) + checksumError, ...(addresses ?? [])];
  return words.flatMap((word) => [word, word >>> 8, word >>> 16, word >>> 24].map((byte) => byte & 0xff));
}
