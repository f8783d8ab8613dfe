// SPDX-License-Identifier: MIT
//
// Arithmetic, the register stack and transcendentals of the x87, compared with the host's own numbers. Bit by bit they are in
// x87-vectors.test.ts.
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { bytesOfDouble, X87Bench } from './x87-bench.ts';

const C1 = 0x200;
const C2 = 0x400;

const bench = new X87Bench();
beforeEach(() => bench.flat());

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
/** FLDCW. */
function setControl(control: number): void {
  bench.write(Uint8Array.of(control & 0xff, control >>> 8));
  bench.fpu(0xd9, 0x2e);
}

describe('arithmetic', () => {
  const double = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e100, max: 1e100 });
  const isSafe = (x: number): boolean => x === 0 || (Math.abs(x) > 1e-290 && Math.abs(x) < 1e290);

  test('with precision control at 53 bits is that of IEEE doubles', () => {
    setControl(0x27f);
    fc.assert(
      fc.property(double, double, fc.constantFrom(0, 1, 4, 5, 6, 7), (a, b, operation) => {
        const expected = [a + b, a * b, 0, 0, a - b, b - a, a / b, b / a][operation];
        fc.pre(isSafe(a) && isSafe(b) && isSafe(expected));
        bench.pushDouble(a);
        bench.write(bytesOfDouble(b));
        bench.fpu(0xdc, (operation << 3) | 6);
        expect(bench.popDouble()).toBe(expected);
      }),
      { numRuns: 500, seed: 87 },
    );
  });

  test('takes the square root of doubles as the host does', () => {
    setControl(0x27f);
    fc.assert(
      fc.property(fc.double({ noNaN: true, min: 0, max: 1e300 }), (x) => {
        bench.pushDouble(x);
        bench.fpu(0xd9, 0xfa);
        expect(bench.popDouble()).toBe(Math.sqrt(x));
      }),
      { numRuns: 200, seed: 88 },
    );
  });

  test('FPREM repeated until C2 is clear is the exact remainder', () => {
    fc.assert(
      fc.property(double, double, (a, b) => {
        fc.pre(b !== 0 && isSafe(a) && isSafe(b));
        bench.pushDouble(b);
        bench.pushDouble(a);
        let steps = 0;
        do bench.fpu(0xd9, 0xf8);
        while ((bench.status & C2) !== 0 && steps++ < 600);
        expect(bench.popDouble()).toBe(a % b);
        bench.popDouble();
      }),
      { numRuns: 200, seed: 89 },
    );
  });

  test('integers of 64 bits go through a register unchanged', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const bytes = new Uint8Array(8);
        new DataView(bytes.buffer).setBigInt64(0, value, true);
        bench.write(bytes);
        bench.fpu(0xdf, 0x2e);
        bench.write(new Uint8Array(8));
        bench.fpu(0xdf, 0x3e);
        expect(new DataView(bench.read(8).buffer).getBigInt64(0, true)).toBe(value);
      }),
      { numRuns: 200, seed: 90 },
    );
  });

  test('packed decimals of 18 digits go through a register unchanged', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 18n - 1n }), fc.boolean(), (value, negative) => {
        const bytes = Buffer.from(value.toString().padStart(20, '0'), 'hex').reverse();
        bytes[9] = negative ? 0x80 : 0;
        bench.write(bytes);
        bench.fpu(0xdf, 0x26);
        bench.write(new Uint8Array(10));
        bench.fpu(0xdf, 0x36);
        expect(hex(bench.read(10))).toBe(hex(bytes));
      }),
      { numRuns: 200, seed: 91 },
    );
  });
});

