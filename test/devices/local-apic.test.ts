// SPDX-License-Identifier: MIT
// The local APIC, by sentences of the SDM, vol. 3A chapter 10, and the IMCR by the MultiProcessor Specification 1.4.
import { beforeEach, describe, expect, test } from 'vitest';
import type { LocalApic } from '../../kernel-worker/devices/local-apic.ts';
import { LOCAL_APIC_ADDRESS } from '../../shared/layout/local-apic-state.ts';
import { TestBoard } from './test-board.ts';

const ID = 0x20;
const VERSION = 0x30;
const TPR = 0x80;
const PPR = 0xa0;
const EOI = 0xb0;
const LDR = 0xd0;
const DFR = 0xe0;
const SVR = 0xf0;
const ESR = 0x280;
const ICR = 0x300;
const TIMER = 0x320;
const LINT0 = 0x350;
const ERROR = 0x370;
const INITIAL = 0x380;
const CURRENT = 0x390;
const DIVIDE = 0x3e0;
const MASKED = 0x10000;
const PERIODIC = 0x20000;
const EXTINT = 0x700;
const TO_SELF = 0x40000;
/** A cycle of the crystal, in ticks. */
const CYCLE = 10;

let board: TestBoard;
let apic: LocalApic;

beforeEach(() => {
  board = new TestBoard(null);
  board.initializePics();
  apic = board.localApic;
});

const read = (register: number): number => board.bus.readMemory(LOCAL_APIC_ADDRESS + register, 4) >>> 0;
const write = (register: number, value: number): void => board.bus.writeMemory(LOCAL_APIC_ADDRESS + register, 4, value);
const enable = (spurious = 0xff): void => write(SVR, 0x100 | spurious);
const toSelf = (vector: number): void => write(ICR, TO_SELF | vector);
const imcr = (value: number): void => {
  board.out8(0x22, 0x70);
  board.out8(0x23, value);
};
/** The vectors in an array of 256 bits. */
const vectors = (first: number): number[] =>
  Array.from({ length: 256 }, (_, n) => n).filter((n) => (read(first + (n >>> 5) * 16) & (1 << (n & 31))) !== 0);

describe('after power-on', () => {
  test('it is disabled by software, every local entry is masked, and it tells its version and entries', () => {
    expect(read(VERSION)).toBe(0x50014);
    expect([read(ID), read(SVR), read(TPR), read(LDR), read(DFR)]).toEqual([0, 0xff, 0, 0, 0xffffffff]);
    expect([0x320, 0x330, 0x340, 0x350, 0x360, 0x370].map(read)).toEqual(Array(6).fill(MASKED));
    write(TIMER, 0x40);
    expect(read(TIMER)).toBe(MASKED | 0x40);
    toSelf(0x40);
    expect(apic.intr()).toBe(false);
  });

  test('the board is in PIC mode: the 8259A interrupts the CPU directly', () => {
    board.pic.setLine(5, true);
    expect([apic.intr(), apic.acknowledge()]).toEqual([true, 0x25]);
    expect(apic.intr()).toBe(false);
  });
});

describe('IMCR', () => {
  test('is selected with 0x70 at port 0x22; other values select nothing', () => {
    expect(board.in8(0x23)).toBe(0xff);
    board.out8(0x23, 1);
    imcr(1);
    expect(board.in8(0x23)).toBe(1);
    board.out8(0x22, 0x71);
    board.out8(0x23, 0);
    expect(board.in8(0x23)).toBe(0xff);
    board.out8(0x22, 0x70);
    expect(board.in8(0x23)).toBe(1);
  });

  test('set, lets the 8259A through LINT0 only, as ExtINT', () => {
    imcr(1);
    board.pic.setLine(5, true);
    expect(apic.intr()).toBe(false);
    enable();
    write(LINT0, EXTINT);
    expect([apic.intr(), apic.acknowledge()]).toEqual([true, 0x25]);
    expect(vectors(0x100)).toEqual([]);
    board.out8(0x20, 0x20);
    board.pic.setLine(6, true);
    write(LINT0, EXTINT | MASKED);
    expect(apic.intr()).toBe(false);
    imcr(0);
    expect([apic.intr(), apic.acknowledge()]).toEqual([true, 0x26]);
  });

  test('does not matter while IA32_APIC_BASE keeps the APIC disabled: LINT0 is INTR then', () => {
    imcr(1);
    expect(apic.setApicBase(0xfee00100, 0)).toBe(true);
    board.pic.setLine(5, true);
    expect(apic.intr()).toBe(true);
  });
});

