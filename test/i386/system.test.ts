// SPDX-License-Identifier: MIT
//
// System instructions: descriptor tables, control and debug registers, MSRs, CPUID, EFLAGS and ports (SDM vol. 2; vol. 3A §2.5).
import { beforeEach, describe, expect, test } from 'vitest';
import { OPERAND_MEMORY, OPERAND_SIZE32 } from '../../kernel-worker/engines/i386/operands.ts';
import { setSegment } from '../../kernel-worker/engines/i386/segments.ts';
import { BareCpu, DATA, GDT, type HelperName, SEL, STACK, TSS } from './bare-cpu.ts';

const [DS, LDTR] = [3, 6];
const [EAX, ECX, EDX, EBX, ESP] = [0, 1, 2, 3, 4];
const EFLAGS = 9;
const [CR0, CR2, CR3, CR4, DR6, DR7] = [48, 49, 50, 51, 58, 59];
const MEMORY = OPERAND_MEMORY | (DS << 10);
const bare = new BareCpu();
const { cpu, r } = bare;

describe('Privileged instructions', () => {
  const names: HelperName[] = ['lgdt', 'lidt', 'lldt', 'ltr', 'lmsw', 'movToCr', 'movFromCr', 'movToDr', 'movFromDr'];
  names.push('clts', 'invlpg', 'wbinvd', 'invd', 'hlt', 'rdmsr', 'wrmsr');
  test.each(names)('%s is #GP(0) in ring 3', (name) => {
    bare.protectedMode(3);
    r[129] = DATA;
    expect(bare.run(name, 4 | MEMORY)).toBe('#13(0)');
  });

  test.each(['lldt', 'ltr', 'sldt', 'str', 'lar', 'lsl', 'verr', 'verw', 'arpl'] as const)(
    '%s is #UD in real and virtual-8086 mode',
    (name) => {
      bare.reset();
      expect(bare.run(name, 2)).toBe('#6');
      bare.virtual8086(3);
      expect(bare.run(name, 2)).toBe('#6');
    },
  );
});

describe('GDTR and IDTR', () => {
  beforeEach(() => {
    bare.protectedMode();
    r[129] = DATA;
    cpu.memory.write(DATA, Uint8Array.of(0x34, 0x12, 0x78, 0x56, 0x34, 0x12));
  });

  test('take 32 bits of base with a 32-bit operand and 24 with a 16-bit one', () => {
    bare.run('lidt', 4 | MEMORY);
    expect([r[46], r[47]]).toEqual([0x12345678, 0x1234]);
    bare.run('lgdt', 2 | MEMORY);
    expect([r[44], r[45]]).toEqual([0x345678, 0x1234]);
  });

  test('are stored by SGDT and SIDT in every ring', () => {
    bare.protectedMode(3);
    r[129] = DATA;
    r[46] = 0x12345678;
    expect(bare.run('sidt', 4 | MEMORY)).toBe('');
    expect([bare.load(DATA, 2), bare.load(DATA + 2)]).toEqual([0x7ff, 0x12345678]);
    expect(bare.run('sidt', 2 | MEMORY)).toBe('');
    expect(bare.load(DATA + 2)).toBe(0x345678);
    expect(bare.run('sgdt', 4)).toBe('#6');
  });

  test('a store that cannot be finished stores nothing', () => {
    setSegment(cpu, DS, SEL.data0, 0, DATA + 3, 0x4093);
    cpu.memory.write32(DATA, 0);
    expect(bare.run('sgdt', 4 | MEMORY)).toBe('#13(0)');
    expect(bare.load(DATA)).toBe(0);
  });
});

