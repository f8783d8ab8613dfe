// SPDX-License-Identifier: MIT
//
// The header page. Written once by MachineMemory.create, read by whoever attaches; never part of a capture.
export const HEADER_MAGIC = 0x504d4a4b; // 'KJMP', little endian
export const LAYOUT_VERSION = 6;

/** Byte offsets of the header's unsigned 32-bit words. */
export const HEADER = { magic: 0, version: 4, ramPages: 8, hiddenPages: 12, frames: 16, maxKernels: 20 } as const;
