// SPDX-License-Identifier: MIT
//
// String instructions against a model that does one element after the other (SDM vol. 2A CMPS, LODS, MOVS, vol. 2B SCAS, STOS, REP),
// and what ends a part of a repetition. Copies of whole pages share frames, and nobody can tell.
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { LEAVE_BLOCK } from '../../kernel-worker/engines/i386/cpu.ts';
import type { Helper } from '../../kernel-worker/engines/i386/operands.ts';
import { setSegment } from '../../kernel-worker/engines/i386/segments.ts';
import { STRING_IO_HELPERS } from '../../kernel-worker/engines/i386/string-io.ts';
import { STRING_HELPERS } from '../../kernel-worker/engines/i386/strings.ts';
import { BareCpu } from './bare-cpu.ts';
import { execute, executeAll, flagNames, REP, REPE, REPNE, string } from './execute.ts';

const [EAX, ECX, EDX, ESI, EDI, EIP] = [0, 1, 2, 6, 7, 8];
const [ES, DS] = [0, 3];
const TF = 0x100;
const DF = 0x400;
const PAGE = 4096;
/** Eight pages that belong to the tests. */
const AREA = 0x40000;
const AREA_BYTES = 8 * PAGE;
const bare = new BareCpu();
const { cpu, r } = bare;
const { memory } = cpu;
const { movs, stos } = STRING_HELPERS;

beforeEach(() => bare.protectedMode());

interface Case {
  size: number;
  repeat: number;
  address32: boolean;
  down: boolean;
  count: number;
  source: number;
  target: number;
  limit: number;
  few: boolean;
  seed: number;
}

/** Offsets within the area, many of them at the edges of pages and near each other. */
const offset = fc.oneof(
  fc.nat(AREA_BYTES - 1),
  fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: -9, max: 9 })).map(([page, delta]) => page * PAGE + delta),
);
const cases: fc.Arbitrary<Case> = fc
  .record({
    size: fc.constantFrom(1, 2, 4),
    repeat: fc.constantFrom(0, REPNE, REPE, REPE),
    address32: fc.boolean(),
    down: fc.boolean(),
    count: fc.oneof(fc.nat(20), fc.nat(3000), fc.constantFrom(1024, 2048, 4096)),
    source: offset,
    target: fc.oneof(
      offset,
      fc.integer({ min: -12, max: 12 }).map((delta) => -1000 + delta),
    ),
    limit: fc.oneof(fc.constant(AREA_BYTES - 1), fc.integer({ min: PAGE, max: AREA_BYTES })),
    few: fc.boolean(),
    seed: fc.nat(0xffff),
  })
  // A target below 0 is a distance from the source.
  .map((c) => ({ ...c, target: c.target < 0 ? Math.max(0, c.source + c.target + 1000) : c.target }));

/** Bytes of the area: random, or nearly all alike so that comparisons run on. */
function areaOf({ seed, few }: Case): Uint8Array {
  let state = seed * 2654435761 + 1;
  return Uint8Array.from({ length: AREA_BYTES }, () => {
    state = (Math.imul(state, 1103515245) + 12345) | 0;
    const random = (state >>> 16) & 0xff;
    return few ? (random === 7 && (state & 0x3f00) === 0 ? 1 : 0) : random;
  });
}

interface Outcome {
  fault: string;
  area: Uint8Array;
  registers: number[];
  flags: string;
}

/** One element after the other, over an array of its own. */
function model(name: keyof typeof STRING_HELPERS, c: Case, ax: number): Outcome {
  const area = areaOf(c);
  const step = c.down ? -c.size : c.size;
  const wrap = (value: number): number => (c.address32 ? value | 0 : value & 0xffff);
  let [si, di] = [wrap(c.source), wrap(c.target)];
  let count = c.repeat === 0 ? 1 : c.count;
  let accumulator = ax;
  let compared: [number, number] | null = null;
  const fits = (at: number): boolean => (at >>> 0) + c.size - 1 <= c.limit;
  const load = (at: number): number => {
    let value = 0;
    for (let i = 0; i < c.size; i++) value += (area[at + i] ?? 0) * 2 ** (8 * i);
    return value;
  };
  const store = (at: number, value: number): void => {
    for (let i = 0; i < c.size; i++) area[at + i] = Math.floor(value / 2 ** (8 * i));
  };
  const mask = 2 ** (8 * c.size);
  let fault = '';
  while (count > 0) {
    const reads = name === 'movs' || name === 'cmps' || name === 'lods';
    if ((reads && !fits(si)) || (name !== 'lods' && !fits(di))) {
      fault = '#13(0)';
      break;
    }
    if (name === 'movs') store(di, load(si));
    else if (name === 'stos') store(di, accumulator % mask);
    else if (name === 'lods') accumulator = accumulator - (accumulator % mask) + load(si);
    else if (name === 'cmps') compared = [load(si), load(di)];
    else compared = [accumulator % mask, load(di)];
    if (reads) si = wrap(si + step);
    if (name !== 'lods') di = wrap(di + step);
    count--;
    if (compared !== null && c.repeat !== 0 && (compared[0] === compared[1]) === (c.repeat === REPNE)) break;
  }
  cpu.flags.reload();
  r[9] = 2;
  // A repetition that a fault stops leaves the flags as they were (SDM vol. 2B REP).
  if (compared !== null && fault === '') cpu.flags.setSub(c.size, compared[0], compared[1], compared[0] - compared[1]);
  const flags = flagNames(cpu.getEflags());
  return { fault, area, registers: [accumulator | 0, c.repeat === 0 ? c.count : count, si, di], flags };
}

