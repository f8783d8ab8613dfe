// SPDX-License-Identifier: MIT
// The generator behind the entropy device: xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number generators",
// 2021). Its four words lie in the bytes, so a machine with one seed gives one sequence; who makes a second machine of the same bytes
// calls `seed` or `stir` on one of them, or both go on with the same numbers.

const WORDS = 4;
const WORD_BYTES = 4;
const GOLDEN = 0x9e3779b9;

export class EntropyGenerator {
  private readonly view: DataView;
  private readonly base: number;

  /** `base`: offset of its 16 bytes. */
  constructor(view: DataView, base: number) {
    this.view = view;
    this.base = base;
  }

  /** Begins the sequence that belongs to `seed`, an integer up to 2^53. */
  seed(seed: number): void {
    for (let i = 0; i < WORDS; i++) this.set(i, 0);
    this.stir(seed);
  }

  /** Goes over to another sequence, which depends on `value`, an integer up to 2^53, and on all that came before. */
  stir(value: number): void {
    const halves = [value | 0, Math.floor(value / 2 ** 32) | 0];
    let word = 0;
    for (let i = 0; i < WORDS; i++) {
      word = mixed((word ^ this.get(i) ^ halves[i & 1]!) + GOLDEN * (i + 1));
      this.set(i, word);
    }
    // The one state that has no successor but itself.
    if ((this.get(0) | this.get(1) | this.get(2) | this.get(3)) === 0) this.set(0, 1);
  }

  fill(target: Uint8Array): void {
    for (let done = 0; done < target.length; done += WORD_BYTES) {
      const word = this.next();
      for (let i = done; i < Math.min(done + WORD_BYTES, target.length); i++) target[i] = word >>> (8 * (i - done));
    }
  }

  private next(): number {
    const [s0, s1, s2, s3] = [this.get(0), this.get(1), this.get(2), this.get(3)];
    const result = Math.imul(rotated(Math.imul(s1, 5), 7), 9);
    const t2 = s2 ^ s0;
    const t3 = s3 ^ s1;
    this.set(0, s0 ^ t3);
    this.set(1, s1 ^ t2);
    this.set(2, t2 ^ (s1 << 9));
    this.set(3, rotated(t3, 11));
    return result;
  }

  private get(index: number): number {
    return this.view.getInt32(this.base + index * WORD_BYTES, true);
  }

  private set(index: number, word: number): void {
    this.view.setInt32(this.base + index * WORD_BYTES, word, true);
  }
}

function rotated(word: number, left: number): number {
  return (word << left) | (word >>> (32 - left));
}

/** Every bit of the result depends on every bit of the word (the finalizer of MurmurHash3). */
function mixed(word: number): number {
  let h = word | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
