// SPDX-License-Identifier: MIT
//
// What the x87 does around its arithmetic, by the manual's sentences: the bits of CR0, exceptions that wait, faults, and what is
// kept of the last instruction (SDM vol. 1 chapter 8).
import { beforeEach, describe, expect, test } from 'vitest';
import { OPERAND, X87Bench } from './x87-bench.ts';

const EAX = 0;
const EIP = 8;
const EFLAGS = 9;
const CR0 = 48;
const CR3 = 50;
const SS = 2;
const CR0_MP = 0x2;
const CR0_EM = 0x4;
const CR0_TS = 0x8;
const CR0_NE = 0x20;
const CR0_AM = 0x40000;
const CR0_PG = 0x80000000;
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
/** 4 KiB pages, all of them mapped to themselves but `absent`. */
function enablePaging(absent: number): void {
  const { memory } = bench.cpu;
  memory.write32(0x10000, 0x11007);
  for (let page = 0; page < 256; page++) memory.write32(0x11000 + page * 4, page === absent ? 0 : (page << 12) | 7);
  bench.r[CR3] = 0x10000;
  bench.r[CR0] |= CR0_PG;
  bench.cpu.mmu.flush();
}

describe('the coprocessor bits of CR0', () => {
  test('EM or TS makes every x87 instruction #NM, before anything else is looked at', () => {
    for (const bit of [CR0_EM, CR0_TS]) {
      bench.r[CR0] |= bit;
      expect(bench.fpu(0xd9, 0xe8)).toBe('#7');
      expect(bench.fpu(0xdb, 0xe3)).toBe('#7');
      expect(bench.fpu(0xd9, 0xd1)).toBe('#7');
      expect(bench.fpu(0xdd, 0x06, { offset: 0x7fffffff })).toBe('#7');
      expect(bench.fxsave(OPERAND + 1)).toBe('#7');
      expect(bench.fxrstor(OPERAND + 1)).toBe('#7');
      bench.r[CR0] &= ~bit;
    }
    expect(bench.word('fpuTag')).toBe(0);
  });

  test('WAIT is #NM only with MP and TS both set', () => {
    bench.r[CR0] |= CR0_TS;
    expect(bench.fwait()).toBe('');
    bench.r[CR0] |= CR0_MP;
    expect(bench.fwait()).toBe('#7');
    bench.r[CR0] = (bench.r[CR0] & ~(CR0_TS | CR0_MP)) | CR0_EM;
    expect(bench.fwait()).toBe('');
  });
});

