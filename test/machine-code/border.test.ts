// SPDX-License-Identifier: MIT
//
// What a peer finds at its first instruction, after relocate_kernel in machine code has run on the engine: every value of the
// kexec-jump reference §3.3. And what becomes of those who do not keep to the contract of the border.
import { describe, expect, test } from 'vitest';
import { CPU } from '../../shared/layout/cpu-state.ts';
import { AT, CALLER, DONE, destination, FREE_PAGE, HEAD, PAGE, PAGE_OFFSET, StubPc, source } from './stub-pc.ts';

const W = FREE_PAGE;
const SOURCE = FREE_PAGE + 0x100;
const START = W * PAGE + 0x40;
const REENTRY = AT.control + 0xd7;
const HLT = 0xf4;
/** The bits of CR0 that the way out keeps (reference §3.1). */
const CR0_KEPT = 0x7ffafff3;

const KERNELS = [
  { kind: 'strict', pae: false },
  { kind: 'strict', pae: true },
  { kind: 'repaired', pae: false },
  { kind: 'repaired', pae: true },
] as const;

/** Two pages change places; the peer's code is in the first one. */
function kernel(options: ConstructorParameters<typeof StubPc>[0] = {}, code: readonly number[] = [HLT]): StubPc {
  const pc = new StubPc(options);
  pc.writeList([destination(W), source(SOURCE), source(SOURCE + 1), DONE]);
  pc.pc.write(SOURCE * PAGE + 0x40, code);
  return pc;
}

const general = (pc: StubPc) =>
  Object.fromEntries(
    (['eax', 'ebx', 'ecx', 'edx', 'esi', 'edi', 'ebp'] as const).map((name) => [name, pc.register(name)]),
  );
const selectors = (pc: StubPc) => (['cs', 'ds', 'es', 'ss', 'fs', 'gs'] as const).map((name) => pc.register(name));
const words = (pc: StubPc, name: 'gdtr' | 'idtr' | 'cs' | 'ss', count: number) =>
  Array.from({ length: count }, (_, i) => pc.pc.r[CPU[name] / 4 + i]);

describe.each(KERNELS)('behind the $kind stub of a kernel with PAE: $pae', (options) => {
  test('case 33: the peer sees ESP = SW+0xFFC, [ESP] = CP+0xD7, CR0 masked, CR3 = CR4 = 0, EFLAGS = 6, no GDT, no IDT', () => {
    const pc = kernel(options);
    expect(pc.call({ start: START })).toBe('to the peer');
    expect(pc.register('eip')).toBe(START);
    expect(pc.register('esp')).toBe(AT.swap + 0xffc);
    expect(pc.word(pc.register('esp'))).toBe(REENTRY);
    expect(pc.register('cr0')).toBe(((CALLER.cr0 & CR0_KEPT) | 1) >>> 0);
    expect([pc.register('cr2'), pc.register('cr3'), pc.register('cr4')]).toEqual([CALLER.cr2 >>> 0, 0, 0]);
    expect(pc.register('eflags')).toBe(0x06);
    expect([words(pc, 'gdtr', 2), words(pc, 'idtr', 2)]).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(selectors(pc)).toEqual([0x60, 0x68, 0x68, 0x68, 0xd8, 0x33]);
    expect(words(pc, 'cs', 3)).toEqual([0x60, 0, -1]);
    expect(words(pc, 'ss', 3)).toEqual([0x68, 0, -1]);
  });

  test('case 34: a plain kexec peer sees all GPRs 0, ESP = CP+0xFFC, [ESP] = 0', () => {
    const pc = kernel(options);
    expect(pc.call({ start: START, preserve: false })).toBe('to the peer');
    expect(general(pc)).toEqual({ eax: 0, ebx: 0, ecx: 0, edx: 0, esi: 0, edi: 0, ebp: 0 });
    expect(pc.register('esp')).toBe(AT.control + 0xffc);
    expect(pc.word(pc.register('esp'))).toBe(0);
    expect(pc.register('eflags')).toBe(0x46);
    expect(pc.register('cr0')).toBe(((CALLER.cr0 & CR0_KEPT) | 1) >>> 0);
    expect([pc.register('cr3'), pc.register('cr4')]).toEqual([0, 0]);
    expect(selectors(pc)).toEqual([0x60, 0x68, 0x68, 0x68, 0xd8, 0x33]);
  });

  test('case 35: EAX = 0, EBX = head, ECX = 4, EDX = entry, ESI = 1, EDI = CP, EBP = the page_list’s virtual address', () => {
    const pc = kernel(options);
    pc.call({ start: START });
    const { listAt } = pc;
    expect(general(pc)).toEqual({ eax: 0, ebx: HEAD, ecx: 4, edx: START, esi: 1, edi: AT.control, ebp: listAt });
  });

  test('the control page holds what the way back needs', () => {
    const pc = kernel(options);
    pc.call({ start: START });
    const saved = [0x800, 0x804, 0x808, 0x80c, 0x810, 0x814, 0x818, 0x81c].map((at) => pc.word(AT.control + at));
    const esp = pc.callerEsp - 20;
    const va = PAGE_OFFSET + AT.control;
    expect(saved).toEqual([esp, CALLER.cr0 >>> 0, AT.tables, pc.cr4, va, AT.transition, AT.swap, HEAD]);
  });
});

