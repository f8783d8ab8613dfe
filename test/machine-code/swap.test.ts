// SPDX-License-Identifier: MIT
//
// swap_pages in machine code: what it does with a list, and that the relocation in TypeScript (shared/kexec/relocate.ts) does the
// same to every byte, whatever the list says, for both stubs, with two and three levels of page tables, and whether the engine
// moves whole pages by their frames or by their bytes.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type RelocationMode, relocate } from '../../shared/kexec/relocate.ts';
import { firstDifference, pattern } from '../kexec/loading-kernel.ts';
import { AT, DONE, destination, FREE_PAGE, HEAD, link, PAGE, type StubKind, StubPc, source } from './stub-pc.ts';

const W = FREE_PAGE;
const SOURCE = FREE_PAGE + 0x100;
/** A page of the peer’s own, in nobody’s list. */
const PEER = FREE_PAGE - 1;
const START = PEER * PAGE;
/** MOV EAX, CR4; OR AL, 0x20; MOV CR4, EAX; RET: what a strict stub of a PAE kernel needs. */
const RETURN_WITH_PAE = Uint8Array.of(0x0f, 0x20, 0xe0, 0x0c, 0x20, 0x0f, 0x22, 0xe0, 0xc3);
const RETURN = RETURN_WITH_PAE.subarray(-1);
const MODES = ['exchange', 'copy'] as const;
const WORDS = 1024;

/** Pages of the test hold bytes made of their index. */
function withPatterns(pc: StubPc): StubPc {
  for (let page = FREE_PAGE; page < pc.memory.ramPages; page++) pc.memory.write(page * PAGE, pattern(page));
  pc.memory.write(START, pc.pae ? RETURN_WITH_PAE : RETURN);
  return pc;
}

const holds = (pc: StubPc, page: number, was: number): void =>
  expect({ page, differs: firstDifference(pc.page(page), pattern(was)) }).toEqual({ page, differs: -1 });

describe.each(MODES)('whole pages moved by the engine in mode %s', (relocation) => {
  const kernel = () => withPatterns(new StubPc({ relocation }));

  test('case 37: a pair is copied source to swap, destination to source, swap to destination; swap has the last source', () => {
    const pc = kernel();
    // The middle page is in both pairs, so that any other order shows.
    pc.writeList([destination(W), source(W + 20), destination(W + 20), source(W + 30), DONE]);
    expect(pc.call({ start: START, preserve: false })).toBe('to the peer');
    holds(pc, W, W + 20);
    holds(pc, W + 20, W + 30);
    holds(pc, W + 30, W);
    holds(pc, AT.swap / PAGE, W + 30);
  });

  test('case 37: a call pushes its word into the swap page’s last', () => {
    const pc = kernel();
    pc.writeList([destination(W), source(SOURCE), DONE]);
    pc.call({ start: START });
    const expected = pattern(SOURCE).slice();
    new DataView(expected.buffer).setUint32(0xffc, AT.control + 0xd7, true);
    expect(firstDifference(pc.page(AT.swap / PAGE), expected)).toBe(-1);
  });

  test('case 38: there and back is the identity on all destinations and sources', () => {
    const pc = kernel();
    const pages = Array.from({ length: 64 }, (_, i) => source(SOURCE + 2 * i));
    pc.writeList([destination(W), ...pages.slice(0, 30), destination(W + 100), ...pages.slice(30), DONE]);
    const before = pc.ram();
    expect(pc.call({ start: START })).toBe('to the peer');
    holds(pc, W + 29, SOURCE + 58);
    holds(pc, SOURCE + 58, W + 29);
    expect(pc.run()).toBe('back');
    const free = FREE_PAGE * PAGE;
    expect(firstDifference(pc.ram().subarray(free), before.subarray(free))).toBe(-1);
  });

  test('case 39: a page that is its own source stays as it is', () => {
    const pc = kernel();
    pc.writeList([destination(W), source(W), source(W + 1), DONE]);
    pc.call({ start: START });
    holds(pc, W, W);
    holds(pc, W + 1, W + 1);
  });

  test('case 40: a word without a tag is ignored', () => {
    const pc = kernel();
    pc.writeList([0, destination(W), 0x5000, source(SOURCE), 0x30, DONE]);
    pc.call({ start: START });
    holds(pc, W, SOURCE);
    holds(pc, W + 1, W + 1);
  });

  test('case 40: of several tags the lowest decides, in the order 1, 2, 4, 8', () => {
    const pc = kernel();
    pc.writeList([destination(W) | 14, source(SOURCE), link(1) | 12], [source(SOURCE + 1), source(0) | DONE]);
    pc.call({ start: START });
    holds(pc, W, SOURCE);
    holds(pc, W + 1, SOURCE + 1);
    holds(pc, W + 2, W + 2);
    expect(pc.register('ecx')).toBe(DONE | 8);
  });
});