describe('an unmasked exception', () => {
  test('leaves the stack alone if it is ZE, and raises #MF at the next waiting instruction', () => {
    setControl(ZE_UNMASKED);
    divideByZero();
    expect(bench.status).toBe(0x8084 | (6 << 11));
    expect(bench.fwait()).toBe('#16');
    expect(bench.fpu(0xd9, 0xe8)).toBe('#16');
    bench.reset();
    bench.r[CR0] |= CR0_NE;
    setControl(ZE_UNMASKED);
    divideByZero();
    // Before the operand is looked at.
    expect(bench.fpu(0xdd, 0x06, { offset: 0x7fffffff })).toBe('#16');
    expect(bench.status & 0x80).toBe(0x80);
  });

  test('does not stop the instructions that do not wait', () => {
    setControl(ZE_UNMASKED);
    divideByZero();
    expect(bench.fpu(0xdf, 0xe0)).toBe('');
    expect(bench.r[EAX] & 0xffff).toBe(bench.status);
    for (const [byte, modrm] of [
      [0xdd, 0x3e],
      [0xd9, 0x3e],
      [0xdb, 0xe0],
      [0xdb, 0xe1],
      [0xdb, 0xe4],
    ]) {
      expect(bench.fpu(byte, modrm)).toBe('');
    }
    expect(bench.fpu(0xdb, 0xe2)).toBe('');
    expect(bench.status).toBe(6 << 11);
    expect(bench.fwait()).toBe('');
  });

  test('waits as soon as FLDCW takes the mask from a flag that is set, and no longer once FNSTENV has masked it', () => {
    divideByZero();
    expect(bench.status & 0x8084).toBe(4);
    setControl(ZE_UNMASKED);
    expect(bench.fwait()).toBe('#16');
    expect(bench.fpu(0xd9, 0x36)).toBe('');
    expect(bench.word('fpuControl')).toBe(0x37f);
    expect(bench.fwait()).toBe('');
  });

  test('drives interrupt request 13 with CR0.NE clear, and lets go of it when it is cleared', () => {
    const { bus } = bench.cpu.board;
    const isRequested = (): boolean => {
      bus.write8(0xa0, 0x0a);
      return (bus.read8(0xa0) & 0x20) !== 0;
    };
    bench.r[CR0] &= ~CR0_NE;
    setControl(ZE_UNMASKED);
    divideByZero();
    expect(isRequested()).toBe(false);
    expect(bench.fwait()).toBe('');
    expect(bench.cpu.leave).toBe(1);
    expect(isRequested()).toBe(true);
    bench.fpu(0xdb, 0xe2);
    expect(isRequested()).toBe(false);
  });

  test('of overflow or underflow keeps FSTP from storing and popping', () => {
    setControl(0x367);
    for (const value of [1e300, 1e-300]) {
      bench.fpu(0xdb, 0xe2);
      bench.pushDouble(value);
      const top = bench.status >>> 11;
      bench.write(Uint8Array.of(1, 2, 3, 4));
      expect(bench.fpu(0xd9, 0x1e)).toBe('');
      expect(hex(bench.read(4))).toBe('01020304');
      expect((bench.status >>> 11) & 7).toBe(top);
      expect(bench.fwait()).toBe('#16');
    }
  });
});

