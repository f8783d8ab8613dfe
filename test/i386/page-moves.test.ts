// SPDX-License-Identifier: MIT
//
// Whole pages that machine code copies while paging is off: whatever is copied, in whatever order, and whatever else happens in between,
// memory is what copying every byte makes of it.
import { expect, test } from 'vitest';
import { randomFrom } from '../campaigns/random.ts';
import { le32 } from './le32.ts';
import { Pc } from './pc.ts';

const CODE = 0x1000;
/** Pages that are copied. */
const FIRST = 0x10;
const PAGES = 6;
const PROGRAMS = 15;
const STEPS = 60;
const ESP = 4;
const STACK = 0x8000;

type Below = (n: number) => number;
const anyPage = (below: Below): number => (FIRST + below(PAGES)) * 4096;

/** MOV ESI; MOV EDI; MOV ECX, 1024; CLD; REP MOVSD. */
const copy = (target: number, source: number): number[] => [
  ...[0xbe, ...le32(source), 0xbf, ...le32(target), 0xb9, ...le32(1024), 0xfc, 0xf3, 0xa5],
];

/** A copy, two pages that change places through a third one, or an access in between. */
function step(below: Below): number[] {
  const [one, two, third] = [anyPage(below), anyPage(below), anyPage(below)];
  const at = anyPage(below) + below(1024) * 4;
  switch (below(6)) {
    case 0:
      return copy(one, two);
    case 1:
    case 2:
      return [...copy(third, one), ...copy(one, two), ...copy(two, third)];
    case 3:
      return [0xa1, ...le32(at), 0x01, 0xc3];
    case 4:
      return [0x01, 0x1d, ...le32(at)];
    default:
      return [0x43, 0x53];
  }
}

function pcWith(relocation: 'exchange' | 'copy', code: number[]): Pc {
  const pc = new Pc({ relocation });
  for (let page = FIRST; page < FIRST + PAGES; page++) {
    pc.write(page * 4096, new Uint8Array(4096).fill(page));
  }
  pc.write(CODE, code).flat(CODE);
  pc.r[ESP] = STACK;
  return pc;
}

test('comes to the bytes that copying each of them makes, at any instruction', () => {
  const below = randomFrom(7);
  for (let n = 0; n < PROGRAMS; n++) {
    const code = Array.from({ length: STEPS }, () => step(below)).flat();
    const pcs = (['exchange', 'copy'] as const).map((relocation) => pcWith(relocation, [...code, 0xf4]));
    for (let isOver = false; !isOver; ) {
      const budget = 1 + below(below(2) === 0 ? 5 : 60);
      const [ended] = pcs.map((pc) => pc.run(budget));
      isOver = ended !== 0;
      const [exchanged, copied] = pcs.map((pc) => pc.read(0, (FIRST + PAGES) * 4096));
      expect(Buffer.compare(exchanged, copied), `program ${n}`).toBe(0);
      expect(pcs[0].r).toEqual(pcs[1].r);
    }
  }
});

test('is seen by a load of a page that was loaded from before', () => {
  const [one, two, third] = [FIRST, FIRST + 1, FIRST + 2].map((page) => page * 4096);
  const load = (page: number): number[] => [0xa1, ...le32(page), 0x01, 0xc3];
  const exchange = [...copy(third, one), ...copy(one, two), ...copy(two, third)];
  const [exchanged, copied] = (['exchange', 'copy'] as const).map((relocation) =>
    pcWith(relocation, [one, two, third].flatMap(load).concat(exchange, [one, two, third].flatMap(load), 0xf4)),
  );
  exchanged.run(100);
  copied.run(100);
  expect(exchanged.r).toEqual(copied.r);
});

test.each([0, 1])('is seen by the next instruction where the code under way is exchanged, page %i of two', (runs) => {
  const [here, there, third] = [CODE, FIRST * 4096, (FIRST + 2) * 4096];
  const exchange = [...copy(third, here), ...copy(here, there), ...copy(there, third)];
  const pc = pcWith('exchange', [...exchange, 0xb8, ...le32(1), 0xf4]);
  pc.write(there, [...exchange, 0xb8, ...le32(2), 0xf4]).flat([here, there][runs]);
  pc.run(100);
  expect(pc.r[0]).toBe(2 - runs);
});

test('exchanges two pages through a third one without a frame more, and the third has what it was left with', () => {
  const [one, two, third] = [FIRST, FIRST + 1, FIRST + 2].map((page) => page * 4096);
  const pc = pcWith('exchange', [...copy(third, one), ...copy(one, two), ...copy(two, third), 0xf4]);
  const { memory } = pc.parts;
  const [ofOne, ofTwo] = [memory.frameOf(FIRST), memory.frameOf(FIRST + 1)];
  pc.run(100);
  expect([memory.frameOf(FIRST), memory.frameOf(FIRST + 1), memory.frameOf(FIRST + 2)]).toEqual([ofTwo, ofOne, ofOne]);
});
