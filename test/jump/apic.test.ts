// SPDX-License-Identifier: MIT
//
// The interrupt controllers at the border: whoever comes in finds them as firmware leaves them, and whoever comes back finds them as
// they were.
import { beforeEach, describe, expect, test } from 'vitest';
import type { Board } from '../../kernel-worker/board.ts';
import type { KernelSlot } from '../../shared/kernel-slot.ts';
import { IO_APIC_ADDRESS, IO_APIC_PINS } from '../../shared/layout/io-apic-state.ts';
import { LOCAL_APIC_ADDRESS } from '../../shared/layout/local-apic-state.ts';
import { JumpBench } from './jump-bench.ts';

const FIRST = 64;
const END = 88;
const SVR = LOCAL_APIC_ADDRESS + 0xf0;
const TIMER = LOCAL_APIC_ADDRESS + 0x320;
const LINT0 = LOCAL_APIC_ADDRESS + 0x350;
const INITIAL = LOCAL_APIC_ADDRESS + 0x380;
const CURRENT = LOCAL_APIC_ADDRESS + 0x390;
const MASKED = 0x10000;

let bench: JumpBench;
let a: KernelSlot;

beforeEach(() => {
  bench = new JumpBench();
  a = bench.boot('a');
});

/** The board of whoever has the machine. */
const board = (): Board => bench.board(bench.current);
const read = (address: number): number => board().bus.readMemory(address, 4);
const write = (address: number, value: number): void => board().bus.writeMemory(address, 4, value);
const register = (index: number, value?: number): number => {
  write(IO_APIC_ADDRESS, index);
  if (value !== undefined) write(IO_APIC_ADDRESS + 0x10, value);
  return read(IO_APIC_ADDRESS + 0x10);
};
const redirections = (): number[] => Array.from({ length: IO_APIC_PINS }, (_, pin) => register(0x10 + 2 * pin));
const imcr = (): number => {
  board().bus.write8(0x22, 0x70);
  return board().bus.read8(0x23);
};

/** Symmetric mode: the I/O APIC has entries, the timer of the local APIC runs, the 8259A is cut off. */
function useApics(): void {
  imcr();
  board().bus.write8(0x23, 1);
  write(SVR, 0x1ff);
  write(TIMER, 0x20040);
  write(INITIAL, 1_000_000);
  for (let pin = 0; pin < IO_APIC_PINS; pin++) register(0x10 + 2 * pin, pin === 5 ? MASKED | 0x35 : 0x30 + pin);
}

describe.each([
  ['an image of the orchestrator', () => void bench.loadImage(a, 'b', FIRST, END)],
  ['an image of the kernel’s own', () => expect(bench.guestLoad(a, FIRST, END)).toBe(0)],
])('with %s', (_, load) => {
  test('case 55: the peer finds every redirection entry masked and PIC mode, and A has its entries back after the return', () => {
    load();
    useApics();
    const entries = redirections();
    expect(bench.jump()).toBe(0);
    expect(bench.current.index).not.toBe(a.index);
    expect([new Set(redirections()), imcr()]).toEqual([new Set([MASKED]), 0]);
    expect([read(SVR), read(TIMER), read(LINT0), read(CURRENT)]).toEqual([0xff, MASKED, MASKED, 0]);
    board().pic.setLine(5, true);
    expect(board().localApic.intr()).toBe(board().pic.intr());

    bench.parts.clock.advance(1e9);
    expect(bench.jump()).toBe(0);
    expect(bench.current.index).toBe(a.index);
    expect([redirections(), imcr()]).toEqual([entries, 1]);
    expect([read(SVR), read(TIMER), read(CURRENT)]).toEqual([0x1ff, 0x20040, 1_000_000]);
  });

  test('what the peer does with them is its own: it finds it again, and A never sees it', () => {
    load();
    bench.jump();
    useApics();
    const entries = redirections();
    bench.jump();
    expect([new Set(redirections()), imcr(), read(SVR)]).toEqual([new Set([MASKED]), 0, 0xff]);
    bench.jump();
    expect([redirections(), imcr(), read(SVR)]).toEqual([entries, 1, 0x1ff]);
  });
});

test('a kernel that will not be back leaves them as firmware does', () => {
  useApics();
  bench.loadImage(a, 'b', FIRST, END, false);
  expect(bench.jump()).toBe(0);
  expect([new Set(redirections()), imcr(), read(SVR), read(CURRENT)]).toEqual([new Set([MASKED]), 0, 0xff, 0]);
});
