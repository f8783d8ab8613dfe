// SPDX-License-Identifier: MIT

/** The bytes of a 32-bit integer as machine code has them. */
export const le32 = (value: number): number[] => [...new Uint8Array(Int32Array.of(value).buffer)];
