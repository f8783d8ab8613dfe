// SPDX-License-Identifier: MIT
//
// Loads of segment registers (SDM vol. 2A MOV, POP, LDS): what is checked, in which error it ends, and what a load leaves.
import { beforeEach, describe, expect, test } from 'vitest';
import { OPERAND_MEMORY } from '../../kernel-worker/engines/i386/operands.ts';
import { setSegment } from '../../kernel-worker/engines/i386/segments.ts';
import { BareCpu, DATA, GDT, LDT_AT, SEL, STACK } from './bare-cpu.ts';

const [ES, SS, DS, FS] = [0, 2, 3, 4];
const EAX = 0;
const ESP = 4;
const SHADOW = 61;
const bare = new BareCpu();
const { cpu, r } = bare;

/** MOV Sreg, AX. */
function load(n: number, selector: number): string {
  r[EAX] = selector;
  return bare.run('movToSreg', 2 | (n << 3));
}
const base = (n: number): number => r[12 + 4 * n + 1];
const limit = (n: number): number => r[12 + 4 * n + 2];
const attributes = (n: number): number => r[12 + 4 * n + 3];

describe('In real mode', () => {
  beforeEach(() => bare.reset());

  test('a load sets selector and base, and a limit from protected mode stays', () => {
    setSegment(cpu, DS, 0x10, 0, -1, 0xc093);
    expect(load(DS, 0x1234)).toBe('');
    expect([bare.segment(DS), base(DS), limit(DS), attributes(DS)]).toEqual(['1234', 0x12340, -1, 0xc093]);
  });

  test('a register that held a null selector is usable again', () => {
    setSegment(cpu, FS, 0, 0, 0, 0x10000);
    expect(load(FS, 0x800)).toBe('');
    expect([base(FS), limit(FS), attributes(FS)]).toEqual([0x8000, 0xffff, 0x93]);
  });

  test('MOV to SS holds interrupts off for one instruction, MOV to DS does not', () => {
    load(DS, 1);
    expect(r[SHADOW]).toBe(0);
    load(SS, 1);
    expect(r[SHADOW]).toBe(1);
  });

  test('privilege is 0 when PE is set, whatever the low bits of CS are', () => {
    setSegment(cpu, 1, 0x0107, 0x1070, 0xffff, 0x9b);
    r[EAX] = 0x11;
    expect(bare.run('movToCr', 4)).toBe('');
    expect([cpu.protectedMode, cpu.cpl]).toEqual([true, 0]);
  });
});

describe('In virtual-8086 mode', () => {
  test('a load fixes limit and rights', () => {
    bare.virtual8086(0);
    setSegment(cpu, ES, 0, 0, -1, 0xc0f3);
    expect(load(ES, 0xf000)).toBe('');
    expect([base(ES), limit(ES), attributes(ES)]).toEqual([0xf0000, 0xffff, 0xf3]);
  });
});

describe('In protected mode', () => {
  beforeEach(() => bare.protectedMode());

  test('a load takes base, limit and rights from the descriptor and sets its accessed bit', () => {
    bare.describe(SEL.free, 0x12345678, 0x12345, 0x4092);
    expect(load(DS, SEL.free)).toBe('');
    expect([base(DS), limit(DS), attributes(DS)]).toEqual([0x12345678, 0x12345, 0x4093]);
    expect(bare.load(GDT + SEL.free + 4) & 0xff00).toBe(0x9300);
    bare.describe(SEL.free, 0, 0xfffff, 0xc093);
    load(DS, SEL.free);
    expect(limit(DS)).toBe(-1);
  });

  test('a selector with TI is looked up in the LDT', () => {
    bare.describe(0x14, 0x5000, 0xfff, 0x93);
    expect(load(DS, 0x14)).toBe('');
    expect(base(DS)).toBe(0x5000);
    expect(bare.load(LDT_AT + 0x10)).not.toBe(0);
    setSegment(cpu, 6, 0, 0, 0, 0x10000);
    expect(load(DS, 0x14)).toBe('#13(14)');
  });

  test.each([
    ['null in SS', SS, 0, '#13(0)'],
    ['null with an RPL in SS', SS, 3, '#13(0)'],
    ['beyond the limit of the GDT', DS, 0x90, '#13(90)'],
    ['beyond the limit of the LDT', DS, 0x104, '#13(104)'],
    ['half beyond the limit of the GDT', DS, SEL.free2, '#13(88)'],
    ['a system descriptor', DS, SEL.tss, '#13(38)'],
    ['code that cannot be read', DS, SEL.executeOnly, '#13(60)'],
    ['data that is not present', DS, SEL.absentData, '#11(58)'],
    ['a stack that cannot be written', SS, SEL.readOnly, '#13(70)'],
    ['a stack of another DPL', SS, SEL.data3, '#13(20)'],
    ['a stack with another RPL', SS, SEL.data0 | 1, '#13(10)'],
    ['code as a stack', SS, SEL.code0, '#13(8)'],
  ])('%s is refused and changes nothing', (_what, n, selector, fault) => {
    bare.describe(SEL.free2, 0, 0xfffff, 0xc093);
    r[45] = 0x8e;
    const before = r.slice();
    expect(load(n, selector)).toBe(fault);
    before[EAX] = selector;
    expect(r).toEqual(before);
  });

  test('a stack that is only not present is #SS', () => {
    bare.describe(SEL.free, 0, 0xfffff, 0xc013);
    expect(load(SS, SEL.free)).toBe('#12(80)');
  });

  test('null in DS is taken, and its use is #GP(0)', () => {
    expect(load(DS, 2)).toBe('');
    expect(bare.segment(DS)).toBe('null 2');
    cpu.load8(DS, DATA);
    expect(bare.fault).toBe('#13(0)');
  });

  test('ring 3 may not load data of ring 0, and an RPL of 3 is like ring 3', () => {
    expect(load(DS, SEL.data0 | 3)).toBe('#13(10)');
    bare.protectedMode(3);
    expect(load(DS, SEL.data0)).toBe('#13(10)');
    expect(load(DS, SEL.conforming0)).toBe('');
    expect(load(SS, SEL.data3 | 3)).toBe('');
  });

  test('a table that is not mapped is #PF, as a supervisor access', () => {
    bare.protectedMode(3);
    cpu.memory.write32(0xb000, 0xb007 + 0x1000);
    for (let page = 0; page < 16; page++) if (page !== 8) cpu.memory.write32(0xc000 + page * 4, page * 4096 + 7);
    r[50] = 0xb000;
    r[48] |= -0x80000000;
    cpu.mmu.flush();
    expect(load(DS, SEL.data3)).toBe('#14(0)');
    expect(r[49]).toBe(GDT + SEL.data3);
  });
});

