// SPDX-License-Identifier: MIT
//
// Near transfers with checks, far JMP, CALL and RET through every kind of descriptor, and SYSENTER (SDM vol. 2A CALL, JMP; vol. 2B RET,
// SYSENTER, SYSEXIT).
import { beforeEach, describe, expect, test } from 'vitest';
import { LEAVE_BLOCK } from '../../kernel-worker/engines/i386/cpu.ts';
import { OPERAND_MEMORY } from '../../kernel-worker/engines/i386/operands.ts';
import { setSegment } from '../../kernel-worker/engines/i386/segments.ts';
import { BareCpu, DATA, GDT, SEL, STACK, STACK0, TSS } from './bare-cpu.ts';

const [CS, SS, DS] = [1, 2, 3];
const ECX = 1;
const EDX = 2;
const ESP = 4;
const EIP = 8;
const T2 = 130;
const CALL_GATE32 = 0x8c;
const CALL_GATE16 = 0x84;
const FROM_RING3 = 0x60;
const bare = new BareCpu();
const { cpu, r } = bare;

function jump(selector: number, offset: number, size = 4): string {
  r[T2] = selector;
  return bare.run('jmpFar', size, offset);
}
function call(selector: number, offset: number, size = 4): string {
  r[T2] = selector;
  return bare.run('callFar', size, offset);
}

describe('Near transfers', () => {
  beforeEach(() => bare.reset());

  test('are relative to the next instruction and wrap at 64 KiB with a 16-bit operand', () => {
    r[EIP] = 0xfff0;
    expect(bare.run('jmpNear', 2, 0x20)).toBe('');
    expect(r[EIP]).toBe(0x12);
    expect(bare.run('jmpNear', 2, -0x20)).toBe('');
    expect(r[EIP]).toBe(0xfff4);
  });

  test('are #GP(0) beyond the limit of CS, before anything is pushed', () => {
    expect(bare.run('callNear', 4, 0x10000)).toBe('#13(0)');
    expect([r[ESP], r[EIP]]).toEqual([STACK, 0x1000]);
  });

  test('CALL pushes the next instruction, RET takes it and releases more', () => {
    bare.run('callNear', 2, 0x100);
    expect([r[EIP], r[ESP], ...bare.stack(1, 2)]).toEqual([0x1102, STACK - 2, 0x1002]);
    bare.run('retNear', 2, 8);
    expect([r[EIP], r[ESP]]).toEqual([0x1002, STACK + 8]);
  });

  test('LOOP counts in CX or ECX, and leaves the counter alone if the target is outside', () => {
    r[ECX] = 0x10001;
    bare.run('loopBranch', 2 | (2 << 3), 0x10);
    expect([r[ECX], r[EIP]]).toEqual([0x10000, 0x1002]);
    bare.run('loopBranch', 2 | (2 << 3) | 0x20, 0x10);
    expect([r[ECX], r[EIP]]).toEqual([0xffff, 0x1014]);
    expect(bare.run('loopBranch', 4 | (2 << 3), 0x10000)).toBe('#13(0)');
    expect(r[ECX]).toBe(0xffff);
  });

  test('LOOPE and LOOPNE also look at ZF, JCXZ only at the counter', () => {
    r[ECX] = 5;
    r[9] |= 0x40;
    bare.run('loopBranch', 2 | (0 << 3), 0x10);
    expect([r[ECX], r[EIP]]).toEqual([4, 0x1002]);
    bare.run('loopBranch', 2 | (1 << 3), 0x10);
    expect([r[ECX], r[EIP]]).toEqual([3, 0x1014]);
    r[ECX] = 0x50000;
    bare.run('loopBranch', 2 | (3 << 3), 0x10);
    expect([r[ECX], r[EIP]]).toEqual([0x50000, 0x1026]);
  });
});

describe('Far transfers in real mode', () => {
  beforeEach(() => bare.reset());

  test('JMP sets CS:IP, base 16 times the selector', () => {
    expect(jump(0x0700, 0x12345678, 2)).toBe('');
    expect([bare.segment(CS), r[12 + 5], r[EIP], cpu.leave]).toEqual(['700', 0x7000, 0x5678, LEAVE_BLOCK]);
  });

  test('CALL and RET with release', () => {
    expect(call(0x0700, 0x10, 2)).toBe('');
    expect(bare.stack(2, 2)).toEqual([0x1002, 0]);
    expect(bare.run('retFar', 2, 4)).toBe('');
    expect([bare.segment(CS), r[EIP], r[ESP]]).toEqual(['0', 0x1002, STACK + 4]);
  });

  test('an offset of 32 bits beyond the limit is #GP(0), and nothing is pushed', () => {
    expect(call(0x0700, 0x10000, 4)).toBe('#13(0)');
    expect(r[ESP]).toBe(STACK);
  });

  test('a stack that wraps in the middle of an item is #SS(0)', () => {
    r[ESP] = 3;
    expect(call(0x0700, 0, 2)).toBe('#12(0)');
    expect(bare.segment(CS)).toBe('0');
  });
});

