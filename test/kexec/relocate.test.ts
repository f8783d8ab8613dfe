// SPDX-License-Identifier: MIT
// Relocation (kexec-jump reference §3.2 and cases 37 to 40): both modes against each other and against a plain model.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildList, listPages } from '../../shared/kexec/list-builder.ts';
import { type RelocationMode, relocate, revertRelocation, walkList } from '../../shared/kexec/relocate.ts';
import { LIVE } from '../../shared/layout/live-words.ts';
import type { PhysicalMemory } from '../../shared/physical-memory.ts';
import {
  allBytes,
  bytesOf,
  firstDifference,
  HIDDEN_PAGES,
  makeMemory,
  PAGE,
  pattern,
  RAM_PAGES,
  range,
} from './loading-kernel.ts';

const MODES: readonly RelocationMode[] = ['exchange', 'copy'];
const LIST_PAGE = RAM_PAGES;
const SWAP = (RAM_PAGES + 1) * PAGE;
/** Hidden pages that may be sources: not those of the list and not the swap page. */
const FIRST_SOURCE = RAM_PAGES + 8;

type Pair = readonly [destination: number, source: number];

function listOf(memory: PhysicalMemory, pairs: readonly Pair[], page = LIST_PAGE): number {
  const pages = range(page, page + 4);
  return buildList(
    memory,
    pairs.map(([destination]) => destination),
    pairs.map(([, source]) => source),
    () => pages.shift() ?? -1,
  );
}

function machineWith(pairs: readonly Pair[]) {
  const made = makeMemory();
  for (let page = FIRST_SOURCE; page < RAM_PAGES + HIDDEN_PAGES; page += 3) {
    made.memory.write(page * PAGE, pattern(page));
  }
  return { ...made, head: listOf(made.memory, pairs) };
}

/** A list written by hand, word for word, into one page. */
function handMade(memory: PhysicalMemory, words: readonly number[], page = LIST_PAGE): number {
  words.forEach((word, i) => {
    memory.write32(page * PAGE + 4 * i, word);
  });
  return (page * PAGE) | 2;
}

const page = (memory: PhysicalMemory, index: number): Uint8Array => memory.read(index * PAGE, PAGE);

/** Destinations and sources all different, as the allocator makes them, with some pages that are their own source. */
const disjointPairs = fc
  .tuple(
    fc.uniqueArray(fc.integer({ min: 0, max: RAM_PAGES - 1 }), { maxLength: 40 }),
    fc.shuffledSubarray(range(FIRST_SOURCE, FIRST_SOURCE + 60), { minLength: 40 }),
    fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }),
  )
  .map(([destinations, sources, own]) =>
    destinations.map((destination, i): Pair => [destination, own[i] ? destination : sources[i]]),
  );

/** Anything: pages in several pairs, destinations and sources that are not there. */
const anyPairs = fc.array(
  fc.tuple(
    fc.oneof(
      fc.integer({ min: 0, max: 12 }),
      fc.integer({ min: RAM_PAGES, max: RAM_PAGES + 20 }),
      fc.constant(0xfffff),
    ),
    fc.oneof(
      fc.integer({ min: 0, max: 12 }),
      fc.integer({ min: FIRST_SOURCE, max: FIRST_SOURCE + 10 }),
      fc.integer({ min: RAM_PAGES + HIDDEN_PAGES, max: 0xfffff }),
    ),
  ),
  { maxLength: 30 },
);

/** Pages in several pairs, but all of them there. */
const overlapping = fc.array(fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 12 })), {
  maxLength: 30,
});

