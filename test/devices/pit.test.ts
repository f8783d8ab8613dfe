// SPDX-License-Identifier: MIT
// The 8254, by sentences of Intel's data sheet 231164. Moments are CLK pulses: `to(n)` stands right at pulse n, counted
// from the start of the test, and what is written there is loaded with pulse n + 1.
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { cyclesInTicks, ticksForCycles } from '../../kernel-worker/devices/exact-rate.ts';
import { TestBoard } from './test-board.ts';

const HZ = 1_193_182;
const ALL_MODES = [0, 1, 2, 3, 4, 5];
let board: TestBoard;

beforeEach(() => {
  board = new TestBoard(null);
  to(0);
});

/** Stands at CLK pulse 1000 + `clock`, having stopped at every deadline before. */
function to(clock: number): void {
  board.pass(ticksForCycles(1000 + clock, HZ) - board.tick);
}

function program(counter: number, mode: number, count: number, bcd = 0): void {
  board.out8(0x43, (counter << 6) | 0x30 | (mode << 1) | bcd);
  board.out8(0x40 + counter, count & 0xff, count >> 8);
}

const gate2 = (high: boolean) => board.out8(0x61, high ? 1 : 0);

/** Read-back of the status only. */
function status(counter: number): number {
  board.out8(0x43, 0xe0 | (2 << counter));
  return board.in8(0x40 + counter);
}

const out = (counter: number) => status(counter) >> 7;

function count(counter: number): number {
  board.out8(0x43, counter << 6);
  return board.in8(0x40 + counter) | (board.in8(0x40 + counter) << 8);
}

/** OUT of counter 2 at each of the pulses `from` to `last`. */
function outs(from: number, last: number): string {
  let levels = '';
  for (let clock = from; clock <= last; clock++) {
    to(clock);
    levels += out(2);
  }
  return levels;
}

/** Ticks at which counter 0's OUT rose, as the master 8259A latched it. */
function risingEdges(untilClock: number): number[] {
  const edges: number[] = [];
  const end = ticksForCycles(1000 + untilClock, HZ);
  let previous = board.view.getUint8(256) & 1;
  while (board.nextDeadline() <= end) {
    board.pass(board.nextDeadline() - board.tick);
    const latched = board.view.getUint8(256) & 1;
    if (latched && !previous) edges.push(board.tick);
    previous = latched;
  }
  return edges;
}

describe('the control word', () => {
  test.each(ALL_MODES)('in mode %i sets OUT to its first level at once: low in mode 0, else high', (mode) => {
    gate2(true);
    board.out8(0x43, 0xb0 | (mode << 1));
    expect(out(2)).toBe(mode === 0 ? 0 : 1);
    to(100_000);
    expect(out(2)).toBe(mode === 0 ? 0 : 1);
  });

  test('modes 6 and 7 are 2 and 3, and the status shows the bits as written', () => {
    gate2(true);
    program(2, 6, 5);
    expect(status(2) & 0x3f).toBe(0x3c);
    expect(outs(1, 10)).toBe('1111011110');
  });

  test('programming a counter leaves the others alone', () => {
    program(0, 2, 100);
    to(10);
    program(1, 2, 50);
    expect(count(0)).toBe(91);
  });
});

describe('mode 0, interrupt on terminal count', () => {
  test('OUT goes high N + 1 pulses after the count is written, and stays high', () => {
    gate2(true);
    program(2, 0, 4);
    expect(outs(0, 7)).toBe('00000111');
    to(200_000);
    expect(out(2)).toBe(1);
  });

  test('after the terminal count CE wraps around and goes on', () => {
    gate2(true);
    program(2, 0, 4);
    to(6);
    expect(count(2)).toBe(0xffff);
  });

  test('GATE low stops the count and does not touch OUT', () => {
    gate2(true);
    program(2, 0, 4);
    to(3);
    gate2(false);
    to(50);
    expect([count(2), out(2)]).toEqual([2, 0]);
    gate2(true);
    expect(outs(51, 53)).toBe('011');
  });

  test('a count written while GATE is low is loaded with the next pulse, and OUT goes high N pulses after GATE', () => {
    program(2, 0, 4);
    to(20);
    expect([count(2), status(2) & 0x40]).toEqual([4, 0]);
    gate2(true);
    expect(outs(21, 25)).toBe('00011');
  });

  test('the first byte of a new count stops the counter and sets OUT low; the second starts it', () => {
    gate2(true);
    program(2, 0, 4);
    to(6);
    expect(out(2)).toBe(1);
    board.out8(0x42, 3);
    expect(out(2)).toBe(0);
    to(30);
    expect(out(2)).toBe(0);
    board.out8(0x42, 0);
    expect(outs(31, 35)).toBe('00011');
  });
});

