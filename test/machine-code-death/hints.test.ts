// SPDX-License-Identifier: MIT
//
// Each rule of the hints, on code that dies of it; and that it is silent where its traces are not.
import { describe, expect, test } from 'vitest';
import { StopCode } from '../../shared/stop.ts';
import { CODE, DyingPc, flowing, IDT, ruleNames } from './dying-pc.ts';

const UD2 = [0x0f, 0x0b];
const CLI_HLT = [0xfa, 0xf4];
const MOV_EAX = (value: number): number[] => [0xb8, ...new Uint8Array(Uint32Array.of(value).buffer)];
const MOV_DS_EAX = [0x8e, 0xd8];
const OUT = (port: number, ...values: number[]): number[] => values.flatMap((value) => [0xb0, value, 0xe6, port]);
/** PIC with the vectors of the BIOS, IRQ 0 alone; PIT at a rate; interrupts on; a loop. */
const TIMER_RUNS = [
  ...OUT(0x20, 0x11),
  ...OUT(0x21, 0x08, 0x04, 0x01, 0xfe),
  ...OUT(0x43, 0x34),
  ...OUT(0x40, 0x10, 0x00),
  ...[0xfb, 0xeb, 0xfe],
];

describe('the GDT hole', () => {
  const code = [...MOV_EAX(0x68), ...MOV_DS_EAX];

  test('is a segment load with GDTR limit 0 after a jump; the GDT that it had is told', () => {
    const pc = new DyingPc(code).entered();
    pc.slot.set('gdtBase', 0xc0101000);
    pc.slot.set('gdtLimit', 0xff);
    const report = pc.die();
    expect(report.hints[0]).toMatchObject({ rule: 'gdt-hole', section: '3.6' });
    expect(flowing(report)).toContain("it was base 0xc0101000 limit 0x00ff. do: use mode 'repaired'");
    expect(flowing(report)).toContain('why gdt-hole (§3.6): A segment was needed');
  });

  test('is no hole of the protocol where nobody jumped', () => {
    expect(new DyingPc(code).die().hints[0].what).toContain('no GDT was loaded');
  });

  test('is none with a GDT, whatever is wrong with it', () => {
    expect(ruleNames(new DyingPc(code).entered().table('gdtr', 0x9000, 0xff).die())).toEqual([]);
  });
});

describe('the PAE hole', () => {
  test('is a page fault with CR4.PAE = 0 in a kernel that left with PAE', () => {
    const pc = new DyingPc(UD2).paging(5);
    pc.slot.set('pagingCr4', 0x20);
    expect(pc.die().hints[0]).toMatchObject({ rule: 'pae-hole', section: '3.7' });
  });

  test('is none in a kernel that left without', () => {
    expect(ruleNames(new DyingPc(UD2).paging(5).die())).not.toContain('pae-hole');
  });
});

describe('interrupts', () => {
  test('with IDTR limit 0 come in the window between two IDTs', () => {
    const report = new DyingPc(TIMER_RUNS).entered(0x206).table('idtr', 0, 0).die();
    expect(ruleNames(report)).toEqual(['idt-window']);
    expect(report.hints[0].what).toContain('INT 8 came while IDTR has limit 0');
    expect(report.hints[0].what).toContain('peer had left with IF = 1');
    expect(report.chain.map(({ name }) => name)).toEqual(['INT 8', '#GP', '#GP', '#DF', '#GP']);
  });

  test('without a gate come from a timer that somebody left running', () => {
    const report = new DyingPc(TIMER_RUNS).die();
    expect(ruleNames(report)).toEqual(['irq-left-running']);
    expect(report.hints[0].what).toContain('The PIC still has the vectors of the BIOS');
  });

  test('are not blamed for an exception without an IDT: that is said of the first one', () => {
    const report = new DyingPc(UD2).table('idtr', 0, 0).die();
    expect(ruleNames(report)).toEqual(['no-idt']);
    expect(report.hints[0].what).toContain('#UD is the one to look at');
  });
});

describe('DF = 1', () => {
  test('is told if the peer left so, whatever DF is at the end', () => {
    const report = new DyingPc(UD2).entered(0x406).die();
    expect(ruleNames(report)).toEqual(['direction-flag']);
    expect(report.hints[0].what).toContain('peer left with DF = 1');
  });

  test('is told of a string instruction, and of no other', () => {
    const STD = 0xfd;
    const REP_MOVSD = [0xf3, 0xa5];
    const copy = new DyingPc([STD, ...REP_MOVSD]).paging(1).set('esi', 0x1000).set('edi', 0x1000).set('ecx', 9);
    expect(ruleNames(copy.die())).toContain('direction-flag');
    expect(ruleNames(new DyingPc([STD, ...UD2]).die())).toEqual([]);
  });
});