function real(name: keyof typeof STRING_HELPERS, c: Case, ax: number): Outcome {
  memory.write(AREA, areaOf(c));
  for (const segment of [ES, DS]) setSegment(cpu, segment, 0x10, AREA, c.limit, 0x4093);
  cpu.updateMode();
  r[9] = 2 | (c.down ? DF : 0);
  [r[EAX], r[ECX], r[ESI], r[EDI]] = [ax, c.count, c.source, c.target];
  const { fault } = executeAll(bare, STRING_HELPERS[name], string(c.size, c.repeat, c.address32));
  const registers = [r[EAX], r[ECX], r[ESI], r[EDI]];
  return { fault, area: memory.read(AREA, AREA_BYTES), registers, flags: flagNames(cpu.getEflags()) };
}

describe('Whatever size, direction, address size, overlap and limit, the outcome is that of single elements', () => {
  for (const name of Object.keys(STRING_HELPERS) as (keyof typeof STRING_HELPERS)[]) {
    test(name.toUpperCase(), () => {
      fc.assert(
        fc.property(cases, (c) => {
          const ax = c.few ? 0 : 0x12345678;
          const expected = model(name, c, ax);
          const found = real(name, c, ax);
          expect({ ...found, area: null }).toEqual({ ...expected, area: null });
          expect(Buffer.compare(found.area, expected.area)).toBe(0);
        }),
        { seed: 5, numRuns: 400 },
      );
    });
  }
});

describe('A part of a repetition', () => {
  const goes = (helper: Helper, count: number, source: number, target: number): number => {
    [r[ECX], r[ESI], r[EDI]] = [count, source, target];
    return executeAll(bare, helper, string(1, REP)).goes;
  };

  test('ends at the page boundary of either operand', () => {
    expect(goes(movs, 1000, AREA, AREA + PAGE)).toBe(1);
    expect(goes(movs, 1000, AREA + PAGE - 10, AREA + 2 * PAGE)).toBe(2);
    expect(goes(movs, 1000, AREA + PAGE - 10, AREA + 3 * PAGE - 20)).toBe(3);
    expect(goes(stos, 3 * PAGE, AREA, AREA + 1)).toBe(4);
  });

  test('leaves EIP on the instruction, the registers in between, and the block', () => {
    [r[ECX], r[ESI], r[EDI]] = [2 * PAGE, AREA, AREA + 2 * PAGE];
    const eip = r[EIP];
    execute(bare, movs, string(1, REP));
    expect([r[EIP], r[ECX], r[ESI], r[EDI], cpu.leave]).toEqual([eip, PAGE, AREA + PAGE, AREA + 3 * PAGE, LEAVE_BLOCK]);
    execute(bare, movs, string(1, REP));
    expect([r[EIP], r[ECX], cpu.leave]).toEqual([eip + 2, 0, 0]);
  });

  test('is one element while single-stepping', () => {
    r[9] |= TF;
    expect(goes(movs, 5, AREA, AREA + PAGE)).toBe(5);
  });

  test('with CX = 0 is the whole instruction, and nothing is looked at', () => {
    setSegment(cpu, ES, 0, 0, 0, 0x10000);
    [r[ECX], r[ESI], r[EDI]] = [0x10000, 1, 2];
    expect(execute(bare, movs, string(1, REP, false))).toBe('');
    expect([r[ECX], r[ESI], r[EDI]]).toEqual([0x10000, 1, 2]);
  });
});