describe('swap_pages', () => {
  test.each(MODES)('case 37: afterwards the swap page holds the last source’s old bytes (%s)', (mode) => {
    const { memory, head } = machineWith([
      [10, 20],
      [11, 30],
    ]);
    expect(relocate(memory, head, SWAP, mode)).toBe(2);
    for (const [now, was] of [
      [10, 20],
      [20, 10],
      [11, 30],
      [30, 11],
      [SWAP / PAGE, 30],
    ]) {
      expect(firstDifference(page(memory, now), pattern(was))).toBe(-1);
    }
  });

  test.each(MODES)(
    'case 37: a pair is copied source to swap, destination to source, swap to destination (%s)',
    (mode) => {
      // Page 20 is in both pairs, so that any other order shows.
      const { memory, head } = machineWith([
        [10, 20],
        [20, 30],
      ]);
      relocate(memory, head, SWAP, mode);
      expect([10, 20, 30].map((index) => memory.read8(index * PAGE))).toEqual([20, 30, 10].map((p) => pattern(p)[0]));
    },
  );

  test.each(MODES)('case 38: swapping twice is the identity on all destinations and sources (%s)', (mode) => {
    fc.assert(
      fc.property(disjointPairs, (pairs) => {
        const { memory, head, audit } = machineWith(pairs);
        const before = allBytes(memory);
        relocate(memory, head, SWAP, mode);
        relocate(memory, head, SWAP, mode);
        const after = allBytes(memory);
        before.fill(0, SWAP, SWAP + PAGE);
        after.fill(0, SWAP, SWAP + PAGE);
        expect(firstDifference(after, before)).toBe(-1);
        expect(audit()).toEqual([]);
      }),
      { seed: 38, numRuns: 25 },
    );
  });

  test('exchange and copy leave the same bytes everywhere, the swap page included, whatever the list says', () => {
    fc.assert(
      fc.property(fc.oneof(disjointPairs, anyPairs), (pairs) => {
        const a = machineWith(pairs);
        const b = machineWith(pairs);
        expect(relocate(a.memory, a.head, SWAP, 'exchange')).toBe(pairs.length);
        expect(relocate(b.memory, b.head, SWAP, 'copy')).toBe(pairs.length);
        expect(firstDifference(allBytes(a.memory), allBytes(b.memory))).toBe(-1);
        expect(a.audit()).toEqual([]);
        expect(b.audit()).toEqual([]);
      }),
      { seed: 39, numRuns: 40 },
    );
  });

  test.each(MODES)('case 39: a page that is its own source stays as it is (%s)', (mode) => {
    const { memory, head } = machineWith([[10, 10]]);
    relocate(memory, head, SWAP, mode);
    expect(firstDifference(page(memory, 10), pattern(10))).toBe(-1);
    expect(firstDifference(page(memory, SWAP / PAGE), pattern(10))).toBe(-1);
  });

  test('case 40: a word without a tag is ignored', () => {
    const { memory } = makeMemory();
    const head = handMade(memory, [0, (10 * PAGE) | 1, 0x5000, (20 * PAGE) | 8, 0x30, 4]);
    const pairs: Pair[] = [];
    walkList(memory, head, (destination, source) => pairs.push([destination, source]));
    expect(pairs).toEqual([[10 * PAGE, 20 * PAGE]]);
  });

  test('case 40: of several tags the lowest decides, in the order 1, 2, 4, 8', () => {
    const { memory } = makeMemory();
    const next = LIST_PAGE + 2;
    handMade(memory, [(21 * PAGE) | 8, (22 * PAGE) | 12], next);
    const head = handMade(memory, [(10 * PAGE) | 15, (20 * PAGE) | 8, (next * PAGE) | 14]);
    const pairs: Pair[] = [];
    walkList(memory, head, (destination, source) => pairs.push([destination / PAGE, source / PAGE]));
    expect(pairs).toEqual([
      [10, 20],
      [11, 21],
    ]);
  });
});