describe('LDTR and TR', () => {
  beforeEach(() => bare.protectedMode());
  const run = (name: HelperName, selector: number): string => {
    r[EAX] = selector;
    return bare.run(name, 2);
  };

  test('LLDT takes an LDT of the GDT, or null', () => {
    expect(run('lldt', 0)).toBe('');
    expect(bare.segment(LDTR)).toBe('null 0');
    expect(run('lldt', SEL.ldt)).toBe('');
    expect([bare.segment(LDTR), r[12 + 4 * LDTR + 2]]).toEqual(['48', 0xff]);
    expect(run('lldt', SEL.data0)).toBe('#13(10)');
    expect(run('lldt', SEL.ldt | 4)).toBe('#13(4c)');
    bare.describe(SEL.free, 0, 0, 0x02);
    expect(run('lldt', SEL.free)).toBe('#11(80)');
  });

  test('LTR takes a free task state and makes it busy', () => {
    expect(run('ltr', SEL.otherTss)).toBe('');
    expect([r[40], r[43] & 15, (bare.load(GDT + SEL.otherTss + 4) >>> 8) & 15]).toEqual([SEL.otherTss, 11, 11]);
    expect(run('ltr', SEL.otherTss)).toBe('#13(40)');
    expect(run('ltr', 0)).toBe('#13(0)');
  });

  test('SLDT and STR zero-extend into 32 bits, and store words', () => {
    r[EAX] = -1;
    bare.run('str', 2 | OPERAND_SIZE32);
    expect(r[EAX]).toBe(SEL.tss);
    r[EAX] = -1;
    bare.run('sldt', 2);
    expect(r[EAX]).toBe(0xffff0048 | 0);
  });
});

describe('LAR, LSL, VERR, VERW, ARPL', () => {
  const zf = (): boolean => (cpu.getEflags() & 0x40) !== 0;
  /** With the selector in ECX and the answer in EAX. */
  const ask = (name: HelperName, selector: number): number | string => {
    r[EAX] = 0x55;
    r[ECX] = selector;
    const fault = bare.run(name, 4 | (ECX << 6));
    if (fault !== '') return fault;
    return zf() ? r[EAX] : 'not';
  };

  test('LAR gives the rights of what may be seen', () => {
    bare.protectedMode(3);
    expect(ask('lar', SEL.data3)).toBe(0xc0f300);
    expect(ask('lar', SEL.data0)).toBe('not');
    expect(ask('lar', SEL.conforming0)).toBe(0xc09f00);
    expect(ask('lar', 0)).toBe('not');
    expect(ask('lar', 0x90)).toBe('not');
    bare.protectedMode(0);
    expect(ask('lar', SEL.tss)).toBe(0x8b00);
    bare.gdtGate(SEL.free, 0x8e, SEL.code0, 0);
    expect(ask('lar', SEL.free)).toBe('not');
    bare.gdtGate(SEL.free, 0x8c, SEL.code0, 0);
    expect(ask('lar', SEL.free)).toBe(0x8c00);
    expect(ask('lsl', SEL.free)).toBe('not');
  });

  test('LSL gives the limit in bytes', () => {
    bare.protectedMode();
    expect(ask('lsl', SEL.data0)).toBe(-1);
    expect(ask('lsl', SEL.code16)).toBe(0xffff);
    expect(ask('lsl', SEL.data0 | 3)).toBe('not');
  });

  test('VERR and VERW', () => {
    bare.protectedMode();
    expect(
      [SEL.executeOnly, SEL.readOnly, SEL.code0, SEL.tss].map((selector) => ask('verr', selector) !== 'not'),
    ).toEqual([false, true, true, false]);
    expect([SEL.data0, SEL.readOnly, SEL.code0].map((selector) => ask('verw', selector) !== 'not')).toEqual([
      true,
      false,
      false,
    ]);
  });

  test('ARPL raises the RPL', () => {
    bare.protectedMode();
    r[EAX] = 0x10;
    r[EBX] = 3;
    bare.run('arpl', 2 | (EBX << 3));
    expect([r[EAX], zf()]).toEqual([0x13, true]);
    bare.run('arpl', 2 | (EBX << 3));
    expect([r[EAX], zf()]).toEqual([0x13, false]);
  });

  test('ARPL stores to memory only if the RPL is raised', () => {
    bare.protectedMode();
    setSegment(cpu, DS, SEL.readOnly, 0, -1, 0xc091);
    r[129] = DATA;
    r[EBX] = 3;
    cpu.memory.write16(DATA, 0x13);
    expect([bare.run('arpl', 2 | (EBX << 3) | MEMORY), zf()]).toEqual(['', false]);
    cpu.memory.write16(DATA, 0x10);
    expect(bare.run('arpl', 2 | (EBX << 3) | MEMORY)).toBe('#13(0)');
  });
});

