// SPDX-License-Identifier: MIT
// The 16550A, by sentences of National's data sheet PC16550D.
import { beforeEach, describe, expect, test } from 'vitest';
import { UART_WIRE_BYTES } from '../../shared/layout/uart-state.ts';
import { TestBoard } from './test-board.ts';

const RBR = 0x3f8;
const IER = 0x3f9;
const IIR = 0x3fa;
const FCR = 0x3fa;
const LCR = 0x3fb;
const MCR = 0x3fc;
const LSR = 0x3fd;
const MSR = 0x3fe;
const SCR = 0x3ff;
/** 8 data bits, no parity, 1 stop bit at 115200 baud: ten bits. */
const CHAR_TICKS = Math.round((10 * 16e9) / 1_843_200);

let board: TestBoard;

beforeEach(() => {
  board = new TestBoard(null);
  board.out8(LCR, 0x83);
  board.out8(RBR, 1);
  board.out8(IER, 0);
  board.out8(LCR, 0x03);
  board.out8(MCR, 0x08);
});

const receive = (...bytes: number[]) => bytes.map((byte) => board.uart.receive(byte));
const line = () => (board.view.getUint8(256 + 8) >> 4) & 1;
const sent = () => board.sent.map(({ byte }) => byte);

describe('registers', () => {
  test('DLAB selects the divisor latches in place of data and IER', () => {
    board.out8(LCR, 0x83);
    board.out8(RBR, 0x34);
    board.out8(IER, 0x12);
    expect([board.in8(RBR), board.in8(IER), board.in8(LCR)]).toEqual([0x34, 0x12, 0x83]);
    board.out8(LCR, 0x03);
    board.out8(IER, 0xff);
    expect([board.in8(RBR), board.in8(IER)]).toEqual([0, 0x0f]);
  });

  test('MCR bits 5-7 are always 0, SCR holds anything, LSR and MSR cannot be written', () => {
    board.out8(MCR, 0xff);
    board.out8(SCR, 0xa5);
    board.out8(LSR, 0xff);
    board.out8(MSR, 0xff);
    expect([board.in8(MCR), board.in8(SCR), board.in8(LSR) & 0x1f]).toEqual([0x1f, 0xa5, 0]);
  });

  test('IIR shows in its upper bits whether the FIFOs are enabled', () => {
    expect(board.in8(IIR)).toBe(0x01);
    board.out8(FCR, 0x01);
    expect(board.in8(IIR)).toBe(0xc1);
  });

  test("Linux's loopback probe finds RTS and OUT2 at CTS and DCD (autoconfig, MCR 0x1A)", () => {
    board.out8(MCR, 0x1a);
    expect(board.in8(MSR) & 0xf0).toBe(0x90);
  });
});

describe('the transmitter', () => {
  test('sends a character as it is written, and is empty again', () => {
    board.out8(RBR, 0x41, 0x42);
    expect(sent()).toEqual([0x41, 0x42]);
    expect(board.in8(LSR)).toBe(0x60);
    expect(board.uart.deadlineTick()).toBe(Number.POSITIVE_INFINITY);
  });

  test.each([
    [0x00, 0x1f],
    [0x01, 0x3f],
    [0x02, 0x7f],
    [0x03, 0xff],
  ])('with LCR %i a character has the bits %i', (lcr, bits) => {
    board.out8(LCR, lcr);
    board.out8(RBR, 0xff);
    expect(sent()).toEqual([bits]);
  });

  test('loses nothing, with FIFOs or without', () => {
    board.out8(FCR, 0x01);
    const bytes = Array.from({ length: 100 }, (_, byte) => byte);
    board.out8(RBR, ...bytes);
    expect(sent()).toEqual(bytes);
  });
});

