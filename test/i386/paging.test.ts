// SPDX-License-Identifier: MIT
// Paging by SDM vol. 3A §4.3 (32-bit), §4.4 (PAE), §4.6 (access rights), §4.7 (error codes), §4.8 (accessed and dirty).
import { beforeEach, describe, expect, test } from 'vitest';
import { Pc } from './pc.ts';

const CR0 = 48;
const CR2 = 49;
const CR3 = 50;
const CR4 = 51;
const EFER = 67;
const PG = 0x80000000 | 0;
const WP = 0x10000;
const PSE = 0x10;
const PAE = 0x20;
const NXE = 0x800;
const PAGE_FAULT = 14 + 1;

const P = 1;
const W = 2;
const U = 4;
const A = 0x20;
const D = 0x40;
const PS = 0x80;

const POINTERS = 0x10000;
const DIRECTORY = 0x11000;
const TABLE = 0x12000;
/** Linear address under test: directory entry 1 without PAE, 2 with it. */
const LIN = 0x400000;

let pc: Pc;
const cpu = () => pc.engine.cpu;
const write32 = (physAddr: number, value: number): void => pc.parts.memory.write32(physAddr, value);
const read32 = (physAddr: number): number => pc.parts.memory.read32(physAddr);

function enter(cr3: number, cr4: number, options: { cr0?: number; efer?: number; user?: boolean } = {}): void {
  pc.flat(0x1000);
  pc.r[CR3] = cr3;
  pc.r[CR4] = cr4;
  pc.r[EFER] = options.efer ?? 0;
  pc.r[CR0] |= PG | (options.cr0 ?? 0);
  if (options.user) {
    pc.segment(1, 0x1b, 0, -1, 0xc0fb);
    for (const n of [0, 2, 3]) pc.segment(n, 0x23, 0, -1, 0xc0f3);
  }
  pc.engine.invalidate();
}

/** The physical page that an access finds, or its error code as a text. */
function access(kind: 'read' | 'write' | 'fetch'): number | string {
  const { mmu } = cpu();
  cpu().fault = 0;
  if (kind === 'read') mmu.pageForRead(LIN);
  else if (kind === 'write') mmu.pageForWrite(LIN);
  else mmu.pageForFetch(LIN);
  const { fault, faultCode } = cpu();
  cpu().fault = 0;
  if (fault === 0) return mmu.tlb.page[LIN >>> 12] || mmu.tlb.page[(LIN >>> 12) + (1 << 20)];
  expect([fault, pc.r[CR2]]).toEqual([PAGE_FAULT, LIN]);
  return `#PF ${faultCode.toString(2)}`;
}

beforeEach(() => {
  pc = new Pc({ memory: '8M' });
});

