// SPDX-License-Identifier: MIT
//
// The short way of interrupts and IRET (flat-interrupts.ts) beside the general one, which alone is gone when the TLB is empty: the
// same registers, the same stacks, the same mode, on whatever the tables hold. And it is gone where it should be.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deliverFlat, returnFlat } from '../../kernel-worker/engines/i386/flat-interrupts.ts';
import { Delivery, deliver } from '../../kernel-worker/engines/i386/interrupts.ts';
import { setSegment } from '../../kernel-worker/engines/i386/segments.ts';
import { BareCpu, DATA, GDT, IDT, SEL, STACK, STACK0, TSS } from './bare-cpu.ts';

const [ES, CS, SS, DS, FS, GS] = [0, 1, 2, 3, 4, 5];
const ESP = 4;
const EFLAGS = 9;
const TR_LIMIT = 42;
const GDTR_LIMIT = 45;
const IDTR_LIMIT = 47;
const CR0 = 48;
const CR0_AM = 0x40000;
const NT = 0x4000;
const AC = 0x40000;
const PAGE = 4096;
/** What is described of the record, and more: the rest is never written. */
const RECORD_WORDS = 160;
const PAGES = [GDT, IDT, TSS, STACK0 - PAGE, STACK0, STACK - PAGE, STACK, DATA].map((address) => address & -PAGE);
const VECTOR = 0x21;
const HANDLER = 0xc0123456 | 0;
const bare = new BareCpu();
const { cpu, r } = bare;
const { memory } = cpu;
// Frames are given out at the first store: pages side by side lie apart then.
for (const page of PAGES.toReversed()) memory.write8(page, 0);

/** Mostly the first, which is what the short way is for. */
const mostly = <T>(usual: T, ...others: T[]) =>
  fc.oneof(
    { weight: 3 * others.length, arbitrary: fc.constant(usual) },
    { weight: others.length, arbitrary: fc.constantFrom(...others) },
  );

const flagBits = fc
  .tuple(...[0x8d5, 0x100, 0x200, 0x3000, 0x4000, 0x10000, 0x40000, 0x200000].map((bits) => mostly(0, bits)))
  .map((bits) => bits.reduce((all, bit) => all | bit, 2));
const codes = [
  SEL.code3,
  SEL.conforming0,
  SEL.code1,
  SEL.code16,
  SEL.absentCode,
  SEL.executeOnly,
  SEL.data0,
  SEL.tss,
  4,
  0,
  0x200,
];
const stacks = [
  SEL.data0,
  SEL.data3 | 3,
  SEL.data3,
  SEL.stack16 | 3,
  SEL.readOnly | 3,
  SEL.absentData,
  SEL.code0,
  0,
  0x200,
];
const tops = [STACK0, STACK0 - 4, STACK0 - PAGE + 20, STACK0 - PAGE + 24, STACK0 - PAGE + 12, STACK0 + 2, 0];

const world = fc.record({
  ring: fc.constantFrom(0, 3),
  flags: flagBits,
  /** Attributes of the flat segments of rings 0 and 3: as they are, not accessed, AVL, 16-bit, small, not present, with a base. */
  touch: mostly(0, 1, 2, 3, 4, 5, 6),
  touched: fc.constantFrom(SEL.code0, SEL.data0, SEL.code3, SEL.data3),
  segments: mostly('user', 'ring 0', 'null', 'based', 'execute only'),
  limits: mostly('far', 'gdt', 'idt', 'tss'),
  alignment: mostly(false, true),
});

const gates = fc.record({
  type: mostly(0xee, 0x8e, 0x8f, 0xef, 0x0e, 0x86, 0x85, 0x8c, 0x9e, 0xce),
  code: mostly<number>(SEL.code0, ...codes),
  rpl: fc.constantFrom(0, 3),
  stack: mostly<number>(SEL.data0, SEL.data0 | 3, ...stacks),
  top: mostly(STACK0, ...tops),
  esp: mostly(STACK, STACK - PAGE + 12, STACK - PAGE + 16, STACK - PAGE + 8, STACK - 1, 4),
  kind: fc.constantFrom<number>(...Object.values(Delivery)),
  errorCode: fc.constantFrom(-1, 0, 0x1234),
});

