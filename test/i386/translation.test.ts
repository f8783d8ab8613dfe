// SPDX-License-Identifier: MIT
//
// What follows from page tables is never older than they are: a store to a table counts for the next instruction, whatever the TLB
// and the decoded code hold. And what leaves a block without leaving the run: flags, traps and interrupts stay exact.
import { describe, expect, test } from 'vitest';
import { CPU } from '../../shared/layout/cpu-state.ts';
import { randomFrom } from '../campaigns/random.ts';
import { le32 } from './le32.ts';
import { Pc, REGISTER } from './pc.ts';

const CODE = 0x1000;
const DIRECTORY = 0x10000;
const TABLE = 0x11000;
const OTHER_TABLE = 0x12000;
const HLT = 0xf4;

const loadEax = (at: number): number[] => [0xa1, ...le32(at)];
const loadEbx = (at: number): number[] => [0x8b, 0x1d, ...le32(at)];
const store = (at: number, value: number): number[] => [0xc7, 0x05, ...le32(at), ...le32(value)];

/** A PC whose first 4 MiB are mapped one to one; the last directory entry maps the directory itself. */
function pagedPc(...code: number[][]): Pc {
  const pc = new Pc();
  const { memory } = pc.parts;
  for (let page = 0; page < 1024; page++) memory.write32(TABLE + 4 * page, (page << 12) | 3);
  memory.write32(DIRECTORY, TABLE | 3);
  memory.write32(DIRECTORY + 4 * 1023, DIRECTORY | 3);
  pc.write(CODE, [...code.flat(), HLT]).flat(CODE);
  pc.r[CPU.cr3 / 4] = DIRECTORY;
  pc.r[CPU.cr0 / 4] = 0x80000011 | 0;
  pc.engine.invalidate();
  return pc;
}

describe('A store to a page table that translations were read from', () => {
  test('moves the page that its entry maps, and no other', () => {
    const pc = pagedPc(
      loadEax(0x5000),
      loadEax(0x7000),
      store(TABLE + 4 * 5, 0x6003),
      loadEbx(0x5000),
      loadEax(0x7000),
    );
    pc.write(0x5000, [5]).write(0x6000, [6]).write(0x7000, [7]).run(6);
    expect([pc.r[REGISTER.ebx], pc.r[REGISTER.eax]]).toEqual([6, 7]);
  });

  test('moves the code under way', () => {
    const remap = store(TABLE + 4, 0x2003);
    const pc = pagedPc(remap, [0xb8, ...le32(1)]);
    pc.write(0x2000 + remap.length, [0xb8, ...le32(2), HLT]).run(3);
    expect(pc.r[REGISTER.eax]).toBe(2);
  });

  test('is seen through a directory that is its own page table', () => {
    const pc = pagedPc(loadEax(0x405000), store(0xfffff004 | 0, OTHER_TABLE | 3), loadEbx(0x405000));
    const { memory } = pc.parts;
    memory.write32(DIRECTORY + 4, TABLE | 3);
    memory.write32(OTHER_TABLE + 4 * 5, 0x6003);
    pc.write(0x5000, [5]).write(0x6000, [6]).run(4);
    expect([pc.r[REGISTER.eax], pc.r[REGISTER.ebx]]).toEqual([5, 6]);
  });

  test('that clears the accessed bit lets the next access set it again', () => {
    const pc = pagedPc(loadEax(0x5000), store(TABLE + 4 * 5, 0x5003), loadEbx(0x5000));
    pc.run(4);
    expect(pc.parts.memory.read32(TABLE + 4 * 5)).toBe(0x5023);
  });

  test('that is four bytes at an odd address changes both entries', () => {
    const pc = pagedPc(
      loadEax(0x5000),
      loadEbx(0x6000),
      store(TABLE + 4 * 5 + 1, 0x03000070),
      loadEax(0x5000),
      loadEbx(0x6000),
    );
    pc.write(0x7000, [7]).write(0x0, [9]).write(0x5000, [5]).write(0x6000, [6]);
    pc.run(6);
    // Entry 5 becomes 0x7003 with A, entry 6 keeps its upper bytes: 0x6003.
    expect([pc.r[REGISTER.eax], pc.r[REGISTER.ebx]]).toEqual([7, 6]);
  });
});

describe('Between two instructions of one run', () => {
  /** Real-mode code at 0:1000 with a handler at 0:2000 for a vector. */
  function realPc(vector: number, code: number[]): Pc {
    const pc = new Pc();
    pc.write(vector * 4, [0x00, 0x20, 0, 0])
      .write(0x2000, [HLT])
      .write(CODE, code)
      .real(0, CODE);
    pc.r[REGISTER.esp] = 0x8000;
    return pc;
  }

  test('a data breakpoint traps behind the very instruction that stores', () => {
    const pc = realPc(1, [0xa3, 0x00, 0x50, 0x41, 0x41, 0x41]);
    pc.r[CPU.dr / 4] = 0x5000;
    pc.r[CPU.dr / 4 + 7] = 0xd0402;
    pc.engine.invalidate();
    pc.run(8);
    expect([pc.r[REGISTER.ecx], pc.parts.memory.read16(0x7ffa)]).toEqual([0, CODE + 3]);
  });

  test('POPF that sets TF traps behind the instruction after it', () => {
    const pc = realPc(1, [0x68, 0x02, 0x01, 0x9d, 0x41, 0x41, 0x41]);
    pc.run(8);
    expect([pc.r[REGISTER.ecx], pc.parts.memory.read16(0x7ffa)]).toEqual([1, CODE + 5]);
  });

  test('POPF that sets IF lets an interrupt in that waits', () => {
    const pc = realPc(0x20, [0x68, 0x02, 0x02, 0x9d, 0x41, 0x41, 0x41]);
    for (const [port, value] of [
      [0x20, 0x11],
      [0x21, 0x20],
      [0x21, 4],
      [0x21, 1],
      [0x21, 0xfe],
    ]) {
      pc.board.bus.write8(port, value);
    }
    pc.board.pic.setLine(0, true);
    pc.run(8);
    expect([pc.r[REGISTER.ecx], pc.parts.memory.read16(0x7ffa)]).toEqual([0, CODE + 4]);
  });
});