describe('PUSH and POP of segment registers', () => {
  beforeEach(() => bare.protectedMode());

  test('PUSH zero-extends to the operand size', () => {
    bare.run('pushSreg', 4 | (1 << 3));
    expect([r[ESP], ...bare.stack(1)]).toEqual([STACK - 4, SEL.code0]);
    bare.run('pushSreg', 2 | (DS << 3));
    expect([r[ESP], ...bare.stack(1, 2)]).toEqual([STACK - 6, SEL.data0]);
  });

  test('POP ignores the upper half and moves the stack pointer only if the load succeeds', () => {
    bare.pushAll(4, 0xabcd0000 | SEL.data0);
    expect(bare.run('popSreg', 4 | (FS << 3))).toBe('');
    expect([bare.segment(FS), r[ESP]]).toEqual(['10', STACK]);
    bare.pushAll(4, SEL.executeOnly);
    expect(bare.run('popSreg', 4 | (FS << 3))).toBe('#13(60)');
    expect(r[ESP]).toBe(STACK - 4);
  });

  test('POP SS moves ESP as the old stack segment says', () => {
    bare.describe(SEL.free, 0, 0xffff, 0x0093);
    r[ESP] = 0x1fffe;
    bare.cpu.memory.write32(0x1fffe, SEL.free);
    bare.run('popSreg', 4 | (SS << 3));
    expect([r[ESP], r[SHADOW], cpu.stack32]).toEqual([0x20002, 1, false]);
  });
});

describe('LDS, LES, LFS, LGS, LSS', () => {
  const word = 4 | (EAX << 3) | OPERAND_MEMORY | (DS << 10);
  beforeEach(() => {
    bare.protectedMode();
    r[129] = DATA;
  });

  test('load register and segment together', () => {
    cpu.memory.write32(DATA, 0x11223344);
    cpu.memory.write32(DATA + 4, SEL.data3);
    expect(bare.run('loadFarPointer', word, ES)).toBe('');
    expect([r[EAX], bare.segment(ES)]).toEqual([0x11223344, '20']);
  });

  test('leave the register alone if the segment is refused', () => {
    cpu.memory.write32(DATA, 0x11223344);
    cpu.memory.write32(DATA + 4, SEL.absentData);
    r[EAX] = 7;
    expect(bare.run('loadFarPointer', word, ES)).toBe('#11(58)');
    expect(r[EAX]).toBe(7);
  });

  test('are #UD with a register', () => {
    expect(bare.run('loadFarPointer', 4, ES)).toBe('#6');
  });
});

test('MOV from Sreg stores a word, and zero-extends into a register of 32 bits', () => {
  bare.protectedMode();
  r[EAX] = -1;
  r[129] = DATA;
  cpu.memory.write32(DATA, -1);
  bare.run('movFromSreg', 4 | (1 << 3) | OPERAND_MEMORY | (DS << 10));
  expect(bare.load(DATA)).toBe(0xffff0008);
  bare.run('movFromSreg', 2 | (1 << 3));
  expect(r[EAX]).toBe(0xffff0008 | 0);
  bare.run('movFromSreg', 4 | (1 << 3));
  expect(r[EAX]).toBe(8);
});