const returns = fc.record({
  code: mostly<number>(SEL.code0, SEL.code3 | 3, SEL.code3, SEL.code0 | 3, ...codes),
  inner: fc.boolean(),
  stack: mostly<number>(SEL.data3 | 3, ...stacks),
  flags: flagBits,
  virtual8086: mostly(false, true),
  esp: mostly(STACK - 64, STACK - 20, STACK - 16, STACK - 12, STACK - 8, STACK - 63),
});

type World = typeof world extends fc.Arbitrary<infer T> ? T : never;
type Gate = typeof gates extends fc.Arbitrary<infer T> ? T : never;
type Return = typeof returns extends fc.Arbitrary<infer T> ? T : never;

/** The usual, for examples that differ from it by one thing. */
const WORLD: World = {
  ring: 3,
  flags: 2,
  touch: 0,
  touched: SEL.code0,
  segments: 'user',
  limits: 'far',
  alignment: false,
};
const GATE: Gate = {
  type: 0xee,
  code: SEL.code0,
  rpl: 0,
  stack: SEL.data0,
  top: STACK0,
  esp: STACK,
  kind: Delivery.exception,
  errorCode: 0,
};
const RETURN: Return = {
  code: SEL.code3 | 3,
  inner: false,
  stack: SEL.data3 | 3,
  flags: 2,
  virtual8086: false,
  esp: STACK - 64,
};
const INNER: World = { ...WORLD, ring: 0 };

function touch(selector: number, how: number): void {
  const at = GDT + selector + 4;
  const high = memory.read32(at);
  if (how === 6) memory.write32(GDT + selector, 0x0010ffff);
  const changed = [high, high & ~0x100, high | 0x100000, high & ~0x400000, high & ~0x800000, high & ~0x8000, high][how];
  memory.write32(at, changed);
}

function build({ ring, flags, touch: how, touched, segments, limits, alignment }: World): void {
  bare.protectedMode(ring);
  r[EFLAGS] = flags;
  if (alignment) r[CR0] |= CR0_AM;
  const data = segments === 'ring 0' ? SEL.data0 : SEL.data3;
  for (const n of [ES, DS, FS, GS]) setSegment(cpu, n, data | ring, 0, -1, segments === 'ring 0' ? 0xc093 : 0xc0f3);
  if (segments === 'null') setSegment(cpu, DS, 0, 0, 0, 0x10000);
  if (segments === 'based') setSegment(cpu, ES, SEL.data3 | 3, 0x1000, -1, 0xc0f3);
  if (segments === 'execute only') setSegment(cpu, CS, cpu.selector(CS), 0, -1, 0xc099 | (ring << 5));
  if (limits === 'gdt') r[GDTR_LIMIT] = 0x17;
  if (limits === 'idt') r[IDTR_LIMIT] = VECTOR * 8 + 6;
  if (limits === 'tss') r[TR_LIMIT] = 8;
  touch(touched, how);
}

/** Forgets what was derived from the record and memory; then, for the short way, has all pages in the TLB, for both rings. */
function begin(warm: boolean): void {
  cpu.invalidate(bare.slot);
  cpu.fault = 0;
  cpu.leave = 0;
  cpu.interrupted = false;
  cpu.nextEip = 0x1002;
  if (!warm) return;
  for (const page of PAGES) {
    cpu.storeSystem8(page, memory.read8(page));
    cpu.mmu.store8(page, memory.read8(page));
  }
  cpu.fault = 0;
}

function outcome() {
  const { fault, faultCode, leave, interrupted, nextEip, cpl, mode } = cpu;
  cpu.flags.materialize();
  const bytes = PAGES.map((page) => Buffer.from(memory.read(page, PAGE)).toString('latin1'));
  const { bank } = cpu.mmu;
  return {
    fault,
    faultCode: fault === 0 ? 0 : faultCode,
    leave,
    interrupted,
    nextEip,
    cpl,
    mode,
    bank,
    record: r.subarray(0, RECORD_WORDS).join(' '),
    bytes,
  };
}

/** Compares what an action does with a full TLB and with an empty one, from the same state; true if the short way is open. */
function bothWays(action: () => void, isShort: () => boolean): boolean {
  const record = r.slice();
  const pages = PAGES.map((page) => memory.read(page, PAGE));
  const restart = (warm: boolean): void => {
    r.set(record);
    PAGES.forEach((page, i) => {
      memory.write(page, pages[i]);
    });
    begin(warm);
  };
  const [ours, general] = [true, false].map((warm) => {
    restart(warm);
    action();
    return outcome();
  });
  expect(ours).toEqual(general);
  restart(true);
  return isShort();
}