describe('A load of CR3', () => {
  const SPACES = [0x20000, 0x21000, 0x22000];
  const TABLES = [0x23000, 0x24000, 0x25000];
  /** Directory and tables lie in the first 4 MiB, which every space has; the regions behind it differ, or not. */
  const REGIONS = 4;
  const LOOK = 0x5000;
  const STEPS = 4000;
  const ENTRY_BITS = [3, 0x21, 0x23, 0x23, 0x63];
  const PAGES = 5;

  function spacesPc(code: number[]): Pc {
    const pc = pagedPc(code);
    const { memory } = pc.parts;
    for (const space of SPACES) {
      memory.write32(space, TABLE | 0x23);
      for (let region = 1; region < REGIONS; region++) memory.write32(space + 4 * region, TABLES[0] | 0x23);
    }
    for (const table of TABLES) {
      for (let page = 0; page < 1024; page++) memory.write32(table + 4 * page, 0x30000 | ((page & 15) << 12) | 3);
    }
    for (let page = 0; page < 16; page++) memory.write32(0x30000 + page * 4096, page);
    pc.r[CPU.cr3 / 4] = SPACES[0];
    pc.engine.invalidate();
    return pc;
  }

  /** Loads CR3, stores to a table or a directory, loads or stores through a region, jumps through one. */
  function instruction(below: (n: number) => number): number[] {
    const space = SPACES[below(SPACES.length)];
    const bits = ENTRY_BITS[below(ENTRY_BITS.length)];
    const through = (1 + below(REGIONS - 1)) * 0x400000 + below(PAGES) * 4096;
    const kind = below(20);
    if (kind < 5) return [0xb8, ...le32(space), 0x0f, 0x22, 0xd8];
    if (kind < 6) return store(space + 4 * (1 + below(REGIONS - 1)), TABLES[below(TABLES.length)] | bits);
    if (kind < 9)
      return store(TABLES[below(TABLES.length)] + 4 * below(PAGES), 0x30000 + below(16) * 4096 + (bits | 3));
    if (kind < 13) return [...loadEbx(through), 0x01, 0x1d, ...le32(LOOK)];
    if (kind < 16) return [0x01, 0x05, ...le32(through)];
    return [...loadEax(through), 0x29, 0x05, ...le32(LOOK)];
  }

  test('keeps an eye on the new directory, though nothing was looked up in it yet', () => {
    const look = loadEbx(0x403000);
    const pc = spacesPc([
      ...[...look, ...store(LOOK, 0), ...store(SPACES[1] + 8, 0)],
      ...[0xb8, ...le32(SPACES[1]), 0x0f, 0x22, 0xd8, ...store(SPACES[1] + 4, TABLES[1] | 0x23), ...look],
    ]);
    pc.parts.memory.write32(TABLES[1] + 4 * 3, 0x30000 + 9 * 4096 + 3);
    pc.run(3);
    expect(pc.r[REGISTER.ebx]).toBe(3);
    pc.run(4);
    expect(pc.r[REGISTER.ebx]).toBe(9);
  });

  test('keeps an eye on a page table whose entry has the bit of large pages, which means nothing without CR4.PSE', () => {
    const look = loadEbx(0x403000);
    const pc = spacesPc([
      ...[...look, ...store(LOOK, 0), ...store(TABLES[0], 0x30003), 0xb8, ...le32(SPACES[1]), 0x0f, 0x22, 0xd8],
      ...[...store(TABLES[0] + 4 * 3, 0x30000 + 9 * 4096 + 3), ...look],
    ]);
    for (const space of SPACES) pc.parts.memory.write32(space + 4, TABLES[0] | 0xa3);
    pc.run(3);
    expect(pc.r[REGISTER.ebx]).toBe(3);
    pc.run(4);
    expect(pc.r[REGISTER.ebx]).toBe(9);
  });

  test.each([1, 2, 3, 4])('is never noticed, nor what is kept over it, program %i', (seed) => {
    const below = randomFrom(seed);
    const code = Array.from({ length: 150 }, () => instruction(below)).flat();
    const loop = [...code, 0xe9, ...le32(-(code.length + 5))];
    const [kept, forgetful] = [spacesPc(loop), spacesPc(loop)];
    kept.engine.cache.hotAfter = 3;
    kept.engine.translator.patience = 1;
    kept.run(STEPS);
    for (let step = 0; step < STEPS; step++) {
      forgetful.engine.flush();
      forgetful.engine.invalidate();
      forgetful.run(1);
    }
    expect(kept.r).toEqual(forgetful.r);
    expect(Buffer.compare(kept.read(0, 0x40000), forgetful.read(0, 0x40000))).toBe(0);
  });
});
