// SPDX-License-Identifier: MIT
//
// What a report says of the CPU, field by field, and how it looks.
import { describe, expect, test } from 'vitest';
import { formatDeathReport } from '../../orchestrator/death/format.ts';
import { stopChainOf, stopChainWords } from '../../shared/stop.ts';
import { CODE, DyingPc, IDT } from './dying-pc.ts';

const UD2 = [0x0f, 0x0b];
const GDT = 0x9000;

describe('the exceptions', () => {
  test('are told in their order, each with its error code in words and the place it happened at', () => {
    const { chain } = new DyingPc([0x90, ...UD2]).die();
    const where = { cs: 8, eip: CODE + 1, external: false };
    expect(chain).toEqual([
      { ...where, vector: 6, name: '#UD', title: 'invalid opcode', errorCode: null, meaning: '' },
      {
        ...where,
        vector: 13,
        name: '#GP',
        title: 'general protection',
        errorCode: 0x33,
        meaning: 'IDT gate 6, while delivering',
      },
      {
        ...where,
        vector: 13,
        name: '#GP',
        title: 'general protection',
        errorCode: 0x6b,
        meaning: 'IDT gate 13, while delivering',
      },
      { ...where, vector: 8, name: '#DF', title: 'double fault', errorCode: 0, meaning: '' },
      {
        ...where,
        vector: 13,
        name: '#GP',
        title: 'general protection',
        errorCode: 0x43,
        meaning: 'IDT gate 8, while delivering',
      },
    ]);
  });

  test('name a selector with its table', () => {
    const LDS = (selector: number): number[] => [0xb8, selector, 0, 0, 0, 0x8e, 0xd8];
    const meaning = (selector: number): string => new DyingPc(LDS(selector)).die().chain[0].meaning;
    expect([meaning(0x6b), meaning(0x6f)]).toEqual(['selector 0x0068 of the GDT', 'selector 0x006c of the LDT']);
  });

  test('tell a page fault in words; CR2 is that of the last one', () => {
    const STORE = [0xa3, 0x00, 0x00, 0x30, 0x00];
    const { chain } = new DyingPc(STORE).paging(1).die();
    expect(chain.map(({ name, meaning }) => [name, meaning])).toEqual([
      ['#PF', 'supervisor write, not present'],
      ['#PF', 'supervisor read, not present'],
      ['#DF', ''],
      ['#PF', 'supervisor read at 0x00008040, not present'],
    ]);
  });

  test('survive in the words of the slot, six of them', () => {
    const chain = [32, 0, 13, 14, 8, 10].map((vector, i) => ({
      vector,
      external: i === 0,
      errorCode: i === 0 ? -1 : i,
      eip: 0xc0100000 + i,
      cs: 0x60,
    }));
    expect(stopChainOf(stopChainWords(chain).map((word) => word >>> 0))).toEqual(chain);
    expect(stopChainOf(stopChainWords([]))).toEqual([]);
  });
});

describe('the instruction', () => {
  test('stands between its neighbours', () => {
    const { lines } = new DyingPc([0xb8, 1, 0, 0, 0, 0x40, 0x89, 0xc3, ...UD2, 0xc3]).die();
    expect(lines.map(({ text, isCurrent }) => (isCurrent ? `> ${text}` : text)).slice(0, 5)).toEqual([
      'mov eax, 1',
      'inc eax',
      'mov ebx, eax',
      '> ud2',
      'ret',
    ]);
    expect(lines[3]).toMatchObject({ address: CODE + 8, bytes: '0f0b' });
  });

  test('is read through paging, across pages, in the size of its segment', () => {
    const pc = new DyingPc([]).paging(1, 8);
    // Linear page 0x300 is physical page 2, and the next one page 3.
    pc.write32(0x11000 + 4 * 0x300, 0x2003, 0x3003).write(0x2ffe, [0x66, 0xa1, 0x34, 0x52]);
    pc.segment(1, 8, 0, 0xffffffff | 0, 0x809b);
    pc.set('eip', 0x300ffe);
    const { lines, mode } = pc.die(1);
    expect(mode).toBe('16-bit protected mode, 32-bit paging');
    expect(lines.find(({ isCurrent }) => isCurrent)).toMatchObject({ address: 0x300ffe, text: 'mov eax, [0x5234]' });
  });
});

describe('the registers', () => {
  test('are whole, with the names of the bits that are set', () => {
    const pc = new DyingPc(UD2)
      .paging(1, 8)
      .set('cr4', 0x90)
      .set('esi', 0xdeadbeef | 0);
    const { cpu, bits } = pc.set('eflags', 0x4c7).die();
    expect(cpu.general).toMatchObject({ esi: 0xdeadbeef, eip: CODE });
    expect(bits).toEqual({
      eflags: ['CF', 'PF', 'ZF', 'SF', 'DF'],
      cr0: ['PE', 'ET', 'PG'],
      cr3: [],
      cr4: ['PSE', 'PGE'],
      efer: [],
    });
    expect(cpu.segments.cs).toEqual({ selector: 8, base: 0, limit: 0xffffffff, attributes: 0xc09b });
  });
});

