// SPDX-License-Identifier: MIT
//
// Virtio devices of a whole machine: which of them a Linux is told of, and what becomes of a kernel whose driver gives a device memory
// that is not the kernel's.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createMachine } from '../../orchestrator/index.ts';
import { linuxParameters, type MachineOptions, resolveOptions } from '../../orchestrator/options.ts';

const MIB = 1024 ** 2;
const ENTROPY = 0xd0000600;
const TABLES = 0x10000;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kjump-virtio-'));
});
afterAll(() => rm(folder, { recursive: true }));

test('a Linux is told of the virtio devices that there are, in a machine that is to use them', () => {
  const told = (options: MachineOptions) => linuxParameters(resolveOptions(options));
  const [block0, block1, ...others] = [
    ['0xd0000000', 5],
    ['0xd0000200', 9],
    ['0xd0000400', 10],
    ['0xd0000600', 11],
  ].map(([address, irq]) => `virtio_mmio.device=512@${address}:${irq}`);
  expect(told({ disk: 'a', secondDisk: 'b' })).toBe('');
  expect(told({ virtio: true })).toBe(others.join(' '));
  expect(told({ virtio: true, disk: 'a' })).toBe([block0, ...others].join(' '));
  expect(told({ virtio: true, secondDisk: 'b' })).toBe([block1, ...others].join(' '));
  expect(told({ virtio: true, disk: 'a', secondDisk: 'b' })).toBe([block0, block1, ...others].join(' '));
});

/** A program at 1 MiB that lets the entropy device fill 16 bytes at `buffer`, and waits for ever. */
function program(buffer: number): Uint8Array {
  const bytes = new Uint8Array(TABLES + 0x1000);
  const view = new DataView(bytes.buffer);
  const tables = MIB + TABLES;
  const setUp: [number, number][] = [
    [0x070, 3],
    [0x024, 1],
    [0x020, 1],
    [0x070, 0x0b],
    [0x038, 8],
    [0x080, tables],
    [0x090, tables + 0x100],
    [0x0a0, tables + 0x200],
    [0x044, 1],
    [0x070, 0x0f],
    [0x050, 0],
  ];
  let at = 0;
  for (const [register, value] of setUp) {
    // movl $value, register
    view.setUint16(at, 0x05c7, true);
    view.setUint32(at + 2, ENTROPY + register, true);
    view.setUint32(at + 6, value, true);
    at += 10;
  }
  bytes.set([0xeb, 0xfe], at);
  view.setUint32(TABLES, buffer, true);
  view.setUint32(TABLES + 8, 16, true);
  view.setUint16(TABLES + 12, 2, true);
  // One chain is available; the rest is zeros.
  view.setUint16(TABLES + 0x102, 1, true);
  return bytes;
}

async function run(buffer: number) {
  const path = join(folder, 'driver.bin');
  await writeFile(path, program(buffer));
  await using machine = await createMachine({ memory: '4M', threads: 1 });
  const kernel = await machine.boot(path, { at: '1M', window: ['1M', '2M'] });
  const { reason } = await machine.run({ steps: 20_000 });
  return { reason, state: kernel.state, stop: kernel.stop, stored: [...(await kernel.read(buffer, 16))] };
}

test('a device stores within the windows of the kernel', async () => {
  const { reason, state, stored } = await run(MIB + 0x20000);
  expect({ reason, state }).toEqual({ reason: 'limit', state: 'RUNNING' });
  expect(new Set(stored).size).toBeGreaterThan(8);
});

test('a kernel that gives a device memory outside its windows is stopped, and nothing is stored there', async () => {
  const { reason, state, stop, stored } = await run(2 * MIB);
  expect({ reason, state }).toEqual({ reason: 'crashed', state: 'CRASHED' });
  expect(stop).toMatchObject({
    code: 'windowViolation',
    text: "a store of virtio-entropy at 0x00200000 is outside the kernel's windows",
  });
  expect(stored).toEqual(Array(16).fill(0));
});
