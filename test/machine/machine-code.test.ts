// SPDX-License-Identifier: MIT
//
// Machine code as kernels of a machine, seen by its user: how it is entered, what its console says, when it has come to an end, and
// functions of it that are called in physical mode.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createMachine, type Machine, wholeLines } from '../../orchestrator/index.ts';
import { exampleGuest } from '../examples/test-context.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kjump-code-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function file(name: string, bytes: readonly number[] | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, Uint8Array.from(bytes));
  return path;
}

const IO = {
  /** mov $text, %al; out %al, $0xf4 */
  exit: (value: number) => [0xb0, value, 0xe6, 0xf4],
} as const;

test('a ROM begins at F000:FFF0, with the code segment that its far jump goes on with', async () => {
  const bytes = new Uint8Array(65536);
  // At the start of the ROM: mov %cs, %ax; mov %ax, 0x500 in segment 0; exit.
  bytes.set([0x8c, 0xc8, 0xa3, 0x00, 0x05, ...IO.exit(5)]);
  bytes.set([0xea, 0x00, 0x00, 0x00, 0xf0], 0xfff0);
  await using machine = await createMachine({ memory: '4M' });
  const kernel = await machine.boot(await file('rom.bin', bytes));
  expect(await machine.run()).toMatchObject({ reason: 'powerOff' });
  expect(kernel.stop.exitStatus).toBe(11);
  expect((await kernel.read32(0x500)) & 0xffff).toBe(0xf000);
});

test('HLT with interrupts off is the end of a run, and what is on the wire is heard first', async () => {
  // mov $0x3f8, %dx; mov $'\n', %al, which has no more than the 5 bits of a UART after a reset; out %al, %dx; cli; hlt
  const path = await file('halt.bin', [0x66, 0xba, 0xf8, 0x03, 0xb0, 0x0a, 0xee, 0xfa, 0xf4]);
  await using machine = await createMachine({ memory: '4M' });
  let text = '';
  machine.on('console', (event) => {
    text += event.text;
  });
  await machine.boot(path, { at: '1M' });
  expect(await machine.run()).toMatchObject({ reason: 'deadlock' });
  expect(text).toBe('\n');
});

test('a store behind the end of memory is lost, as on a PC, and ends nobody', async () => {
  // movl $-1, 0x500000; movl $-1, 0x80000000; mov 0x500000, %eax; mov %eax, 0x101000; exit
  const code = [
    ...[0xc7, 0x05, 0, 0, 0x50, 0, 0xff, 0xff, 0xff, 0xff],
    ...[0xc7, 0x05, 0, 0, 0, 0x80, 0xff, 0xff, 0xff, 0xff],
    ...[0xa1, 0, 0, 0x50, 0, 0xa3, 0, 0x10, 0x10, 0],
    ...IO.exit(0),
  ];
  await using machine = await createMachine({ memory: '4M' });
  const kernel = await machine.boot(await file('probe.bin', code), { at: '1M' });
  expect(await machine.run()).toMatchObject({ reason: 'powerOff' });
  expect(await kernel.read32(0x101000)).not.toBe(-1);
});

test('whole lines come out of console text that comes in pieces, each kernel its own', () => {
  const lines: string[] = [];
  const listener = wholeLines(({ kernel, text }) => lines.push(`${kernel}: ${text}`));
  const say = (kernel: string, text: string) => listener({ kernel, text, tick: 0 });
  say('A', 'one\ntw');
  say('B', 'other\r\n');
  say('A', 'o\r');
  say('A', '\n\nthr');
  expect(lines).toEqual(['A: one', 'B: other', 'A: two', 'A: ']);
});

// ---- calls ------------------------------------------------------------------------------------------------------

const AT = 0x8000;
const OWN = { at: AT, size: '8K' } as const;

async function running(): Promise<Machine> {
  const machine = await createMachine({ memory: '4M' });
  await machine.boot(exampleGuest('clerk'), { window: ['1M', '4M'] });
  return machine;
}

/** mov 0x8100, %eax; inc %eax; mov %eax, `to`; ret */
const increment = (to: number) => [0xa1, 0x00, 0x81, 0, 0, 0x40, 0xa3, to, to >> 8, to >> 16, to >> 24, 0xc3];

test('a called function finds in its pages what the caller has written there', async () => {
  await using machine = await running();
  const { memory, registers } = await machine.callPhysical(await file('f.bin', increment(0x9000)), {
    ...OWN,
    write: [
      { physAddr: 0x8100, bytes: Uint8Array.of(41, 0, 0, 0) },
      { physAddr: 0x9ffc, bytes: Uint8Array.of(1, 2, 3, 4) },
    ],
    read: [
      { physAddr: 0x9000, length: 1 },
      { physAddr: 0x9ffc, length: 4 },
    ],
  });
  expect(memory.map((bytes) => [...bytes])).toEqual([[42], [1, 2, 3, 4]]);
  expect(registers.eax).toBe(42);
});

test('a called function stores outside of its pages where that is shared, and nowhere else', async () => {
  const path = await file('f.bin', increment(0x5000));
  const write = [{ physAddr: 0x8100, bytes: Uint8Array.of(6) }];
  await using machine = await running();
  const kernel = machine.current!;
  await machine.callPhysical(path, { ...OWN, write, shared: [[0x5000, 0x6000]] });
  expect(await kernel.read32(0x5000)).toBe(7);
  await expect(machine.callPhysical(path, { ...OWN, write })).rejects.toMatchObject({ code: 'WINDOW_VIOLATION' });
});

test('what would be written outside of the function, or is no bytes, is refused', async () => {
  const path = await file('f.bin', increment(0x9000));
  await using machine = await running();
  const call = (physAddr: number, bytes: unknown) =>
    machine.callPhysical(path, { ...OWN, write: [{ physAddr, bytes: bytes as Uint8Array }] });
  await expect(call(0x9ffd, new Uint8Array(4))).rejects.toMatchObject({ code: 'BAD_WINDOW' });
  await expect(call(0x7fff, new Uint8Array(1))).rejects.toMatchObject({ code: 'BAD_WINDOW' });
  await expect(call(0x8100, [1, 2])).rejects.toMatchObject({ code: 'BAD_OPTION' });
  await expect(call(Number.NaN, new Uint8Array(1))).rejects.toMatchObject({ code: 'BAD_OPTION' });
  expect(await machine.run({ steps: 1 })).toMatchObject({ reason: 'limit' });
});
