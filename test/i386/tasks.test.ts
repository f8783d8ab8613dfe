// SPDX-License-Identifier: MIT
//
// Hardware task switches (SDM vol. 3A chapter 7): by JMP, CALL, interrupt and IRET, between task states of 32 and 16 bits.
import { beforeEach, describe, expect, test } from 'vitest';
import { Delivery, deliver } from '../../kernel-worker/engines/i386/interrupts.ts';
import { BareCpu, GDT, OTHER_TSS, SEL, STACK, TSS } from './bare-cpu.ts';

const [ES, CS, SS, DS] = [0, 1, 2, 3];
const ESP = 4;
const EIP = 8;
const EFLAGS = 9;
const CR0 = 48;
const T2 = 130;
const TASK_GATE = 0x85;
const NT = 0x4000;
const VM = 0x20000;
const OTHER_STACK = 0xb800;
const bare = new BareCpu();
const { cpu, r } = bare;

const type = (selector: number): number => (bare.load(GDT + selector + 4) >>> 8) & 15;
const put = (offset: number, value: number): void => cpu.memory.write32(OTHER_TSS + offset, value);

/** A task in ring 0 that begins at 4000 with registers 0x100, 0x101, … */
function describeTask(): void {
  put(0x20, 0x4000);
  put(0x24, 2);
  for (let n = 0; n < 8; n++) put(0x28 + 4 * n, 0x100 + n);
  put(0x28 + 4 * ESP, OTHER_STACK);
  for (let n = 0; n < 6; n++) put(0x48 + 4 * n, SEL.data0);
  put(0x48 + 4 * CS, SEL.code0);
}

/** JMP or CALL to the task state, or to a gate. */
function go(name: 'jmpFar' | 'callFar', selector: number = SEL.otherTss): string {
  r[T2] = selector;
  return bare.run(name, 4, 0x7777);
}

describe('A switch to a 32-bit task', () => {
  beforeEach(() => {
    bare.protectedMode();
    describeTask();
  });

  test('by JMP saves the old task, loads the new one, and frees the old task state', () => {
    r.set([1, 2, 3, 4], 0);
    expect(go('jmpFar')).toBe('');
    expect(Array.from(r.slice(0, 8))).toEqual([0x100, 0x101, 0x102, 0x103, OTHER_STACK, 0x105, 0x106, 0x107]);
    expect([r[EIP], r[EFLAGS], bare.segment(CS), bare.segment(DS), r[40]]).toEqual([
      0x4000,
      2,
      '8',
      '10',
      SEL.otherTss,
    ]);
    expect([type(SEL.tss), type(SEL.otherTss), r[43] & 15, r[CR0] & 8]).toEqual([9, 11, 11, 8]);
    expect([0x20, 0x24, 0x28, 0x2c, 0x38, 0x48, 0x4c].map((at) => bare.load(TSS + at))).toEqual([
      0x1002,
      2,
      1,
      2,
      STACK,
      SEL.data0,
      SEL.code0,
    ]);
  });

  test('by CALL nests, and IRET goes back', () => {
    expect(go('callFar')).toBe('');
    expect([r[EFLAGS] & NT, bare.load(OTHER_TSS, 2), type(SEL.tss), type(SEL.otherTss)]).toEqual([NT, SEL.tss, 11, 11]);
    expect(bare.run('iret', 4)).toBe('');
    expect([r[EIP], r[ESP], r[40], type(SEL.tss), type(SEL.otherTss)]).toEqual([0x1002, STACK, SEL.tss, 11, 9]);
    // The task that returned begins behind its IRET the next time, and without NT.
    expect([bare.load(OTHER_TSS + 0x20), bare.load(OTHER_TSS + 0x24)]).toEqual([0x4002, 2]);
  });

  test('through a task gate, which has the privilege', () => {
    bare.protectedMode(3);
    describeTask();
    bare.gdtGate(SEL.free, TASK_GATE | 0x60, SEL.otherTss, 0);
    expect(go('callFar')).toBe('#13(40)');
    expect(go('callFar', SEL.free)).toBe('');
    expect([r[EIP], cpu.cpl]).toEqual([0x4000, 0]);
  });

  test('by an exception through a task gate pushes the error code on the stack of the new task', () => {
    bare.idtGate(8, TASK_GATE, SEL.otherTss, 0);
    cpu.fault = 0;
    deliver(cpu, 8, Delivery.exception, 0);
    expect([bare.fault, r[EIP], r[ESP], bare.stack(1)[0]]).toEqual(['', 0x4000, OTHER_STACK - 4, 0]);
    expect([bare.load(TSS + 0x20), r[EFLAGS] & NT, bare.load(OTHER_TSS, 2)]).toEqual([0x1000, NT, SEL.tss]);
  });

  test('loads CR3 and LDTR', () => {
    cpu.memory.write32(0xd000, 0xe007);
    for (let page = 0; page < 16; page++) cpu.memory.write32(0xe000 + page * 4, page * 4096 + 7);
    r[50] = 0xd000;
    r[CR0] |= -0x80000000;
    cpu.updateMode();
    cpu.mmu.flush();
    put(0x1c, 0xd018);
    put(0x60, SEL.ldt);
    expect(go('jmpFar')).toBe('');
    expect([r[50], bare.segment(6), r[12 + 4 * 6 + 2]]).toEqual([0xd018, '48', 0xff]);
  });

  test('into virtual-8086 mode', () => {
    put(0x24, VM | 2);
    for (let n = 0; n < 6; n++) put(0x48 + 4 * n, 0x400);
    expect(go('jmpFar')).toBe('');
    expect([cpu.virtual8086, cpu.cpl, bare.segment(CS), r[12 + 4 * DS + 1]]).toEqual([true, 3, '400', 0x4000]);
  });

  test('with the trap bit asks for #DB with BT', () => {
    put(0x64, 1);
    go('jmpFar');
    expect(r[72]).toBe(0x8000);
  });

  test('clears the local breakpoints', () => {
    r[59] = 0x4ff;
    go('jmpFar');
    expect(r[59]).toBe(0x4aa);
  });

  test.each([
    ['too short', () => bare.describe(SEL.otherTss, OTHER_TSS, 0x66, 0x89), '#10(40)'],
    ['absent', () => bare.describe(SEL.otherTss, OTHER_TSS, 0x67, 0x09), '#11(40)'],
    ['busy', () => bare.describe(SEL.otherTss, OTHER_TSS, 0x67, 0x8b), '#13(40)'],
  ])('whose task state is %s is refused, and the old task stands', (_what, spoil, fault) => {
    spoil();
    const before = r.slice();
    expect(go('jmpFar')).toBe(fault);
    before[T2] = SEL.otherTss;
    expect(r).toEqual(before);
    expect(type(SEL.tss)).toBe(11);
  });

  test.each([
    ['null code', CS, 0, '#10(0)'],
    ['code of another ring than the RPL', CS, SEL.code3, '#10(18)'],
    ['data as code', CS, SEL.data0, '#10(10)'],
    ['absent code', CS, SEL.absentCode, '#11(68)'],
    ['a null stack', SS, 0, '#10(0)'],
    ['a stack of another ring', SS, SEL.data3 | 3, '#10(20)'],
    ['a read-only stack', SS, SEL.readOnly, '#10(70)'],
    ['data beyond the GDT', ES, 0x90, '#10(90)'],
    ['code without reading as data', ES, SEL.executeOnly, '#10(60)'],
    ['absent data', ES, SEL.absentData, '#11(58)'],
  ])('with %s faults in the new task', (_what, n, selector, fault) => {
    put(0x48 + 4 * n, selector);
    expect(go('jmpFar')).toBe(fault);
    expect([r[40], r[EIP], r[ESP]]).toEqual([SEL.otherTss, 0x4000, OTHER_STACK]);
  });

  test('with an LDT that is none faults with its selector, EXT added for an interrupt', () => {
    put(0x60, SEL.data0);
    expect(go('jmpFar')).toBe('#10(10)');
    bare.protectedMode();
    describeTask();
    put(0x60, SEL.data0);
    bare.idtGate(0x20, TASK_GATE, SEL.otherTss, 0);
    cpu.fault = 0;
    deliver(cpu, 0x20, Delivery.hardware, -1);
    expect(bare.fault).toBe('#10(11)');
  });

  test('that begins beyond its code segment is #GP(0) in the new task', () => {
    put(0x48 + 4 * CS, SEL.code16);
    put(0x20, 0x10000);
    expect(go('jmpFar')).toBe('#13(0)');
    expect(r[EIP]).toBe(0x10000);
  });
});

