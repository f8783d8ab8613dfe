// SPDX-License-Identifier: MIT
//
// Delivery of interrupts and exceptions, and the way back (SDM vol. 2A INT n, IRET; vol. 3A chapter 6, §20.1.4, §20.3).
import { beforeEach, describe, expect, test } from 'vitest';
import { combineFaults, Delivery, deliver, SHUTDOWN } from '../../kernel-worker/engines/i386/interrupts.ts';
import { setSegment } from '../../kernel-worker/engines/i386/segments.ts';
import { BareCpu, SEL, STACK, STACK0, TSS } from './bare-cpu.ts';

const [ES, CS, SS, DS, FS, GS] = [0, 1, 2, 3, 4, 5];
const ESP = 4;
const EIP = 8;
const EFLAGS = 9;
const NMI_BLOCKED = 63;
const INTERRUPT32 = 0x8e;
const TRAP32 = 0x8f;
const INTERRUPT16 = 0x86;
const TRAP16 = 0x87;
const RING3 = 0x60;
const [CF, TF, IF, NT, RF, VM] = [1, 0x100, 0x200, 0x4000, 0x10000, 0x20000];
const bare = new BareCpu();
const { cpu, r } = bare;

/** Delivers, and gives the fault of the delivery. */
function send(vector: number, kind: number, code = -1): string {
  cpu.fault = 0;
  deliver(cpu, vector, kind, code);
  return bare.fault;
}