describe('IA32_APIC_BASE', () => {
  test('has the address, the flag of the boot processor, and the global enable', () => {
    expect(apic.apicBase >>> 0).toBe(0xfee00900);
    for (const [value, high] of [
      [0xfee01900, 0],
      [0xfee00d00, 0],
      [0xfee00900, 1],
    ]) {
      expect(apic.setApicBase(value, high)).toBe(false);
    }
  });

  test('disables everything: registers read as ones, and are as after power-on when it enables again', () => {
    enable();
    write(TPR, 0x33);
    apic.setApicBase(0xfee00000, 0);
    write(TPR, 0x44);
    expect([read(VERSION), apic.isThere]).toEqual([0xffffffff, false]);
    apic.setApicBase(0xfee00800, 0);
    expect([read(TPR), read(SVR), apic.apicBase >>> 0]).toEqual([0, 0xff, 0xfee00900]);
  });
});

describe('interrupts', () => {
  beforeEach(() => enable());

  test('go from IRR to ISR when they are acknowledged, and leave ISR by EOI, the highest first', () => {
    toSelf(0x31);
    expect([vectors(0x200), vectors(0x100)]).toEqual([[0x31], []]);
    expect(apic.acknowledge()).toBe(0x31);
    expect([vectors(0x200), vectors(0x100), apic.intr()]).toEqual([[], [0x31], false]);
    toSelf(0x52);
    expect(apic.acknowledge()).toBe(0x52);
    expect(vectors(0x100)).toEqual([0x31, 0x52]);
    write(EOI, 0);
    expect(vectors(0x100)).toEqual([0x31]);
    write(EOI, 0);
    write(EOI, 0);
    expect(vectors(0x100)).toEqual([]);
  });

  test('wait while something of their class or a higher one is in service, or the task has that priority', () => {
    toSelf(0x48);
    apic.acknowledge();
    expect(read(PPR)).toBe(0x40);
    toSelf(0x4f);
    expect(apic.intr()).toBe(false);
    toSelf(0x50);
    expect(apic.intr()).toBe(true);
    write(TPR, 0x5a);
    expect([read(PPR), apic.intr()]).toEqual([0x5a, false]);
    write(TPR, 0x40);
    expect([read(PPR), apic.intr()]).toEqual([0x40, true]);
  });

  test('of the APIC come before those of the 8259A', () => {
    board.pic.setLine(5, true);
    toSelf(0x31);
    expect([apic.acknowledge(), apic.acknowledge()]).toEqual([0x31, 0x25]);
  });

  test('with a vector below 16 are errors of the sender', () => {
    write(ERROR, 0xfe);
    toSelf(0x0f);
    expect(apic.acknowledge()).toBe(0xfe);
    expect(read(ESR)).toBe(0);
    write(ESR, 0);
    expect(read(ESR)).toBe(0x20);
    write(ESR, 0);
    expect(read(ESR)).toBe(0);
  });

  test.each([
    ['its ID', 0, 0x31, true],
    ['everybody', 0xff000000, 0x31, true],
    ['another ID', 0x01000000, 0x31, false],
    ['its bit of the flat logical model', 0x02000000, 0x831, true],
    ['another bit', 0x01000000, 0x831, false],
    ['itself by shorthand', 0x01000000, 0x40031, true],
    ['all with itself', 0x01000000, 0x80031, true],
    ['all but itself', 0, 0xc0031, false],
    ['its ID, by lowest priority', 0, 0x131, true],
    ['its ID, INIT', 0, 0x531, false],
  ])('commanded for %s', (_whom, high, low, arrives) => {
    write(LDR, 0x02000000);
    write(ICR + 0x10, high);
    write(ICR, low);
    expect(apic.intr()).toBe(arrives);
    expect(read(ICR)).toBe(low);
  });

  test('find it in the cluster model by cluster and bit', () => {
    write(DFR, 0x0fffffff);
    write(LDR, 0x21000000);
    const arrives = (destination: number): boolean => apic.receive(0x31, false, destination, true);
    expect([0x21, 0x23, 0xf1, 0x22, 0x31].map(arrives)).toEqual([true, true, true, false, false]);
  });

  test('are refused once the software has disabled it; those that wait still come', () => {
    toSelf(0x31);
    write(SVR, 0xff);
    expect(apic.receive(0x41, false, 0, false)).toBe(false);
    expect(apic.acknowledge()).toBe(0x31);
    expect(apic.intr()).toBe(false);
  });

  test('registers that are not there are an error', () => {
    expect(read(0x3f0)).toBe(0);
    write(ESR, 0);
    expect(read(ESR)).toBe(0x80);
  });
});