describe('The short way', () => {
  test('of a delivery does what the general one does', () => {
    let short = 0;
    fc.assert(
      fc.property(world, gates, (state, { type, code, rpl, stack, top, esp, kind, errorCode }) => {
        build(state);
        bare.idtGate(VECTOR, type, code | rpl, HANDLER);
        memory.write32(TSS + 4, top);
        memory.write16(TSS + 8, stack);
        r[ESP] = esp;
        const isShort = bothWays(
          () => deliver(cpu, VECTOR, kind, errorCode),
          () => deliverFlat(cpu, VECTOR, kind === Delivery.software, errorCode, 0, 0),
        );
        if (isShort) short++;
      }),
      {
        seed: 2008,
        numRuns: 600,
        examples: [
          [WORLD, GATE],
          [INNER, GATE],
          // A frame over two pages, and one that begins a page.
          [WORLD, { ...GATE, top: STACK0 - PAGE + 20 }],
          [WORLD, { ...GATE, top: STACK0 - PAGE + 24 }],
          [INNER, { ...GATE, esp: STACK - PAGE + 12 }],
          // A selector whose RPL is not the level of its segment.
          [WORLD, { ...GATE, stack: SEL.data0 | 3 }],
          // The user may not use the gate.
          [WORLD, { ...GATE, type: 0x8e, kind: Delivery.software, errorCode: -1 }],
        ],
      },
    );
    expect(short).toBeGreaterThan(60);
  });

  test('of IRET does what the general one does', () => {
    let short = 0;
    fc.assert(
      fc.property(world, returns, (state, { code, inner, stack, flags, virtual8086, esp }) => {
        build(state);
        const selector = inner && state.ring === 3 ? SEL.code3 | 3 : code;
        const words = [
          0x8049123,
          selector | 0x770000,
          flags | (virtual8086 ? 0x20000 : 0),
          0xbffff00,
          stack | 0x55550000,
        ];
        words.forEach((word, i) => {
          memory.write32(esp + 4 * i, word);
        });
        // The frame behind that of the stack's page in our own memory.
        memory.write32(STACK0, SEL.data3 | 3);
        r[ESP] = esp;
        const isShort = bothWays(
          () => void bare.run('iret', 4),
          () => (state.flags & NT) === 0 && returnFlat(cpu, 0),
        );
        if (isShort) short++;
      }),
      {
        seed: 2008,
        numRuns: 600,
        examples: [
          [INNER, RETURN],
          [WORLD, RETURN],
          // To where alignment is checked.
          [
            { ...INNER, flags: 2 | AC, alignment: true },
            { ...RETURN, flags: 2 | AC },
          ],
          [
            { ...INNER, alignment: true },
            { ...RETURN, flags: 2 | AC },
          ],
          [INNER, { ...RETURN, stack: SEL.data3 }],
          // Five words in the page, and not.
          [INNER, { ...RETURN, esp: STACK - 20 }],
          [INNER, { ...RETURN, esp: STACK - 16 }],
          [INNER, { ...RETURN, esp: STACK - 16, stack: 0 }],
          [{ ...INNER, segments: 'ring 0' }, RETURN],
        ],
      },
    );
    expect(short).toBeGreaterThan(60);
  });

  test('is not for a stack whose page is not in the TLB, and then changes nothing', () => {
    bare.protectedMode(3);
    bare.idtGate(VECTOR, 0xee, SEL.code0, HANDLER);
    begin(true);
    expect(deliverFlat(cpu, VECTOR, true, -1, 0, 2)).toBe(true);
    bare.protectedMode(3);
    bare.idtGate(VECTOR, 0xee, SEL.code0, HANDLER);
    begin(true);
    memory.write32(TSS + 4, STACK0 + 0x10000);
    const before = r.slice();
    expect(deliverFlat(cpu, VECTOR, true, -1, 0, 2)).toBe(false);
    expect(r).toEqual(before);
    expect(cpu.selector(SS)).toBe(SEL.data3 | 3);
  });
});