describe('jumps to where no code is', () => {
  test('to address 0: the start of the image was stale', () => {
    const report = new DyingPc([]).entered(0x06, 0).set('eip', 0).die(2_000_000);
    expect(ruleNames(report)).toEqual(['entered-at-zero', 'no-memory']);
    expect(report.hints[1].what).toContain('it ran through zeros to the end of memory');
    expect([report.lines, report.isMapped]).toEqual([[], false]);
  });

  test('into zeros that fault', () => {
    const report = new DyingPc([]).paging(1).set('eax', 0x300000).die();
    expect(ruleNames(report)).toEqual(expect.arrayContaining(['zeros']));
  });

  test('behind the end of memory', () => {
    const report = new DyingPc([0xe9, 0xfb, 0xef, 0xff, 0x7f]).die();
    expect(ruleNames(report)).toEqual(['no-memory']);
    expect(report.hints[0].what).toBe('No memory is at EIP.');
  });

  test('to the re-entry of a control page at which nobody is parked', () => {
    const at = 0x50d7;
    const pc = new DyingPc([0x0f, 0x3f], at).entered();
    pc.slot.set('entry', at);
    const report = pc.die();
    expect(ruleNames(report)).toEqual(['no-reentry']);
    expect(report.hints[0].what).toContain('peer called 0x000050d7');
    expect(report.hints[0].what).toContain('Its mark is still there.');
  });

  test('to the own re-entry is no such thing', () => {
    expect(ruleNames(new DyingPc(UD2, 0x50d7).entered().die())).toEqual([]);
  });

  test('to a new kernel while all slots are taken', () => {
    const pc = new DyingPc(CLI_HLT);
    pc.slot.setStop(StopCode.badEntry, 0x7000, 'it jumped to 0x00007000');
    expect(pc.die().hints[0]).toMatchObject({ rule: 'no-slot', section: '3.8' });
  });
});

describe('paging', () => {
  test('code without execute permission', () => {
    const pc = new DyingPc(UD2).write32(0x10000, 0x11001, 0).write32(0x11000, 0x12003, 0);
    pc.write32(0x12008, 0x1003, 0x80000000);
    pc.set('cr3', 0x10000)
      .set('cr4', 0x20)
      .set('efer', 0x800)
      .set('cr0', 0x80000011 | 0);
    const report = pc.die();
    expect(ruleNames(report)).toContain('no-execute');
    expect(report.lines.find(({ isCurrent }) => isCurrent)?.text).toBe('ud2');
  });

  test('code that its own tables do not map is shown as it lies at the physical address', () => {
    const PAGING_ON = [0x0f, 0x22, 0xc0];
    const pc = new DyingPc([...PAGING_ON, 0x90, 0xc3])
      .paging(8)
      .set('cr0', 0x11)
      .set('eax', 0x80000011 | 0);
    const report = pc.die();
    expect(ruleNames(report)).toEqual(['not-identity']);
    expect(report.hints[0].what).toContain('Behind `mov cr0, eax` the code itself is not mapped');
    expect(report.isMapped).toBe(false);
    expect(report.lines.find(({ isCurrent }) => isCurrent)).toMatchObject({ address: CODE + 3, text: 'nop' });
  });

  test('a stack that is not there', () => {
    const GATE_TO_CODE = [0x00081000, 0x00008e00];
    const pc = new DyingPc(UD2).paging(1, 8, 9).set('esp', 0x6000).table('gdtr', 0x9000, 0x0f);
    pc.write32(0x9008, 0x0000ffff, 0x00cf9b00);
    for (const vector of [6, 8, 14]) pc.write32(IDT + 8 * vector, ...GATE_TO_CODE);
    const report = pc.die();
    expect(ruleNames(report)).toEqual(['stack-unmapped']);
    expect(report.cpu.cr2).toBe(0x6000 - 4);
  });

  test('descriptor tables that are not there', () => {
    const report = new DyingPc(UD2).paging(1, 6).die();
    expect(ruleNames(report)).toEqual(['tables-unmapped']);
    expect(report.hints[0].what).toContain('The table of IDTR (base 0x00008000 limit 0x07ff) is not mapped');
  });
});

test('a store outside the windows names what it may store to', () => {
  const pc = new DyingPc([0xa3, 0x00, 0x00, 0x18, 0x00]);
  pc.slot.windows = [{ firstPage: 0, endPage: 256, shared: false }];
  const report = pc.die();
  expect(report).toMatchObject({ code: 'windowViolation', address: 0x180000, chain: [] });
  expect(ruleNames(report)).toEqual(['window']);
  expect(report.hints[0].what).toContain('It stored to 0x00180000; it may store to 0 to 1M.');
});

describe('an exchange of pages', () => {
  const page = (from: number, to: number): number[] => [
    ...[0xbe, 0, from, 0, 0, 0xbf, 0, to, 0, 0, 0xb9, 0, 4, 0, 0],
    ...[0xf3, 0xa5],
  ];

  test('that was cut short is told with the last page', () => {
    const copies = [...page(0x20, 0x30), ...page(0x40, 0x20), ...page(0x30, 0x40), ...page(0x50, 0x30)];
    const report = new DyingPc([...copies, ...UD2]).die();
    expect(report.lastMove).toEqual({ from: 0x5000, to: 0x3000, copies: 4 });
    expect(ruleNames(report)).toEqual(['torn-exchange']);
    expect(report.hints[0].what).toContain('1 were exchanged, of the next one 1 of 3 copies were made');
  });

  test('that is whole is history only, and one in paged memory is none', () => {
    const copies = [...page(0x20, 0x30), ...page(0x40, 0x20), ...page(0x30, 0x40), ...UD2];
    const report = new DyingPc(copies).die();
    expect([ruleNames(report), report.lastMove?.copies]).toEqual([[], 3]);
    expect(new DyingPc([...page(0x20, 0x30), ...UD2]).paging(1, 2, 3).die().lastMove).toBeNull();
  });
});

test('a death that no rule knows is told by its text', () => {
  const report = new DyingPc(UD2).die();
  expect(report.hints).toEqual([]);
  expect(flowing(report)).toContain('why triple fault at 0x00001000: vector 6, then 13, then 13, then 8, then 13');
});