describe('Control registers', () => {
  beforeEach(() => bare.protectedMode());
  const write = (n: number, value: number): string => {
    r[EAX] = value;
    return bare.run('movToCr', 4 | (n << 3));
  };

  test.each([
    ['PG without PE', 0, 0x80000000],
    ['NW without CD', 0, 0x20000001],
    ['VME', 4, 0x1],
    ['PVI', 4, 0x2],
    ['MCE', 4, 0x40],
    ['OSXMMEXCPT', 4, 0x400],
    ['bits that no CPU of this kind has', 4, 0x1000],
  ])('%s is #GP(0)', (_what, n, value) => {
    expect(write(n, value)).toBe('#13(0)');
  });

  test('CR0.ET stays, unknown bits of CR0 do not', () => {
    expect(write(0, 0x1ffaffc1)).toBe('');
    expect(r[CR0]).toBe(0x11);
  });

  test('CR1, CR5 to CR7 are #UD', () => {
    expect([1, 5, 6, 7].map((n) => write(n, 0))).toEqual(['#6', '#6', '#6', '#6']);
  });

  test('CR2 and CR3 are written and read', () => {
    write(2, 0x1234);
    write(3, 0x5000);
    expect([r[CR2], r[CR3]]).toEqual([0x1234, 0x5000]);
    bare.run('movFromCr', 4 | (3 << 3) | (EBX << 6));
    expect(r[EBX]).toBe(0x5000);
  });

  test('with PAE, reserved bits in the four pointers are #GP(0)', () => {
    write(3, DATA);
    cpu.memory.write32(DATA, 0x1003);
    expect(write(4, 0x20)).toBe('');
    expect(write(0, 0x80000011)).toBe('#13(0)');
    cpu.memory.write32(DATA, 0x1001);
    expect(write(0, 0x80000011)).toBe('');
    cpu.memory.write32(DATA + 0x100 + 28, 1);
    cpu.memory.write32(DATA + 0x100 + 24, 1);
    expect(write(3, DATA + 0x100)).toBe('#13(0)');
    expect(r[CR3]).toBe(DATA);
  });

  test('LMSW sets PE but does not clear it; SMSW reads everything', () => {
    r[EAX] = 0xfffe;
    expect(bare.run('lmsw', 2)).toBe('');
    expect(r[CR0]).toBe(0x1f);
    r[EAX] = 0;
    bare.run('lmsw', 2);
    expect([r[CR0], cpu.protectedMode]).toEqual([0x11, true]);
    bare.run('smsw', 2 | OPERAND_SIZE32);
    expect(r[EAX]).toBe(0x11);
  });

  test('CLTS clears TS', () => {
    r[CR0] |= 8;
    bare.run('clts');
    expect(r[CR0]).toBe(0x11);
  });
});

describe('Debug registers', () => {
  beforeEach(() => bare.protectedMode());
  const write = (n: number, value: number): string => {
    r[EAX] = value;
    return bare.run('movToDr', 4 | (n << 3));
  };

  test('have bits that are always 0 or 1', () => {
    write(6, 0);
    write(7, -1 & ~0x2000);
    expect([r[DR6] >>> 0, r[DR7] >>> 0]).toEqual([0xffff0ff0, 0xffff07ff]);
  });

  test('DR4 and DR5 are DR6 and DR7, or #UD with CR4.DE', () => {
    expect(write(5, 0x1)).toBe('');
    expect(r[DR7]).toBe(0x401);
    r[CR4] = 8;
    expect(write(5, 0)).toBe('#6');
  });

  test('DR7.GD makes every access #DB with BD', () => {
    write(7, 0x2000);
    expect(bare.run('movFromDr', 4)).toBe('#1');
    expect(r[DR6] & 0x2000).toBe(0x2000);
  });
});

