// SPDX-License-Identifier: MIT
//
// The formats that the x87's state is saved in: environments, FSAVE, FXSAVE (SDM vol. 1 §8.1.10, §10.5).
import { beforeEach, describe, expect, test } from 'vitest';
import { bytesOfDouble, OPERAND, X87Bench } from './x87-bench.ts';

const EIP = 8;
const DS = 3;
const ZE_UNMASKED = 0x37b;

const bench = new X87Bench();
beforeEach(() => bench.flat());

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
/** FLDCW. */
function setControl(control: number): void {
  bench.write(Uint8Array.of(control & 0xff, control >>> 8));
  bench.fpu(0xd9, 0x2e);
}
/** FLD1, FLDZ, FDIVP: ZE. */
function divideByZero(): void {
  bench.fpu(0xd9, 0xe8);
  bench.fpu(0xd9, 0xee);
  bench.fpu(0xde, 0xf9);
}
const words = (bytes: Uint8Array, size: 2 | 4): string[] => {
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / size }, (_, i) =>
    (size === 2 ? view.getUint16(i * 2, true) : view.getUint32(i * 4, true)).toString(16).padStart(size * 2, '0'),
  );
};

describe('environments', () => {
  /** A state with something in every item: the operand at 0x12344, the instruction at 0x2abcd. */
  function prepare(): void {
    bench.write(bytesOfDouble(0), 0x12344);
    bench.r[EIP] = 0x2abcd;
    bench.fpu(0xdd, 0x06, { offset: 0x12344 });
  }

  test('of 28 bytes in protected mode hold offsets and selectors, and ones in what is reserved', () => {
    prepare();
    bench.fpu(0xd9, 0x36);
    expect(words(bench.read(28), 4)).toEqual([
      'ffff037f',
      'ffff3800',
      'ffff7fff',
      '0002abcd',
      '05060008',
      '00012344',
      'ffff0010',
    ]);
  });

  test('of 14 bytes in protected mode hold the low halves', () => {
    prepare();
    bench.fpu(0xd9, 0x36, { size32: false });
    expect(words(bench.read(14), 2)).toEqual(['037f', '3800', '7fff', 'abcd', '0008', '2344', '0010']);
  });

  test('in real-address and virtual-8086 mode hold linear addresses and the opcode', () => {
    for (const enter of [() => bench.reset(), () => bench.virtual8086(3, 0x1000)]) {
      enter();
      bench.fpu(0xdb, 0xe3);
      bench.r[EIP] = 0xabcd;
      bench.fpu(0xdd, 0x06, { offset: 0x2344 });
      const base = bench.cpu.segmentBase(DS);
      bench.fpu(0xd9, 0x36);
      const wide = words(bench.read(28, base + OPERAND), 4);
      bench.fpu(0xd9, 0x36, { size32: false });
      const short = words(bench.read(14, base + OPERAND), 2);
      const page = (base >>> 16).toString(16);
      expect(wide.slice(3)).toEqual(['ffffabcd', `0000${page}506`, 'ffff2344', `0000${page}000`]);
      expect(short.slice(3)).toEqual(['abcd', `${page}506`, '2344', `${page}000`]);
    }
  });

  test('come back through FLDENV in each format, with tags that only tell empty registers', () => {
    for (const size32 of [true, false]) {
      bench.flat();
      bench.pushDouble(2);
      bench.pushDouble(0);
      const before = bench.r.slice(76, 116);
      bench.fpu(0xd9, 0x36, { size32 });
      const tag = size32 ? 8 : 4;
      expect(words(bench.read(16), 2)[tag / 2]).toBe('1fff');
      bench.fpu(0xdb, 0xe3);
      bench.fpu(0xd9, 0x26, { size32 });
      const after = bench.r.slice(76, 116);
      // The short format has no opcode.
      if (!size32) before[3] = 0;
      expect(after).toEqual(before);
    }
  });

  test('FNSAVE is followed by FNINIT, and FRSTOR brings everything back', () => {
    for (const size32 of [true, false]) {
      bench.flat();
      bench.pushDouble(Math.PI);
      bench.pushDouble(-0);
      const before = bench.r.slice(76, 116);
      bench.fpu(0xdd, 0x36, { size32 });
      expect([...bench.r.slice(76, 84)]).toEqual([0x37f, 0, 0, 0, 0, 0, 0, 0]);
      // ST(0) is behind the environment.
      expect(hex(bench.read(10, OPERAND + (size32 ? 28 : 14)))).toBe('00000000000000000080');
      bench.fpu(0xd9, 0xe8);
      bench.fpu(0xdd, 0x26, { size32 });
      if (!size32) before[3] = 0;
      expect(bench.r.slice(76, 116)).toEqual(before);
    }
  });
});

describe('FXSAVE and FXRSTOR', () => {
  test('keep the x87 in 512 bytes: registers in stack order, one tag bit for each', () => {
    bench.pushDouble(1);
    bench.r[EIP] = 0x77;
    bench.pushDouble(-2);
    bench.write(new Uint8Array(512).fill(0xaa));
    const before = bench.r.slice(76, 116);
    expect(bench.fxsave()).toBe('');
    const image = bench.read(512);
    expect(hex(image.subarray(0, 24))).toBe('7f030030c000060577000000080000000030000010000000');
    expect(hex(image.subarray(32, 64))).toBe('000000000000008000c0000000000000' + '0000000000000080ff3f000000000000');
    expect(image.subarray(160)).toEqual(new Uint8Array(352).fill(0xaa));
    expect(bench.r.slice(76, 116)).toEqual(before);
    bench.fpu(0xdb, 0xe3);
    expect(bench.fxrstor()).toBe('');
    expect(bench.r.slice(76, 116)).toEqual(before);
  });

  test('are #GP(0) with an operand that is not at a multiple of 16', () => {
    expect(bench.fxsave(OPERAND + 8)).toBe('#13(0)');
    expect(bench.fxrstor(OPERAND + 8)).toBe('#13(0)');
  });

  test('do not raise a pending exception, but bring one back for the next waiting instruction', () => {
    setControl(ZE_UNMASKED);
    divideByZero();
    expect(bench.fxsave()).toBe('');
    bench.fpu(0xdb, 0xe3);
    expect(bench.fxrstor()).toBe('');
    expect(bench.fwait()).toBe('#16');
  });
});