describe('mode 1, hardware retriggerable one-shot', () => {
  test('a GATE trigger makes OUT low from the next pulse on, for N pulses', () => {
    program(2, 1, 3);
    expect(outs(1, 5)).toBe('11111');
    gate2(true);
    expect(outs(5, 10)).toBe('100011');
  });

  test('a new trigger starts the N pulses anew, and GATE low has no effect', () => {
    program(2, 1, 4);
    gate2(true);
    to(2);
    gate2(false);
    to(3);
    gate2(true);
    expect(outs(3, 9)).toBe('0000011');
  });

  test('a new count does not touch the current pulse, only the next trigger', () => {
    program(2, 1, 3);
    gate2(true);
    to(1);
    board.out8(0x42, 1, 0);
    expect(outs(1, 5)).toBe('00011');
    gate2(false);
    gate2(true);
    expect(outs(6, 8)).toBe('011');
  });
});

describe('mode 2, rate generator', () => {
  test('OUT is low for one pulse when the count reaches 1, every N pulses', () => {
    gate2(true);
    program(2, 2, 4);
    expect(outs(0, 12)).toBe('1111011101110');
    expect(count(2)).toBe(1);
  });

  test('GATE low sets OUT high at once; a rising GATE reloads with the next pulse', () => {
    gate2(true);
    program(2, 2, 3);
    to(3);
    expect(out(2)).toBe(0);
    gate2(false);
    expect(out(2)).toBe(1);
    to(20);
    expect(out(2)).toBe(1);
    gate2(true);
    expect(outs(20, 26)).toBe('1110110');
  });

  test('a new count takes effect at the end of the current period; until then NULL COUNT is set', () => {
    gate2(true);
    program(2, 2, 5);
    to(2);
    board.out8(0x42, 3, 0);
    expect(status(2) & 0x40).toBe(0x40);
    expect(outs(3, 12)).toBe('1101101101');
    expect(status(2) & 0x40).toBe(0);
  });

  test('whole periods may pass unobserved', () => {
    gate2(true);
    program(2, 2, 7);
    to(1 + 7 * 1_000_000 + 3);
    expect([count(2), out(2)]).toEqual([4, 1]);
  });
});

describe('mode 3, square wave', () => {
  test('an even count is high for N/2 and low for N/2 pulses', () => {
    gate2(true);
    program(2, 3, 4);
    expect(outs(1, 9)).toBe('110011001');
  });

  test('an odd count is high for (N + 1)/2 and low for (N - 1)/2 pulses', () => {
    gate2(true);
    program(2, 3, 5);
    expect(outs(1, 11)).toBe('11100111001');
  });

  test('the count goes down by two', () => {
    gate2(true);
    program(2, 3, 5);
    const counts = [];
    for (let clock = 1; clock <= 6; clock++) {
      to(clock);
      counts.push(count(2));
    }
    expect(counts).toEqual([4, 2, 0, 4, 2, 4]);
  });

  test('a new count takes effect at the end of the current half period', () => {
    gate2(true);
    program(2, 3, 8);
    to(2);
    board.out8(0x42, 4, 0);
    expect(outs(2, 10)).toBe('111001100');
  });

  test('GATE low sets OUT high at once; a rising GATE reloads with the next pulse', () => {
    gate2(true);
    program(2, 3, 4);
    to(3);
    gate2(false);
    expect(outs(3, 6)).toBe('1111');
    gate2(true);
    expect(outs(7, 11)).toBe('11001');
  });
});

describe('mode 4, software triggered strobe', () => {
  test('OUT is low for one pulse, N + 1 pulses after the count is written', () => {
    gate2(true);
    program(2, 4, 3);
    expect(outs(0, 7)).toBe('11110111');
  });

  test('GATE low holds the count', () => {
    gate2(true);
    program(2, 4, 3);
    to(2);
    gate2(false);
    to(9);
    gate2(true);
    expect(outs(9, 13)).toBe('11011');
  });

  test('GATE does not shorten a strobe that has begun', () => {
    gate2(true);
    program(2, 4, 3);
    to(4);
    gate2(false);
    expect(outs(4, 6)).toBe('011');
  });

  test('a new count triggers again', () => {
    gate2(true);
    program(2, 4, 3);
    to(2);
    board.out8(0x42, 3, 0);
    expect(outs(3, 8)).toBe('111011');
  });
});

describe('mode 5, hardware triggered strobe', () => {
  test('OUT is low for one pulse, N + 1 pulses after the trigger', () => {
    program(2, 5, 3);
    to(8);
    gate2(true);
    expect(outs(8, 14)).toBe('1111011');
  });

  test('a new trigger restarts the count', () => {
    program(2, 5, 3);
    gate2(true);
    to(2);
    gate2(false);
    gate2(true);
    expect(outs(3, 8)).toBe('111011');
  });
});

