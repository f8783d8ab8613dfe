// SPDX-License-Identifier: MIT
//
// Rings, interrupts and tasks in machine code: what the functions of the other files do, as the engine runs it.
import { expect, test } from 'vitest';
import { I386Engine } from '../../kernel-worker/engines/i386/i386-engine.ts';
import { setSegment } from '../../kernel-worker/engines/i386/segments.ts';
import { BareCpu, DATA, GDT, OTHER_TSS, SEL, STACK, STACK0, TSS } from './bare-cpu.ts';

const EAX = 0;
const ESP = 4;
const EIP = 8;
const EFLAGS = 9;
const CR0 = 48;
const bare = new BareCpu();
const { cpu, r } = bare;
const engine = new I386Engine(cpu.board, bare.slot);

/** Writes instructions given in hexadecimal. */
function code(at: number, hex: string): void {
  cpu.memory.write(at, Uint8Array.from(Buffer.from(hex.replace(/\s/g, ''), 'hex')));
}

function run(instructions: number): void {
  engine.invalidate();
  engine.run(instructions, Number.POSITIVE_INFINITY);
  cpu.invalidate(bare.slot);
}

test('from real mode to ring 0, to ring 3, through INT 80h and back', () => {
  bare.protectedMode();
  bare.describe(SEL.tss, TSS, 0x67, 0x89);
  bare.idtGate(0x80, 0xee, SEL.code0, 0x1300);
  cpu.memory.write32(DATA, 0x8f | (GDT << 16));
  // CS 00FF: its low bits must not become the privilege.
  for (let n = 0; n < 6; n++) setSegment(cpu, n, n === 1 ? 0xff : 0, n === 1 ? 0xff0 : 0, 0xffff, 0x93);
  r[CR0] = 0x10;
  r[EIP] = 0x10;
  code(0x1000, '0f 01 16 00 f0  0f 20 c0  0c 01  0f 22 c0  ea 00 11 08 00');
  code(0x1100, '66 b8 10 00  8e d8  8e d0  66 b8 38 00  0f 00 d8');
  code(0x110f, '6a 23  68 00 e0 00 00  9c  6a 1b  68 00 12 00 00  cf');
  code(0x1200, '31 c0  cd 80  eb fe');
  code(0x1300, '89 e3  40  cf');
  run(5 + 5 + 6);
  expect([bare.segment(1), r[EIP], r[ESP], cpu.cpl]).toEqual(['1b', 0x1200, STACK, 3]);
  run(2);
  expect([bare.segment(1), r[EIP], r[ESP], cpu.cpl]).toEqual(['8', 0x1300, STACK0 - 20, 0]);
  run(4);
  expect([bare.segment(1), r[EIP], r[ESP], r[EAX]]).toEqual(['1b', 0x1204, STACK, 1]);
});

test('a fault behind a task switch is one of the new task', () => {
  bare.protectedMode();
  const put = (offset: number, value: number): void => cpu.memory.write32(OTHER_TSS + offset, value);
  put(0x20, 0x4000);
  put(0x24, 2);
  put(0x28 + 4 * ESP, 0xb800);
  for (let n = 0; n < 6; n++) put(0x48 + 4 * n, SEL.data0);
  put(0x4c, SEL.code0);
  put(0x54, SEL.absentData);
  bare.idtGate(11, 0x8e, SEL.code0, 0x1300);
  code(0x1000, 'ea 00 00 00 00 40 00');
  run(1);
  expect([r[EIP], r[ESP], r[40]]).toEqual([0x1300, 0xb800 - 16, SEL.otherTss]);
  expect(bare.stack(3)).toEqual([SEL.absentData, 0x4000, SEL.code0]);
});

test('a fault of the delivery of a fault is a double fault', () => {
  bare.protectedMode();
  bare.idtGate(13, 0x0e, SEL.code0, 0x1300);
  bare.idtGate(8, 0x8e, SEL.code0, 0x1400);
  code(0x1000, '66 b8 90 00  8e d8');
  run(2);
  expect([r[EIP], r[ESP], ...bare.stack(2)]).toEqual([0x1400, STACK - 16, 0, 0x1004]);
});

test('interrupts wait for the instruction behind STI', () => {
  bare.protectedMode();
  bare.idtGate(0x20, 0x8e, SEL.code0, 0x1300);
  const { pic } = cpu.board;
  // ICW1 to ICW4, then everything is let through.
  code(0x1000, 'b0 11 e6 20  b0 20 e6 21  b0 04 e6 21  b0 01 e6 21  30 c0 e6 21  fb  90  90');
  run(10);
  pic.setLine(0, true);
  run(2);
  expect(r[EIP]).toBe(0x1016);
  run(1);
  expect([r[EIP], r[EFLAGS] & 0x200, bare.stack(1)[0]]).toEqual([0x1300, 0, 0x1016]);
  pic.setLine(0, false);
});

test('RDTSC counts the instructions before it', () => {
  bare.protectedMode();
  code(0x1000, '0f 31  89 c3  90 90  0f 31  29 d8');
  run(6);
  expect(r[EAX]).toBe(40);
});

test('single stepping over INT n stops behind it, not in its handler', () => {
  bare.protectedMode();
  bare.idtGate(0x80, 0x8f, SEL.code0, 0x1300);
  bare.idtGate(1, 0x8e, SEL.code0, 0x1400);
  code(0x1000, 'cd 80  90  90');
  code(0x1300, '40 cf');
  r[EFLAGS] |= 0x100;
  run(4);
  expect([r[EIP], r[EAX]]).toEqual([0x1003, 1]);
  run(1);
  expect([r[EIP], bare.stack(1)[0]]).toEqual([0x1400, 0x1003]);
});