describe('the stack', () => {
  test('a ninth push is an overflow: IE, SF and C1, and the indefinite on top', () => {
    for (let i = 0; i < 9; i++) bench.fpu(0xd9, 0xe8);
    expect(bench.status).toBe(0x41 | C1 | (7 << 11));
    bench.fpu(0xdb, 0x3e);
    expect(hex(bench.read(10))).toBe('00000000000000c0ffff');
  });

  test('a pop of an empty stack is an underflow: IE and SF without C1, and the indefinite is stored', () => {
    bench.fpu(0xdd, 0x1e);
    expect(bench.status).toBe(0x41 | (1 << 11));
    expect(hex(bench.read(8))).toBe('000000000000f8ff');
  });

  test('with IE unmasked neither moves anything', () => {
    setControl(0x37e);
    bench.write(Uint8Array.of(9, 9, 9, 9));
    bench.fpu(0xd9, 0x1e);
    expect(bench.status).toBe(0x80c1);
    expect(hex(bench.read(4))).toBe('09090909');
  });

  test('FFREEP frees a register and pops; FINCSTP and FDECSTP only turn the stack', () => {
    bench.pushDouble(1);
    bench.pushDouble(2);
    bench.fpu(0xdf, 0xc1);
    expect([bench.word('fpuTag'), bench.status >>> 11]).toEqual([0, 7]);
    bench.pushDouble(3);
    bench.fpu(0xd9, 0xf7);
    bench.fpu(0xd9, 0xf6);
    bench.fpu(0xd9, 0xf6);
    expect([bench.word('fpuTag'), bench.status >>> 11]).toEqual([0x40, 5]);
  });
});

describe('transcendentals', () => {
  const close = (got: number, expected: number): void =>
    expect(Math.abs(got - expected)).toBeLessThanOrEqual(Math.abs(expected) * 4e-16);
  const unary = (modrm: number, x: number): number => {
    bench.pushDouble(x);
    bench.fpu(0xd9, modrm);
    return bench.popDouble();
  };
  const binary = (modrm: number, st1: number, st0: number): number => {
    bench.pushDouble(st1);
    bench.pushDouble(st0);
    bench.fpu(0xd9, modrm);
    return bench.popDouble();
  };

  test('agree with the host', () => {
    for (const x of [1e-300, 1e-9, 0.1, 0.5, 0.7853, 1, 1.5, 3, 10, 12345.678]) {
      close(unary(0xfe, x), Math.sin(x));
      close(unary(0xff, x), Math.cos(x));
      close(binary(0xf1, 3, x), 3 * Math.log2(x));
      close(binary(0xf3, x, 2), Math.atan2(x, 2));
      close(binary(0xf3, -x, -2), Math.atan2(-x, -2));
      close(binary(0xf9, Math.LN2, Math.min(x, 0.29)), Math.log1p(Math.min(x, 0.29)));
      close(unary(0xf0, Math.min(x, 1)), Math.expm1(Math.min(x, 1) * Math.LN2));
      bench.pushDouble(x);
      bench.fpu(0xd9, 0xf2);
      expect(bench.popDouble()).toBe(1);
      close(bench.popDouble(), Math.tan(x));
      bench.pushDouble(x);
      bench.fpu(0xd9, 0xfb);
      close(bench.popDouble(), Math.cos(x));
      close(bench.popDouble(), Math.sin(x));
    }
  });

  test('of angles from 2^63 on set C2 and leave the operand', () => {
    expect(unary(0xfe, 2 ** 63)).toBe(2 ** 63);
    bench.pushDouble(-(2 ** 63));
    for (const modrm of [0xfe, 0xff, 0xfb, 0xf2]) {
      bench.fpu(0xd9, modrm);
      expect(bench.status & (C2 | 0x3f)).toBe(C2);
    }
    expect(bench.popDouble()).toBe(-(2 ** 63));
    unary(0xfe, 1);
    expect(bench.status & C2).toBe(0);
  });

  test('reduce angles by a π of 66 bits: the sine of the double π is off by what that π is off', () => {
    // π − fl(π) is 1.2246467991473532e-16.
    expect(unary(0xfe, Math.PI)).toBe(1.2246063538223773e-16);
  });

  test('constants are rounded by the rounding control', () => {
    const bytes = (control: number, modrm: number): string => {
      setControl(control);
      bench.fpu(0xd9, modrm);
      bench.fpu(0xdb, 0x3e);
      return hex(bench.read(10));
    };
    expect(bytes(0x37f, 0xeb)).toBe('35c26821a2da0fc90040');
    expect(bytes(0x77f, 0xeb)).toBe('34c26821a2da0fc90040');
    expect(bytes(0xb7f, 0xe9)).toBe('ff8a1bcd4b789ad40040');
    expect(bytes(0x37f, 0xe9)).toBe('fe8a1bcd4b789ad40040');
  });
});