describe('the wire', () => {
  const LINE = [...'echo 1\n'].map((char) => char.charCodeAt(0));

  test('brings a character in its time, without anybody running deadlines', () => {
    board.uart.send([0x61, 0x62]);
    board.tick += CHAR_TICKS - 1;
    expect(board.in8(LSR) & 1).toBe(0);
    board.tick += 1;
    expect([board.in8(LSR) & 1, board.in8(RBR)]).toEqual([1, 0x61]);
  });

  test.each([
    [0x03, 10],
    [0x00, 7],
    [0x04, 7.5],
    [0x07, 11],
    [0x1f, 12],
  ])('with LCR %i a character has %d bits', (lcr, bits) => {
    board.out8(LCR, lcr);
    board.uart.send([1]);
    expect(board.uart.deadlineTick()).toBe(Math.round((bits * 16e9) / 1_843_200));
  });

  test('waits while the receiver has no room, without FIFOs and with them', () => {
    board.uart.send([1, 2]);
    board.pass(100 * CHAR_TICKS);
    expect([board.in8(LSR), board.in8(RBR), board.in8(LSR) & 1]).toEqual([0x61, 1, 0]);
    board.pass(CHAR_TICKS);
    expect(board.in8(RBR)).toBe(2);
    board.out8(FCR, 0x01);
    const bytes = Array.from({ length: 40 }, (_, byte) => byte);
    board.uart.send(bytes);
    const heard: number[] = [];
    while (heard.length < bytes.length) {
      board.pass(20 * CHAR_TICKS);
      const ready = board.in8(LSR);
      expect(ready & 0x03).toBe(1);
      while (board.in8(LSR) & 1) heard.push(board.in8(RBR));
    }
    expect(heard).toEqual(bytes);
  });

  test('waits for the end of a loopback', () => {
    board.out8(MCR, 0x18);
    board.uart.send([7]);
    board.pass(10 * CHAR_TICKS);
    expect(board.in8(LSR) & 1).toBe(0);
    board.out8(MCR, 0x08);
    board.pass(CHAR_TICKS);
    expect(board.in8(RBR)).toBe(7);
  });

  test('keeps a byte that was on its way as the loopback began', () => {
    board.uart.send([7]);
    board.out8(MCR, 0x18);
    board.pass(10 * CHAR_TICKS);
    board.out8(MCR, 0x08);
    board.pass(CHAR_TICKS);
    expect(board.in8(RBR)).toBe(7);
  });

  test('is as long as it says', () => {
    const room = board.uart.wireRoom;
    expect(room).toBe(UART_WIRE_BYTES);
    board.uart.send(new Uint8Array(room - 1));
    expect(board.uart.wireRoom).toBe(1);
    expect(() => board.uart.send([1, 2])).toThrow(/2 bytes for a wire with room for 1/);
  });

  test('tells an interrupt-driven system of every character: a line of input', () => {
    board.out8(FCR, 0x81);
    board.out8(IER, 0x01);
    board.uart.send(LINE);
    board.pass(LINE.length * CHAR_TICKS);
    expect(line()).toBe(0);
    board.pass(4 * CHAR_TICKS);
    expect([line(), board.in8(IIR)]).toEqual([1, 0xcc]);
    expect(LINE.map(() => board.in8(RBR))).toEqual(LINE);
  });

  test('is empty for a new system that inherits the devices', () => {
    board.uart.send(LINE);
    const before = board.snapshot();
    board.uart.pm.freeze!();
    board.uart.pm.inherit!();
    expect([board.uart.wireRoom, board.uart.deadlineTick()]).toEqual([UART_WIRE_BYTES, Number.POSITIVE_INFINITY]);
    board.bytes.set(before);
    board.pass(CHAR_TICKS);
    expect(board.in8(RBR)).toBe(LINE[0]);
  });
});

describe('the receiver', () => {
  test('DR is set while a byte waits, and reading it takes it', () => {
    receive(0x55);
    expect(board.in8(LSR) & 1).toBe(1);
    expect(board.in8(RBR)).toBe(0x55);
    expect(board.in8(LSR) & 1).toBe(0);
  });

  test('an overrun without FIFOs loses the old byte', () => {
    expect(receive(1, 2)).toEqual([true, false]);
    expect(board.in8(LSR)).toBe(0x63);
    expect([board.in8(LSR) & 2, board.in8(RBR)]).toEqual([0, 2]);
  });

  test('an overrun with FIFOs loses the new byte', () => {
    board.out8(FCR, 0x01);
    const bytes = Array.from({ length: 17 }, (_, byte) => byte);
    expect(receive(...bytes).filter(Boolean)).toHaveLength(16);
    expect(board.in8(LSR) & 2).toBe(2);
    expect(bytes.slice(0, 16).map(() => board.in8(RBR))).toEqual(bytes.slice(0, 16));
    expect(board.in8(LSR) & 1).toBe(0);
  });

  test('resetting or switching the FIFOs empties it', () => {
    board.out8(FCR, 0x01);
    receive(1, 2);
    board.out8(FCR, 0x03);
    expect(board.in8(LSR) & 1).toBe(0);
    receive(3);
    board.out8(FCR, 0x00);
    expect(board.in8(LSR) & 1).toBe(0);
  });
});

