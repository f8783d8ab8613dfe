// SPDX-License-Identifier: MIT
//
// Multiplication and division against BigInt (SDM vol. 2A DIV, IDIV, IMUL, vol. 2B MUL).
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MULTIPLY_HELPERS } from '../../kernel-worker/engines/i386/multiply-divide.ts';
import { BareCpu } from './bare-cpu.ts';
import { execute, flagNames, register } from './execute.ts';

const EAX = 0;
const EDX = 2;
const EBX = 3;
const ESI = 6;
const EFLAGS = 9;
const CF_OF = 0x801;
const bare = new BareCpu();
bare.protectedMode();
const { cpu, r } = bare;

const size = fc.constantFrom(1, 2, 4);
const EDGES = [0, 1, -1, 2, 3, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, -0x80000000, -0x7fffffff];
const word = fc.oneof(fc.constantFrom(...EDGES), fc.integer(), fc.integer({ min: -300, max: 300 }));
const RUNS = { seed: 4, numRuns: 4000 };

const signed = (value: number, bytes: number): bigint => BigInt.asIntN(8 * bytes, BigInt(value));
const unsigned = (value: number, bytes: number): bigint => BigInt.asUintN(8 * bytes, BigInt(value));
/** Upper and lower part of a result: AH and AL, DX and AX, EDX and EAX. */
function setPair(bytes: number, high: number, low: number): void {
  r[EAX] = bytes === 1 ? ((high & 0xff) << 8) | (low & 0xff) : low;
  r[EDX] = high;
}
function pair(bytes: number): { high: number; low: number } {
  if (bytes === 1) return { high: (r[EAX] >>> 8) & 0xff, low: r[EAX] & 0xff };
  return { high: r[EDX], low: r[EAX] };
}

describe('A product', () => {
  for (const name of ['mul', 'imul1'] as const) {
    test(`${name} has twice the width, and CF and OF tell whether the upper half counts`, () => {
      fc.assert(
        fc.property(size, word, word, (bytes, a, b) => {
          const part = name === 'mul' ? unsigned : signed;
          const product = part(a, bytes) * part(b, bytes);
          setPair(bytes, -1, a);
          r[EBX] = b;
          expect(execute(bare, MULTIPLY_HELPERS[name], register(bytes, 0, EBX))).toBe('');
          const { high, low } = pair(bytes);
          expect([unsigned(high, bytes), unsigned(low, bytes)]).toEqual([
            BigInt.asUintN(8 * bytes, product >> BigInt(8 * bytes)),
            BigInt.asUintN(8 * bytes, product),
          ]);
          const fits = product === part(low, bytes);
          expect(flagNames(cpu.getEflags(), CF_OF)).toBe(fits ? '' : 'CF OF');
        }),
        RUNS,
      );
    });
  }

  for (const name of ['imul2', 'imul3'] as const) {
    test(`${name} is cut to the operand size, and CF and OF tell whether that lost anything`, () => {
      fc.assert(
        fc.property(fc.constantFrom(2, 4), word, word, (bytes, a, b) => {
          const other = name === 'imul3' ? Number(signed(b, bytes)) : 0x55;
          r[ESI] = name === 'imul2' ? b : -1;
          r[EBX] = a;
          execute(bare, MULTIPLY_HELPERS[name], register(bytes, ESI, EBX), other);
          const product = signed(a, bytes) * signed(b, bytes);
          expect(signed(r[ESI], bytes)).toBe(BigInt.asIntN(8 * bytes, product));
          const fits = product === BigInt.asIntN(8 * bytes, product);
          expect(flagNames(cpu.getEflags(), CF_OF)).toBe(fits ? '' : 'CF OF');
        }),
        RUNS,
      );
    });
  }
});

describe('A division', () => {
  for (const name of ['div', 'idiv'] as const) {
    test(`${name} rounds towards zero, and is #DE where the quotient does not fit`, () => {
      let errors = 0;
      let results = 0;
      const check = (bytes: number, high: number, low: number, by: number): void => {
        const part = name === 'div' ? unsigned : signed;
        const dividend = (part(high, bytes) << BigInt(8 * bytes)) + unsigned(low, bytes);
        const divisor = part(by, bytes);
        setPair(bytes, high, low);
        r[EBX] = by;
        r[EFLAGS] = 0x8d7;
        const before = [r[EAX], r[EDX]];
        const fault = execute(bare, MULTIPLY_HELPERS[name], register(bytes, 0, EBX));
        const quotient = divisor === 0n ? null : dividend / divisor;
        if (quotient === null || quotient !== part(Number(BigInt.asIntN(32, quotient)), bytes)) {
          errors++;
          expect(fault).toBe('#0');
          expect([r[EAX], r[EDX]]).toEqual(before);
        } else {
          results++;
          const found = pair(bytes);
          expect(fault).toBe('');
          expect([part(found.low, bytes), part(found.high, bytes)]).toEqual([quotient, dividend % divisor]);
        }
        expect(flagNames(cpu.getEflags())).toBe('CF PF AF ZF SF OF');
      };
      fc.assert(fc.property(size, word, word, word, check), RUNS);
      // Dividends made from a quotient, so that it nearly always fits.
      const near = fc.integer({ min: -2, max: 2 });
      fc.assert(
        fc.property(size, word, word, near, (bytes, quotient, divisor, rest) => {
          const part = name === 'div' ? unsigned : signed;
          const dividend = part(quotient, bytes) * part(divisor, bytes) + BigInt(rest);
          check(
            bytes,
            Number(BigInt.asIntN(32, dividend >> BigInt(8 * bytes))),
            Number(BigInt.asIntN(32, dividend)),
            divisor,
          );
        }),
        RUNS,
      );
      expect(errors).toBeGreaterThan(500);
      expect(results).toBeGreaterThan(2000);
    });
  }
});