describe('the timer', () => {
  beforeEach(() => enable());

  test('counts the crystal down, divided, and interrupts once at the end', () => {
    // 1010: divide by 128. 1011: by 1. 0011: by 16.
    for (const [code, divisor] of [
      [0x0, 2],
      [0x3, 16],
      [0xa, 128],
      [0xb, 1],
    ]) {
      write(DIVIDE, code);
      write(TIMER, 0x40);
      write(INITIAL, 100);
      board.pass(40 * divisor * CYCLE);
      expect(read(CURRENT)).toBe(60);
      board.pass(60 * divisor * CYCLE - 1);
      expect([read(CURRENT), apic.intr()]).toEqual([1, false]);
      board.pass(1);
      expect([read(CURRENT), apic.intr()]).toEqual([0, true]);
      expect(apic.acknowledge()).toBe(0x40);
      write(EOI, 0);
      board.pass(1e9);
      expect(apic.intr()).toBe(false);
    }
  });

  test('starts over by itself in periodic mode, without drift', () => {
    write(DIVIDE, 0xb);
    write(TIMER, PERIODIC | 0x40);
    write(INITIAL, 1000);
    let interrupts = 0;
    for (let n = 0; n < 105; n++) {
      board.pass(1000);
      if (!apic.intr()) continue;
      apic.acknowledge();
      write(EOI, 0);
      interrupts++;
    }
    expect([interrupts, read(CURRENT)]).toEqual([10, 500]);
    write(INITIAL, 0);
    expect([read(CURRENT), board.nextDeadline()]).toEqual([0, Number.POSITIVE_INFINITY]);
  });

  test('interrupts once for whatever time nobody looked, and keeps the phase', () => {
    write(DIVIDE, 0xb);
    write(TIMER, PERIODIC | 0x40);
    write(INITIAL, 1000);
    board.tick += 7 * 10_000 + 2500;
    apic.onDeadline();
    expect([apic.acknowledge(), apic.intr(), read(CURRENT)]).toEqual([0x40, false, 750]);
  });

  test('counts on while it is masked, and asks for nothing, nor later for what it missed', () => {
    write(DIVIDE, 0xb);
    write(TIMER, PERIODIC | MASKED | 0x40);
    write(INITIAL, 1000);
    expect(board.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
    board.pass(25_000);
    write(TIMER, PERIODIC | 0x40);
    expect([apic.intr(), read(CURRENT), board.nextDeadline()]).toEqual([false, 500, 30_000]);
  });

  test('goes on from its count when the divisor changes', () => {
    write(DIVIDE, 0xb);
    write(TIMER, 0x40);
    write(INITIAL, 1000);
    board.pass(400 * CYCLE);
    write(DIVIDE, 0x0);
    board.pass(200 * CYCLE);
    expect([read(CURRENT), board.nextDeadline()]).toEqual([500, 600 * CYCLE + 500 * 2 * CYCLE]);
  });

  test('stands still while its system is away', () => {
    write(DIVIDE, 0xb);
    write(TIMER, 0x40);
    write(INITIAL, 1000);
    board.pass(4000);
    apic.pm.suspendSyscore!();
    board.pass(1e9);
    apic.pm.resumeSyscore!();
    expect([read(CURRENT), board.nextDeadline() - board.tick]).toEqual([600, 6000]);
  });
});

describe('suspended', () => {
  test('it leaves PIC mode and nothing enabled, and comes back with what was requested and in service', () => {
    enable(0xef);
    imcr(1);
    write(LINT0, EXTINT | MASKED);
    toSelf(0x61);
    apic.acknowledge();
    toSelf(0x51);
    expect(apic.busyReason()).toBe('it is enabled');
    apic.pm.suspendSyscore!();
    expect(apic.busyReason()).toBeNull();
    expect([read(SVR), board.in8(0x23), vectors(0x100), vectors(0x200)]).toEqual([0xff, 0xff, [], []]);
    board.pic.setLine(5, true);
    expect(apic.acknowledge()).toBe(0x25);
    apic.pm.resumeSyscore!();
    expect([read(SVR), board.in8(0x23), vectors(0x100), vectors(0x200)]).toEqual([0x1ef, 1, [0x61], [0x51]]);
    expect(apic.intr()).toBe(false);
    write(EOI, 0);
    expect(apic.acknowledge()).toBe(0x51);
  });

  test('shut down for a system that will not come back, it is as after power-on', () => {
    enable();
    imcr(1);
    apic.pm.shutdown!();
    expect([read(SVR), board.in8(0x23), read(LINT0)]).toEqual([0xff, 0xff, MASKED]);
  });
});