describe('In real mode', () => {
  beforeEach(() => {
    bare.reset();
    cpu.memory.write32(0x21 * 4, 0x0800_1234);
  });

  test('an interrupt pushes FLAGS, CS and IP, and clears IF and TF', () => {
    r[EFLAGS] = 2 | IF | TF | CF;
    setSegment(cpu, CS, 0x100, 0x1000, 0xffff, 0x9b);
    expect(bare.run('int', 2, 0x21)).toBe('');
    expect([bare.segment(CS), r[EIP], r[EFLAGS], r[ESP]]).toEqual(['800', 0x1234, 2 | CF, STACK - 6]);
    expect(bare.stack(3, 2)).toEqual([0x1002, 0x100, 2 | IF | TF | CF]);
    expect(bare.run('iret', 2)).toBe('');
    expect([bare.segment(CS), r[EIP], r[EFLAGS], r[ESP]]).toEqual(['100', 0x1002, 2 | IF | TF | CF, STACK]);
  });

  test('an exception pushes no error code, and the EIP of the instruction', () => {
    cpu.memory.write32(13 * 4, 0x0800_0000);
    expect(send(13, Delivery.exception, 0)).toBe('');
    expect([r[ESP], r[EIP], ...bare.stack(1, 2)]).toEqual([STACK - 6, 0, 0x1000]);
  });

  test('a vector beyond the limit of IDTR is #GP', () => {
    r[47] = 0x83;
    expect(bare.run('int', 2, 0x21)).toMatch(/^#13/);
    expect(r[ESP]).toBe(STACK);
  });

  test('INTO goes to vector 4 if OF is set', () => {
    cpu.memory.write32(4 * 4, 0x0800_0000);
    expect(bare.run('into')).toBe('');
    expect(r[EIP]).toBe(0x1002);
    cpu.flags.change(0x800, 0x800);
    bare.run('into');
    expect([bare.segment(CS), r[EIP]]).toEqual(['800', 0]);
  });

  test('IRET with a 32-bit operand leaves VM, VIF and VIP', () => {
    bare.pushAll(4, -1, 0x300, 0x10);
    expect(bare.run('iret', 4)).toBe('');
    expect([r[EIP], bare.segment(CS), r[EFLAGS] & 0x1a0000, r[EFLAGS] & 0x257fd5]).toEqual([0x10, '300', 0, 0x257fd5]);
  });
});

describe('Through an interrupt or trap gate of the same ring', () => {
  beforeEach(() => bare.protectedMode());

  test('EFLAGS, CS, EIP and the error code are pushed', () => {
    bare.idtGate(14, INTERRUPT32, SEL.code0, 0x12345678);
    r[EFLAGS] = 2 | IF | NT | TF;
    expect(send(14, Delivery.exception, 6)).toBe('');
    expect([r[EIP], bare.segment(CS), r[EFLAGS]]).toEqual([0x12345678, '8', 2]);
    expect(bare.stack(4)).toEqual([6, 0x1000, SEL.code0, 2 | IF | NT | TF | RF]);
  });

  test('a trap gate leaves IF', () => {
    bare.idtGate(0x80, TRAP32, SEL.code0, 0x2000);
    r[EFLAGS] = 2 | IF | TF;
    bare.run('int', 4, 0x80);
    expect(r[EFLAGS]).toBe(2 | IF);
  });

  test('RF is set in the frame of a fault, and clear in that of an interrupt or trap', () => {
    for (const vector of [1, 6, 0x20]) bare.idtGate(vector, TRAP32, SEL.code0, 0x2000);
    const frameFlags = (vector: number, kind: number): number => {
      r[EFLAGS] = 2;
      send(vector, kind);
      return bare.stack(3)[2];
    };
    expect(frameFlags(6, Delivery.exception)).toBe(2 | RF);
    expect(frameFlags(0x20, Delivery.hardware)).toBe(2);
    expect(frameFlags(1, Delivery.trap)).toBe(2);
    expect(frameFlags(1, Delivery.exception)).toBe(2);
  });

  test('a 16-bit gate pushes words', () => {
    bare.idtGate(13, TRAP16, SEL.code0, 0x12345678);
    expect(send(13, Delivery.exception, 0x98)).toBe('');
    expect([r[EIP], r[ESP], ...bare.stack(4, 2)]).toEqual([0x5678, STACK - 8, 0x98, 0x1000, SEL.code0, 2]);
  });

  test('IRET goes back and unblocks NMI', () => {
    bare.idtGate(0x80, INTERRUPT32, SEL.code0, 0x2000);
    r[EFLAGS] = 2 | IF;
    r[NMI_BLOCKED] = 1;
    bare.run('int', 4, 0x80);
    expect(bare.run('iret', 4)).toBe('');
    expect([r[EIP], r[EFLAGS], r[ESP], r[NMI_BLOCKED]]).toEqual([0x1002, 2 | IF, STACK, 0]);
  });

  test('#DB clears DR7.GD for its handler', () => {
    bare.idtGate(1, TRAP32, SEL.code0, 0x2000);
    r[59] = 0x2400;
    send(1, Delivery.exception);
    expect(r[59]).toBe(0x400);
  });
});

describe('To an inner ring', () => {
  beforeEach(() => {
    bare.protectedMode(3);
    bare.idtGate(0x80, INTERRUPT32 | RING3, SEL.code0, 0x2000);
    bare.idtGate(13, INTERRUPT32, SEL.code0, 0x3000);
  });

  test('stack and segments come from the task state, and IRET gives them back', () => {
    r[EFLAGS] = 2 | IF;
    expect(bare.run('int', 4, 0x80)).toBe('');
    expect([bare.segment(CS), bare.segment(SS), cpu.cpl, r[ESP]]).toEqual(['8', '10', 0, STACK0 - 20]);
    expect(bare.stack(5)).toEqual([0x1002, 0x1b, 2 | IF, STACK, 0x23]);
    setSegment(cpu, DS, SEL.data0, 0, -1, 0xc093);
    expect(bare.run('iret', 4)).toBe('');
    expect([bare.segment(CS), bare.segment(SS), cpu.cpl, r[ESP], r[EFLAGS]]).toEqual(['1b', '23', 3, STACK, 2 | IF]);
    expect([bare.segment(DS), bare.segment(ES)]).toEqual(['null 0', '23']);
  });

  test('INT n may not use a gate of ring 0; hardware and exceptions may', () => {
    expect(bare.run('int', 4, 13)).toBe('#13(6a)');
    expect(cpu.cpl).toBe(3);
    expect(send(13, Delivery.hardware)).toBe('');
    bare.protectedMode(3);
    bare.idtGate(1, INTERRUPT32, SEL.code0, 0x3000);
    expect(bare.run('int1')).toBe('');
    bare.protectedMode(3);
    bare.idtGate(3, INTERRUPT32, SEL.code0, 0x3000);
    expect(bare.run('int3')).toBe('#13(1a)');
  });

  test.each([
    ['no entry', 0x100 >> 1, () => (r[47] = 0x3ff), '#13(402)'],
    ['an entry that is no gate', 0x80, () => bare.idtGate(0x80, 0xec, SEL.code0, 0), '#13(402)'],
    ['an absent gate', 0x80, () => bare.idtGate(0x80, 0x6e, SEL.code0, 0), '#11(402)'],
    ['a null selector', 0x80, () => bare.idtGate(0x80, 0xee, 0, 0), '#13(0)'],
    ['a selector beyond the GDT', 0x80, () => bare.idtGate(0x80, 0xee, 0x90, 0), '#13(90)'],
    ['data', 0x80, () => bare.idtGate(0x80, 0xee, SEL.data0, 0), '#13(10)'],
    ['absent code', 0x80, () => bare.idtGate(0x80, 0xee, SEL.absentCode, 0), '#11(68)'],
    ['an offset beyond the segment', 0x80, () => bare.idtGate(0x80, 0xee, SEL.code16, 0x10000), '#13(0)'],
    ['no stack in the task state', 0x80, () => cpu.memory.write32(TSS + 8, 0), '#10(0)'],
    ['a stack beyond the GDT', 0x80, () => cpu.memory.write32(TSS + 8, 0x98), '#10(98)'],
    ['a stack without room', 0x80, () => bare.describe(SEL.data0, 0, 0xbff, 0x4093), '#12(10)'],
  ])('%s: refused with the right code, EXT added if the program did not ask', (_what, vector, spoil, fault) => {
    spoil();
    const before = r.slice();
    expect(bare.run('int', 4, vector)).toBe(fault);
    expect(r).toEqual(before);
    const code = Number.parseInt(/\((.*)\)/.exec(fault)![1], 16);
    expect(send(vector, Delivery.hardware)).toBe(fault.replace(/\(.*/, `(${(code | 1).toString(16)})`));
    expect(r).toEqual(before);
    expect([cpu.cpl, cpu.virtual8086]).toEqual([3, false]);
  });

  test('a page fault on the new stack is one of the supervisor, and nothing has changed', () => {
    for (let page = 0; page < 16; page++) if (page !== 11) cpu.memory.write32(0xe000 + page * 4, page * 4096 + 7);
    cpu.memory.write32(0xd000, 0xe007);
    r[50] = 0xd000;
    r[48] |= -0x80000000;
    cpu.mmu.flush();
    cpu.updateMode();
    const esp = r[ESP];
    expect(bare.run('int', 4, 0x80)).toBe('#14(2)');
    expect([r[49], r[ESP], cpu.cpl, bare.segment(SS)]).toEqual([STACK0 - 4, esp, 3, '23']);
  });
});

describe('Out of virtual-8086 mode', () => {
  test('nine words go to the stack of ring 0, data segments become null, and IRET brings them back', () => {
    bare.virtual8086(3, 0x100);
    bare.idtGate(0x80, INTERRUPT32 | RING3, SEL.code0, 0x2000);
    r[ESP] = 0xabcd0400;
    for (const [n, selector] of [
      [ES, 0xe5],
      [DS, 0xd5],
      [FS, 0xf5],
      [GS, 0x95],
    ]) {
      setSegment(cpu, n, selector, selector << 4, 0xffff, 0xf3);
    }
    expect(bare.run('int', 2, 0x80)).toBe('');
    expect([cpu.virtual8086, cpu.cpl, bare.segment(CS), r[EIP], r[ESP]]).toEqual([false, 0, '8', 0x2000, STACK0 - 36]);
    expect(bare.stack(9)).toEqual([0x1002, 0x100, 2 | VM | 0x3000, 0xabcd0400, 0x100, 0xe5, 0xd5, 0xf5, 0x95]);
    expect([DS, ES, FS, GS].map((n) => bare.segment(n))).toEqual(['null 0', 'null 0', 'null 0', 'null 0']);
    expect(bare.run('iret', 4)).toBe('');
    expect([cpu.virtual8086, cpu.cpl, r[EFLAGS], r[ESP]]).toEqual([true, 3, 2 | VM | 0x3000, 0xabcd0400 | 0]);
    expect([ES, CS, SS, DS, FS, GS].map((n) => bare.segment(n))).toEqual(['e5', '100', '100', 'd5', 'f5', '95']);
    expect(r.slice(12 + 4 * DS + 1, 12 + 4 * DS + 4)).toEqual(Int32Array.of(0xd50, 0xffff, 0xf3));
  });

  test('a handler in another ring than 0, or conforming, is #GP with its selector', () => {
    bare.virtual8086(3);
    bare.idtGate(0x80, INTERRUPT32 | RING3, SEL.conforming0, 0x2000);
    expect(bare.run('int', 2, 0x80)).toBe('#13(28)');
    bare.idtGate(0x80, INTERRUPT32 | RING3, SEL.code1, 0x2000);
    cpu.memory.write32(TSS + 0x10, SEL.data0);
    expect(bare.run('int', 2, 0x80)).toBe('#13(78)');
    expect(cpu.virtual8086).toBe(true);
  });

  test('INT n and IRET need IOPL 3, INT3 does not', () => {
    bare.virtual8086(2);
    bare.idtGate(0x80, INTERRUPT32 | RING3, SEL.code0, 0x2000);
    bare.idtGate(3, INTERRUPT32 | RING3, SEL.code0, 0x2000);
    expect(bare.run('int', 2, 0x80)).toBe('#13(0)');
    expect(bare.run('iret', 2)).toBe('#13(0)');
    expect(bare.run('int3')).toBe('');
  });

  test('IRET with IOPL 3 stays there, and leaves IOPL', () => {
    bare.virtual8086(3);
    bare.pushAll(2, 0x0ed7, 0x200, 0x10);
    expect(bare.run('iret', 2)).toBe('');
    expect([cpu.virtual8086, bare.segment(CS), r[EIP], r[EFLAGS]]).toEqual([true, '200', 0x10, 0x23ed7 | VM]);
  });
});

describe('IRET in protected mode', () => {
  test('from ring 3 changes neither IOPL nor, above IOPL, IF', () => {
    bare.protectedMode(3);
    bare.pushAll(4, -1, SEL.code3 | 3, 0x1000);
    expect(bare.run('iret', 4)).toBe('');
    expect(r[EFLAGS]).toBe((0x4dd5 | 2 | RF | 0x40000 | 0x200000) & ~VM);
  });

  test('with VM in the image of ring 3 is an ordinary return', () => {
    bare.protectedMode(3);
    bare.pushAll(4, VM, SEL.code0, 0x1000);
    expect(bare.run('iret', 4)).toBe('#13(8)');
  });

  test('with 16-bit words leaves the upper flags', () => {
    bare.protectedMode();
    r[EFLAGS] |= 0x240000;
    bare.pushAll(2, 0x247, SEL.code0, 0x1000);
    expect(bare.run('iret', 2)).toBe('');
    expect([r[EFLAGS], r[ESP]]).toEqual([0x240247, STACK]);
  });

  test('to virtual-8086 code beyond 64 KiB is #GP(0)', () => {
    bare.protectedMode();
    bare.pushAll(4, 0, 0, 0, 0, 0x100, 0x8000, VM | 2, 0x100, 0x10000);
    expect(bare.run('iret', 4)).toBe('#13(0)');
    expect([cpu.virtual8086, r[ESP]]).toEqual([false, STACK - 36]);
  });
});

test('a 16-bit interrupt gate out of ring 3 pushes words', () => {
  bare.protectedMode(3);
  bare.idtGate(0x20, INTERRUPT16, SEL.code0, 0x2000);
  expect(send(0x20, Delivery.hardware)).toBe('');
  expect([r[ESP], ...bare.stack(5, 2)]).toEqual([STACK0 - 10, 0x1000, 0x1b, 2, STACK, 0x23]);
});

test('two faults: contributory on contributory, and either kind on a page fault, are a double fault', () => {
  const benign = 1;
  expect([13, 14, benign].map((second) => combineFaults(13, second))).toEqual([8, 14, benign]);
  expect([13, 14, benign].map((second) => combineFaults(14, second))).toEqual([8, 8, benign]);
  expect([13, 14, benign].map((second) => combineFaults(benign, second))).toEqual([13, 14, benign]);
  expect([13, 14].map((second) => combineFaults(8, second))).toEqual([SHUTDOWN, SHUTDOWN]);
  expect([0, 10, 11, 12].map((first) => combineFaults(first, 0))).toEqual([8, 8, 8, 8]);
  expect([6, 7, 16, 17, 0x20].map((first) => combineFaults(first, 11))).toEqual([11, 11, 11, 11, 11]);
});
