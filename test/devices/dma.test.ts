// SPDX-License-Identifier: MIT
// The registers of the two 8237A, by sentences of Intel's data sheet, and the page registers.
import { beforeEach, describe, expect, test } from 'vitest';
import { TestBoard } from './test-board.ts';

let board: TestBoard;

beforeEach(() => {
  board = new TestBoard(null);
});

const word = (port: number) => board.in8(port) | (board.in8(port) << 8);

describe.each([
  ['channels 0-3', 0x00, 1],
  ['channels 4-7', 0xc0, 2],
])('the controller of %s', (_which, first, step) => {
  const port = (register: number) => first + register * step;

  test('keeps an address and a count for each channel, the low byte first', () => {
    board.out8(port(0x0c), 0);
    for (let register = 0; register < 8; register++) board.out8(port(register), register, 0x80 + register);
    for (let register = 0; register < 8; register++) {
      expect(word(port(register))).toBe((0x80 + register) * 256 + register);
    }
  });

  test('has one flip-flop for both bytes of all words, which a command clears', () => {
    board.out8(port(0), 0x34, 0x12);
    expect(board.in8(port(0))).toBe(0x34);
    board.out8(port(0x0c), 0);
    expect(word(port(0))).toBe(0x1234);
  });

  test('master clear masks all channels and forgets requests; addresses stay', () => {
    const bytes = board.snapshot();
    board.out8(port(0), 0x34, 0x12);
    board.out8(port(0x0e), 0);
    board.out8(port(0x09), 0x06);
    expect(board.in8(port(0x08))).toBe(0x40);
    board.out8(port(0x08), 0x10);
    board.out8(port(0x0d), 0);
    expect([board.in8(port(0x08)), word(port(0))]).toEqual([0, 0x1234]);
    board.out8(port(0), 0, 0);
    expect(board.snapshot()).toEqual(bytes);
  });

  test('masks one channel, all of them, or none', () => {
    const mask = (): number => board.view.getUint8(1792 + (step - 1) * 40 + 38);
    expect(mask()).toBe(0x0f);
    board.out8(port(0x0a), 0x02);
    expect(mask()).toBe(0x0b);
    board.out8(port(0x0a), 0x06);
    expect(mask()).toBe(0x0f);
    board.out8(port(0x0e), 0);
    expect(mask()).toBe(0);
    board.out8(port(0x0f), 0xf5);
    expect(mask()).toBe(0x05);
  });

  test('reads ones from registers that can only be written', () => {
    expect([0x09, 0x0a, 0x0b, 0x0c, 0x0e, 0x0f].map((register) => board.in8(port(register)))).toEqual(
      Array(6).fill(0xff),
    );
  });
});

test('the page registers hold what they are given, which is how Linux finds the controllers', () => {
  expect(board.in8(0x87)).toBe(0);
  for (let port = 0x81; port <= 0x8f; port++) board.out8(port, port);
  for (let port = 0x81; port <= 0x8f; port++) expect(board.in8(port)).toBe(port);
  expect(board.in8(0x80)).toBe(0);
});
