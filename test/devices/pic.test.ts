// SPDX-License-Identifier: MIT
// The 8259A pair, by sentences of Intel's data sheet 231468.
import { beforeEach, describe, expect, test } from 'vitest';
import type { Pic } from '../../kernel-worker/devices/pic.ts';
import { TestBoard } from './test-board.ts';

let board: TestBoard;
let pic: Pic;

beforeEach(() => {
  board = new TestBoard(null);
  pic = board.pic;
  board.initializePics();
});

const nonSpecificEOI = (port = 0x20) => board.out8(port, 0x20);

function irr(port = 0x20): number {
  board.out8(port, 0x0a);
  return board.in8(port);
}

function isr(port = 0x20): number {
  board.out8(port, 0x0b);
  return board.in8(port);
}

function pulse(irq: number): void {
  pic.setLine(irq, false);
  pic.setLine(irq, true);
}

describe('initialization', () => {
  test('before it, a chip delivers nothing', () => {
    const fresh = new TestBoard(null);
    fresh.pic.setLine(0, true);
    expect(fresh.pic.intr()).toBe(false);
  });

  test('ICW2 gives the upper five bits of the vector, the level the lower three', () => {
    board.out8(0x20, 0x11);
    board.out8(0x21, 0x6f, 0x04, 0x01);
    pulse(3);
    expect(pic.acknowledge()).toBe(0x6b);
  });

  test('ICW1 clears IMR and the edge sense circuit: an input must rise again to interrupt', () => {
    board.out8(0x21, 0xff);
    pic.setLine(1, true);
    board.out8(0x20, 0x11);
    board.out8(0x21, 0x20, 0x04, 0x01);
    expect(board.in8(0x21)).toBe(0);
    expect(pic.intr()).toBe(false);
    pulse(1);
    expect(pic.intr()).toBe(true);
  });

  test('ICW1 gives IR7 the lowest priority and sets the status read to IRR', () => {
    board.out8(0x20, 0xc3, 0x0b, 0x11);
    board.out8(0x21, 0x20, 0x04, 0x01);
    pulse(5);
    pulse(0);
    expect(board.in8(0x20)).toBe(0x21);
    expect(pic.acknowledge()).toBe(0x20);
  });

  test('single mode expects no ICW3, and no ICW4 unless IC4 says so', () => {
    board.out8(0x20, 0x12);
    board.out8(0x21, 0x40, 0xaa);
    expect(board.in8(0x21)).toBe(0xaa);
    board.out8(0x20, 0x13);
    board.out8(0x21, 0x40, 0x03, 0x55);
    expect(board.in8(0x21)).toBe(0x55);
  });

  test('in single mode IR2 is an input like the others', () => {
    board.out8(0x20, 0x13);
    board.out8(0x21, 0x40, 0x01, 0x00);
    pulse(10);
    expect(pic.acknowledge()).toBe(0x42);
  });
});

describe('requests', () => {
  test('an edge sets IRR; INTA moves it to ISR, and the level does not ask again', () => {
    pic.setLine(4, true);
    expect([irr(), isr(), pic.intr()]).toEqual([0x10, 0, true]);
    expect(pic.acknowledge()).toBe(0x24);
    expect([irr(), isr(), pic.intr()]).toEqual([0, 0x10, false]);
    nonSpecificEOI();
    expect(pic.intr()).toBe(false);
  });

  test('level triggered, a request stays until the level falls', () => {
    board.out8(0x4d0, 0x20);
    pic.setLine(5, true);
    expect(pic.acknowledge()).toBe(0x25);
    nonSpecificEOI();
    expect(pic.intr()).toBe(true);
    pic.setLine(5, false);
    expect(pic.intr()).toBe(false);
  });

  test('LTIM makes every input level triggered', () => {
    pic.setLine(3, true);
    board.out8(0x20, 0x19);
    board.out8(0x21, 0x20, 0x04, 0x01);
    expect(pic.acknowledge()).toBe(0x23);
    nonSpecificEOI();
    expect(pic.intr()).toBe(true);
  });

  test('ELCR cannot make IRQ 0, 1, 2, 8 and 13 level triggered', () => {
    board.out8(0x4d0, 0xff);
    board.out8(0x4d1, 0xff);
    expect([board.in8(0x4d0), board.in8(0x4d1)]).toEqual([0xf8, 0xde]);
  });

  test('IMR holds a request back without losing it', () => {
    board.out8(0x21, 0x02);
    pic.setLine(1, true);
    expect([pic.intr(), irr()]).toEqual([false, 0x02]);
    board.out8(0x21, 0x00);
    expect(pic.intr()).toBe(true);
  });

  test('an input that falls before INTA gives the default IR7, with nothing in service', () => {
    pic.setLine(1, true);
    pic.setLine(1, false);
    expect(pic.intr()).toBe(false);
    expect(pic.acknowledge()).toBe(0x27);
    expect(isr()).toBe(0);
  });

  test('a spurious request of the slave is IRQ 15, with IR2 in service in the master', () => {
    // The slave's INT is seen by the master; then its own request is masked, but the master is asked first.
    pic.setLine(9, true);
    const slaveIRR = board.view.getUint8(256 + 32);
    board.view.setUint8(256 + 32, slaveIRR & ~0x02);
    expect(pic.acknowledge()).toBe(0x2f);
    expect([isr(), isr(0xa0)]).toEqual([0x04, 0]);
  });
});