describe('JMP in protected mode', () => {
  beforeEach(() => bare.protectedMode());

  test('loads CS with the RPL of the ring, and the mode of its code', () => {
    expect(jump(SEL.code16, 0x200)).toBe('');
    expect([bare.segment(CS), r[EIP], cpu.mode & 1]).toEqual(['50', 0x200, 0]);
  });

  test('into conforming code keeps the privilege', () => {
    bare.protectedMode(3);
    expect(jump(SEL.conforming0, 0x200)).toBe('');
    expect([bare.segment(CS), cpu.cpl]).toEqual(['2b', 3]);
  });

  test.each([
    ['null', 0, 3, '#13(0)'],
    ['beyond the GDT', 3, 0x90, '#13(90)'],
    ['data', 3, SEL.data3, '#13(20)'],
    ['code of an inner ring', 3, SEL.code0, '#13(8)'],
    ['code of an outer ring', 0, SEL.code3, '#13(18)'],
    ['a higher RPL than the ring', 0, SEL.code0 | 3, '#13(8)'],
    ['absent code', 0, SEL.absentCode, '#11(68)'],
    ['an LDT', 0, SEL.ldt, '#13(48)'],
    ['a busy task', 0, SEL.tss, '#13(38)'],
  ])('%s is refused', (_what, ring, selector, fault) => {
    bare.protectedMode(ring);
    const before = r.slice();
    expect(jump(selector, 0)).toBe(fault);
    before[T2] = selector;
    expect(r).toEqual(before);
  });

  test('beyond the limit of the new segment is #GP(0)', () => {
    expect(jump(SEL.code16, 0x10000)).toBe('#13(0)');
  });

  test('through a call gate ignores the offset of the instruction', () => {
    bare.gdtGate(SEL.free, CALL_GATE32, SEL.code0, 0x1234);
    expect(jump(SEL.free, 0x7777)).toBe('');
    expect([bare.segment(CS), r[EIP]]).toEqual(['8', 0x1234]);
  });

  test('through a call gate does not enter an inner ring', () => {
    bare.protectedMode(3);
    bare.gdtGate(SEL.free, CALL_GATE32 | FROM_RING3, SEL.code0, 0x1234);
    expect(jump(SEL.free, 0)).toBe('#13(8)');
  });

  test('takes its target from memory', () => {
    cpu.memory.write32(DATA, 0x4321);
    cpu.memory.write32(DATA + 4, SEL.code0);
    r[129] = DATA;
    expect(bare.run('jmpFarIndirect', 4 | OPERAND_MEMORY | (DS << 10))).toBe('');
    expect(r[EIP]).toBe(0x4321);
    expect(bare.run('jmpFarIndirect', 4)).toBe('#6');
  });
});

describe('CALL in protected mode', () => {
  beforeEach(() => bare.protectedMode());

  test('pushes CS and EIP of the operand size', () => {
    expect(call(SEL.code0, 0x2000)).toBe('');
    expect([r[ESP], ...bare.stack(2)]).toEqual([STACK - 8, 0x1002, SEL.code0]);
    expect(call(SEL.code0, 0x2000, 2)).toBe('');
    expect([r[ESP], ...bare.stack(2, 2)]).toEqual([STACK - 12, 0x2002, SEL.code0]);
  });

  test('through a call gate to an inner ring changes stacks and copies parameters', () => {
    bare.protectedMode(3);
    bare.gdtGate(SEL.free, CALL_GATE32 | FROM_RING3, SEL.code0, 0x5678, 2);
    bare.pushAll(4, 0x22, 0x11);
    expect(call(SEL.free, 0)).toBe('');
    expect([bare.segment(CS), bare.segment(SS), r[EIP], r[ESP], cpu.cpl]).toEqual(['8', '10', 0x5678, STACK0 - 24, 0]);
    expect(bare.stack(6)).toEqual([0x1002, SEL.code3 | 3, 0x11, 0x22, STACK - 8, SEL.data3 | 3]);
  });

  test('and RET with release goes back and takes them off both stacks', () => {
    bare.protectedMode(3);
    bare.gdtGate(SEL.free, CALL_GATE32 | FROM_RING3, SEL.code0, 0x5678, 2);
    bare.pushAll(4, 0x22, 0x11);
    call(SEL.free, 0);
    setSegment(cpu, DS, SEL.data0, 0, -1, 0xc093);
    expect(bare.run('retFar', 4, 8)).toBe('');
    expect([bare.segment(CS), bare.segment(SS), r[EIP], r[ESP], cpu.cpl]).toEqual(['1b', '23', 0x1002, STACK, 3]);
    // What ring 3 may not see is gone; the rest stays.
    expect([bare.segment(DS), bare.segment(0)]).toEqual(['null 0', '23']);
  });

  test('through a 16-bit gate pushes words and cuts the offset', () => {
    bare.protectedMode(3);
    bare.gdtGate(SEL.free, CALL_GATE16 | FROM_RING3, SEL.code0, 0x12345678, 1);
    bare.pushAll(2, 0x77);
    expect(call(SEL.free, 0)).toBe('');
    expect([r[EIP], r[ESP], ...bare.stack(5, 2)]).toEqual([0x5678, STACK0 - 10, 0x1002, 0x1b, 0x77, STACK - 2, 0x23]);
  });

  test.each([
    ['a gate that this ring may not use', () => bare.gdtGate(SEL.free, CALL_GATE32, SEL.code0, 0), '#13(80)'],
    ['an absent gate', () => bare.gdtGate(SEL.free, 0x0c | FROM_RING3, SEL.code0, 0), '#11(80)'],
    ['a gate to nowhere', () => bare.gdtGate(SEL.free, CALL_GATE32 | FROM_RING3, 0, 0), '#13(0)'],
    ['a gate to data', () => bare.gdtGate(SEL.free, CALL_GATE32 | FROM_RING3, SEL.data0, 0), '#13(10)'],
    ['a gate to absent code', () => bare.gdtGate(SEL.free, CALL_GATE32 | FROM_RING3, SEL.absentCode, 0), '#11(68)'],
    ['a TSS without a stack', () => cpu.memory.write32(TSS + 8, 0), '#10(0)'],
    ['a stack of the wrong ring', () => cpu.memory.write32(TSS + 8, SEL.data3), '#10(20)'],
    ['an absent stack', () => bare.describe(SEL.data0, 0, 0xfffff, 0xc013), '#12(10)'],
    ['a TSS that is too short', () => (r[42] = 8), '#10(38)'],
    ['a stack without room', () => bare.describe(SEL.data0, 0, 0xbff, 0x4093), '#12(10)'],
  ])('%s is refused and changes nothing', (_what, spoil, fault) => {
    bare.protectedMode(3);
    bare.gdtGate(SEL.free, CALL_GATE32 | FROM_RING3, SEL.code0, 0x5678, 0);
    spoil();
    const before = r.slice();
    expect(call(SEL.free, 0)).toBe(fault);
    before[T2] = SEL.free;
    expect(r).toEqual(before);
    expect([cpu.cpl, bare.load(STACK0 - 4)]).toEqual([3, 0]);
  });

  test('to the accessed bit: it is set', () => {
    bare.describe(SEL.free, 0, 0xfffff, 0xc09a);
    call(SEL.free, 0);
    expect(bare.load(GDT + SEL.free + 4) & 0x100).toBe(0x100);
  });
});

