// SPDX-License-Identifier: MIT
// The I/O APIC, by sentences of Intel's 82093AA data sheet (290566).
import { beforeEach, describe, expect, test } from 'vitest';
import { IO_APIC_ADDRESS } from '../../shared/layout/io-apic-state.ts';
import { LOCAL_APIC_ADDRESS } from '../../shared/layout/local-apic-state.ts';
import { TestBoard } from './test-board.ts';

const MASKED = 0x10000;
const LEVEL = 0x8000;
const REMOTE_IRR = 0x4000;
const LOW_ACTIVE = 0x2000;
const PIN = 9;

let board: TestBoard;

beforeEach(() => {
  board = new TestBoard(null);
  board.bus.writeMemory(LOCAL_APIC_ADDRESS + 0xf0, 4, 0x1ff);
});

const readRegister = (index: number): number => {
  board.bus.writeMemory(IO_APIC_ADDRESS, 4, index);
  return board.bus.readMemory(IO_APIC_ADDRESS + 0x10, 4) >>> 0;
};
const writeRegister = (index: number, value: number): void => {
  board.bus.writeMemory(IO_APIC_ADDRESS, 4, index);
  board.bus.writeMemory(IO_APIC_ADDRESS + 0x10, 4, value);
};
const entry = (pin: number): number => readRegister(0x10 + 2 * pin);
const setEntry = (pin: number, low: number, high = 0): void => {
  writeRegister(0x11 + 2 * pin, high);
  writeRegister(0x10 + 2 * pin, low);
};
const line = (level: boolean, pin = PIN): void => board.ioApic.setLine(pin, level);
/** The vector that is delivered now, or null. */
const taken = (): number | null => (board.localApic.intr() ? board.localApic.acknowledge() : null);
const endOfInterrupt = (): void => board.bus.writeMemory(LOCAL_APIC_ADDRESS + 0xb0, 4, 0);

describe('registers', () => {
  test('are reached through IOREGSEL and IOWIN', () => {
    expect(readRegister(0)).toBe(0x02000000);
    expect(readRegister(1)).toBe(0x00170011);
    expect(board.bus.readMemory(IO_APIC_ADDRESS, 4)).toBe(1);
    writeRegister(0, 0xffffffff);
    expect([readRegister(0), readRegister(2)]).toEqual([0x0f000000, 0x0f000000]);
    writeRegister(1, 0);
    expect([readRegister(1), readRegister(3), readRegister(0x40)]).toEqual([0x00170011, 0, 0]);
  });

  test('of the redirection table are masked after power-on; delivery status and Remote IRR cannot be written', () => {
    expect(Array.from({ length: 24 }, (_, pin) => entry(pin))).toEqual(Array(24).fill(MASKED));
    setEntry(23, -1, -1);
    expect([entry(23), readRegister(0x3f)]).toEqual([0x1afff, 0xff000000]);
  });
});

describe('an edge-triggered entry', () => {
  test('sends once for every rise', () => {
    setEntry(PIN, 0x41);
    line(true);
    expect([taken(), taken()]).toEqual([0x41, null]);
    endOfInterrupt();
    line(false);
    expect(taken()).toBeNull();
    line(true);
    expect([taken(), entry(PIN)]).toEqual([0x41, 0x41]);
  });

  test('loses a rise while it is masked', () => {
    setEntry(PIN, MASKED | 0x41);
    line(true);
    setEntry(PIN, 0x41);
    expect(taken()).toBeNull();
  });

  test('sends for every fall if it is low active', () => {
    setEntry(PIN, LOW_ACTIVE | 0x41);
    line(true);
    expect(taken()).toBeNull();
    line(false);
    expect(taken()).toBe(0x41);
  });
});

