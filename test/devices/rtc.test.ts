// SPDX-License-Identifier: MIT
// The MC146818, by sentences of Motorola's data sheet MC146818A. The clock starts at 2001-09-09 01:46:40, a Sunday.
import { beforeEach, describe, expect, test } from 'vitest';
import { noteMemorySize } from '../../kernel-worker/devices/cmos-memory-size.ts';
import { TestBoard, UNIX_SECONDS } from './test-board.ts';

const SECOND = 1e9;
const SECONDS = 0;
const MINUTES = 2;
const HOURS = 4;
const TIME_REGISTERS = [0, 2, 4, 6, 7, 8, 9, 0x32];
const A = 0x0a;
const B = 0x0b;
const C = 0x0c;
const D = 0x0d;

let board: TestBoard;

beforeEach(() => {
  board = new TestBoard(null);
  board.initializePics();
});

function read(index: number): number {
  board.out8(0x70, index);
  return board.in8(0x71);
}

function write(index: number, value: number): void {
  board.out8(0x70, index);
  board.out8(0x71, value);
}

const time = () => TIME_REGISTERS.map(read);
/** Level of the interrupt line at the slave 8259A. */
const line = () => board.view.getUint8(256 + 32 + 8) & 1;

describe('the time', () => {
  test('is BCD and 24 hours after power-on, with the century at 0x32', () => {
    expect([read(A), read(B), read(D)]).toEqual([0x26, 0x02, 0x80]);
    expect(time()).toEqual([0x40, 0x46, 0x01, 0x01, 0x09, 0x09, 0x01, 0x20]);
  });

  test('goes on with virtual time, over the end of a day and a month', () => {
    board.tick = (Date.UTC(2001, 9, 1) / 1000 - UNIX_SECONDS) * SECOND - 1;
    expect(time()).toEqual([0x59, 0x59, 0x23, 0x01, 0x30, 0x09, 0x01, 0x20]);
    board.tick += 1;
    expect(time()).toEqual([0x00, 0x00, 0x00, 0x02, 0x01, 0x10, 0x01, 0x20]);
  });

  test('goes on over the end of a century', () => {
    const lastSecond = [0x59, 0x59, 0x23, 0x00, 0x31, 0x12, 0x99, 0x20];
    write(B, 0x82);
    for (const [index, register] of TIME_REGISTERS.entries()) write(register, lastSecond[index]!);
    write(B, 0x02);
    board.pass(SECOND);
    expect(time()).toEqual([0x00, 0x00, 0x00, 0x06, 0x01, 0x01, 0x00, 0x21]);
  });

  test('is binary with DM set', () => {
    write(B, 0x06);
    expect(time()).toEqual([40, 46, 1, 1, 9, 9, 1, 20]);
  });

  test.each([
    [0, 0x12, 12],
    [1, 0x01, 1],
    [11, 0x11, 11],
    [12, 0x92, 0x8c],
    [13, 0x81, 0x81],
    [23, 0x91, 0x8b],
  ])('shows hour %i on twelve hours with PM in bit 7, in BCD and in binary', (hour, bcd, binary) => {
    write(B, 0x80);
    write(HOURS, bcd);
    write(B, 0x00);
    expect(read(HOURS)).toBe(bcd);
    write(B, 0x02);
    expect(read(HOURS)).toBe(Math.floor(hour / 10) * 16 + (hour % 10));
    write(B, 0x04);
    expect(read(HOURS)).toBe(binary);
  });

  test('stands still while SET is 1 and goes on from what was written', () => {
    write(B, 0x82);
    const stopped = time();
    board.pass(5 * SECOND);
    expect(time()).toEqual(stopped);
    for (const [index, value] of [
      [SECONDS, 0x58],
      [MINUTES, 0x59],
      [HOURS, 0x23],
      [7, 0x28],
      [8, 0x02],
      [9, 0x04],
    ] as const) {
      write(index, value);
    }
    write(B, 0x02);
    expect(time()).toEqual([0x58, 0x59, 0x23, 0x07, 0x28, 0x02, 0x04, 0x20]);
    board.pass(2 * SECOND);
    expect(time()).toEqual([0x00, 0x00, 0x00, 0x01, 0x29, 0x02, 0x04, 0x20]);
  });

  test('can be written while it runs', () => {
    write(MINUTES, 0x10);
    board.pass(20 * SECOND);
    expect([read(SECONDS), read(MINUTES)]).toEqual([0x00, 0x11]);
  });

  test('begins half a second after the divider leaves reset, as Linux counts on', () => {
    board.pass(0.9 * SECOND);
    write(A, 0x76);
    board.pass(7 * SECOND);
    write(SECONDS, 0x10);
    write(A, 0x26);
    board.pass(0.5 * SECOND - 1);
    expect(read(SECONDS)).toBe(0x10);
    board.pass(1);
    expect(read(SECONDS)).toBe(0x11);
  });

  test('UIP is 1 from 244 µs before the update cycle of 1984 µs to its end', () => {
    board.tick = SECOND - 2_228_001;
    expect(read(A)).toBe(0x26);
    board.tick += 1;
    expect(read(A)).toBe(0xa6);
    board.tick = SECOND - 1;
    expect(read(A)).toBe(0xa6);
    board.tick = SECOND;
    expect(read(A)).toBe(0x26);
  });

  test('SET inhibits the update cycle, and UIP with it', () => {
    write(B, 0x82);
    board.tick = SECOND - 1;
    expect(read(A)).toBe(0x26);
  });
});

