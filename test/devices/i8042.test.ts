// SPDX-License-Identifier: MIT
// The keyboard controller with nothing attached, and port 0x92 beside it (IBM PS/2 hardware interface technical reference).
import { beforeEach, describe, expect, test } from 'vitest';
import { TestBoard } from './test-board.ts';

const DATA = 0x60;
const COMMAND = 0x64;
const STATUS = 0x64;
const PORT_A = 0x92;

let board: TestBoard;

beforeEach(() => {
  board = new TestBoard(null);
});

/** Level of an input of the interrupt controllers. */
const line = (irq: number) => (board.view.getUint8(256 + (irq < 8 ? 8 : 32 + 8)) >> (irq & 7)) & 1;
function command(code: number, ...parameters: number[]): void {
  board.out8(COMMAND, code);
  board.out8(DATA, ...parameters);
}

describe('the keyboard controller', () => {
  test('is well, and not locked', () => {
    expect(board.in8(STATUS)).toBe(0x14);
    command(0xaa);
    expect([board.in8(STATUS), board.in8(DATA), board.in8(STATUS)]).toEqual([0x1d, 0x55, 0x1c]);
  });

  test('tests both interfaces well, has no password, and tells what its input port shows', () => {
    for (const [code, answer] of [
      [0xab, 0x00],
      [0xa9, 0x00],
      [0xa4, 0xf1],
      [0xc0, 0x80],
      [0xe0, 0x00],
    ] as const) {
      command(code);
      expect([board.in8(STATUS) & 1, board.in8(DATA)]).toEqual([1, answer]);
    }
  });

  test('tells in the status whether a command or a byte was written last', () => {
    command(0x60);
    expect(board.in8(STATUS) & 0x08).toBe(0x08);
    board.out8(DATA, 0x45);
    expect(board.in8(STATUS) & 0x08).toBe(0);
  });

  test('keeps CTR and the rest of its RAM; its SYS bit is that of the status', () => {
    command(0x60, 0x30);
    command(0x7f, 0x99);
    expect(board.in8(STATUS) & 0x04).toBe(0);
    command(0x20);
    expect(board.in8(DATA)).toBe(0x30);
    command(0x3f);
    expect(board.in8(DATA)).toBe(0x99);
  });

  test.each([
    [0xad, 0x00, 0x10],
    [0xae, 0x30, 0x20],
    [0xa7, 0x00, 0x20],
    [0xa8, 0x30, 0x10],
  ])('command %i switches an interface', (code, before, after) => {
    command(0x60, before);
    command(code);
    command(0x20);
    expect(board.in8(DATA)).toBe(after);
  });

  test("passes Linux's loop test of the second interface, and marks its bytes", () => {
    command(0xd3, 0x5a);
    expect([board.in8(STATUS) & 0x21, board.in8(DATA), board.in8(STATUS) & 0x21]).toEqual([0x21, 0x5a, 0]);
    command(0xd2, 0xa5);
    expect([board.in8(STATUS) & 0x21, board.in8(DATA)]).toEqual([0x01, 0xa5]);
  });

  test('answers for the keyboard and the mouse that are not there: a time-out at once', () => {
    board.out8(DATA, 0xf2);
    expect([board.in8(STATUS) & 0x61, board.in8(DATA), board.in8(STATUS) & 0x61]).toEqual([0x41, 0xfe, 0]);
    command(0xd4, 0xf2);
    expect([board.in8(STATUS) & 0x61, board.in8(DATA)]).toEqual([0x61, 0xfe]);
  });

  test('ignores what it does not know', () => {
    command(0xb8);
    expect(board.in8(STATUS) & 0x01).toBe(0);
  });

  test('interrupts for each interface as CTR says, until the byte is read', () => {
    command(0x60, 0x47);
    command(0xd2, 1);
    expect([line(1), line(12)]).toEqual([1, 0]);
    board.in8(DATA);
    command(0xd3, 1);
    expect([line(1), line(12)]).toEqual([0, 1]);
    board.in8(DATA);
    command(0x60, 0x44);
    command(0xd2, 1);
    command(0xd3, 1);
    expect([line(1), line(12)]).toEqual([0, 0]);
  });

  test('asks for no interrupt while it is frozen, and for those that are due afterwards', () => {
    command(0x60, 0x47);
    board.i8042.pm.freeze!();
    command(0xd2, 1);
    expect(line(1)).toBe(0);
    board.i8042.pm.restore!();
    expect(line(1)).toBe(1);
    command(0x20);
    expect(board.in8(DATA)).toBe(0x47);
  });
});

describe('the A20 gate', () => {
  test('is a bit of the output port, of port 0x92, and of two commands; whoever wrote last decides', () => {
    const gate = (): number[] => {
      command(0xd0);
      return [board.in8(DATA) & 0x03, board.in8(PORT_A)];
    };
    expect(gate()).toEqual([0x03, 0x02]);
    command(0xd1, 0xdd);
    expect(gate()).toEqual([0x01, 0x00]);
    board.out8(PORT_A, 0x02);
    expect(gate()).toEqual([0x03, 0x02]);
    command(0xdd);
    expect(gate()).toEqual([0x01, 0x00]);
    command(0xdf);
    expect(gate()).toEqual([0x03, 0x02]);
    board.out8(PORT_A, 0x00);
    expect(gate()).toEqual([0x01, 0x00]);
    expect(board.resets).toBe(0);
  });
});

describe('a reset of the machine', () => {
  test.each([
    ['command 0xFE', () => command(0xfe)],
    ['bit 0 of the output port', () => command(0xd1, 0xde)],
    ['bit 0 of port 0x92', () => board.out8(PORT_A, 0x03)],
  ])('is asked for by %s', (_how, ask) => {
    ask();
    expect(board.resets).toBe(1);
  });

  test('is not asked for by a pulse of the other bits', () => {
    command(0xff);
    command(0xfd);
    expect(board.resets).toBe(0);
  });
});
