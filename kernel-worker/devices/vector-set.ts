// SPDX-License-Identifier: MIT
// Sets of interrupt vectors as the local APIC has them: 256 bits, vector n is bit n & 31 of word n >> 5.

const WORDS = 8;
/** Answer of `highestVector` for an empty set. */
export const NO_VECTOR = -1;

export function highestVector(view: DataView, at: number): number {
  for (let word = WORDS - 1; word >= 0; word--) {
    const bits = view.getUint32(at + word * 4, true);
    if (bits !== 0) return word * 32 + 31 - Math.clz32(bits);
  }
  return NO_VECTOR;
}

export function hasVector(view: DataView, at: number, vector: number): boolean {
  return (view.getUint32(at + (vector >>> 5) * 4, true) & (1 << vector)) !== 0;
}

export function setVector(view: DataView, at: number, vector: number): void {
  const word = at + (vector >>> 5) * 4;
  view.setUint32(word, view.getUint32(word, true) | (1 << vector), true);
}

export function clearVector(view: DataView, at: number, vector: number): void {
  const word = at + (vector >>> 5) * 4;
  view.setUint32(word, view.getUint32(word, true) & ~(1 << vector), true);
}