describe('CMOS memory', () => {
  test('holds 128 bytes, of which C and D cannot be written', () => {
    for (let index = 0x0e; index < 128; index++) if (index !== 0x32) write(index, index ^ 0x55);
    for (let index = 0x0e; index < 128; index++) if (index !== 0x32) expect(read(index)).toBe(index ^ 0x55);
    write(C, 0xff);
    write(D, 0x00);
    expect([read(C), read(D)]).toEqual([0, 0x80]);
  });

  test('says how much memory there is: below 1 MiB, above it, and above 16 MiB', () => {
    const sizeAt = (index: number) => read(index) | (read(index + 1) << 8);
    expect([0x15, 0x17, 0x30, 0x34].map(sizeAt)).toEqual([640, 63 * 1024, 63 * 1024, 768]);
  });

  test.each([
    [64 * 1024, [64, 0, 0]],
    [16 * 1024 ** 2, [640, 15 * 1024, 0]],
    [128 * 1024 ** 2, [640, 0xffff, 1792]],
    [512 * 1024 ** 2, [640, 0xffff, 7936]],
  ])('of %i bytes of memory holds the most that its fields can', (bytes, sizes) => {
    const cmos = new Uint8Array(128);
    noteMemorySize(cmos, bytes);
    const sizeAt = (index: number) => cmos[index]! | (cmos[index + 1]! << 8);
    expect([0x15, 0x17, 0x34].map(sizeAt)).toEqual(sizes);
  });

  test('bit 7 of port 0x70 disables NMI and is no part of the address; the port reads as ones', () => {
    expect(board.rtc.nmiDisabled).toBe(false);
    board.out8(0x70, 0x80 | D);
    expect([board.rtc.nmiDisabled, board.in8(0x71), board.in8(0x70)]).toEqual([true, 0x80, 0xff]);
  });
});

describe('the periodic interrupt', () => {
  test.each([
    [1, 256],
    [2, 128],
    [3, 8192],
    [6, 1024],
    [13, 8],
    [15, 2],
  ])('with RS %i comes at %i Hz', (rs, hz) => {
    write(A, 0x20 | rs);
    write(B, 0x42);
    let count = 0;
    while (board.rtc.deadlineTick() <= SECOND) {
      board.pass(board.rtc.deadlineTick() - board.tick);
      expect(board.tick).toBe(Math.ceil((++count * SECOND) / hz));
      expect([line(), read(C) & 0xc0, line()]).toEqual([1, 0xc0, 0]);
    }
    expect(count).toBe(hz);
  });

  test('with RS 0 never comes', () => {
    write(A, 0x20);
    write(B, 0x42);
    expect(board.rtc.deadlineTick()).toBe(Number.POSITIVE_INFINITY);
  });

  test('sets PF even if it is not enabled, and IRQF only if it is', () => {
    board.pass(SECOND / 100);
    expect([line(), read(C), read(C)]).toEqual([0, 0x40, 0]);
  });

  test('is one interrupt after any time away', () => {
    write(B, 0x42);
    board.tick += 1000 * SECOND;
    board.rtc.onDeadline(board.tick);
    expect(line()).toBe(1);
    expect(read(C) & 0xc0).toBe(0xc0);
    expect(line()).toBe(0);
    expect(board.rtc.deadlineTick() - board.tick).toBeLessThanOrEqual(Math.ceil(SECOND / 1024));
  });
});

describe('the update-ended interrupt', () => {
  test('comes with every new second', () => {
    write(A, 0x20);
    write(B, 0x12);
    board.pass(SECOND - 1);
    expect(line()).toBe(0);
    board.pass(1);
    expect([line(), read(C), line(), read(SECONDS)]).toEqual([1, 0x90, 0, 0x41]);
    expect(board.rtc.deadlineTick()).toBe(2 * SECOND);
  });

  test('is disabled by setting SET', () => {
    write(B, 0x92);
    expect(read(B)).toBe(0x82);
  });

  test('does not come while SET is 1, nor for the seconds that passed then', () => {
    write(A, 0x20);
    write(B, 0x82);
    board.pass(3.5 * SECOND);
    write(B, 0x12);
    expect(read(C)).toBe(0);
    expect(board.rtc.deadlineTick()).toBe(4 * SECOND);
  });
});

