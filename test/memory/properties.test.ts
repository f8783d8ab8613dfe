// SPDX-License-Identifier: MIT
// Whatever is done to the memory, in whatever order: it holds what plain arrays hold, captures keep what they captured, no
// store ever fails, a refusal changes nothing, and no frame is lost or freed twice. Longer: KJUMP_CAMPAIGN=20000.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatted } from './memory-model.ts';
import { operation, Pair } from './operations.ts';

const CAMPAIGN = Number(process.env.KJUMP_CAMPAIGN ?? 0);
const numRuns = CAMPAIGN || 250;
const timeout = Math.max(20_000, numRuns * 100);

function property(frames: fc.Arbitrary<number>, seen: (pair: Pair) => void): void {
  const machines = fc.record({
    hiddenPages: fc.constantFrom(0, 5, 8),
    frames,
    ops: fc.array(operation, { minLength: 1, maxLength: 80, size: 'max' }),
  });
  fc.assert(
    fc.property(machines, ({ hiddenPages, frames, ops }) => {
      const pair = new Pair(formatted(16, hiddenPages, frames));
      for (const [index, op] of ops.entries()) {
        pair.run(op);
        pair.check();
        if (index % 8 === 0) pair.checkCaptures();
      }
      pair.checkCaptures();
      seen(pair);
      pair.tearDown();
    }),
    { seed: 2008, numRuns },
  );
}

test('a memory short of frames holds what plain arrays hold, and a refusal changes nothing', { timeout }, () => {
  const refused = { OUT_OF_FRAMES: 0, OUT_OF_PAGES: 0 };
  property(fc.integer({ min: 17, max: 96 }), (pair) => {
    for (const { code } of pair.refusals) refused[code as keyof typeof refused]++;
  });
  expect(refused.OUT_OF_FRAMES).toBeGreaterThan(numRuns);
  expect(refused.OUT_OF_PAGES).toBeGreaterThan(numRuns / 10);
});

test('a memory with frames to spare refuses nobody', { timeout }, () => {
  let mostCaptures = 0;
  property(fc.constant(4000), (pair) => {
    expect(pair.refusals.filter(({ code }) => code === 'OUT_OF_FRAMES')).toEqual([]);
    mostCaptures = Math.max(mostCaptures, pair.captures.length);
  });
  expect(mostCaptures).toBeGreaterThan(4);
});
