// SPDX-License-Identifier: MIT
//
// The two ways to relocate, exchanging frames and copying pages as Linux does, are the same jump: every byte of memory, hidden
// pages and records is equal after each of a chain of jumps, there, back, onwards, refused and plain.
import { expect, test } from 'vitest';
import { JumpBench, type Picture } from './jump-bench.ts';

const FIRST = 64;
const END = 88;

/** A picture after every jump of the chain. */
function chain(relocation: 'exchange' | 'copy'): Picture[] {
  const bench = new JumpBench({ relocation });
  const pictures: Picture[] = [];
  const jump = (name: string | null, page?: number) => {
    const to = bench.parts.slots.find((slot) => slot.name === name) ?? null;
    const errno = bench.jump(to, page === undefined ? {} : { failAt: { line: 'relocate', page } });
    expect(errno).toBe(page === undefined ? 0 : 5);
    pictures.push(bench.picture());
  };
  const a = bench.boot('a');
  bench.fill(16, 180, 1);
  bench.load('mesh', FIRST - 10, END - 10);
  bench.guestLoad(a, FIRST, END);
  jump(null);
  bench.fill(FIRST + 1, END, 2);
  const child = bench.current;
  jump('mesh');
  bench.fill(FIRST, END - 10, 3);
  jump('a', 7);
  jump('a');
  jump(child.name);
  bench.guestLoad(child, FIRST + 3, FIRST + 8);
  jump(null);
  bench.fill(FIRST + 4, FIRST + 8, 4);
  jump('mesh', 29);
  jump('mesh');
  bench.loadImage(bench.current, 'host image', FIRST - 20, FIRST + 20);
  jump(null);
  jump('a');
  bench.loadImage(a, 'heir', FIRST, END, false);
  jump(null);
  jump('host image');
  return pictures;
}

test('exchanging and copying leave the same bytes everywhere after every jump, the swap pages too', () => {
  const [exchanged, copied] = (['exchange', 'copy'] as const).map(chain);
  expect(exchanged).toHaveLength(12);
  const bench = new JumpBench();
  exchanged.forEach((picture, i) => {
    expect({ jump: i, differs: bench.differences(picture, copied[i]) }).toEqual({ jump: i, differs: [] });
  });
});