test('case 36: on a CPU without PAE, which stands for one without CR4, the stub leaves CR4 alone', () => {
  const pc = kernel();
  pc.call({ start: START, hasPae: false });
  expect(pc.register('cr4')).toBe(0x10);
});

test('the way out clears PG, AM, WP, TS and EM and sets PE; CD, NW, NE, ET and MP stay', () => {
  expect(CR0_KEPT >>> 0).toBe(~(0x80000000 | 0x40000 | 0x10000 | 0x8 | 0x4) >>> 0);
  const pc = kernel();
  pc.call({ start: START });
  expect(pc.register('cr0')).toBe(0x60000033);
});

describe('between the tables', () => {
  const UD2 = [0x0f, 0x0b];
  const WAIT_FOR_INTERRUPT = [0xfb, 0xf4];

  test('case 53: an exception before the peer has an IDT is a triple fault', () => {
    const pc = kernel({}, UD2);
    pc.call({ start: START });
    expect(pc.run()).toBe('to an end');
    expect(pc.pc.stopText).toMatch(/triple fault at 0x00100040: vector 6, then 13/);
  });

  test('case 53: an interrupt before the peer has an IDT is a triple fault', () => {
    const pc = kernel({}, WAIT_FOR_INTERRUPT);
    const { board } = pc.pc;
    // The leaver’s 8259A and 8254 as it left them: lines at 0x20, nothing masked, 100 Hz.
    for (const [port, value] of [
      [0x20, 0x11],
      [0x21, 0x20],
      [0x21, 4],
      [0x21, 1],
      [0x21, 0],
      [0x43, 0x34],
      [0x40, 0x9c],
      [0x40, 0x2e],
    ]) {
      board.bus.write8(port, value);
    }
    pc.call({ start: START });
    expect(pc.run()).toBe('to an end');
    expect(pc.pc.stopText).toMatch(/triple fault at .*: vector 32, then 13/);
  });

  test('the leaver’s tables are gone behind the call: a fault of its own code is a triple fault, too', () => {
    const pc = kernel({ kind: 'strict' }, [0xc3]);
    // Behind the call of the stub: load SS.
    pc.pc.write(AT.code, [0x8e, 0xd0]);
    pc.call({ start: START });
    expect(pc.run()).toBe('to an end');
    expect(pc.pc.stopText).toContain(`triple fault at 0xc0010000: vector 13`);
  });
});