describe('the alarm interrupt', () => {
  function setAlarm(hours: number, minutes: number, seconds: number): void {
    write(A, 0x20);
    write(1, seconds);
    write(3, minutes);
    write(5, hours);
    write(B, read(B) | 0x20);
  }

  test.each([
    ['at one second of the day', [0x01, 0x46, 0x42], 2],
    ['tomorrow, if that has passed today', [0x01, 0x46, 0x40], 86_400],
    ['every hour, with hours "don\'t care"', [0xc0, 0x45, 0x40], 3540],
    ['every minute', [0xff, 0xff, 0x39], 59],
    ['every second', [0xc0, 0xc0, 0xc0], 1],
    ['in the first second of an hour to come', [0x03, 0xc0, 0xc0], 3600 + 13 * 60 + 20],
  ] as const)('comes %s', (_when, [hours, minutes, seconds], expected) => {
    setAlarm(hours, minutes, seconds);
    expect(board.rtc.deadlineTick()).toBe(expected * SECOND);
    board.pass(expected * SECOND - 1);
    expect(line()).toBe(0);
    board.pass(1);
    expect([line(), read(C)]).toEqual([1, 0xb0]);
  });

  test('never comes at a time that no day has', () => {
    for (const alarm of [
      [0x24, 0x00, 0x00],
      [0x00, 0x60, 0x00],
      [0xff, 0xff, 0x0a],
    ] as const) {
      setAlarm(alarm[0], alarm[1], alarm[2]);
      expect(board.rtc.deadlineTick()).toBe(Number.POSITIVE_INFINITY);
    }
  });

  test('compares the bytes as they are: twelve hours, binary', () => {
    write(B, 0x04);
    setAlarm(0x81, 0, 0);
    expect(board.rtc.deadlineTick()).toBe((11 * 3600 + 13 * 60 + 20) * SECOND);
  });
});

describe('the freeze', () => {
  test('stops the interrupts, not the time', () => {
    write(A, 0x20);
    write(B, 0x12);
    board.rtc.pm.freeze!();
    expect([board.rtc.deadlineTick(), read(B)]).toEqual([Number.POSITIVE_INFINITY, 0x02]);
    board.tick += 100 * SECOND;
    board.rtc.pm.restore!();
    expect([read(B), read(SECONDS)]).toEqual([0x12, 0x20]);
    expect([line(), read(C)]).toEqual([1, 0x90]);
  });
});

describe('time that passed outside', () => {
  /** Whatever is due now. */
  const look = () => board.pass(0);

  test('is made up for once, at the next look', () => {
    board.tick = SECOND / 2;
    board.outsideSeconds = 3600 + 60 + 1;
    expect(time()).toEqual([0x41, 0x47, 0x02, 0x01, 0x09, 0x09, 0x01, 0x20]);
    board.pass(SECOND);
    expect(time().slice(0, 3)).toEqual([0x42, 0x47, 0x02]);
    board.outsideSeconds += 10;
    expect(time().slice(0, 3)).toEqual([0x52, 0x47, 0x02]);
  });

  test('brings the alarm that lay in it, at once', () => {
    write(1, 0);
    write(3, 0);
    write(5, 3);
    write(B, 0x22);
    board.outsideSeconds = 2 * 3600;
    expect(line()).toBe(0);
    look();
    // Periods have passed as well.
    expect([line(), read(C)]).toEqual([1, 0xf0]);
    // The next one is tomorrow.
    expect(board.rtc.deadlineTick()).toBe((23 * 3600 + 13 * 60 + 20) * SECOND);
  });

  test('moves an alarm that is still to come', () => {
    write(1, 0);
    write(3, 0);
    write(5, 3);
    write(B, 0x22);
    board.outsideSeconds = 3600;
    look();
    expect([line(), board.rtc.deadlineTick()]).toEqual([0, (13 * 60 + 20) * SECOND]);
  });

  test('does not count for a clock that is stopped, nor for one that has seen more', () => {
    write(B, 0x82);
    board.outsideSeconds = 100;
    look();
    write(B, 0x02);
    expect(read(SECONDS)).toBe(0x40);
    board.outsideSeconds = 50;
    look();
    expect([read(SECONDS), board.rtc.deadlineTick()]).toEqual([0x40, Number.POSITIVE_INFINITY]);
  });
});
