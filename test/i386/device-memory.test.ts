// SPDX-License-Identifier: MIT
//
// Devices at physical addresses above all memory, as machine code reaches them: each access once, at the time of its instruction, and
// what the device did is seen behind it.
import { describe, expect, test } from 'vitest';
import { MEMORY_TICKS } from '../../kernel-worker/bus.ts';
import { CPU } from '../../shared/layout/cpu-state.ts';
import { le32 } from './le32.ts';
import { Pc, REGISTER } from './pc.ts';

const CODE = 0x1000;
const DEVICE = 0xe0000200;
const HLT = 0xf4;
const TICKS = 10;

const loadEax = (at: number): number[] => [0xa1, ...le32(at)];
const store = (at: number, value: number): number[] => [0xc7, 0x05, ...le32(at), ...le32(value)];

/** A PC with a device of 512 bytes that logs `width offset [value] @tick`, and answers with the offset. */
function devicePc(...code: number[][]): { pc: Pc; log: string[] } {
  const pc = new Pc();
  const log: string[] = [];
  const now = (): number => pc.parts.clock.nowTick();
  const reads = (width: number) => (at: number) => {
    log.push(`r${width} ${at} @${now()}`);
    return at;
  };
  const writes = (width: number) => (at: number, value: number) => {
    log.push(`w${width} ${at} ${value} @${now()}`);
  };
  pc.board.bus.claimMemory('test', DEVICE, 0x200, {
    read8: reads(8),
    read16: reads(16),
    read32: reads(32),
    write8: writes(8),
    write16: writes(16),
    write32: writes(32),
  });
  pc.write(CODE, [...code.flat(), HLT]).flat(CODE);
  return { pc, log };
}

describe('An access of machine code to a device', () => {
  test('has its width, its offset, and happens once, at the time of its instruction', () => {
    const { pc, log } = devicePc(
      [0x41, 0x41],
      store(DEVICE + 8, 77),
      [0x41],
      [0x66, 0xa1, ...le32(DEVICE + 4)],
      [0xa0, ...le32(DEVICE + 1)],
      loadEax(DEVICE + 12),
    );
    pc.run(7);
    expect(log).toEqual([
      `w32 8 77 @${2 * TICKS}`,
      `r16 4 @${4 * TICKS + MEMORY_TICKS}`,
      `r8 1 @${5 * TICKS + 2 * MEMORY_TICKS}`,
      `r32 12 @${6 * TICKS + 3 * MEMORY_TICKS}`,
    ]);
    expect(pc.r[REGISTER.eax]).toBe(12);
    expect(pc.parts.clock.nowTick()).toBe(7 * TICKS + 4 * MEMORY_TICKS);
    expect(pc.slot.steps).toBe(7);
  });

  test('that reads, changes and writes does so in one instruction', () => {
    const { pc, log } = devicePc([0x83, 0x05, ...le32(DEVICE + 16), 5]);
    pc.run(1);
    expect(log.map((line) => line.split(' @')[0])).toEqual(['r32 16', 'w32 16 21']);
  });

  test('goes element by element in a string instruction', () => {
    const { pc, log } = devicePc([0xf3, 0xab]);
    pc.r[REGISTER.ecx] = 3;
    pc.r[REGISTER.edi] = DEVICE | 0;
    pc.r[REGISTER.eax] = 9;
    pc.run(1);
    expect(log.map((line) => line.split(' @')[0])).toEqual(['w32 0 9', 'w32 4 9', 'w32 8 9']);
    expect([pc.r[REGISTER.ecx], pc.eip]).toEqual([0, CODE + 2]);
  });

  test('of INS takes the port once', () => {
    const { pc, log } = devicePc([0x6c]);
    let reads = 0;
    pc.board.bus.claimPorts('counted', 0x300, 0x300, { read8: () => ++reads });
    pc.r[REGISTER.edx] = 0x300;
    pc.r[REGISTER.edi] = (DEVICE + 3) | 0;
    pc.run(1);
    expect([reads, log.map((line) => line.split(' @')[0])]).toEqual([1, ['w8 3 1']]);
  });

  test('goes through page tables, and is asked for each time', () => {
    const { pc, log } = devicePc(loadEax(0x5200), loadEax(0x5204));
    const { memory } = pc.parts;
    for (let page = 0; page < 1024; page++) memory.write32(0x11000 + 4 * page, (page << 12) | 7);
    memory.write32(0x11000 + 4 * 5, (DEVICE & -4096) | 7);
    memory.write32(0x10000, 0x11007);
    pc.r[CPU.cr3 / 4] = 0x10000;
    pc.r[CPU.cr0 / 4] = 0x80000011 | 0;
    pc.engine.invalidate();
    pc.run(2);
    expect(log).toEqual([`r32 0 @0`, `r32 4 @${TICKS + MEMORY_TICKS}`]);
  });

  test('across the border of a page asks the device for its part', () => {
    const { pc, log } = devicePc(loadEax(0xe0000fff | 0), store(0xe0001fff | 0, 0x04030201));
    pc.board.bus.claimMemory('next', 0xe0001000, 0x1000, {
      read8: (at) => 0x10 + at,
      write8: (at, value) => log.push(`next ${at} ${value}`),
    });
    pc.run(2);
    expect(pc.r[REGISTER.eax]).toBe(0x121110ff);
    expect(log).toEqual(['next 4095 1']);
  });

  test('lets an interrupt in that the device asks for, behind the very instruction', () => {
    const { pc } = devicePc();
    pc.board.bus.claimMemory('line', 0xe0002000, 4, { write32: () => pc.board.pic.setLine(0, true) });
    const { bus } = pc.board;
    for (const [port, value] of [
      [0x20, 0x11],
      [0x21, 0x20],
      [0x21, 4],
      [0x21, 1],
      [0x21, 0xfe],
    ]) {
      bus.write8(port, value);
    }
    pc.write(0x20 * 4, [0x00, 0x20, 0, 0]).write(0x2000, [HLT]);
    pc.real(0, CODE);
    pc.write(CODE, [0xfb, 0x41, 0x66, 0x67, ...store(0xe0002000 | 0, 1), 0x41, 0x41]);
    for (let n = 0; n < 6; n++) pc.r[CPU.es / 4 + 4 * n + 2] = -1;
    pc.r[REGISTER.esp] = 0x8000;
    pc.engine.invalidate();
    pc.run(8);
    expect([pc.r[REGISTER.ecx], pc.parts.memory.read16(0x7ffa)]).toEqual([1, CODE + 2 + 2 + 10]);
  });

  test('where no device is reads as ones, takes no time of its own, and is no run of its own', () => {
    const { pc, log } = devicePc(loadEax(0xe0003000 | 0), store(0xe0003000 | 0, 1));
    pc.run(2);
    expect([pc.r[REGISTER.eax], pc.parts.clock.nowTick(), log]).toEqual([-1, 2 * TICKS, []]);
  });
});