describe('the holes of the way back', () => {
  const RET = [0xc3];
  /** MOV EAX, 0x68; MOV SS, EAX; HLT: what restore_processor_state does first. */
  const LOAD_SS = [0xb8, 0x68, 0, 0, 0, 0x8e, 0xd0, 0xf4];

  function backTo(kind: 'strict' | 'repaired', pae: boolean, peer: readonly number[] = RET): StubPc {
    const pc = kernel({ kind, pae, mode: 'strict' }, peer);
    pc.pc.write(AT.code, LOAD_SS);
    pc.call({ start: START });
    return pc;
  }
  const LGDT_OF_THE_LEAVER = [0x0f, 0x01, 0x15, ...[0x00, 0x08, 0x10, 0x00]];
  const SET_PAE = [0x0f, 0x20, 0xe0, 0x83, 0xc8, 0x20, 0x0f, 0x22, 0xe0];

  function withGdtWord(pc: StubPc): StubPc {
    // The operand of LGDT, in the window at 0x100800.
    pc.put(W * PAGE + 0x800, 0xff | (((PAGE_OFFSET + AT.gdt) & 0xffff) << 16));
    pc.put(W * PAGE + 0x804, (PAGE_OFFSET + AT.gdt) >>> 16);
    return pc;
  }

  test('case 50: the strict stub comes back without a GDT, and the first load of SS is a triple fault', () => {
    const pc = backTo('strict', false);
    expect(pc.run()).toBe('to an end');
    expect(pc.pc.stopText).toContain('triple fault at 0xc0010005: vector 13');
  });

  test('case 50: it survives if the peer has loaded the leaver’s GDT at its virtual address', () => {
    const pc = withGdtWord(backTo('strict', false, [...LGDT_OF_THE_LEAVER, ...RET]));
    expect(() => pc.run()).toThrow('halts at c0010008');
    expect(pc.register('ss')).toBe(0x68);
  });

  test('case 50: the repaired stub brings the GDT back by itself', () => {
    const pc = backTo('repaired', false);
    expect(() => pc.run()).toThrow('halts at c0010008');
    expect(words(pc, 'gdtr', 2)).toEqual([(PAGE_OFFSET + AT.gdt) | 0, 0xff]);
  });

  test('case 51: the strict stub switches a PAE kernel’s paging on with CR4.PAE = 0: the end, right there', () => {
    const pc = withGdtWord(backTo('strict', true, [...LGDT_OF_THE_LEAVER, ...RET]));
    expect(pc.run()).toBe('to an end');
    expect(pc.pc.stopText).toMatch(/triple fault at 0x000501[0-9a-f]{2}: vector 14/);
  });

  test('case 51: it survives if the peer has set CR4.PAE', () => {
    const pc = withGdtWord(backTo('strict', true, [...SET_PAE, ...LGDT_OF_THE_LEAVER, ...RET]));
    expect(() => pc.run()).toThrow('halts at c0010008');
    expect(pc.register('cr4')).toBe(0x20);
  });

  test('case 51: the repaired stub sets CR4.PAE by itself', () => {
    const pc = backTo('repaired', true);
    expect(() => pc.run()).toThrow('halts at c0010008');
    expect(pc.register('cr4')).toBe(0x20);
  });

  test('case 52: with DF set on return the swap runs downward and destroys memory', () => {
    const pc = kernel({ mode: 'strict' }, [0xfd, 0xc3]);
    const before = pc.ram();
    pc.call({ start: START });
    let came = '';
    try {
      came = pc.run();
    } catch {
      came = 'elsewhere';
    }
    expect(came).not.toBe('back');
    const page = (index: number) => before.subarray(index * PAGE, (index + 1) * PAGE);
    expect(Buffer.compare(pc.page(W), page(W)) === 0 && Buffer.compare(pc.page(W - 1), page(W - 1)) === 0).toBe(false);
  });
});

test('case 56: page tables inside a destination work: they are used before the first page moves and after the last is back', () => {
  const pc = new StubPc();
  const tables = AT.transition / PAGE;
  pc.writeList([
    destination(tables),
    source(SOURCE),
    source(SOURCE + 1),
    source(SOURCE + 2),
    destination(W),
    source(SOURCE + 3),
    DONE,
  ]);
  pc.pc.write((SOURCE + 3) * PAGE + 0x40, [0xc3]);
  const before = pc.page(tables);
  expect(pc.call({ start: START })).toBe('to the peer');
  expect(Buffer.compare(pc.page(tables), before)).not.toBe(0);
  expect(pc.run()).toBe('back');
  expect(Buffer.compare(pc.page(tables), before)).toBe(0);
});

test('case 58: the list of a crash image is its DONE word: nothing moves, and the stack is where the undefined swap page says', () => {
  const pc = new StubPc();
  pc.pc.write(W * PAGE + 0x40, [HLT]);
  const before = pc.ram();
  expect(pc.call({ head: DONE, start: START })).toBe('to the peer');
  expect([pc.register('ebx'), pc.register('ecx'), pc.register('esp')]).toEqual([4, 4, AT.swap + 0xffc]);
  for (const page of [W, SOURCE]) {
    expect(Buffer.compare(pc.page(page), before.subarray(page * PAGE, (page + 1) * PAGE))).toBe(0);
  }
});