describe('priority', () => {
  test('fully nested: a higher request interrupts, a lower one waits for the EOI', () => {
    pulse(3);
    pic.acknowledge();
    pulse(5);
    expect(pic.intr()).toBe(false);
    pulse(1);
    expect(pic.acknowledge()).toBe(0x21);
    nonSpecificEOI();
    expect([isr(), pic.intr()]).toEqual([0x08, false]);
    nonSpecificEOI();
    expect(pic.acknowledge()).toBe(0x25);
  });

  test('the same level waits for its own EOI', () => {
    pulse(3);
    pic.acknowledge();
    pulse(3);
    expect(pic.intr()).toBe(false);
    nonSpecificEOI();
    expect(pic.intr()).toBe(true);
  });

  test('a specific EOI ends the level it names', () => {
    for (const level of [6, 4]) {
      pulse(level);
      pic.acknowledge();
    }
    board.out8(0x20, 0x66);
    expect(isr()).toBe(0x10);
  });

  test('rotate on non-specific EOI gives the served level the lowest priority', () => {
    pulse(4);
    pic.acknowledge();
    board.out8(0x20, 0xa0);
    pulse(4);
    pulse(6);
    expect(pic.acknowledge()).toBe(0x26);
  });

  test('rotate on specific EOI and the set priority command name the lowest level', () => {
    pulse(2 + 1);
    pic.acknowledge();
    board.out8(0x20, 0xe3);
    expect(isr()).toBe(0);
    pulse(3);
    pulse(7);
    expect(pic.acknowledge()).toBe(0x27);
    nonSpecificEOI();
    board.out8(0x20, 0xc0 | 5);
    pulse(5);
    pulse(6);
    expect(pic.acknowledge()).toBe(0x26);
  });

  test('special mask mode lets lower levels in while a masked one is in service', () => {
    pulse(3);
    pic.acknowledge();
    pulse(6);
    board.out8(0x21, 0x08);
    expect(pic.intr()).toBe(false);
    board.out8(0x20, 0x68);
    expect(pic.acknowledge()).toBe(0x26);
    nonSpecificEOI();
    // A level that is masked is not ended by a non-specific EOI.
    nonSpecificEOI();
    expect(isr()).toBe(0x08);
    board.out8(0x20, 0x48);
    nonSpecificEOI();
    expect(isr()).toBe(0);
  });

  test('automatic EOI leaves nothing in service', () => {
    board.initializePics(0x03);
    pulse(4);
    expect(pic.acknowledge()).toBe(0x24);
    expect(isr()).toBe(0);
  });

  test('rotate in automatic EOI mode is set and cleared by OCW2', () => {
    board.initializePics(0x03);
    board.out8(0x20, 0x80);
    pulse(4);
    pic.acknowledge();
    pulse(4);
    pulse(5);
    expect(pic.acknowledge()).toBe(0x25);
    board.out8(0x20, 0x00);
    pulse(7);
    pic.acknowledge();
    expect(pic.acknowledge()).toBe(0x24);
  });
});

describe('the cascade', () => {
  test('a slave request reaches the CPU through IR2 and needs two EOIs', () => {
    pulse(12);
    expect([irr(), irr(0xa0)]).toEqual([0x04, 0x10]);
    expect(pic.acknowledge()).toBe(0x2c);
    expect([isr(), isr(0xa0)]).toEqual([0x04, 0x10]);
    nonSpecificEOI(0xa0);
    nonSpecificEOI();
    expect([isr(), isr(0xa0), pic.intr()]).toEqual([0, 0, false]);
  });

  test('a second request of the slave comes through after the EOIs of the first', () => {
    pulse(12);
    pulse(14);
    expect(pic.acknowledge()).toBe(0x2c);
    nonSpecificEOI(0xa0);
    nonSpecificEOI();
    expect(pic.acknowledge()).toBe(0x2e);
  });

  test('in automatic EOI mode it comes through at once', () => {
    board.initializePics(0x03);
    pulse(12);
    pulse(14);
    expect([pic.acknowledge(), pic.intr(), pic.acknowledge(), pic.intr()]).toEqual([0x2c, true, 0x2e, false]);
  });

  test('fully nested, the master locks the slave out; special fully nested it does not', () => {
    pulse(12);
    pic.acknowledge();
    pulse(8);
    expect(pic.intr()).toBe(false);
    board.initializePics();
    board.out8(0x20, 0x11);
    board.out8(0x21, 0x20, 0x04, 0x11, 0x00);
    pulse(12);
    pic.acknowledge();
    pulse(8);
    pulse(5);
    expect(pic.acknowledge()).toBe(0x28);
    expect(pic.intr()).toBe(false);
  });
});

describe('poll', () => {
  test('the next read acknowledges and tells the level, once', () => {
    pulse(6);
    board.out8(0x20, 0x0c);
    expect(board.in8(0x20)).toBe(0x86);
    expect([isr(), irr()]).toEqual([0x40, 0]);
  });

  test('bit 7 is clear if nothing asks', () => {
    board.out8(0x20, 0x0c);
    expect(board.in8(0x20) & 0x80).toBe(0);
    expect(isr()).toBe(0);
  });
});

describe('the core suspend', () => {
  test('masks everything, and the resume brings masks and INTR back', () => {
    board.out8(0x21, 0xa0);
    board.out8(0xa1, 0x41);
    pulse(4);
    pulse(12);
    const before = board.snapshot();
    pic.pm.suspendSyscore!();
    expect([board.in8(0x21), board.in8(0xa1)]).toEqual([0xff, 0xff]);
    expect(pic.intr()).toBe(false);
    pic.pm.resumeSyscore!();
    expect(board.snapshot()).toEqual(before);
    expect(pic.intr()).toBe(true);
  });

  test('makes no second edge out of a slave whose request the master has in service', () => {
    pulse(12);
    pic.acknowledge();
    pulse(8);
    const before = board.snapshot();
    pic.pm.suspendSyscore!();
    expect(board.snapshot()).not.toEqual(before);
    pic.pm.resumeSyscore!();
    expect(board.snapshot()).toEqual(before);
  });
});