test('IRET of a nested task to a link that is no busy task is #TS', () => {
  bare.protectedMode();
  r[EFLAGS] |= NT;
  cpu.memory.write32(TSS, SEL.otherTss);
  expect(bare.run('iret', 4)).toBe('#10(40)');
  cpu.memory.write32(TSS, SEL.tss | 4);
  expect(bare.run('iret', 4)).toBe('#10(3c)');
});

test('a 16-bit task has words, and no FS and GS', () => {
  bare.protectedMode();
  bare.describe(SEL.otherTss, OTHER_TSS, 0x2b, 0x81);
  const put16 = (offset: number, value: number): void =>
    cpu.memory.write(OTHER_TSS + offset, Uint8Array.of(value, value >>> 8));
  put16(0x0e, 0x4000);
  put16(0x10, 0x0046);
  for (let n = 0; n < 8; n++) put16(0x12 + 2 * n, 0x100 + n);
  put16(0x12 + 2 * ESP, OTHER_STACK);
  for (let n = 0; n < 4; n++) put16(0x22 + 2 * n, n === CS ? SEL.code0 : SEL.data0);
  expect(go('callFar')).toBe('');
  expect([r[EIP], r[0] & 0xffff, r[ESP] & 0xffff, r[EFLAGS]]).toEqual([0x4000, 0x100, OTHER_STACK, 0x46 | NT]);
  expect([bare.segment(CS), bare.segment(DS), bare.segment(4)]).toEqual(['8', '10', 'null 0']);
  expect([type(SEL.otherTss), bare.load(OTHER_TSS, 2)]).toEqual([3, SEL.tss]);
  r[0] = 0x12345678;
  expect(bare.run('iret', 4)).toBe('');
  expect([r[EIP], bare.load(OTHER_TSS + 0x0e, 2), bare.load(OTHER_TSS + 0x12, 2)]).toEqual([0x1002, 0x4002, 0x5678]);
});
