// SPDX-License-Identifier: MIT
//
// What the kernels of this folder that count time tell of themselves: `struct kernel_status` of machine/kernel/abi.h, in C and in
// TypeScript alike. The digest is a chain over 1, 2, … ticks, so that a tick lost, doubled or out of order shows.

export const STATUS = { magic: 0, name: 4, ticks: 8, digest: 12 } as const;
export const STATUS_MAGIC = 0x54534a4b;
export const STATUS_BYTES = 16;

export const CHAIN_START = 2166136261 | 0;

export function chainStep(digest: number, value: number): number {
  return Math.imul(digest ^ value, 16777619);
}

/** The chain over 1 to `count`. */
export function chain(count: number): number {
  let digest = CHAIN_START;
  for (let value = 1; value <= count; value++) digest = chainStep(digest, value);
  return digest;
}
