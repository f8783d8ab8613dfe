// SPDX-License-Identifier: MIT
//
// What a bad guest looks like: random memory with random code in it, and a CPU in one of its modes with tables good enough that most
// faults find a handler, which is random code too. All of it made of one random generator.
import { CPU } from '../../shared/layout/cpu-state.ts';
import { PAGE_SIZE } from '../../shared/units.ts';
import type { Pc } from '../i386/pc.ts';

export const BAD_MODES = ['real', 'protected16', 'protected32', 'paged', 'ring3', 'virtual8086'] as const;
export type BadMode = (typeof BAD_MODES)[number];
type Random = (below: number) => number;

/** Pages that the guest may store to. */
export const FIRST_PAGE = 1;
export const WINDOW_END = 448;

const CODE = 0x20000;
const CODE_PAGES = 16;
const GDT = 0x8000;
const IDT = 0x9000;
const TSS = 0xa000;
const PAGE_DIRECTORY = 0xc000;
const PAGE_TABLE = 0xd000;
const STACK = 0x18000;
const SEL = {
  code: 0x08,
  data: 0x10,
  code3: 0x1b,
  data3: 0x23,
  tss: 0x28,
  code16: 0x30,
  data16: 0x38,
  random: 0x40,
} as const;
const GDT_BYTES = 0x80;
const CODE_SEGMENT = 0x9b;
const DATA_SEGMENT = 0x93;
const RING3 = 0x60;
const DB_G = 0xc000;
const VM = 0x20000;
const IF = 0x200;
const IOPL3 = 0x3000;
const ADDRESSES = 2 ** 32;

/** Two-byte opcodes, x87, strings with prefixes, system instructions: what pure chance finds too seldom. */
const RARE = [
  [0x0f, 0x00],
  [0x0f, 0x01],
  [0x0f, 0x20],
  [0x0f, 0x22],
  [0x0f, 0x23],
  [0x0f, 0x30],
  [0x0f, 0xae],
  [0x0f, 0xc7],
  [0x0f, 0xb1],
  [0x0f],
  [0x66],
  [0x67],
  [0xf0],
  [0xf3, 0xa5],
  [0xf3, 0xa4],
  [0xf3, 0xab],
  [0xf2, 0xae],
  [0xf3, 0xa6],
  [0xf3, 0x6c],
  [0xf3, 0x6e],
  [0xd8],
  [0xd9],
  [0xdb],
  [0xdd],
  [0xdf],
  [0x8e],
  [0xca],
  [0xcf],
  [0x9a],
  [0xea],
  [0xcd],
  [0xc8],
  [0x62],
  [0xc4],
  [0xe6],
  [0xee],
  [0xef],
  [0x9d],
  [0xfb],
  [0xf4],
] as const;

/** Fills memory and sets up the CPU. */
export function dressUp(pc: Pc, mode: BadMode, random: Random): void {
  const word = (): number => (random(0x10000) << 16) | random(0x10000);
  const taste = random(4);
  for (let page = 0; page < CODE_PAGES; page++) pc.write(CODE + page * PAGE_SIZE, randomCode(random, word, taste));
  // Data of small numbers, addresses and noise.
  const data = new Int32Array(PAGE_SIZE).map(() => (random(2) === 0 ? address(random) : word()));
  pc.write(0x10000, new Uint8Array(data.buffer));
  if (mode === 'real') dressReal(pc, random);
  else dressProtected(pc, mode, random, word);
  for (let n = 0; n < 8; n++) if (n !== 4) pc.r[n] = random(3) === 0 ? word() : address(random);
  // Now and then what a guest would have to do first.
  if (random(8) === 0) pc.r[CPU.eflags / 4] |= 0x100;
  if (random(8) === 0) pc.r[CPU.dr / 4 + 7] = word();
  for (let n = 0; n < 4; n++) if (random(8) === 0) pc.r[CPU.dr / 4 + n] = address(random);
}