describe('32-bit paging', () => {
  /** [directory entry, table entry, user, WP, kind, what happens]; pages are numbers plus one. */
  const rows = [
    [P | W | U, P | W | U, false, false, 'write', 0x201],
    [0, P | W | U, false, false, 'read', '#PF 0'],
    [P | W | U, 0, false, false, 'write', '#PF 10'],
    [P | W | U, 0, true, false, 'read', '#PF 100'],
    [P | W | U, P | W, true, false, 'read', '#PF 101'],
    [P | W, P | W | U, true, false, 'write', '#PF 111'],
    [P | W | U, P | U, true, false, 'write', '#PF 111'],
    [P | U, P | W | U, true, false, 'write', '#PF 111'],
    [P | W | U, P | U, false, false, 'write', 0x201],
    [P | W | U, P | U, false, true, 'write', '#PF 11'],
    [P | W | U, P | U, true, true, 'fetch', 0x201],
  ] as const;

  test.each(rows)(
    'rights %i of the directory and %i of the table, user %s, WP %s: a %s gives %s',
    (pde, pte, user, wp, kind, result) => {
      write32(DIRECTORY + 4, pde === 0 ? 0 : TABLE | pde);
      write32(TABLE, pte === 0 ? 0 : 0x200000 | pte);
      enter(DIRECTORY, 0, { user, cr0: wp ? WP : 0 });
      expect(access(kind)).toBe(result);
    },
  );

  test('sets the accessed bit of both entries with a read, and the dirty bit of the last with a write only', () => {
    write32(DIRECTORY + 4, TABLE | P | W);
    write32(TABLE, 0x200000 | P | W);
    enter(DIRECTORY, 0);
    access('read');
    expect([read32(DIRECTORY + 4), read32(TABLE)]).toEqual([TABLE | P | W | A, 0x200000 | P | W | A]);
    access('write');
    expect([read32(DIRECTORY + 4), read32(TABLE)]).toEqual([TABLE | P | W | A, 0x200000 | P | W | A | D]);
  });

  test('sets nothing if the access faults', () => {
    write32(DIRECTORY + 4, TABLE | P | W);
    write32(TABLE, 0x200000 | P);
    enter(DIRECTORY, 0, { cr0: WP });
    expect(access('write')).toBe('#PF 11');
    expect([read32(DIRECTORY + 4), read32(TABLE)]).toEqual([TABLE | P | W, 0x200000 | P]);
  });

  test('maps 4 MiB with PS if CR4.PSE is set, and takes the entry for a table if it is not', () => {
    write32(DIRECTORY + 4, 0x400000 | P | W | PS);
    enter(DIRECTORY, PSE);
    expect(access('write')).toBe(0x401);
    expect(read32(DIRECTORY + 4)).toBe(0x400000 | P | W | PS | A | D);
    write32(0x400000, 0x300000 | P | W);
    enter(DIRECTORY, 0);
    expect(access('read')).toBe(0x301);
  });

  test('faults on reserved bits of a 4 MiB entry', () => {
    write32(DIRECTORY + 4, 0x402000 | P | W | PS);
    enter(DIRECTORY, PSE);
    expect(access('read')).toBe('#PF 1001');
  });
});

describe('PAE paging', () => {
  function map(pde: number, pdeHigh: number, pte: number, pteHigh: number): void {
    write32(POINTERS, DIRECTORY | P);
    write32(DIRECTORY + 16, pde);
    write32(DIRECTORY + 20, pdeHigh);
    write32(TABLE, pte);
    write32(TABLE + 4, pteHigh);
  }
  const XD = 0x80000000 | 0;

  test('finds a page through pointer, directory and table', () => {
    map(TABLE | P | W, 0, 0x200000 | P | W, 0);
    enter(POINTERS, PAE);
    expect(access('write')).toBe(0x201);
    expect([read32(DIRECTORY + 16), read32(TABLE)]).toEqual([TABLE | P | W | A, 0x200000 | P | W | A | D]);
  });

  test('maps 2 MiB with PS, whatever CR4.PSE is', () => {
    map(0x600000 | P | W | PS, 0, 0, 0);
    enter(POINTERS, PAE);
    expect(access('read')).toBe(0x601);
  });

  test.each([
    ['the page', 0, XD],
    ['the directory entry', XD, 0],
  ])(
    'with EFER.NXE a fetch faults on XD of %s with I/D in the error code, a read does not',
    (_where, pdeHigh, pteHigh) => {
      map(TABLE | P | W, pdeHigh, 0x200000 | P | W, pteHigh);
      enter(POINTERS, PAE, { efer: NXE });
      expect(access('fetch')).toBe('#PF 10001');
      expect(access('read')).toBe(0x201);
    },
  );

  test('without EFER.NXE the bit is reserved, and a fetch that faults otherwise has no I/D', () => {
    map(TABLE | P | W, 0, 0x200000 | P | W, XD);
    enter(POINTERS, PAE);
    expect(access('read')).toBe('#PF 1001');
    map(TABLE | P | W, 0, 0, 0);
    enter(POINTERS, PAE);
    expect(access('fetch')).toBe('#PF 0');
  });

  test('a physical address above 32 bits is reserved', () => {
    map(TABLE | P | W, 0, 0x200000 | P | W, 1);
    enter(POINTERS, PAE);
    expect(access('write')).toBe('#PF 1011');
  });

  test('a pointer that is not present faults', () => {
    enter(POINTERS, PAE);
    expect(access('read')).toBe('#PF 0');
  });
});