// ---- the same as in TypeScript --------------------------------------------------------------------------------------

/** Words of a list, in indirection pages of random lengths. */
interface RandomList {
  readonly words: readonly number[];
  readonly breaks: readonly number[];
}

const anyPage = fc.integer({ min: FREE_PAGE, max: FREE_PAGE + 24 });
const word = fc.oneof(
  { weight: 2, arbitrary: anyPage.map(destination) },
  { weight: 6, arbitrary: anyPage.map(source) },
  // Where no memory is: what goes there is lost, what comes from there is ones.
  { weight: 1, arbitrary: fc.constantFrom(destination(0xfff00), source(0xfff01)) },
  // A run of one page onto itself.
  { weight: 1, arbitrary: anyPage.map((page) => page * PAGE) },
  { weight: 1, arbitrary: fc.constantFrom(0, 0x10, 0x30, 0xff0) },
);
const anyList: fc.Arbitrary<RandomList> = fc
  .tuple(
    anyPage,
    fc.array(word, { maxLength: 60 }),
    fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 4 }),
    fc.array(fc.tuple(anyPage, fc.boolean()), { maxLength: 6 }),
  )
  .map(([first, words, breaks, own]) => {
    const ownPages = own.flatMap(([page, twice]) => [
      destination(page),
      source(page),
      ...(twice ? [source(page + 1)] : []),
    ]);
    return { words: [destination(first), ...words, ...ownPages], breaks };
  });
/** Longer than an indirection page: the words behind its last one are in the next page of the list. */
const longList: fc.Arbitrary<RandomList> = fc
  .tuple(anyPage, fc.integer({ min: WORDS - 3, max: WORDS + 40 }), fc.array(anyPage, { minLength: 8, maxLength: 8 }))
  .map(([first, count, pages]) => ({
    words: Array.from({ length: count }, (_, i) =>
      i === 0 ? destination(first) : i % 100 === 0 ? source(pages[(i / 100) % 8]) : 0x40,
    ),
    breaks: [],
  }));

/** The pages of the list: linked at every break, or simply going on behind the last word. */
function pagesOf({ words, breaks }: RandomList): number[][] {
  const pages: number[][] = [[]];
  words.forEach((entry, i) => {
    let page = pages[pages.length - 1];
    if (page.length === WORDS) pages.push((page = []));
    else if (breaks.includes(i)) {
      page.push(link(pages.length));
      pages.push((page = []));
    }
    page.push(entry);
  });
  const last = pages[pages.length - 1];
  if (last.length === WORDS) pages.push([DONE]);
  else last.push(DONE);
  return pages;
}

describe.each(
  (['strict', 'repaired'] as const).flatMap((kind: StubKind) =>
    [false, true].flatMap((pae) =>
      MODES.map((relocation): [StubKind, boolean, RelocationMode] => [kind, pae, relocation]),
    ),
  ),
)('the %s stub, PAE: %s, whole pages in mode %s', (kind, pae, relocation) => {
  test('leaves the bytes that the relocation in TypeScript leaves, on random lists', () => {
    fc.assert(
      fc.property(
        fc.oneof({ weight: 4, arbitrary: anyList }, { weight: 1, arbitrary: longList }),
        fc.boolean(),
        (list, preserve) => {
          const machine = withPatterns(new StubPc({ kind, pae, relocation, memory: '2M' }));
          const own = withPatterns(new StubPc({ kind, pae, memory: '2M' }));
          for (const pc of [machine, own]) pc.writeList(...pagesOf(list));
          expect(machine.call({ start: START, preserve })).toBe('to the peer');
          relocate(own.memory, HEAD, AT.swap, 'copy');
          if (preserve) own.put(AT.swap + 0xffc, AT.control + 0xd7);
          // The control page and the caller’s stack are the stub’s own.
          expect(firstDifference(...beside(machine, own))).toBe(-1);
          if (!preserve) return;
          expect(machine.run()).toBe('back');
          relocate(own.memory, HEAD, AT.swap, 'copy');
          expect(firstDifference(...beside(machine, own, AT.swap))).toBe(-1);
        },
      ),
      { seed: 3, numRuns: 12 },
    );
  });
});

/** All of RAM of both, but for what the stub itself writes to. */
function beside(machine: StubPc, own: StubPc, ...pages: number[]): [Uint8Array, Uint8Array] {
  const both: [Uint8Array, Uint8Array] = [machine.ram(), own.ram()];
  for (const bytes of both) {
    for (const at of [AT.control, AT.stack, AT.code, ...pages]) bytes.fill(0, at, at + PAGE);
  }
  return both;
}
