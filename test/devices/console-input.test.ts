// SPDX-License-Identifier: MIT
// What the host types: the ring of a kernel, and its way through the serial port into a program that polls it.
import { beforeEach, describe, expect, test } from 'vitest';
import { ConsoleInput } from '../../shared/console-input.ts';
import { MachineMemory } from '../../shared/machine-memory.ts';
import { TraceRing, TraceType } from '../../shared/trace-ring.ts';
import { Pc } from '../i386/pc.ts';

const NEVER = Number.POSITIVE_INFINITY;
const bytesOf = (text: string) => [...text].map((char) => char.charCodeAt(0));

describe('the ring', () => {
  let machine: MachineMemory;
  let input: ConsoleInput;

  beforeEach(() => {
    machine = MachineMemory.create({ ramPages: 16, hiddenPages: 16, frames: 64, maxKernels: 2 });
    input = new ConsoleInput(machine, 1);
  });

  test('gives the bytes in their order, in pieces, each from its tick on', () => {
    expect([input.nextTick(), input.push(bytesOf('0123456789'), 500), input.push([0xff])]).toEqual([NEVER, 10, 1]);
    expect(input.nextTick()).toBe(500);
    expect([...input.take(), ...input.take()]).toEqual(bytesOf('0123456789'));
    expect([input.nextTick(), [...input.take()], input.nextTick()]).toEqual([0, [0xff], NEVER]);
  });

  test('is that of one kernel', () => {
    new ConsoleInput(machine, 0).push([1]);
    expect(input.nextTick()).toBe(NEVER);
  });

  test('takes what there is room for, and has room again when something was taken', () => {
    const much = new Uint8Array(5000).map((_, index) => index);
    const taken = input.push(much);
    expect(taken).toBe(7 * 256);
    expect(input.push([1])).toBe(0);
    const got = [...input.take()];
    expect(input.push(much.subarray(taken, taken + 9))).toBe(7);
    while (input.nextTick() !== NEVER) got.push(...input.take());
    expect(got).toEqual([...much.subarray(0, taken + 7)]);
  });

  test('can be emptied', () => {
    input.push([1, 2, 3]);
    input.clear();
    expect(input.nextTick()).toBe(NEVER);
  });
});

const TEXT = 0x200000;
/** mov $TEXT, %edi; mov $0x3fd, %dx; 1: in %dx, %al; test $1, %al; jz 1b; mov $0xf8, %dl; in %dx, %al; stosb; mov $0xfd, %dl; jmp 1b */
const READER = [
  ...[0xbf, 0x00, 0x00, 0x20, 0x00, 0x66, 0xba, 0xfd, 0x03],
  ...[0xec, 0xa8, 0x01, 0x74, 0xfb, 0xb2, 0xf8, 0xec, 0xaa, 0xb2, 0xfd, 0xeb, 0xf3],
];

class ReadingPc extends Pc {
  readonly input = new ConsoleInput(this.parts.machine, 0);
  /** Bytes taken, and when. */
  readonly taken: { tick: number; count: number }[] = [];
  readonly ring = new TraceRing(this.parts.machine);

  constructor() {
    super({ memory: '4M' });
    const { bus } = this.board;
    // 115200 baud, 8 bits, FIFOs.
    for (const [port, value] of [
      [0x3fb, 0x83],
      [0x3f8, 1],
      [0x3f9, 0],
      [0x3fb, 0x03],
      [0x3fa, 0x01],
    ] as const) {
      bus.write8(port, value);
    }
    this.write(0x1000, READER).flat(0x1000);
  }

  go(instructions: number, slice = instructions): this {
    for (let done = 0; done < instructions; done += slice) this.run(slice);
    this.ring.drain(({ type, tick, a }) => {
      if (type === TraceType.input) this.taken.push({ tick, count: a });
    });
    return this;
  }

  get text(): number[] {
    return [...this.read(TEXT, this.r[7]! - TEXT)];
  }

  /** All that is the machine but the code cache's marks: clock, CPU, devices. */
  get records(): Buffer[] {
    const { machine } = this.parts;
    return (['clock', 'cpu', 'devices'] as const).map((name) => Buffer.from(machine.bytes(name)));
  }
}

describe('a program that polls the serial port', () => {
  test('reads what is typed while the machine stands still, from the next instruction on', () => {
    const pc = new ReadingPc().go(1000);
    const now = pc.parts.clock.nowTick();
    pc.input.push(bytesOf('ls\n'));
    pc.go(50_000);
    expect(pc.text).toEqual(bytesOf('ls\n'));
    expect(pc.taken).toEqual([{ tick: now, count: 3 }]);
  });

  test('reads more than the wire can hold, and loses nothing', () => {
    const pc = new ReadingPc();
    const much = Array.from({ length: 400 }, (_, index) => index & 0xff);
    expect(pc.input.push(much)).toBe(400);
    pc.go(4_000_000);
    expect(pc.text).toEqual(much);
  });

  test('runs the same whatever the slices are', () => {
    const much = Array.from({ length: 300 }, (_, index) => index & 0xff);
    const [whole, sliced] = [1_000_000, 1000].map((slice) => {
      const pc = new ReadingPc();
      pc.input.push(much);
      return pc.go(1_000_000, slice);
    });
    expect(sliced!.text.length).toBeGreaterThan(100);
    expect(sliced!.taken).toEqual(whole!.taken);
    expect(sliced!.records).toEqual(whole!.records);
  });

  test('runs the same again if the input is pushed for the ticks at which it was taken', () => {
    const typed = ['echo one\n', 'two\n'];
    const first = new ReadingPc();
    for (const [index, line] of typed.entries()) {
      first.go(12_345 * (index + 1));
      first.input.push(bytesOf(line));
    }
    first.go(200_000);
    const again = new ReadingPc();
    const all = bytesOf(typed.join(''));
    let at = 0;
    for (const { tick, count } of first.taken) {
      again.input.push(all.slice(at, at + count), tick);
      at += count;
    }
    again.go(12_345 + 24_690 + 200_000);
    expect(again.text).toEqual(all);
    expect(again.taken).toEqual(first.taken);
    expect(again.records).toEqual(first.records);
  });

  test('is woken from HLT by what is typed, at its tick', () => {
    const pc = new ReadingPc();
    pc.board.bus.write8(0x3f9, 0x01);
    pc.board.bus.write8(0x3fc, 0x08);
    // sti; hlt
    pc.write(0x1000, [0xfb, 0xf4]).flat(0x1000);
    pc.input.push([0x0a], 5_000_000);
    pc.run(10);
    expect(pc.parts.clock.nowTick()).toBeGreaterThanOrEqual(5_000_000 + 86_805);
    expect(pc.board.bus.read8(0x3f8)).toBe(0x0a);
  });
});
