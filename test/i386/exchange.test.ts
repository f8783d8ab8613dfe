// SPDX-License-Identifier: MIT
//
// XADD, CMPXCHG, CMPXCHG8B, XCHG with memory, XLAT, SALC, BOUND (SDM vol. 2A to 2C).
import { beforeEach, describe, expect, test } from 'vitest';
import { EXCHANGE_HELPERS } from '../../kernel-worker/engines/i386/exchange.ts';
import { setSegment } from '../../kernel-worker/engines/i386/segments.ts';
import { BareCpu, DATA } from './bare-cpu.ts';
import { execute, flagNames, memory, register } from './execute.ts';

const [EAX, ECX, EDX, EBX] = [0, 1, 2, 3];
const DS = 3;
const bare = new BareCpu();
const { cpu, r } = bare;
const { xadd, cmpxchg, cmpxchg8b, xchg, xlat, salc, bound } = EXCHANGE_HELPERS;
const readOnly = () => {
  setSegment(cpu, DS, 0x10, 0, -1, 0xc091);
  cpu.updateMode();
};

beforeEach(() => bare.protectedMode());

describe('XADD', () => {
  test('exchanges and adds, with the flags of the addition', () => {
    cpu.memory.write32(DATA, 0x7fffffff);
    r[ECX] = 1;
    execute(bare, xadd, memory(4, ECX), 0, DATA);
    expect([cpu.memory.read32(DATA), r[ECX]]).toEqual([-0x80000000, 0x7fffffff]);
    expect(flagNames(cpu.getEflags())).toBe('PF AF SF OF');
  });

  test('of a register with itself doubles it', () => {
    r[ECX] = 21;
    execute(bare, xadd, register(4, ECX, ECX));
    expect(r[ECX]).toBe(42);
  });

  test('changes nothing if the store faults', () => {
    readOnly();
    r[ECX] = 1;
    expect(execute(bare, xadd, memory(4, ECX), 0, DATA)).toBe('#13(0)');
    expect([cpu.memory.read32(DATA), r[ECX]]).toEqual([0, 1]);
  });
});

describe('CMPXCHG', () => {
  test('stores the register where the accumulator has the value', () => {
    cpu.memory.write16(DATA, 0x1234);
    r[EAX] = 0x55551234;
    r[ECX] = 0x4321;
    execute(bare, cmpxchg, memory(2, ECX), 0, DATA);
    expect([cpu.memory.read16(DATA), r[EAX]]).toEqual([0x4321, 0x55551234]);
    expect(flagNames(cpu.getEflags())).toBe('PF ZF');
  });

  test('loads the accumulator otherwise, with the flags of the comparison', () => {
    cpu.memory.write8(DATA, 0x80);
    r[EAX] = 0x7f;
    execute(bare, cmpxchg, memory(1, ECX), 0, DATA);
    expect([cpu.memory.read8(DATA), r[EAX]]).toEqual([0x80, 0x80]);
    expect(flagNames(cpu.getEflags())).toBe('CF PF SF OF');
  });

  test('faults on memory that cannot be stored to, whatever the comparison says', () => {
    readOnly();
    r[EAX] = 7;
    expect(execute(bare, cmpxchg, memory(4, ECX), 0, DATA)).toBe('#13(0)');
    expect(r[EAX]).toBe(7);
  });
});

describe('CMPXCHG8B', () => {
  test('compares and exchanges eight bytes, and changes ZF alone', () => {
    cpu.memory.write32(DATA, 1);
    cpu.memory.write32(DATA + 4, 2);
    [r[EAX], r[EDX], r[EBX], r[ECX]] = [1, 2, 3, 4];
    cpu.flags.change(0x895, 0x8d5);
    execute(bare, cmpxchg8b, memory(4), 0, DATA);
    expect([cpu.memory.read32(DATA), cpu.memory.read32(DATA + 4)]).toEqual([3, 4]);
    expect(flagNames(cpu.getEflags())).toBe('CF PF AF ZF SF OF');
    execute(bare, cmpxchg8b, memory(4), 0, DATA);
    expect([r[EAX], r[EDX]]).toEqual([3, 4]);
    expect(flagNames(cpu.getEflags())).toBe('CF PF AF SF OF');
  });

  test('faults as a whole at the end of the segment', () => {
    setSegment(cpu, DS, 0x10, 0, DATA + 6, 0x4093);
    expect(execute(bare, cmpxchg8b, memory(4), 0, DATA)).toBe('#13(0)');
  });
});

test('XCHG with memory exchanges both, or faults with both as they were', () => {
  cpu.memory.write8(DATA, 0x11);
  r[EAX] = 0x2200;
  execute(bare, xchg, memory(1, 4), 0, DATA);
  expect([cpu.memory.read8(DATA), r[EAX]]).toEqual([0x22, 0x1100]);
  readOnly();
  expect(execute(bare, xchg, memory(1, 4), 0, DATA)).toBe('#13(0)');
  expect([cpu.memory.read8(DATA), r[EAX]]).toEqual([0x22, 0x1100]);
});

test('XLAT looks AL up, with an address as wide as the address size', () => {
  cpu.memory.write8(DATA + 0xf0, 0x5a);
  r[EBX] = DATA;
  r[EAX] = 0xfff0;
  execute(bare, xlat, memory(1));
  expect(r[EAX]).toBe(0xff5a);
  cpu.memory.write8(0x000f, 0xa5);
  r[EBX] = 0x1ff10;
  r[EAX] = 0xff;
  execute(bare, xlat, memory(1) & ~0x2000);
  expect(r[EAX]).toBe(0xa5);
});

test('SALC copies CF to all of AL', () => {
  r[EAX] = 0x1234;
  cpu.flags.change(1, 1);
  execute(bare, salc, 1);
  expect(r[EAX]).toBe(0x12ff);
  cpu.flags.change(0, 1);
  execute(bare, salc, 1);
  expect(r[EAX]).toBe(0x1200);
});

test('BOUND is #BR outside signed bounds, which belong to the array', () => {
  cpu.memory.write16(DATA, 0xfffe);
  cpu.memory.write16(DATA + 2, 3);
  for (const [index, fault] of [
    [-3, '#5'],
    [-2, ''],
    [3, ''],
    [4, '#5'],
    [0x10003, ''],
  ] as const) {
    r[ECX] = index;
    expect(execute(bare, bound, memory(2, ECX), 0, DATA)).toBe(fault);
  }
});