/** An address in the window, around its ends, in RAM or behind it. */
function address(random: Random): number {
  switch (random(8)) {
    case 0:
      return random(0x1000);
    case 1:
      return WINDOW_END * PAGE_SIZE - 64 + random(128);
    case 2:
      return 512 * PAGE_SIZE - 64 + random(0x8000);
    case 3:
      return ADDRESSES - 1 - random(0x1000);
    default:
      return random(WINDOW_END * PAGE_SIZE);
  }
}

function randomCode(random: Random, word: () => number, taste: number): Uint8Array {
  const bytes = new Uint8Array(new Int32Array(PAGE_SIZE / 4).map(word).buffer);
  if (taste === 0) return bytes;
  for (let at = 0; at < PAGE_SIZE - 4; at += 1 + random(6)) {
    const rare = RARE[random(RARE.length)];
    if (random(4) < taste) bytes.set(rare, at);
  }
  return bytes;
}

function dressReal(pc: Pc, random: Random): void {
  pc.real(CODE >>> 4, random(PAGE_SIZE));
  for (const segment of [0, 2, 3, 4, 5]) {
    const selector = random(0x6000);
    pc.segment(segment, selector, selector << 4, random(4) === 0 ? -1 : 0xffff, DATA_SEGMENT);
  }
  pc.r[CPU.esp / 4] = random(0x10000);
  pc.r[CPU.eflags / 4] = 2 | (random(2) * IF);
  // The vectors, at a place where they may be stored to.
  const vectors = new Uint32Array(256).map(() => ((CODE >>> 4) << 16) | random(0x10000));
  pc.write(IDT, new Uint8Array(vectors.buffer));
  pc.r[CPU.idtr / 4] = IDT;
}

function dressProtected(pc: Pc, mode: BadMode, random: Random, word: () => number): void {
  const is16 = mode === 'protected16';
  makeGdt(pc, word);
  makeIdt(pc, is16, random);
  makeTss(pc, random);
  pc.flat(CODE + random(PAGE_SIZE * CODE_PAGES));
  pc.r.set([GDT, GDT_BYTES - 1], CPU.gdtr / 4);
  pc.r.set([IDT, 0x7ff], CPU.idtr / 4);
  pc.segment(7, SEL.tss, TSS, 0x2067, 0x8b);
  pc.r[CPU.esp / 4] = STACK - random(64);
  if (is16) dress16(pc, random);
  if (mode === 'paged' || mode === 'ring3' || mode === 'virtual8086') makePages(pc, random, word);
  if (mode === 'ring3') dressRing3(pc);
  if (mode === 'virtual8086') dressVirtual8086(pc, random);
  pc.r[CPU.eflags / 4] |= 2 | (random(2) * IF) | (random(4) === 0 ? IOPL3 : 0) | (random(8) === 0 ? 0x4000 : 0);
}

function descriptor(base: number, limit: number, attributes: number): number[] {
  return [
    (limit & 0xffff) | (base << 16),
    ((base >>> 16) & 0xff) | (attributes << 8) | (limit & 0xf0000) | (base & 0xff000000),
  ];
}

function makeGdt(pc: Pc, word: () => number): void {
  const entries = [
    [0, 0],
    descriptor(0, 0xfffff, CODE_SEGMENT | DB_G),
    descriptor(0, 0xfffff, DATA_SEGMENT | DB_G),
    descriptor(0, 0xfffff, CODE_SEGMENT | RING3 | DB_G),
    descriptor(0, 0xfffff, DATA_SEGMENT | RING3 | DB_G),
    descriptor(TSS, 0x2067, 0x8b),
    descriptor(CODE, 0xffff, CODE_SEGMENT),
    descriptor(0x10000, 0xffff, DATA_SEGMENT),
    ...Array.from({ length: GDT_BYTES / 8 - 8 }, () => [word(), word()]),
  ];
  pc.write(GDT, new Uint8Array(Int32Array.from(entries.flat()).buffer));
}

