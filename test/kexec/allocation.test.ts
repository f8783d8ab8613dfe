// SPDX-License-Identifier: MIT
// The allocator's invariants (kexec-jump reference §1.5) for random segments and random free pages: they make the jump its own
// inverse. And that a load, whether it succeeds or not, accounts for every page and every frame.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Errno } from '../../shared/errno.ts';
import { PairList, readList } from '../../shared/kexec/entry-list.ts';
import { kimagePages } from '../../shared/kexec/image-pages.ts';
import { relocate } from '../../shared/kexec/relocate.ts';
import type { KexecSegment } from '../../shared/kexec/segments.ts';
import { allBytes, firstDifference, makeKernel, PAGE, RAM_PAGES, range, segment } from './loading-kernel.ts';

const MIDDLE = 128;

/** Up to six segments that do not overlap, in any order: gap before, pages, bytes given. */
const segments: fc.Arbitrary<KexecSegment[]> = fc
  .array(fc.tuple(fc.nat(12), fc.nat(10), fc.double({ min: 0, max: 1, noNaN: true })), { minLength: 1, maxLength: 6 })
  .chain((parts) => {
    let next = 0;
    const made = parts.map(([gap, pages, filled], i) => {
      const first = next + gap;
      next = first + pages;
      const bytes = new Uint8Array(Math.floor(filled * pages * PAGE)).map((_, at) => (at >>> 8) * 3 + i + 1);
      return segment(first, pages, bytes);
    });
    return fc.shuffledSubarray(made, { minLength: made.length });
  });

/** Free pages in any order, many of them below page 128, where the segments are. */
const freePages = fc
  .tuple(fc.subarray(range(0, MIDDLE)), fc.subarray(range(MIDDLE, RAM_PAGES), { minLength: 20 }))
  .chain(([low, high]) => fc.shuffledSubarray([...low, ...high], { minLength: low.length + high.length }));

test('sources are their own destination or nobody’s, no other page is a destination, and the jump brings the bytes', () => {
  let loads = 0;
  fc.assert(
    fc.property(segments, freePages, (request, free) => {
      const { load, env, memory, pages, audit } = makeKernel({ free });
      const before = allBytes(memory);
      const errno = load(request);
      expect([Errno.OK, Errno.ENOMEM]).toContain(errno);
      if (errno === Errno.OK) {
        loads++;
        const wanted = new Set(request.flatMap(({ mem, memsz }) => range(mem / PAGE, (mem + memsz) / PAGE)));
        const list = new PairList();
        readList(memory, env.image.head, list);
        expect(list.count).toBe(wanted.size);
        for (let i = 0; i < list.count; i++) {
          expect(wanted.has(list.destinations[i])).toBe(true);
          expect(list.sources[i] === list.destinations[i] || !wanted.has(list.sources[i])).toBe(true);
        }
        const others = [env.image.controlCodePage / PAGE, env.image.swapPage / PAGE, ...list.indirections];
        expect(others.filter((page) => wanted.has(page))).toEqual([]);
        const own = kimagePages(memory, env.image);
        expect(own.length).toBe(list.count + others.length);
        expect(new Set(own)).toEqual(pages.taken);

        relocate(memory, env.image.head, env.image.swapPage, 'exchange');
        for (const { buf, mem, memsz } of request) {
          const expected = new Uint8Array(memsz);
          if (buf !== null) expected.set(buf);
          expect(firstDifference(memory.read(mem, memsz), expected)).toBe(-1);
        }
        relocate(memory, env.image.head, env.image.swapPage, 'exchange');
        // Whoever owns a page that was not free finds it as it was.
        const used = new Set(free);
        const after = allBytes(memory);
        const changed = range(0, RAM_PAGES).filter(
          (page) => !used.has(page) && firstDifference(slice(before, page), slice(after, page)) >= 0,
        );
        expect(changed).toEqual([]);
        expect(load([])).toBe(Errno.OK);
      }
      expect(pages.taken.size).toBe(0);
      expect([...pages.queue].sort()).toEqual([...free].sort());
      expect(audit()).toEqual([]);
    }),
    { seed: 2008, numRuns: 60 },
  );
  expect(loads).toBeGreaterThan(30);
});

test('a load succeeds if and only if the free pages outside all destinations suffice for what the kernel itself occupies', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 30 }),
      fc.subarray(range(0, 30)),
      fc.integer({ min: 0, max: 40 }),
      (count, low, high) => {
        const free = [...range(MIDDLE, MIDDLE + high), ...low];
        const { load } = makeKernel({ free });
        const occupied = count - low.filter((page) => page < count).length;
        const outside = high + low.filter((page) => page >= count).length;
        // Control, swap and one indirection page besides.
        const errno = load([segment(0, count)]);
        expect(errno).toBe(outside >= occupied + 3 ? Errno.OK : Errno.ENOMEM);
      },
    ),
    { seed: 116, numRuns: 60 },
  );
});

const slice = (bytes: Uint8Array, page: number): Uint8Array => bytes.subarray(page * PAGE, (page + 1) * PAGE);