describe('faults', () => {
  test('a load that reaches into a page that is not there changes nothing', () => {
    enablePaging(4);
    for (const [byte, modrm, offset] of [
      [0xdd, 0x06, 0x3ffc],
      [0xdb, 0x2e, 0x3ff8],
      [0xd9, 0x26, 0x3ff0],
      [0xdd, 0x26, 0x3fa0],
      [0xd9, 0x2e, 0x3fff],
    ]) {
      const before = bench.r.slice(76, 116);
      expect(bench.fpu(byte, modrm, { offset })).toBe('#14(0)');
      expect(bench.r.slice(76, 116)).toEqual(before);
    }
  });

  test('a store that reaches into a page that is not there stores nothing and pops nothing', () => {
    bench.pushDouble(1.5);
    enablePaging(4);
    bench.write(new Uint8Array(128).fill(0x5a), 0x3f80);
    for (const [byte, modrm, offset] of [
      [0xdd, 0x1e, 0x3ffc],
      [0xdb, 0x3e, 0x3ff8],
      [0xdf, 0x36, 0x3ff8],
      [0xd9, 0x36, 0x3ff0],
      [0xdd, 0x36, 0x3fa0],
      [0xdd, 0x3e, 0x3fff],
    ]) {
      const before = bench.r.slice(76, 116);
      expect(bench.fpu(byte, modrm, { offset })).toBe('#14(2)');
      expect(bench.r.slice(76, 116)).toEqual(before);
      expect(bench.read(128, 0x3f80)).toEqual(new Uint8Array(128).fill(0x5a));
    }
    expect(bench.fxsave(0x3f00)).toBe('#14(2)');
    expect(bench.read(128, 0x3f80)).toEqual(new Uint8Array(128).fill(0x5a));
  });

  test('the whole operand must lie inside the limit: #SS(0) for the stack segment, #GP(0) for others', () => {
    bench.reset();
    bench.fpu(0xdb, 0xe3);
    expect(bench.fpu(0xdd, 0x06, { offset: 0xfff8 })).toBe('');
    expect(bench.fpu(0xdd, 0x06, { offset: 0xfff9 })).toBe('#13(0)');
    expect(bench.fpu(0xdd, 0x06, { offset: 0xfff9, segment: SS })).toBe('#12(0)');
    expect(bench.fpu(0xdd, 0x36, { offset: 0xffff - 92, size32: false })).toBe('#13(0)');
    expect(bench.fpu(0xdd, 0x36, { offset: 0xffff - 93, size32: false })).toBe('');
  });

  test('operands of double and extended precision are aligned at 8 bytes for #AC', () => {
    bench.flat(3);
    bench.r[CR0] |= CR0_AM;
    bench.r[EFLAGS] |= 0x40000;
    bench.cpu.updateMode();
    expect(bench.fpu(0xdd, 0x06, { offset: OPERAND + 4 })).toBe('#17(0)');
    expect(bench.fpu(0xdb, 0x2e, { offset: OPERAND + 4 })).toBe('#17(0)');
    expect(bench.fpu(0xd9, 0x06, { offset: OPERAND + 4 })).toBe('');
    expect(bench.fpu(0xd9, 0x36, { offset: OPERAND + 2, size32: false })).toBe('');
    expect(bench.fpu(0xd9, 0x36, { offset: OPERAND + 2 })).toBe('#17(0)');
    expect(bench.fpu(0xdb, 0x3e, { offset: OPERAND + 8 })).toBe('');
  });

  test('encodings that no P6 knows are #UD', () => {
    const undefinedForms = [
      ...[0xd1, 0xd7, 0xe2, 0xe3, 0xe6, 0xe7, 0xef].map((modrm) => [0xd9, modrm]),
      ...[0xe0, 0xe8, 0xea, 0xf0, 0xff].map((modrm) => [0xda, modrm]),
      ...[0xe5, 0xe7, 0xf8, 0xff].map((modrm) => [0xdb, modrm]),
      ...[0xf0, 0xff].map((modrm) => [0xdd, modrm]),
      ...[0xd8, 0xda, 0xdf].map((modrm) => [0xde, modrm]),
      ...[0xe1, 0xe7, 0xf8, 0xff].map((modrm) => [0xdf, modrm]),
      ...[0xd9, 0xdb, 0xdd, 0xdf].map((byte) => [byte, 0x0e]),
      [0xdb, 0x26],
      [0xdb, 0x36],
      [0xdd, 0x2e],
    ];
    for (const [byte, modrm] of undefinedForms) expect(bench.fpu(byte, modrm), `${byte} ${modrm}`).toBe('#6');
  });
});

describe('the pointers to the last instruction', () => {
  test('are written by all but control instructions, the operand pointer by those with an operand in memory', () => {
    bench.r[EIP] = 0x1234;
    bench.fpu(0xdd, 0x06);
    const names = ['fpuOpcode', 'fpuIp', 'fpuCs', 'fpuDp', 'fpuDs'] as const;
    const all = (): number[] => names.map((name) => bench.word(name));
    expect(all()).toEqual([0x506, 0x1234, 8, OPERAND, 16]);
    bench.r[EIP] = 0x2345;
    bench.fpu(0xd8, 0xc0);
    expect(all()).toEqual([0x0c0, 0x2345, 8, OPERAND, 16]);
    bench.r[EIP] = 0x3456;
    for (const [byte, modrm] of [
      [0xd9, 0x3e],
      [0xd9, 0x2e],
      [0xdd, 0x3e],
      [0xdf, 0xe0],
      [0xdb, 0xe2],
    ]) {
      bench.fpu(byte, modrm, { offset: 0x3100 });
    }
    expect(all()).toEqual([0x0c0, 0x2345, 8, OPERAND, 16]);
    bench.fpu(0xdb, 0xe3);
    expect(all()).toEqual([0, 0, 0, 0, 0]);
  });

  test('stay where they were when the instruction faults', () => {
    bench.pushDouble(1);
    const ip = bench.word('fpuIp');
    bench.r[EIP] = 0x999;
    enablePaging(4);
    bench.fpu(0xdd, 0x06, { offset: 0x4000 });
    expect(bench.word('fpuIp')).toBe(ip);
  });
});