describe('A fault in a repetition', () => {
  const TABLES = 0x60000;

  /** Identity mapping with the pages of the area as `entries` say. */
  function paged(entries: Record<number, number>): void {
    memory.write(TABLES, new Uint8Array(2 * PAGE));
    memory.write32(TABLES, (TABLES + PAGE) | 7);
    for (let page = 0; page < 256; page++) memory.write32(TABLES + PAGE + page * 4, (page << 12) | 7);
    for (const [page, entry] of Object.entries(entries)) memory.write32(TABLES + PAGE + Number(page) * 4, entry);
    r[51] = 0;
    r[50] = TABLES;
    r[48] = -0x80000000 | 0x10011;
    cpu.mmu.flush();
    cpu.updateMode();
  }
  const page = (address: number): number => address >>> 12;

  test('of paging leaves the registers at the element that failed', () => {
    paged({ [page(AREA + 3 * PAGE)]: 0 });
    [r[ECX], r[ESI], r[EDI]] = [3000, AREA, AREA + 2 * PAGE + 96];
    expect(executeAll(bare, movs, string(4, REP)).fault).toBe('#14(2)');
    expect([r[49], r[ECX], r[ESI], r[EDI]]).toEqual([AREA + 3 * PAGE, 2000, AREA + 4000, AREA + 3 * PAGE]);
  });

  test('of a page that may not be stored to comes before any of its bytes changes', () => {
    paged({ [page(AREA)]: AREA | 5 });
    memory.write(AREA, Uint8Array.of(1, 2, 3));
    [r[ECX], r[EDI]] = [100, AREA];
    expect(execute(bare, stos, string(1, REP))).toBe('#14(3)');
    expect([...memory.read(AREA, 3), r[ECX]]).toEqual([1, 2, 3, 100]);
  });

  test('of a copy of whole pages names the source before the target', () => {
    paged({ [page(AREA)]: 0, [page(AREA + PAGE)]: 0 });
    [r[ECX], r[ESI], r[EDI]] = [1024, AREA, AREA + PAGE];
    expect(execute(bare, movs, string(4, REP))).toBe('#14(0)');
    expect(r[49]).toBe(AREA);
  });

  test('two linear pages of one physical page are copied as they are', () => {
    paged({ [page(AREA + PAGE)]: AREA | 7 });
    memory.write(AREA, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    [r[ECX], r[ESI], r[EDI]] = [32, AREA, AREA + PAGE + 2];
    execute(bare, movs, string(1, REP));
    expect([...memory.read(AREA, 8)]).toEqual([1, 2, 1, 2, 1, 2, 1, 2]);
    [r[ECX], r[ESI], r[EDI]] = [1024, AREA, AREA + PAGE];
    execute(bare, movs, string(4, REP));
    expect([...memory.read(AREA, 8)]).toEqual([1, 2, 1, 2, 1, 2, 1, 2]);
  });

  test('a copy onto a page table changes the translation at once', () => {
    paged({ [page(AREA)]: AREA | 7 });
    // Other tables in the area: the same, but AREA + 3 pages means AREA + 4 pages.
    memory.write(AREA + PAGE, memory.read(TABLES + PAGE, PAGE));
    memory.write32(AREA + PAGE + page(AREA + 3 * PAGE) * 4, (AREA + 4 * PAGE) | 7);
    memory.write8(AREA + 3 * PAGE, 3);
    memory.write8(AREA + 4 * PAGE, 4);
    expect(cpu.load8(DS, AREA + 3 * PAGE)).toBe(3);
    [r[ECX], r[ESI], r[EDI]] = [1024, AREA + PAGE, TABLES + PAGE];
    expect(execute(bare, movs, string(4, REP))).toBe('');
    expect(cpu.load8(DS, AREA + 3 * PAGE)).toBe(4);
  });

  test('a store to a page table that shares its frame changes the translation at once', () => {
    paged({});
    memory.write8(AREA + 2 * PAGE, 2);
    memory.write8(AREA + 3 * PAGE, 3);
    // All bits are set that a walk of the shared table could set.
    cpu.store8(DS, TABLES + PAGE + 0xfff, 0);
    expect(cpu.load8(DS, AREA + 2 * PAGE)).toBe(2);
    [r[ECX], r[ESI], r[EDI]] = [1024, TABLES + PAGE, AREA + PAGE];
    execute(bare, movs, string(4, REP));
    expect(memory.frameOf(page(AREA + PAGE))).toBe(memory.frameOf(page(TABLES + PAGE)));
    expect(cpu.load8(DS, AREA + 2 * PAGE)).toBe(2);
    cpu.store32(DS, TABLES + PAGE + page(AREA + 2 * PAGE) * 4, (AREA + 3 * PAGE) | 7);
    expect(cpu.load8(DS, AREA + 2 * PAGE)).toBe(3);
  });
});

describe('A copy of a whole page', () => {
  const [source, target] = [AREA + PAGE, AREA + 3 * PAGE];
  const frameOf = (address: number): number => memory.frameOf(address >>> 12);
  const copy = (): string => {
    [r[ECX], r[ESI], r[EDI]] = [1024, source, target];
    const fault = execute(bare, movs, string(4, REP));
    // As at the end of a run.
    cpu.mmu.moves.settle();
    return fault;
  };

  test('shares the frame, until one of the two is stored to', () => {
    for (const written of [source, target]) {
      cpu.store32(DS, source, 0x1111);
      cpu.store32(DS, target, 0x2222);
      expect(copy()).toBe('');
      expect(frameOf(source)).toBe(frameOf(target));
      expect([cpu.load32(DS, source), cpu.load32(DS, target)]).toEqual([0x1111, 0x1111]);
      cpu.store32(DS, written, 0x3333);
      expect(frameOf(source)).not.toBe(frameOf(target));
      const other = written === source ? target : source;
      expect([cpu.load32(DS, written), cpu.load32(DS, other)]).toEqual([0x3333, 0x1111]);
    }
  });

  test('does so at once again after each store', () => {
    for (let i = 1; i < 50; i++) {
      cpu.store32(DS, source, i);
      cpu.store32(DS, source + 4, 0);
      copy();
      expect(cpu.load32(DS, target)).toBe(i);
      cpu.store32(DS, target + 4, i);
      expect(cpu.load32(DS, source + 4)).toBe(0);
    }
  });

  test('onto itself leaves the frame as it is, shared or not', () => {
    cpu.store32(DS, source, 0x1111);
    copy();
    [r[ECX], r[ESI], r[EDI]] = [1024, target, target];
    expect(execute(bare, movs, string(4, REP))).toBe('');
    expect([r[ECX], r[ESI], r[EDI]]).toEqual([0, target + PAGE, target + PAGE]);
    expect([cpu.load32(DS, target), frameOf(target) === frameOf(source)]).toEqual([0x1111, true]);
  });

  test('copies bytes when no frame can be spared', () => {
    const { frames } = memory;
    cpu.store32(DS, source, 77);
    cpu.store32(DS, target, 78);
    const taken: number[] = [];
    const spare = frames.free - memory.countShared();
    for (let i = 0; i < spare; i++) taken.push(frames.take());
    expect(copy()).toBe('');
    expect([cpu.load32(DS, target), frameOf(source) === frameOf(target)]).toEqual([77, false]);
    for (const frame of taken) frames.drop(frame);
  });
});

describe('INS and OUTS', () => {
  const { ins, outs } = STRING_IO_HELPERS;
  const written: number[] = [];
  let next = 0;
  cpu.board.bus.claimPorts('test', 0x500, 0x503, {
    read8: () => next++ & 0xff,
    read16: () => next++ & 0xffff,
    write8: (_port, value) => void written.push(value),
    write16: (_port, value) => void written.push(value),
  });

  beforeEach(() => {
    next = 1;
    written.length = 0;
    r[EDX] = 0x500;
  });

  test('move elements between port and memory', () => {
    [r[ECX], r[EDI]] = [3, AREA];
    expect(executeAll(bare, ins, string(2, REP)).fault).toBe('');
    expect([...memory.read(AREA, 6), r[ECX], r[EDI]]).toEqual([1, 0, 2, 0, 3, 0, 0, AREA + 6]);
    [r[ECX], r[ESI]] = [3, AREA];
    executeAll(bare, outs, string(2, REP));
    expect(written).toEqual([1, 2, 3]);
  });

  test('do not touch the device where memory faults', () => {
    setSegment(cpu, ES, 0x10, AREA, 3, 0x4093);
    cpu.updateMode();
    [r[ECX], r[EDI]] = [10, 0];
    expect(executeAll(bare, ins, string(2, REP)).fault).toBe('#13(0)');
    expect([next, r[ECX], r[EDI]]).toEqual([3, 8, 4]);
  });

  test('are #GP without the right to the port, before memory is looked at', () => {
    bare.protectedMode(3);
    r[EDX] = 0x500;
    setSegment(cpu, ES, 0, 0, 0, 0x10000);
    expect(execute(bare, ins, string(1))).toBe('#13(0)');
    expect(next).toBe(1);
  });
});