describe('the list', () => {
  test.each([0, 4, 0x1001, 0x1008])('is empty if the head is %i, no indirection word', (head) => {
    const { memory } = makeMemory();
    const before = allBytes(memory);
    expect(relocate(memory, head, 0, 'exchange')).toBe(0);
    expect(firstDifference(allBytes(memory), before)).toBe(-1);
  });

  test('goes on in the next page behind its last word', () => {
    const { memory } = makeMemory();
    memory.write32(LIST_PAGE * PAGE, (10 * PAGE) | 1);
    memory.write32((LIST_PAGE + 1) * PAGE, (20 * PAGE) | 8);
    memory.write32((LIST_PAGE + 1) * PAGE + 4, 4);
    expect(relocate(memory, (LIST_PAGE * PAGE) | 2, (LIST_PAGE + 2) * PAGE, 'exchange')).toBe(1);
    expect(firstDifference(page(memory, 10), pattern(20))).toBe(-1);
  });

  test('case 28: an indirection page takes 1,023 words, with DONE or the link in the last', () => {
    const { memory } = makeMemory();
    const destinations = range(0, 1022);
    expect(listPages(destinations)).toBe(1);
    const head = buildList(memory, destinations, range(5000, 6022), pagesFrom(LIST_PAGE));
    expect(head).toBe((LIST_PAGE * PAGE) | 2);
    expect(memory.read32(LIST_PAGE * PAGE + 4 * 1022)).toBe((6021 * PAGE) | 8);
    expect(memory.read32(LIST_PAGE * PAGE + 4 * 1023)).toBe(4);

    const more = range(0, 1023);
    expect(listPages(more)).toBe(2);
    buildList(memory, more, range(5000, 6023), pagesFrom(LIST_PAGE));
    expect(memory.read32(LIST_PAGE * PAGE + 4 * 1023)).toBe(((LIST_PAGE + 1) * PAGE) | 2);
    expect(memory.read32((LIST_PAGE + 1) * PAGE)).toBe((6022 * PAGE) | 8);
    expect(memory.read32((LIST_PAGE + 1) * PAGE + 4)).toBe(4);
  });

  test.each([1, 1022, 1023, 1024, 2045, 2046, 2047])('of %i pairs reads back as it was built', (count) => {
    const { memory } = makeMemory();
    const built = range(0, count).map((i): Pair => [i, 0xfffff - i]);
    const read: Pair[] = [];
    walkList(memory, listOf(memory, built), (destination, source) => read.push([destination / PAGE, source / PAGE]));
    expect(read).toEqual(built);
  });

  test('longer than any before is read whole, and a shorter one after it too', () => {
    const { memory } = makeMemory();
    const holes = range(0, 5000).map((i): Pair => [RAM_PAGES + i, 0x90000 + i]);
    const pages = range(LIST_PAGE + 8, LIST_PAGE + 16);
    const long = buildList(
      memory,
      holes.map(([d]) => d),
      holes.map(([, s]) => s),
      () => pages.shift() ?? -1,
    );
    expect(relocate(memory, long, SWAP, 'exchange')).toBe(5000);
    expect(relocate(memory, listOf(memory, [[1, 2]]), SWAP, 'exchange')).toBe(1);
    expect(firstDifference(page(memory, 1), pattern(2))).toBe(-1);
  });

  test('cannot be built without pages', () => {
    expect(buildList(makeMemory().memory, [1], [2], () => -1)).toBe(0);
  });

  test.each([
    [
      'is a ring',
      (memory: PhysicalMemory) => handMade(memory, [(10 * PAGE) | 1, (20 * PAGE) | 8, (LIST_PAGE * PAGE) | 2]),
    ],
    [
      'leads out of memory',
      (memory: PhysicalMemory) => handMade(memory, [(10 * PAGE) | 1, (20 * PAGE) | 8, 0xffff0002]),
    ],
    ['runs out of memory', () => ((RAM_PAGES - 1) * PAGE) | 2],
  ])('that %s is refused with nothing moved', (_, make) => {
    const { memory } = makeMemory();
    memory.zero(RAM_PAGES - 1);
    const head = make(memory);
    const before = allBytes(memory);
    expect(() => relocate(memory, head, SWAP, 'exchange')).toThrow(expect.objectContaining({ code: 'BAD_IMAGE' }));
    revertRelocation(memory, head, 0);
    expect(firstDifference(allBytes(memory), before)).toBe(-1);
  });

  test.each(MODES)('in RAM does not reach hidden pages: they read as ones and keep their bytes (%s)', (mode) => {
    const { memory } = makeMemory();
    const secret = FIRST_SOURCE;
    memory.write(secret * PAGE, bytesOf(PAGE, 42));
    const head = handMade(memory, [(10 * PAGE) | 1, (secret * PAGE) | 8, (secret * PAGE) | 1, (20 * PAGE) | 8, 4], 5);
    relocate(memory, head, 6 * PAGE, mode);
    expect(firstDifference(page(memory, secret), bytesOf(PAGE, 42))).toBe(-1);
    expect(firstDifference(page(memory, 10), bytesOf(PAGE, 0xff))).toBe(-1);
    expect(firstDifference(page(memory, 20), bytesOf(PAGE, 0xff))).toBe(-1);
    expect(() => relocate(memory, handMade(memory, [(secret * PAGE) | 2], 5), 6 * PAGE, mode)).toThrow('has no end');
  });
});

describe('a walk cut short', () => {
  test('is counted in the journal pair by pair, and reverting restores every page, the swap page too', () => {
    fc.assert(
      fc.property(fc.oneof(disjointPairs, overlapping), fc.integer({ min: 0, max: 40 }), (pairs, stopAfter) => {
        const { machine, memory, head } = machineWith(pairs);
        const live = machine.words('live');
        const before = allBytes(memory);
        const options = { stopAfter, journal: live, journalWord: LIVE.journalDone };
        const done = relocate(memory, head, SWAP, 'exchange', options);
        expect(done).toBe(Math.min(stopAfter, pairs.length));
        expect(live[LIVE.journalDone]).toBe(done);
        const whole = done === pairs.length;
        revertRelocation(memory, head, live[LIVE.journalDone]);
        const after = allBytes(memory);
        // A whole walk has written the swap page.
        if (whole) after.set(before.subarray(SWAP, SWAP + PAGE), SWAP);
        expect(firstDifference(after, before)).toBe(-1);
      }),
      { seed: 41, numRuns: 40 },
    );
  });

  test('in mode copy reverts too, but for the swap page', () => {
    const { memory, head } = machineWith([
      [10, 20],
      [11, 21],
      [12, 22],
    ]);
    const before = memory.read(0, RAM_PAGES * PAGE);
    const journal = new Int32Array(4);
    expect(relocate(memory, head, SWAP, 'copy', { stopAfter: 2, journal, journalWord: 3, copiesWord: 2 })).toBe(2);
    expect([...journal]).toEqual([0, 0, 0, 2]);
    revertRelocation(memory, head, 2);
    expect(firstDifference(memory.read(0, RAM_PAGES * PAGE), before)).toBe(-1);
  });
});

test('relocation and its reversal void what was cached of the mapping', () => {
  const { memory, head } = machineWith([[10, 20]]);
  const epoch = memory.epoch;
  relocate(memory, head, SWAP, 'exchange');
  expect(memory.epoch).toBeGreaterThan(epoch);
  const after = memory.epoch;
  revertRelocation(memory, head, 1);
  expect(memory.epoch).toBeGreaterThan(after);
});

function pagesFrom(first: number): () => number {
  let next = first;
  return () => next++;
}