describe('interrupts', () => {
  test.each([
    [0x01, 1],
    [0x41, 4],
    [0x81, 8],
    [0xc1, 14],
  ])('with FCR %i data is available from the trigger level %i on', (fcr, level) => {
    board.out8(FCR, fcr);
    board.out8(IER, 0x01);
    for (let count = 1; count < level; count++) receive(count);
    expect([board.in8(IIR) & 0x0f, line()]).toEqual([0x01, 0]);
    receive(0);
    expect([board.in8(IIR) & 0x0f, line()]).toEqual([0x04, 1]);
    board.in8(RBR);
    expect([board.in8(IIR) & 0x0f, line()]).toEqual([0x01, 0]);
  });

  test('a byte below the trigger level times out after four characters without one coming or going', () => {
    board.out8(FCR, 0x81);
    board.out8(IER, 0x01);
    receive(1);
    board.pass(3 * CHAR_TICKS);
    receive(2);
    board.pass(4 * CHAR_TICKS - 1);
    expect(board.in8(IIR)).toBe(0xc1);
    board.pass(1);
    expect([board.in8(IIR), line()]).toEqual([0xcc, 1]);
    board.in8(RBR);
    expect([board.in8(IIR), line()]).toEqual([0xc1, 0]);
    board.pass(4 * CHAR_TICKS);
    expect(board.in8(IIR)).toBe(0xcc);
  });

  test('THRE asks when THR empties; reading IIR or writing THR answers it', () => {
    board.out8(IER, 0x02);
    expect([line(), board.in8(IIR), board.in8(IIR), line()]).toEqual([1, 0x02, 0x01, 0]);
    board.out8(RBR, 1);
    expect([line(), board.in8(IIR), line(), board.in8(IIR)]).toEqual([1, 0x02, 0, 0x01]);
  });

  test('each character is an edge: who answers by writing the next one is asked again', () => {
    board.initializePics();
    board.out8(IER, 0x02);
    for (let count = 0; count < 3; count++) {
      expect(board.pic.acknowledge()).toBe(0x24);
      board.out8(0x20, 0x20);
      expect(board.pic.intr()).toBe(false);
      board.out8(RBR, count);
      expect(board.pic.intr()).toBe(true);
    }
  });

  test("enabling THRE again asks again, which Linux's startup test relies on", () => {
    board.out8(IER, 0x02);
    board.in8(IIR);
    board.out8(IER, 0x00);
    board.out8(IER, 0x02);
    expect(board.in8(IIR)).toBe(0x02);
  });

  test('line status comes before data, data before THRE, THRE before modem status', () => {
    board.out8(MCR, 0x18);
    board.out8(MCR, 0x08);
    receive(1, 2);
    board.out8(IER, 0x0f);
    expect(board.in8(IIR)).toBe(0x06);
    board.in8(LSR);
    expect(board.in8(IIR)).toBe(0x04);
    board.in8(RBR);
    expect([board.in8(IIR), board.in8(IIR)]).toEqual([0x02, 0x00]);
    board.in8(MSR);
    expect(board.in8(IIR)).toBe(0x01);
  });

  test('OUT2 gates the line of a PC', () => {
    board.out8(IER, 0x01);
    receive(1);
    expect(line()).toBe(1);
    board.out8(MCR, 0x00);
    expect([line(), board.in8(IIR)]).toEqual([0, 0x04]);
  });
});

describe('loopback', () => {
  test('sends to its own receiver and hears nobody else', () => {
    board.out8(MCR, 0x10);
    board.out8(RBR, 0x77);
    expect(receive(0x11)).toEqual([false]);
    board.pass(CHAR_TICKS);
    expect([board.in8(RBR), sent()]).toEqual([0x77, []]);
  });

  test.each([
    [0x01, 0x20],
    [0x02, 0x10],
    [0x04, 0x40],
    [0x08, 0x80],
  ])('connects MCR bit %i to MSR bit %i', (mcr, msr) => {
    board.out8(MCR, 0x10);
    board.in8(MSR);
    board.out8(MCR, 0x10 | mcr);
    const expectedDelta = msr === 0x40 ? 0 : msr >> 4;
    expect(board.in8(MSR)).toBe(msr | expectedDelta);
    board.out8(MCR, 0x10);
    expect(board.in8(MSR)).toBe(msr >> 4);
    expect(board.in8(MSR)).toBe(0);
  });
});

describe('the freeze', () => {
  test('stops interrupts; the restore goes on with the byte half received', () => {
    board.out8(IER, 0x0f);
    board.uart.send([1, 2]);
    board.pass(CHAR_TICKS / 4);
    const before = board.snapshot();
    board.uart.pm.freeze!();
    expect([board.in8(IER), board.in8(MCR), line()]).toEqual([0, 0, 0]);
    board.bytes.set(before);
    board.uart.pm.freeze!();
    board.tick += 1e9;
    board.uart.pm.restore!();
    expect([board.in8(IER), board.in8(MCR)]).toEqual([0x0f, 0x08]);
    expect(board.uart.deadlineTick() - board.tick).toBe(CHAR_TICKS - CHAR_TICKS / 4);
    board.pass(CHAR_TICKS);
    expect(board.in8(RBR)).toBe(1);
  });
});
