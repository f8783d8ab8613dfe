// SPDX-License-Identifier: MIT
//
// Rotates and shifts against a model that moves one bit at a time (SDM vol. 2B RCL, SAL, SHLD, SHRD). Where the manual leaves OF
// undefined, it is that of the last single step.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SHIFT_HELPERS } from '../../kernel-worker/engines/i386/shifts.ts';
import { BareCpu, DATA } from './bare-cpu.ts';
import { execute, flagNames, memory, register } from './execute.ts';

const EAX = 0;
const ECX = 1;
const EDX = 2;
const EFLAGS = 9;
const bare = new BareCpu();
bare.protectedMode();
const { cpu, r } = bare;

const size = fc.constantFrom(1, 2, 4);
const word = fc.oneof(fc.constantFrom(0, 1, -1, 0x80, 0x8000, -0x80000000, 0x7f, 0x7fff, 0x7fffffff), fc.integer());
const RUNS = { seed: 3, numRuns: 1500 };

interface Step {
  value: bigint;
  carry: bigint;
  overflow: bigint;
}
/** One step of one bit: result, carry and overflow as the manual defines them for a count of 1. */
const STEPS: Record<string, (value: bigint, carry: bigint, bits: bigint) => Step> = {
  rol: (v, _c, n) => leftStep(((v << 1n) | (v >> (n - 1n))) & ones(n), v >> (n - 1n), n),
  ror: (v, _c, n) => rightStep((v >> 1n) | ((v & 1n) << (n - 1n)), v & 1n, v, n),
  rcl: (v, c, n) => leftStep(((v << 1n) | c) & ones(n), v >> (n - 1n), n),
  rcr: (v, c, n) => rightStep((v >> 1n) | (c << (n - 1n)), v & 1n, v, n),
  shl: (v, _c, n) => leftStep((v << 1n) & ones(n), v >> (n - 1n), n),
  shr: (v, _c, n) => rightStep(v >> 1n, v & 1n, v, n),
  sar: (v, _c, n) => rightStep((v >> 1n) | (v & (1n << (n - 1n))), v & 1n, v, n),
};
const ones = (bits: bigint): bigint => (1n << bits) - 1n;
const leftStep = (value: bigint, carry: bigint, n: bigint): Step => ({
  value,
  carry,
  overflow: (value >> (n - 1n)) ^ carry,
});
/** To the right: whether the sign changed. */
const rightStep = (value: bigint, carry: bigint, before: bigint, n: bigint): Step => ({
  value,
  carry,
  overflow: (value >> (n - 1n)) ^ (before >> (n - 1n)),
});

function evenParity(value: bigint): boolean {
  let ones = 0;
  for (let bit = 0n; bit < 8n; bit++) if ((value >> bit) & 1n) ones++;
  return ones % 2 === 0;
}
const resultFlags = (value: bigint, bits: bigint): number =>
  (evenParity(value) ? 0x4 : 0) | (value === 0n ? 0x40 : 0) | (value >> (bits - 1n) ? 0x80 : 0);

describe('Shifts and rotates are as many steps of one bit as the count says', () => {
  for (const name of Object.keys(STEPS) as (keyof typeof SHIFT_HELPERS)[]) {
    test(name, () => {
      fc.assert(
        fc.property(size, word, fc.integer({ min: 0, max: 255 }), fc.nat(0xffff), (bytes, start, count, flags) => {
          const bits = BigInt(bytes * 8);
          const eflags = (flags & 0x8d5) | 2;
          const rotates = name[0] === 'r';
          let step: Step = {
            value: BigInt.asUintN(Number(bits), BigInt(start)),
            carry: BigInt(eflags & 1),
            overflow: 0n,
          };
          const masked = count & 31;
          const steps = name.startsWith('rc') ? masked % (bytes * 8 + 1) : masked;
          for (let i = 0; i < steps; i++) step = STEPS[name](step.value, step.carry, bits);
          let expected = eflags;
          if (steps > 0) {
            expected = (eflags & ~(rotates ? 0x801 : 0x8d5)) | Number(step.carry) | (Number(step.overflow) << 11);
            if (!rotates) expected |= resultFlags(step.value, bits);
          }
          r[EAX] = start;
          r[EFLAGS] = eflags;
          execute(bare, SHIFT_HELPERS[name], register(bytes, 0, EAX), count);
          const upper = bytes === 4 ? 0 : start & (-1 << (8 * bytes));
          expect(r[EAX]).toBe(Number(step.value) | upper);
          expect(flagNames(cpu.getEflags())).toBe(flagNames(expected));
        }),
        RUNS,
      );
    });
  }
});

describe('SHLD and SHRD shift bits of the second operand in', () => {
  for (const name of ['shld', 'shrd'] as const) {
    test(name, () => {
      fc.assert(
        fc.property(
          fc.constantFrom(2, 4),
          word,
          word,
          fc.integer({ min: 1, max: 31 }),
          (bytes, target, source, count) => {
            const bits = bytes * 8;
            const n = BigInt(bits);
            const value = BigInt.asUintN(bits, BigInt(target));
            const other = BigInt.asUintN(bits, BigInt(source));
            // Three parts: a count beyond 16 goes on with the destination.
            const three = (value << (2n * n)) | (other << n) | value;
            const by = BigInt(count);
            const result = name === 'shld' ? ((three << by) >> (2n * n)) & ones(n) : (three >> by) & ones(n);
            const carry = name === 'shld' ? (three >> (3n * n - by)) & 1n : (three >> (by - 1n)) & 1n;
            const sign = result >> (n - 1n);
            const overflow = name === 'shld' ? sign ^ carry : sign ^ ((result >> (n - 2n)) & 1n);
            r[EAX] = target;
            r[EDX] = source;
            r[ECX] = count | 0x60;
            r[EFLAGS] = 2;
            execute(bare, SHIFT_HELPERS[name], register(bytes, EDX, EAX), -1);
            expect(BigInt.asUintN(bits, BigInt(r[EAX]))).toBe(result);
            const flags = Number(carry) | (Number(overflow) << 11) | resultFlags(result, n);
            expect(flagNames(cpu.getEflags())).toBe(flagNames(flags));
          },
        ),
        RUNS,
      );
    });
  }
});

test('A count of 0 leaves every flag alone', () => {
  for (const [name, helper] of Object.entries(SHIFT_HELPERS)) {
    r[EAX] = 0x12345678;
    r[ECX] = 32;
    r[EFLAGS] = 0x8d7;
    execute(bare, helper, register(4, EDX, EAX), -1);
    expect([name, r[EAX], flagNames(cpu.getEflags())]).toEqual([name, 0x12345678, 'CF PF AF ZF SF OF']);
  }
});

test('A memory operand that cannot be stored to faults, and its bytes stay', () => {
  bare.protectedMode();
  cpu.memory.write32(DATA, 5);
  // Read-only data.
  r[12 + 4 * 3 + 3] = 0xc091;
  cpu.updateMode();
  expect(execute(bare, SHIFT_HELPERS.shl, memory(4), 1, DATA)).toBe('#13(0)');
  expect(cpu.memory.read32(DATA)).toBe(5);
  bare.protectedMode();
  expect(execute(bare, SHIFT_HELPERS.shl, memory(4), 1, DATA)).toBe('');
  expect(cpu.memory.read32(DATA)).toBe(0);
  cpu.memory.write32(DATA, 5);
  execute(bare, SHIFT_HELPERS.shl, memory(4), 1, DATA);
  expect(cpu.memory.read32(DATA)).toBe(10);
});