describe('MSRs and the time-stamp counter', () => {
  beforeEach(() => bare.protectedMode());
  const read = (msr: number): string | number[] => {
    r[ECX] = msr;
    const fault = bare.run('rdmsr');
    return fault === '' ? [r[EAX], r[EDX]] : fault;
  };
  const write = (msr: number, low: number, high = 0): string => {
    r.set([low, msr, high], 0);
    return bare.run('wrmsr');
  };

  test('SYSENTER registers and MISC_ENABLE are storage', () => {
    for (const msr of [0x174, 0x175, 0x176, 0x1a0]) {
      expect(write(msr, msr + 7)).toBe('');
      expect(read(msr)).toEqual([msr + 7, 0]);
    }
  });

  test('EFER has NXE only', () => {
    expect(write(0xc0000080, 0x800)).toBe('');
    expect(read(0xc0000080)).toEqual([0x800, 0]);
    expect(write(0xc0000080, 0x100)).toBe('#13(0)');
    expect(write(0xc0000080, 0x800, 1)).toBe('#13(0)');
  });

  test('IA32_APIC_BASE switches the local APIC, and its feature bit, on and off; it cannot be moved', () => {
    const hasApic = (): boolean => {
      r.set([1], EAX);
      bare.run('cpuid');
      return (r[EDX] & 0x200) !== 0;
    };
    expect([read(0x1b), hasApic()]).toEqual([[0xfee00900 | 0, 0], true]);
    expect(write(0x1b, 0xfee00100)).toBe('');
    expect([read(0x1b), hasApic()]).toEqual([[0xfee00100 | 0, 0], false]);
    expect(write(0x1b, 0xfee00800)).toBe('');
    expect([read(0x1b), hasApic()]).toEqual([[0xfee00900 | 0, 0], true]);
    expect(write(0x1b, 0xfed00900)).toBe('#13(0)');
    expect(write(0x1b, 0xfee00900, 1)).toBe('#13(0)');
  });

  test.each([0xfe, 0x200, 0x2ff, 0x179, 0xc0000081])('MSR %d is not there', (msr) => {
    expect(read(msr)).toBe('#13(0)');
    expect(write(msr, 0)).toBe('#13(0)');
  });

  test('RDTSC counts ticks of virtual time from what was written; the upper half cannot be written', () => {
    expect(write(0x10, 0xfffffff0, 5)).toBe('');
    bare.run('rdtsc');
    expect([r[EAX] >>> 0, r[EDX]]).toEqual([0xfffffff0, 0]);
    cpu.board.clock.advance(0x20);
    bare.run('rdtsc');
    expect([r[EAX], r[EDX]]).toEqual([0x10, 1]);
    expect(read(0x10)).toEqual([0x10, 1]);
  });

  test('IA32_TSC_ADJUST is what writes have added to the time-stamp counter', () => {
    cpu.board.clock.advance(1000);
    const now = cpu.board.clock.nowTick();
    expect(write(0x3b, -5, -1)).toBe('');
    expect(read(0x10)).toEqual([now - 5, 0]);
    write(0x10, 7);
    expect(read(0x3b)).toEqual([7 - now, -1]);
    write(0x3b, 0x12345678, 0x9a);
    expect(read(0x3b)).toEqual([0x12345678, 0x9a]);
    expect(read(0x10)).toEqual([0x12345678 + now, 0x9a]);
    write(0x3b, 0);
    expect(read(0x10)).toEqual([now, 0]);
  });

  test('RDTSC asks for the time within a run, and obeys CR4.TSD', () => {
    cpu.syncTime = () => cpu.board.clock.advance(70);
    write(0x10, 0);
    bare.run('rdtsc');
    expect(r[EAX]).toBe(70);
    bare.protectedMode(3);
    r[CR4] = 4;
    expect(bare.run('rdtsc')).toBe('#13(0)');
    expect(bare.run('rdpmc')).toBe('#13(0)');
  });
});