describe('the tables', () => {
  const gates = (pc: DyingPc): string[] => pc.die().descriptors.map(({ where, text }) => `${where}: ${text}`);

  test('show the gates of the vectors, and the descriptors that they name', () => {
    const pc = new DyingPc(UD2).table('gdtr', GDT, 0x17).write32(GDT + 8, 0x1234ffff, 0x00cf1a56 | 0);
    pc.write32(IDT + 8 * 6, 0x00082000, 0x00008f00 | 0xc0100000).write32(IDT + 8 * 13, 0x00102000, 0x00000e00);
    expect(gates(pc)).toEqual([
      'GDT 0x0008: 32-bit code, readable, DPL 0, not present  base 0x00561234 limit 0xffffffff',
      'IDT 6: 32-bit trap gate, DPL 0  to 0x0008:c0102000',
      'IDT 11: an empty entry',
      'IDT 13: 32-bit interrupt gate, DPL 0, not present  to 0x0010:00002000',
      'GDT 0x0010: an empty entry',
      'IDT 8: an empty entry',
    ]);
  });

  test('tell what is no gate, and where a table ends', () => {
    const pc = new DyingPc(UD2).table('idtr', IDT, 0x37).write32(IDT + 8 * 6, 0x00082000, 0x00009300);
    expect(gates(pc).slice(0, 2)).toEqual([
      'IDT 6: no gate: 16-bit data, writable, DPL 0',
      'IDT 13: behind the end of the table, whose limit is 0x0037',
    ]);
  });

  test('are vectors in real mode', () => {
    const pc = new DyingPc([]).real(0x100, 0).write(0x1000, UD2) as DyingPc;
    const report = pc.table('idtr', 0, 3).die();
    expect(report.mode).toBe('16-bit real mode');
    expect(report.descriptors[0]).toMatchObject({
      where: 'IVT 6',
      text: 'behind the end of the table, whose limit is 0x0003',
    });
    expect(report.hints).toEqual([]);
  });
});

describe('the walk of the page tables', () => {
  test('is told step by step, of 32-bit paging', () => {
    const { walks } = new DyingPc([0xa1, 0x00, 0x50, 0x00, 0x00]).paging(1).table('idtr', 0x9000, 0x7ff).die();
    expect(walks).toEqual([
      {
        of: 'CR2',
        linAddr: 0x9000 + 8 * 8,
        steps: [
          { table: 'PDE', physAddr: 0x10000, entry: 0x11023, high: 0, flags: ['P', 'W', 'A'] },
          { table: 'PTE', physAddr: 0x11024, entry: 0, high: 0, flags: [] },
        ],
        physAddr: null,
        problem: 'the PTE is not present',
      },
    ]);
  });

  test('is told of PAE, with a large page and one above the memory', () => {
    const pc = new DyingPc([0xa1, 0x00, 0x00, 0x00, 0x40]).write32(0x10000, 0x12001, 0, 0x13001, 0);
    pc.write32(0x12000, 0x83, 0).write32(0x13000, 0x81, 1);
    pc.set('cr3', 0x10000)
      .set('cr4', 0x20)
      .set('cr0', 0x80000011 | 0);
    const { walks, mode } = pc.die();
    expect(mode).toBe('32-bit protected mode, PAE paging');
    expect(walks[0].steps.map(({ table, physAddr }) => [table, physAddr])).toEqual([
      ['PDPTE', 0x10008],
      ['PDE', 0x13000],
    ]);
    expect(walks[0].problem).toBe('the PDE has bits set above the 4 GiB of this machine');
  });
});

describe('the report', () => {
  const reports = () => [
    new DyingPc(UD2).entered(0x606).table('idtr', 0, 0).die(),
    new DyingPc([0xa3, 0x00, 0x00, 0x30, 0x00]).entered().paging(1).die(),
    new DyingPc([0xe9, 0xfb, 0xef, 0xff, 0x7f]).die(),
  ];

  test('is plain data: nothing of it is lost as JSON', () => {
    for (const report of reports()) expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  test('is at most 100 columns wide, with every label in its column', () => {
    for (const report of reports()) {
      const lines = formatDeathReport(report).split('\n');
      expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(100);
      expect(lines.slice(1).every((line) => /^(?: {11}|[a-z]+ +)\S| {11} +/.test(line))).toBe(true);
      expect(lines.every((line) => line === line.trimEnd())).toBe(true);
    }
  });

  test('marks headings and the instruction where it is asked to', () => {
    const text = formatDeathReport(reports()[0], { bold: (s) => `<${s}>`, dim: (s) => `[${s}]` });
    expect(text).toMatch(/^<pc died of a triple fault>\n/);
    expect(text).toContain('[why        ]');
    expect(text).toMatch(/\]<> 00001000 {2}0f0b {20}ud2>\n/);
  });

  test('tells the last switch, and how long it was ago', () => {
    const [report] = reports();
    expect(report.lastSwitch).toEqual({
      from: 'peer',
      to: 'pc',
      tick: 0,
      agoTicks: report.tick,
      eip: CODE,
      eflags: 0x606,
    });
    expect(formatDeathReport(report)).toContain('last switch peer → pc at tick 0, ');
  });
});
