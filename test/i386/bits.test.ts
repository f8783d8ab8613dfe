// SPDX-License-Identifier: MIT
//
// Bits in registers and in strings of bits (SDM vol. 2A BT to BTS, BSF, BSR, BSWAP).
import { beforeEach, describe, expect, test } from 'vitest';
import { BIT_HELPERS } from '../../kernel-worker/engines/i386/bits.ts';
import { BareCpu, DATA } from './bare-cpu.ts';
import { execute, flagNames, memory, register } from './execute.ts';

const EAX = 0;
const ECX = 1;
const EFLAGS = 9;
const bare = new BareCpu();
const { cpu, r } = bare;
const { bt, bts, btr, btc, bsf, bsr, bswap } = BIT_HELPERS;

beforeEach(() => bare.protectedMode());

describe('A bit index', () => {
  test('in the instruction counts modulo the operand size, also in memory', () => {
    cpu.memory.write32(DATA, 0x00000020);
    for (const index of [5, 37, 0xe5]) {
      execute(bare, bt, memory(4), index, DATA);
      expect(cpu.flags.carry()).toBe(1);
    }
    execute(bare, bt, memory(2), 21, DATA);
    expect(cpu.flags.carry()).toBe(1);
  });

  test('in a register counts modulo the operand size for a register operand', () => {
    r[EAX] = 0x10000;
    r[ECX] = 16 + 32 * 5;
    execute(bare, bt, register(4, ECX, EAX), -1);
    expect(cpu.flags.carry()).toBe(1);
    execute(bare, bt, register(2, ECX, EAX), -1);
    expect(cpu.flags.carry()).toBe(0);
  });

  test('in a register reaches beyond the operand in memory, in both directions', () => {
    const at = DATA + 0x100;
    for (const [index, size, byte, bit] of [
      [0, 4, 0, 0],
      [31, 4, 3, 7],
      [32, 4, 4, 0],
      [100, 4, 12, 4],
      [-1, 4, -1, 7],
      [-32, 4, -4, 0],
      [-33, 4, -5, 7],
      [100, 2, 12, 4],
      [-1, 2, -1, 7],
      [0x8000, 2, -0x1000, 0],
      [0x7fff, 2, 0xfff, 7],
    ]) {
      cpu.memory.write(DATA - 0x1000, new Uint8Array(0x3000));
      r[ECX] = index;
      expect(execute(bare, bts, memory(size, ECX), -1, at)).toBe('');
      expect(cpu.memory.read8(at + byte)).toBe(1 << bit);
    }
  });

  test('wraps with a 16-bit address', () => {
    r[ECX] = -1;
    r[12 + 4 * 3 + 1] = DATA - 0xfffc;
    execute(bare, bts, memory(4, ECX) & ~0x2000, -1, 0);
    expect(cpu.memory.read32(DATA)).toBe(-0x80000000);
  });
});

test('BTS sets, BTR clears, BTC changes; CF is the bit as it was, other flags stay', () => {
  r[EFLAGS] = 0x8d6;
  for (const [helper, before, after] of [
    [bts, 0, 8],
    [bts, 8, 8],
    [btr, 8, 0],
    [btr, 0, 0],
    [btc, 0, 8],
    [btc, 8, 0],
  ] as const) {
    r[EAX] = before;
    execute(bare, helper, register(4, 0, EAX), 3);
    expect(r[EAX]).toBe(after);
    expect(cpu.getEflags() & 0x8d5).toBe(0x8d4 | (before >>> 3));
  }
});

describe('A scan', () => {
  test('finds the lowest and the highest set bit', () => {
    for (const [value, low, high] of [
      [1, 0, 0],
      [0x50, 4, 6],
      [-1, 0, 31],
      [-0x80000000, 31, 31],
    ]) {
      r[EAX] = value;
      execute(bare, bsf, register(4, ECX, EAX));
      expect(r[ECX]).toBe(low);
      execute(bare, bsr, register(4, ECX, EAX));
      expect(r[ECX]).toBe(high);
      expect(flagNames(cpu.getEflags(), 0x40)).toBe('');
    }
  });

  test('of 0 sets ZF and leaves the destination', () => {
    r[EAX] = 0x70000;
    r[ECX] = 0x12345678;
    for (const helper of [bsf, bsr]) {
      execute(bare, helper, register(2, ECX, EAX));
      expect([r[ECX], flagNames(cpu.getEflags(), 0x40)]).toEqual([0x12345678, 'ZF']);
    }
  });
});

test('BSWAP turns the bytes of a register around', () => {
  r[ECX] = 0x12345678;
  execute(bare, bswap, register(4, ECX, ECX));
  expect(r[ECX]).toBe(0x78563412);
  r[ECX] = 0x800000ff | 0;
  execute(bare, bswap, register(4, ECX, ECX));
  expect(r[ECX]).toBe(0xff000080 | 0);
});
