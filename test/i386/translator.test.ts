// SPDX-License-Identifier: MIT
//
// Translated code does what the interpreter does, to the last bit: random loops, long enough to become hot, run on two PCs of which
// one only interprets, in pieces of random length, and are compared whenever they stand still: the whole CPU record, time, memory.
import { describe, expect, test } from 'vitest';
import type { I386Engine } from '../../kernel-worker/engines/i386/i386-engine.ts';
import { CPU } from '../../shared/layout/cpu-state.ts';
import { randomFrom } from '../campaigns/random.ts';
import { le32 } from './le32.ts';
import { Pc } from './pc.ts';

const CODE = 0x1000;
const OTHER_PAGE = 0x2ffd;
const DATA = 0x10000;
const DIRECTORY = 0x20000;
const STACK = 0x18000;
const ROUNDS = 2000;
const HOT_AFTER = 300;
const PROGRAMS = 15;
const LONG = 120_000;
const ESP = 4;
const HLT = 0xf4;

type Below = (n: number) => number;

/** EAX, EDX, EBX, EBP: what a random instruction may change. ECX counts, ESI and EDI point to data. */
const FREE = [0, 2, 3, 5] as const;
const FREE_BYTES = [0, 2, 3, 4, 6, 7] as const;
const pick = <T>(below: Below, from: readonly T[]): T => from[below(from.length)] as T;
/** ModRM with [esi + disp8], [edi + disp32], or [esi + ecx * 2 + disp8]; some accesses cross the end of a page. */
function inMemory(below: Below, reg: number): number[] {
  const kind = below(3);
  if (kind === 0) return [0x46 | (reg << 3), below(0x70)];
  if (kind === 1) return [0x87 | (reg << 3), ...le32(below(8) === 0 ? 0xffd + below(3) : below(0x800))];
  return [0x44 | (reg << 3), 0x4e, below(0x70)];
}
const operand = (below: Below, reg: number, registers: readonly number[]): number[] =>
  below(2) === 0 ? [0xc0 | (reg << 3) | pick(below, registers)] : inMemory(below, reg);

/** One random instruction, or a few that belong together. */
function instruction(below: Below): number[] {
  const wide = below(4) === 0 ? [0x66] : [];
  const reg = pick(below, FREE);
  const byte = pick(below, FREE_BYTES);
  const immediate = wide.length === 1 ? [below(256), below(256)] : le32(below(2) === 0 ? below(100) : below(2 ** 32));
  const alu = below(8) << 3;
  switch (below(24)) {
    case 0:
      return [...wide, alu | 1, ...operand(below, reg, FREE)];
    case 1:
      return [...wide, alu | 3, ...operand(below, reg, FREE)];
    case 2:
      return [alu, ...operand(below, byte, FREE_BYTES)];
    case 3:
      return [alu | 2, ...operand(below, byte, FREE_BYTES)];
    case 4:
      return [...wide, 0x81, ...operand(below, alu >>> 3, FREE), ...immediate];
    case 5:
      return [0x80, ...operand(below, alu >>> 3, FREE_BYTES), below(256)];
    case 6:
      return [...wide, (below(2) === 0 ? 0x40 : 0x48) | reg];
    case 7:
      return [...wide, 0xff, ...operand(below, below(2), FREE)];
    case 8:
      return [0xfe, ...operand(below, below(2), FREE_BYTES)];
    case 9:
      return [...wide, 0xc1, ...operand(below, below(8), FREE), below(40)];
    case 10:
      return [...wide, pick(below, [0xd1, 0xd3]), ...operand(below, below(8), FREE)];
    case 11:
      return [...wide, 0xf7, ...operand(below, 2 + below(2), FREE)];
    case 12:
      return [0xf6, ...operand(below, 2 + below(2), FREE_BYTES)];
    case 13:
      return [0xf7, ...operand(below, 4 + below(2), FREE)];
    case 14:
      return [...wide, 0x0f, pick(below, [0xb6, 0xbe]), ...operand(below, reg, FREE_BYTES)];
    case 15:
      return [0x0f, pick(below, [0xb7, 0xbf]), ...operand(below, reg, FREE)];
    case 16:
      return [0x0f, 0x90 | below(16), ...operand(below, 0, FREE_BYTES)];
    case 17:
      return [...wide, 0x0f, 0x40 | below(16), ...operand(below, reg, FREE)];
    case 18:
      return [0x0f, 0xaf, ...operand(below, reg, FREE)];
    case 19:
      return [0x50 | reg, ...instruction(below), 0x58 | pick(below, FREE)];
    case 20:
      return pick(below, [
        [0x99],
        [0x98],
        [0x66, 0x99],
        [0x66, 0x98],
        [0xf5],
        [0xf9],
        [0x9c, 0x5b],
        [0x0f, 0xc8 | reg],
      ]);
    case 21:
      // FS is not flat in the table: MOV reg, FS:[esi].
      return [0x64, 0x8b, 0x06 | (reg << 3)];
    case 22:
      return [...wide, 0x0f, pick(below, [0xa3, 0xab, 0xc1, 0xb1]), ...operand(below, reg, FREE)];
    default: {
      const skipped = instruction(below);
      return [0x70 | below(16), skipped.length, ...skipped];
    }
  }
}