describe('RET far in protected mode', () => {
  test.each([
    ['to an inner ring', 3, SEL.code0, '#13(8)'],
    ['to null', 3, 0, '#13(0)'],
    ['to data', 0, SEL.data0, '#13(10)'],
    ['to absent code', 0, SEL.absentCode, '#11(68)'],
    ['to code whose DPL is not the RPL', 0, SEL.code3, '#13(18)'],
  ])('%s is refused', (_what, ring, selector, fault) => {
    bare.protectedMode(ring);
    bare.pushAll(4, selector, 0x1000);
    expect(bare.run('retFar', 4, 0)).toBe(fault);
    expect(r[ESP]).toBe(STACK - 8);
  });

  test('to a 16-bit stack leaves the upper half of ESP', () => {
    bare.protectedMode();
    r[ESP] = 0x1e000;
    bare.pushAll(4, SEL.stack16 | 3, 0x55558000, SEL.code3 | 3, 0x1000);
    expect(bare.run('retFar', 4, 0)).toBe('');
    expect([r[ESP], cpu.cpl, cpu.stack32]).toEqual([0x18000, 3, false]);
  });

  test.each([
    ['null', 0, '#13(0)'],
    ['of another ring', SEL.data0 | 3, '#13(10)'],
    ['read-only', SEL.readOnly | 3, '#13(70)'],
  ])('refuses an outer stack that is %s', (_what, selector, fault) => {
    bare.protectedMode();
    bare.pushAll(4, selector, STACK, SEL.code3 | 3, 0x1000);
    const before = r.slice();
    expect(bare.run('retFar', 4, 0)).toBe(fault);
    expect(r).toEqual(before);
  });
});

describe('SYSENTER and SYSEXIT', () => {
  test('enter ring 0 with flat segments beside each other, and leave it again', () => {
    bare.protectedMode(3);
    r.set([SEL.code0, 0xb000, 0x7000], 64);
    r[9] |= 0x200;
    expect(bare.run('sysenter')).toBe('');
    expect([bare.segment(CS), bare.segment(SS), r[EIP], r[ESP], cpu.cpl]).toEqual(['8', '10', 0x7000, 0xb000, 0]);
    expect(r[9] & 0x200).toBe(0);
    r[EDX] = 0x1234;
    r[ECX] = 0xd000;
    expect(bare.run('sysexit')).toBe('');
    expect([bare.segment(CS), bare.segment(SS), r[EIP], r[ESP], cpu.cpl]).toEqual(['1b', '23', 0x1234, 0xd000, 3]);
    expect(bare.run('sysexit')).toBe('#13(0)');
  });

  test('are #GP(0) while IA32_SYSENTER_CS is null', () => {
    bare.protectedMode();
    expect(bare.run('sysenter')).toBe('#13(0)');
    expect(bare.run('sysexit')).toBe('#13(0)');
  });
});