describe('a level-triggered entry', () => {
  test('sends once until the EOI, and again if the line still asks', () => {
    setEntry(PIN, LEVEL | 0x41);
    line(true);
    expect([taken(), entry(PIN)]).toEqual([0x41, LEVEL | REMOTE_IRR | 0x41]);
    line(false);
    line(true);
    expect(taken()).toBeNull();
    endOfInterrupt();
    expect([taken(), entry(PIN)]).toEqual([0x41, LEVEL | REMOTE_IRR | 0x41]);
    line(false);
    endOfInterrupt();
    expect([taken(), entry(PIN)]).toEqual([null, LEVEL | 0x41]);
  });

  test('sends when it is unmasked while the line asks', () => {
    setEntry(PIN, MASKED | LEVEL | 0x41);
    line(true);
    expect(taken()).toBeNull();
    setEntry(PIN, LEVEL | 0x41);
    expect(taken()).toBe(0x41);
  });

  test('forgets Remote IRR by a switch to edge and back', () => {
    setEntry(PIN, LEVEL | 0x41);
    line(true);
    taken();
    setEntry(PIN, MASKED | 0x41);
    setEntry(PIN, LEVEL | 0x41);
    endOfInterrupt();
    expect(taken()).toBe(0x41);
  });

  test('hears only of ends of its own vector', () => {
    setEntry(PIN, LEVEL | 0x41);
    setEntry(10, LEVEL | 0x51);
    line(true);
    line(true, 10);
    expect(taken()).toBe(0x51);
    endOfInterrupt();
    expect([entry(10), entry(PIN)].map((low) => (low & REMOTE_IRR) !== 0)).toEqual([true, true]);
    line(false, 10);
    expect(taken()).toBe(0x51);
    endOfInterrupt();
    expect([entry(10), entry(PIN)].map((low) => (low & REMOTE_IRR) !== 0)).toEqual([false, true]);
  });
});

test('an entry for another APIC, or of another delivery mode than fixed and lowest priority, reaches nobody', () => {
  for (const [low, high] of [
    [LEVEL | 0x41, 0x01000000],
    [LEVEL | 0x241, 0],
    [LEVEL | 0x441, 0],
    [LEVEL | 0x741, 0],
  ]) {
    setEntry(PIN, low, high);
    line(true);
    expect([taken(), entry(PIN) & REMOTE_IRR]).toEqual([null, 0]);
    line(false);
  }
  setEntry(PIN, LEVEL | 0x141, 0xff000000);
  line(true);
  expect(taken()).toBe(0x41);
});

test('the ISA lines of the board come here and to the 8259A; the timer at pin 2', () => {
  board.out8(0x21, 0xff);
  setEntry(2, 0x41);
  setEntry(4, 0x51);
  board.out8(0x43, 0x34);
  board.out8(0x40, 100, 0);
  board.pass(1_000_000);
  expect(taken()).toBe(0x41);
  board.out8(0x3fc, 0x08);
  board.out8(0x3f9, 0x01);
  board.uart.receive(0x41);
  expect(taken()).toBe(0x51);
  board.out8(0x20, 0x0a);
  expect(board.in8(0x20)).toBe(0x11);
});

describe('power management', () => {
  test('masks every entry on the way down and brings it back, with what the lines ask for by then', () => {
    setEntry(PIN, LEVEL | 0x41);
    setEntry(4, 0x51, 0xff000000);
    expect(board.ioApic.busyReason()).toBe('entry 4 of its redirection table is not masked');
    board.ioApic.pm.suspendSyscore!();
    expect([entry(PIN), entry(4), readRegister(0x19), board.ioApic.busyReason()]).toEqual([MASKED, MASKED, 0, null]);
    line(true);
    expect(taken()).toBeNull();
    board.ioApic.pm.resumeSyscore!();
    expect(taken()).toBe(0x41);
    expect([entry(4), readRegister(0x19)]).toEqual([0x51, 0xff000000]);
  });

  test('a new system inherits masked entries, and what it programs is its own', () => {
    setEntry(PIN, LEVEL | 0x41);
    board.ioApic.pm.suspendSyscore!();
    board.ioApic.pm.inherit!();
    setEntry(4, 0x51);
    board.ioApic.pm.resumeSyscore!();
    expect([entry(PIN), entry(4)]).toEqual([MASKED, 0x51]);
  });
});