/** Gates of all kinds to random code; a few are nonsense, and a few are task gates. */
function makeIdt(pc: Pc, is16: boolean, random: Random): void {
  const selector = is16 ? SEL.code16 : SEL.code;
  const words = Array.from({ length: 256 }, () => {
    const offset = is16 ? random(0x10000) : CODE + random(PAGE_SIZE * CODE_PAGES);
    const dpl = random(2) * RING3;
    const kind = random(32);
    const type = kind === 0 ? random(32) : kind === 1 ? 0x85 : (is16 ? 0x86 : 0x8e) + random(2);
    return [(offset & 0xffff) | ((kind === 1 ? SEL.tss : selector) << 16), (offset & 0xffff0000) | ((type | dpl) << 8)];
  });
  pc.write(IDT, new Uint8Array(Int32Array.from(words.flat()).buffer));
}

function makeTss(pc: Pc, random: Random): void {
  const words = new Int32Array(0x2068 / 4);
  words[1] = STACK - 0x400;
  words[2] = SEL.data;
  words[25] = 0x68 << 16;
  // The I/O permission bitmap.
  for (let i = 26; i < words.length; i++) words[i] = random(4) === 0 ? 0 : -1;
  pc.write(TSS, new Uint8Array(words.buffer).subarray(0, PAGE_SIZE * 2));
}

function dress16(pc: Pc, random: Random): void {
  pc.segment(1, SEL.code16, CODE, 0xffff, CODE_SEGMENT);
  for (const segment of [0, 2, 3]) pc.segment(segment, SEL.data16, 0x10000, 0xffff, DATA_SEGMENT);
  pc.r[CPU.eip / 4] = random(0x10000);
  pc.r[CPU.esp / 4] = random(0x10000);
}

/** RAM mostly one to one, with holes, read-only pages, pages of supervisor, of nobody and of others. */
function makePages(pc: Pc, random: Random, word: () => number): void {
  const table = new Int32Array(1024).map((_, page) => {
    switch (random(24)) {
      case 0:
        return 0;
      case 1:
        return (page << 12) | 5;
      case 2:
        return (page << 12) | 3;
      case 3:
        return (random(1024) << 12) | 7;
      case 4:
        return word();
      default:
        return (page << 12) | 7;
    }
  });
  for (const page of [GDT, IDT, TSS, TSS + PAGE_SIZE, STACK - PAGE_SIZE, CODE]) table[page >>> 12] = page | 7;
  const directory = new Int32Array(1024).map((_, i) =>
    i === 0 || random(8) === 0 ? PAGE_TABLE | 7 : random(4) === 0 ? word() : 0,
  );
  pc.write(PAGE_TABLE, new Uint8Array(table.buffer));
  pc.write(PAGE_DIRECTORY, new Uint8Array(directory.buffer));
  pc.r[CPU.cr3 / 4] = PAGE_DIRECTORY;
  pc.r[CPU.cr4 / 4] = random(2) * 0x10;
  pc.r[CPU.cr0 / 4] = 0x80000011 | (random(2) * 0x10000) | (random(2) * 0x40000) | 0;
}

function dressRing3(pc: Pc): void {
  pc.segment(1, SEL.code3, 0, -1, CODE_SEGMENT | RING3 | DB_G);
  for (const segment of [0, 2, 3, 4, 5]) pc.segment(segment, SEL.data3, 0, -1, DATA_SEGMENT | RING3 | DB_G);
}

function dressVirtual8086(pc: Pc, random: Random): void {
  for (let segment = 0; segment < 6; segment++) {
    const selector = segment === 1 ? CODE >>> 4 : random(0x6000);
    pc.segment(segment, selector, selector << 4, 0xffff, DATA_SEGMENT | RING3);
  }
  pc.r[CPU.eip / 4] = random(0x10000);
  pc.r[CPU.esp / 4] = random(0x10000);
  pc.r[CPU.eflags / 4] = VM | 2;
}
