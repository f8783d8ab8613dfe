// SPDX-License-Identifier: MIT
//
// Decimal adjustment: sums and differences of decimal numbers come out right (SDM vol. 2A AAA, AAD, AAM, AAS, DAA, DAS), and the
// manual's steps where the input was no decimal number.
import { beforeEach, expect, test } from 'vitest';
import { BCD_HELPERS } from '../../kernel-worker/engines/i386/bcd.ts';
import { BareCpu } from './bare-cpu.ts';
import { execute, flagNames } from './execute.ts';

const EAX = 0;
const bare = new BareCpu();
const { cpu, r } = bare;
const { daa, das, aaa, aas, aam, aad } = BCD_HELPERS;
const packed = (n: number): number => (Math.trunc(n / 10) << 4) | (n % 10);

beforeEach(() => bare.protectedMode());

test('DAA and DAS make packed decimal numbers of every sum and difference', () => {
  for (let a = 0; a < 100; a++) {
    for (let b = 0; b < 100; b++) {
      r[EAX] = (packed(a) + packed(b)) & 0xff;
      cpu.flags.setAdd(1, packed(a), packed(b), packed(a) + packed(b));
      execute(bare, daa, 1);
      expect(r[EAX]).toBe(packed((a + b) % 100));
      expect(cpu.flags.carry()).toBe(a + b > 99 ? 1 : 0);
      r[EAX] = (packed(a) - packed(b)) & 0xff;
      cpu.flags.setSub(1, packed(a), packed(b), packed(a) - packed(b));
      execute(bare, das, 1);
      expect(r[EAX]).toBe(packed((a - b + 100) % 100));
      expect(cpu.flags.carry()).toBe(a < b ? 1 : 0);
    }
  }
});

test('DAS borrows in its first step too', () => {
  r[EAX] = 5;
  cpu.flags.change(0x10, 0x8d5);
  execute(bare, das, 1);
  expect([r[EAX], flagNames(cpu.getEflags())]).toEqual([0xff, 'CF PF AF SF']);
});

test('AAA and AAS carry between AH and AL as if AX were one number', () => {
  for (const [helper, ax, flags, result, set] of [
    [aaa, 0x000b, 0, 0x0101, 'CF AF'],
    [aaa, 0x0009, 0, 0x0009, ''],
    [aaa, 0x0032, 0x10, 0x0108, 'CF AF'],
    [aaa, 0x00fa, 0, 0x0200, 'CF AF'],
    [aas, 0x020b, 0, 0x0105, 'CF AF'],
    [aas, 0x0203, 0x10, 0x000d, 'CF AF'],
    [aas, 0x0239, 0, 0x0209, ''],
  ] as const) {
    r[EAX] = ax;
    cpu.flags.change(flags, 0x8d5);
    execute(bare, helper, 1);
    expect([r[EAX], flagNames(cpu.getEflags(), 0x11)]).toEqual([result, set]);
  }
});

test('AAM splits AL by the base and AAD puts it together again', () => {
  for (const base of [10, 16, 7, 255]) {
    for (let al = 0; al < 256; al++) {
      r[EAX] = 0x1100 | al;
      expect(execute(bare, aam, 1, base)).toBe('');
      expect(r[EAX]).toBe((Math.trunc(al / base) << 8) | (al % base));
      execute(bare, aad, 1, base);
      expect(r[EAX]).toBe(al);
      expect(flagNames(cpu.getEflags(), 0xc0)).toBe(al === 0 ? 'ZF' : al > 127 ? 'SF' : '');
    }
  }
});

test('AAM by 0 is #DE', () => {
  r[EAX] = 0x1234;
  expect(execute(bare, aam, 1, 0)).toBe('#0');
  expect(r[EAX]).toBe(0x1234);
});