describe('CPUID', () => {
  const ask = (leaf: number): number[] => {
    bare.reset();
    r[EAX] = leaf;
    bare.run('cpuid');
    return Array.from(r.slice(0, 4));
  };
  const text = (...words: number[]): string => Buffer.from(Int32Array.from(words).buffer).toString();

  test('tells the vendor, the name, and the features that are there', () => {
    const [max, ...name] = ask(0);
    expect(max).toBe(0x16);
    expect(text(name[2], name[1], name[0])).toBe('GenuineIntel');
    expect(ask(1)).toEqual([0x634, 0, 0x0100ab7d, 0]);
    expect(ask(0x80000000)[0] >>> 0).toBe(0x80000008);
    expect(ask(0x80000001)[2]).toBe(0x100000);
    expect(ask(0x80000008)[0]).toBe(0x2020);
    const brand = [2, 3, 4]
      .flatMap((n) => ask(0x80000000 + n))
      .flatMap((_, i, all) => all[[0, 3, 1, 2][i & 3] + (i & ~3)]);
    expect(text(...brand)).toBe('kjump virtual i686 CPU'.padEnd(48, '\0'));
  });

  test('tells that the time-stamp counter never stops or changes its rate, and its rate', () => {
    // EDX bit 8 of 0x80000007: invariant TSC; EBX bit 1 of leaf 7: IA32_TSC_ADJUST. EAX, ECX, EDX, EBX.
    expect(ask(0x80000007)).toEqual([0, 0, 0x100, 0]);
    expect(ask(7)).toEqual([0, 0, 0, 2]);
    const [denominator, crystalHz, , numerator] = ask(0x15);
    expect((crystalHz * numerator) / denominator).toBe(1e9);
    expect(ask(0x16)).toEqual([1000, 100, 0, 1000]);
  });

  test('answers leaves that are not there like the highest, and those between with zeros', () => {
    for (const leaf of [0x17, 0x40000000, 0x80000009, -1]) expect(ask(leaf)).toEqual(ask(0x16));
    expect([3, 4, 5, 6, 8, 0xa, 0xb, 0xd, 0x14].map((leaf) => ask(leaf).join())).toEqual(Array(9).fill('0,0,0,0'));
    expect(ask(0x80000005)).toEqual([0, 0, 0, 0]);
  });
});

describe('EFLAGS', () => {
  test('PUSHF hides VM and RF', () => {
    bare.protectedMode();
    r[EFLAGS] = 2 | 0x10000 | 0x200 | 0x200000;
    bare.run('pushf', 4);
    expect(bare.stack(1)).toEqual([0x200202]);
  });

  test.each([
    ['ring 0', 0, 0, 0x247fd7],
    ['ring 3, IOPL 3', 3, 3, 0x247fd7],
    ['ring 3, IOPL 0', 3, 0, 0x244dd7],
  ])('POPF of all ones in %s', (_what, ring, iopl, flags) => {
    bare.protectedMode(ring);
    r[EFLAGS] = 2 | (iopl << 12);
    bare.pushAll(4, -1);
    expect(bare.run('popf', 4)).toBe('');
    expect([r[EFLAGS].toString(16), r[ESP]]).toEqual([flags.toString(16), STACK]);
  });

  test('POPF with 16 bits leaves the upper half', () => {
    bare.protectedMode();
    r[EFLAGS] = 2 | 0x240000;
    bare.pushAll(2, 0xffff);
    bare.run('popf', 2);
    expect(r[EFLAGS].toString(16)).toBe('247fd7');
  });

  test.each(['pushf', 'popf', 'cli', 'sti'] as const)('%s needs IOPL 3 in virtual-8086 mode', (name) => {
    bare.virtual8086(2);
    expect(bare.run(name, 2)).toBe('#13(0)');
    bare.virtual8086(3);
    expect(bare.run(name, 2)).toBe('');
  });

  test('POPF in virtual-8086 mode leaves VM and IOPL', () => {
    bare.virtual8086(3);
    r[ESP] = STACK - 2;
    cpu.memory.write32(STACK - 2, 0);
    bare.run('popf', 2);
    expect(r[EFLAGS]).toBe(2 | 0x20000 | 0x3000);
  });

  test('CLI and STI need an IOPL not below the ring', () => {
    bare.protectedMode(3);
    expect(bare.run('cli')).toBe('#13(0)');
    r[EFLAGS] |= 0x3000;
    expect(bare.run('sti')).toBe('');
    expect(r[EFLAGS] & 0x200).toBe(0x200);
  });

  test('STI holds interrupts off for one instruction if they were off', () => {
    bare.reset();
    bare.run('sti');
    expect(r[61]).toBe(1);
    r[61] = 0;
    bare.run('sti');
    expect(r[61]).toBe(0);
  });

  test('LAHF and SAHF move the low byte, CMC, CLC, STC, CLD and STD one flag', () => {
    bare.reset();
    r[EAX] = 0xff00;
    bare.run('sahf');
    expect(r[EFLAGS]).toBe(0xd7);
    bare.run('cmc');
    expect(r[EFLAGS] & 1).toBe(0);
    bare.run('lahf');
    expect(r[EAX]).toBe(0xd600);
    bare.run('stc');
    bare.run('std');
    expect(r[EFLAGS]).toBe(0x4d7);
    bare.run('clc');
    bare.run('cld');
    expect(r[EFLAGS]).toBe(0xd6);
  });
});

