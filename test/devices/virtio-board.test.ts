// SPDX-License-Identifier: MIT
// The virtio console on a whole board: its output is the kernel's console, and what is typed there finds its way to it.
import { beforeEach, expect, test } from 'vitest';
import { ConsoleInput } from '../../shared/console-input.ts';
import { ConsoleRing } from '../../shared/console-ring.ts';
import { Pc } from '../i386/pc.ts';
import { TestDriver, WRITE } from './virtio-driver.ts';

const LATENCY = 1000;
/** A character's time on the serial line at power-on, 9600 baud, and more. */
const CHARACTER = 2_000_000;
const TEXT = 0x40000;
const BUFFER = 0x50000;
const RBR = 0x3f8;

let pc: Pc;
let driver: TestDriver<{ bus: Pc['board']['bus']; ram: Pc['parts']['memory'] }>;
let input: ConsoleInput;

beforeEach(() => {
  pc = new Pc();
  input = new ConsoleInput(pc.parts.machine, 0);
  driver = new TestDriver({ bus: pc.board.bus, ram: pc.parts.memory }, 'virtio-console', { place: 8 });
  driver.start({ queues: 2 });
  driver.give(0, [{ at: BUFFER, length: 64, flags: WRITE }]);
});

const type = (text: string) => input.push(new TextEncoder().encode(text));
const received = () => driver.used(0).map(([, length]) => new TextDecoder().decode(pc.read(BUFFER, length)));

function transmit(text: string): void {
  pc.write(TEXT, new TextEncoder().encode(text));
  driver.give(1, [{ at: TEXT, length: text.length }]);
  pass(LATENCY);
}

/** As an engine lets time pass behind an access. */
function pass(ticks: number): void {
  pc.board.touchDeadlines();
  pc.board.nextDeadline();
  pc.board.passTime(ticks);
  pc.board.nextDeadline();
}

test('what it transmits is written to the console of the kernel that has the machine', () => {
  transmit('hello\nand ');
  transmit('more');
  pc.board.endLine();
  const ring = new ConsoleRing(pc.parts.machine, 0);
  expect(new TextDecoder().decode(ring.read(ring.unread))).toBe('hello\nand more');
});

test('what is typed goes to the one that was written to last, and first of all to the serial port', () => {
  type('a');
  pass(CHARACTER);
  expect([pc.board.bus.read8(RBR), received()]).toEqual([0x61, []]);
  transmit('login: ');
  type('root\n');
  pass(LATENCY);
  pass(LATENCY);
  expect(received()).toEqual(['root\n']);
  pass(CHARACTER);
  expect(pc.board.bus.read8(RBR + 5) & 1).toBe(0);
  pc.board.bus.write8(RBR, 0x24);
  type('b');
  pass(CHARACTER);
  expect([pc.board.bus.read8(RBR), received()]).toEqual([0x62, ['root\n']]);
});

test('more than its wire holds waits for the driver to take it, and comes in order', () => {
  transmit('$ ');
  const text = Array.from({ length: 400 }, (_, i) => String.fromCharCode(0x21 + (i % 90))).join('');
  expect(type(text)).toBe(400);
  let all = '';
  for (let round = 1; all.length < 400; round++) {
    expect(round).toBeLessThan(20);
    pass(LATENCY);
    pass(LATENCY);
    all += received()
      .slice(round - 1)
      .join('');
    driver.give(0, [{ at: BUFFER, length: 64, flags: WRITE }]);
  }
  expect(all).toBe(text);
});