describe('counts', () => {
  test('0 stands for 65536, or 10000 in BCD', () => {
    gate2(true);
    program(2, 2, 0);
    to(2);
    expect(count(2)).toBe(0xffff);
    program(2, 2, 0, 1);
    to(4);
    expect(count(2)).toBe(0x9999);
  });

  test('in BCD the four digits count', () => {
    gate2(true);
    program(2, 2, 0x1000, 1);
    to(2);
    expect(count(2)).toBe(0x0999);
  });

  test('of one byte set the other to zero', () => {
    gate2(true);
    board.out8(0x43, 0x94);
    board.out8(0x42, 0x10);
    to(1);
    expect(board.in8(0x42)).toBe(0x10);
    board.out8(0x43, 0xa4);
    board.out8(0x42, 0x02);
    to(3);
    expect(board.in8(0x42)).toBe(0x01);
  });

  test('are read low byte first while they go on', () => {
    gate2(true);
    program(2, 2, 0x1234);
    to(1);
    expect(board.in8(0x42)).toBe(0x34);
    to(2);
    expect(board.in8(0x42)).toBe(0x12);
  });

  test('stay latched until they are read, and a second latch command is ignored', () => {
    gate2(true);
    program(2, 2, 0x1234);
    to(1);
    board.out8(0x43, 0x80);
    to(300);
    board.out8(0x43, 0x80);
    expect([board.in8(0x42), board.in8(0x42)]).toEqual([0x34, 0x12]);
    expect(board.in8(0x42)).toBe((0x1234 - 299) & 0xff);
  });

  test('of 1, illegal in modes 2 and 3, count as 2 and do not stall the machine', () => {
    gate2(true);
    program(2, 2, 1);
    to(1_000_000_001);
    expect(outs(1_000_000_001, 1_000_000_004)).toBe('1010');
  });
});

describe('the read-back command', () => {
  test('latches count and status of several counters; the status is read first', () => {
    program(0, 2, 0x1111);
    program(1, 3, 0x2222);
    to(1);
    board.out8(0x43, 0xc0 | 0x06);
    to(50);
    expect([board.in8(0x40), board.in8(0x40), board.in8(0x40)]).toEqual([0xb4, 0x11, 0x11]);
    expect([board.in8(0x41), board.in8(0x41), board.in8(0x41)]).toEqual([0xb6, 0x22, 0x22]);
  });

  test('tells by NULL COUNT that a count is not loaded yet', () => {
    program(0, 2, 100);
    expect(status(0) & 0x40).toBe(0x40);
    to(1);
    expect(status(0) & 0x40).toBe(0);
  });
});

describe('port 0x61', () => {
  test('shows GATE2 and speaker as written, OUT2 in bit 5', () => {
    board.out8(0x61, 0xf3);
    expect(board.in8(0x61) & 0xcf).toBe(0x03);
    program(2, 0, 2);
    to(2);
    expect(board.in8(0x61) & 0x20).toBe(0);
    to(3);
    expect(board.in8(0x61) & 0x20).toBe(0x20);
  });

  test('toggles bit 4 with the memory refresh, every 15 µs', () => {
    const levels = [0, 18, 36, 54].map((clock) => {
      to(8 + clock);
      return (board.in8(0x61) >> 4) & 1;
    });
    expect(levels).toEqual([0, 1, 0, 1]);
  });
});

describe('counter 0', () => {
  test('interrupts with every rising edge of OUT, and without drift', () => {
    program(0, 2, 11932);
    const edges = risingEdges(11932 * 1000 + 1);
    expect(edges).toHaveLength(1001 - 1);
    for (const [index, edge] of edges.entries()) expect(edge).toBe(ticksForCycles(1001 + 11932 * (index + 1), HZ));
  });

  test('is one interrupt, not a storm, if nobody looked for a while', () => {
    board.initializePics();
    program(0, 2, 1000);
    board.tick += 50_000_000;
    board.pit.onDeadline(board.tick);
    expect(board.pic.acknowledge()).toBe(0x20);
    board.out8(0x20, 0x20);
    expect(board.pic.intr()).toBe(false);
  });

  test('goes on after the core suspend where it stood', () => {
    program(0, 2, 1000);
    to(401);
    const before = board.snapshot();
    board.pit.pm.suspendSyscore!();
    board.pit.pm.resumeSyscore!();
    expect(board.snapshot()).toEqual(before);
    board.pit.pm.suspendSyscore!();
    board.tick += 123_456_789;
    board.pit.pm.resumeSyscore!();
    expect(count(0)).toBe(600);
    expect(board.pit.deadlineTick() - board.tick).toBeLessThanOrEqual(ticksForCycles(600, HZ));
  });
});

describe('an exact rate', () => {
  test.each([HZ, 32_768])('of %i Hz turns cycles into the first tick that holds them', (hz) => {
    fc.assert(
      fc.property(fc.nat({ max: 1e10 }), (cycle) => {
        const tick = ticksForCycles(cycle, hz);
        expect(cyclesInTicks(tick, hz)).toBe(cycle);
        if (cycle > 0) expect(cyclesInTicks(tick - 1, hz)).toBe(cycle - 1);
        expect(tick).toBe(Number((BigInt(cycle) * 1_000_000_000n + BigInt(hz) - 1n) / BigInt(hz)));
      }),
      { seed: 8254, numRuns: 500 },
    );
  });

  test('keeps never as never', () => {
    expect(ticksForCycles(Number.POSITIVE_INFINITY, HZ)).toBe(Number.POSITIVE_INFINITY);
  });
});