describe('Ports', () => {
  test('IN and OUT reach the bus, and leave decoded code behind them', () => {
    bare.reset();
    cpu.leave = 0;
    r[EAX] = 0x5a;
    expect(bare.run('out', 1, 0x21)).toBe('');
    expect(cpu.leave).toBe(1);
    r[EAX] = -1;
    r[EDX] = 0x21;
    expect(bare.run('in', 1, -1)).toBe('');
    expect(r[EAX] & 0xff).toBe(0x5a);
    bare.run('in', 2, 0xe0);
    expect(r[EAX] & 0xffff).toBe(0xffff);
  });

  test('the time of the access is told first', () => {
    bare.reset();
    let told = 0;
    cpu.syncTime = () => told++;
    bare.run('in', 1, 0x40);
    expect(told).toBe(1);
  });

  const map = (port: number, byte: number): void => {
    cpu.memory.write(TSS + 0x66, Uint8Array.of(0x68, 0));
    cpu.memory.write(TSS + 0x68 + (port >>> 3), Uint8Array.of(byte));
  };

  test('above IOPL the bitmap of the task state decides, bit by bit', () => {
    bare.protectedMode(3);
    map(0x21, 0xfd);
    expect(bare.run('in', 1, 0x21)).toBe('');
    expect(bare.run('in', 2, 0x21)).toBe('#13(0)');
    expect(bare.run('in', 1, 0x20)).toBe('#13(0)');
  });

  test('a bitmap that ends before the port allows nothing', () => {
    bare.protectedMode(3);
    map(0x1f8, 0);
    expect(bare.run('in', 1, 0x1f0)).toBe('');
    expect(bare.run('in', 1, 0x1f8)).toBe('#13(0)');
    r[43] = 0x83;
    expect(bare.run('in', 1, 0x1f0)).toBe('#13(0)');
  });

  test('virtual-8086 code goes by the bitmap whatever IOPL is', () => {
    bare.virtual8086(3);
    map(0x20, 0xff);
    expect(bare.run('in', 1, 0x20)).toBe('#13(0)');
    map(0x20, 0);
    expect(bare.run('in', 1, 0x20)).toBe('');
  });

  test('at or below IOPL every port may be used', () => {
    bare.protectedMode(3);
    r[EFLAGS] |= 0x3000;
    expect(bare.run('in', 1, 0x20)).toBe('');
  });
});

test('HLT halts and leaves', () => {
  bare.reset();
  expect(bare.run('hlt')).toBe('');
  expect([r[60], cpu.leave]).toEqual([1, 1]);
});

test('UD2 and RSM are #UD', () => {
  bare.reset();
  expect([bare.run('ud'), bare.run('rsm')]).toEqual(['#6', '#6']);
});