/** A loop of ECX rounds with two subroutines, one in the same page, one across the next. */
function program(below: Below): { code: number[]; far: number[] } {
  const body: number[] = [];
  const calls: number[] = [];
  for (let n = 6 + below(14); n > 0; n--) {
    if (below(5) === 0) calls.push(body.push(0xe8, 0, 0, 0, 0));
    else body.push(...instruction(below));
  }
  body.push(0x49, 0x0f, 0x85, ...le32(-body.length - 7), HLT);
  const near = body.length;
  body.push(...instruction(below), ...instruction(below), 0xc3);
  for (const end of calls) {
    const target = below(2) === 0 ? near : OTHER_PAGE - CODE;
    body.splice(end - 4, 4, ...le32(target - end));
  }
  return { code: body, far: [...instruction(below), ...instruction(below), 0xc2, 0, 0] };
}

function start(interpret: boolean, { code, far }: ReturnType<typeof program>, isPaged: boolean): Pc {
  const pc = new Pc({ memory: '1M', interpret });
  pc.engine.translator.cache.hotAfter = HOT_AFTER;
  pc.engine.translator.patience = 1;
  pc.write(CODE, code).write(OTHER_PAGE, far).write(DIRECTORY, le32(0x83));
  for (let at = 0; at < 0x2000; at += 4) pc.write(DATA + at, le32(Math.imul(at + 1, 0x9e3779b1)));
  pc.flat(CODE);
  pc.segment(4, 0x18, 0x100, 0xfffff, 0xc093);
  pc.r.set([1, ROUNDS, 2, 3, STACK, 5, DATA, DATA], 0);
  if (isPaged) {
    pc.r[CPU.cr4 / 4] = 0x10;
    pc.r[CPU.cr3 / 4] = DIRECTORY;
    pc.r[CPU.cr0 / 4] |= 0x80000000;
  }
  pc.engine.invalidate();
  return pc;
}

const modules = (engine: I386Engine): number => engine.translator.modules;

/** Everything that can be seen of a PC that stands still. */
const state = (pc: Pc): unknown => [[...pc.r], pc.parts.clock.nowTick(), pc.slot.steps, pc.stopText];

describe('translated code', () => {
  test.each([false, true])('comes to the same bytes as interpreted code, paging %s', { timeout: LONG }, (isPaged) => {
    const below = randomFrom(isPaged ? 3 : 4);
    let translated = 0;
    for (let n = 0; n < PROGRAMS; n++) {
      const made = program(below);
      const [slow, fast] = [true, false].map((interpret) => start(interpret, made, isPaged)) as [Pc, Pc];
      for (let isOver = false; !isOver; ) {
        const budget = 1 + below(below(4) === 0 ? 20 : 3000);
        isOver = slow.run(budget) !== 0;
        fast.run(budget);
        expect(state(fast), `program ${n}: ${made.code.map((b) => b.toString(16).padStart(2, '0')).join('')}`).toEqual(
          state(slow),
        );
      }
      expect(Buffer.compare(fast.read(0, 0x100000), slow.read(0, 0x100000)), `memory of program ${n}`).toBe(0);
      expect(slow.r[ESP]).toBe(STACK);
      translated += Math.min(1, modules(fast.engine));
      expect(modules(slow.engine)).toBe(0);
    }
    // Some run into a fault before anything is hot.
    expect(translated).toBeGreaterThan(PROGRAMS / 2);
  });

  test('that is stored to by itself goes on as changed, in the very next instruction', () => {
    // L: inc dword [A + 1]; A: add eax, imm32; dec ecx; jnz L
    const code = [0xff, 0x05, ...le32(CODE + 7), 0x05, ...le32(0), 0x49, 0x75, 0xf2, HLT];
    const pc = start(false, { code, far: [] }, false);
    for (let n = 0; n < 8; n++) pc.run(ROUNDS / 2);
    expect(pc.r[0]).toBe(1 + (ROUNDS * (ROUNDS + 1)) / 2);
  });

  test('is stale when somebody else stores to it between two runs', () => {
    // L: inc eax; dec ecx; jnz L
    const pc = start(false, { code: [0x40, 0x49, 0x75, 0xfc, HLT], far: [] }, false);
    pc.run(3 * 500);
    pc.run(3 * 500);
    expect(modules(pc.engine)).toBe(1);
    pc.write(CODE, [0x43]);
    pc.run(3 * 1000);
    expect([pc.r[0], pc.r[3]]).toEqual([1001, 1003]);
  });

  test('is left in front of a store that faults, with everything as it was', () => {
    // L: add eax, 3; mov [esi], eax; add esi, 4; jmp L, until esi leaves memory that is mapped.
    const code = [0x83, 0xc0, 3, 0x89, 0x06, 0x83, 0xc6, 4, 0xeb, 0xf6];
    const pcs = [true, false].map((interpret) => {
      const pc = start(interpret, { code, far: [] }, true);
      pc.r[6] = 0x80000;
      // One page table: everything up to 0x82000, so that the store to it faults, and there is no IDT.
      const table = 0x21000;
      for (let page = 0; page < 0x82; page++) pc.write(table + 4 * page, le32((page << 12) | 3));
      pc.write(DIRECTORY, le32(table | 3));
      pc.engine.invalidate();
      for (let n = 0; n < 40; n++) pc.run(1000);
      return pc;
    });
    const [slow, fast] = pcs as [Pc, Pc];
    expect(fast.stopText).toContain('triple fault');
    expect(state(fast)).toEqual(state(slow));
    expect(fast.r[6]).toBe(0x82000);
  });
});
