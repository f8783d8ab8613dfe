// SPDX-License-Identifier: MIT
//
// The kernels of the examples by themselves: the one of the README, a cheating one that amnesia catches, and hibernation where
// it goes wrong or happens twice.
import { mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RAM_END, SECTOR } from '../../examples/guests/dump.ts';
import { TURNS } from '../../examples/guests/ring.ts';
import { INTACT, TICKS as SLEEPER_TICKS } from '../../examples/guests/sleeper.ts';
import { createMachine, type Kernel, type Machine } from '../../orchestrator/index.ts';
import { NAPS, TICKS } from '../guests/dozer.ts';
import { exampleGuest } from './test-context.ts';

// Machine after machine is started here, and with amnesia thread after thread.
vi.setConfig({ testTimeout: 60_000 });

const window = ['1M', '16M'] as const;
const testGuest = (name: string): URL => new URL(`../guests/${name}.ts`, import.meta.url);

async function word(kernel: Kernel, physAddr: number): Promise<number> {
  return new DataView((await kernel.read(physAddr, 4)).buffer).getInt32(0, true);
}

/** Turns of three kernels that pass the machine round. */
async function turnsInARing(guest: URL, switches: number, amnesia: boolean): Promise<number[]> {
  await using machine = await createMachine({ memory: '32M', amnesia });
  const kernels = [await machine.boot(guest, { name: 'A', window })];
  for (const name of ['B', 'C']) kernels.push(await machine.load(guest, { name, window }));
  await machine.run({ switches });
  return await Promise.all(kernels.map((kernel) => word(kernel, TURNS)));
}

test('two counters hand the machine to and fro, each with a count of its own', async () => {
  await using machine = await createMachine({ memory: '32M' });
  const a = await machine.boot(exampleGuest('counter'), { name: 'A', window });
  const b = await machine.load(exampleGuest('counter'), { name: 'B', window });
  let text = '';
  machine.on('console', (event) => {
    text += event.text;
  });
  await machine.run({ steps: 300 });
  await machine.jump(b);
  await machine.run({ switches: 3 });
  // Entry page and page bitmap lie below the kernel's own memory.
  const base = 0x102000;
  expect(await word(a, base)).toBe(1000);
  expect(await word(b, base)).toBe(2000);
  expect(machine.current?.name).toBe('A');
  expect(text).toBe('B starts\nB has counted to 1000\nA has counted to 1000\nB has counted to 2000\n');
});

test('a kernel is read where its pages are, whoever has the machine', async () => {
  await using machine = await createMachine({ memory: '32M' });
  const a = await machine.boot(exampleGuest('clerk'), { name: 'A', window });
  const b = await machine.load(exampleGuest('clerk'), { name: 'B', window });
  await machine.run({ steps: 3 });
  await machine.jump(b);
  await machine.run({ steps: 5 });
  const c = await a.clone('C');
  const counts = () => Promise.all([a, b, c].map((kernel) => word(kernel, 0x200000)));
  expect(await counts()).toEqual([3, 5, 3]);
  await machine.jump(c);
  await machine.run({ steps: 4 });
  expect(await counts()).toEqual([3, 5, 7]);
});

test('a kernel that keeps state in its module looks right while its thread lives, and amnesia catches it', async () => {
  expect(await turnsInARing(testGuest('cheater'), 6, false)).toEqual([2, 2, 2]);
  expect(await turnsInARing(testGuest('cheater'), 6, true)).toEqual([1, 1, 1]);
});

// ---- hibernation by kernels -----------------------------------------------------------------------------------------

let workDir: string;
let disk: string;

beforeEach(async () => {
  workDir = await mkdtemp(join(tmpdir(), 'kjump-guests-'));
  disk = join(workDir, 'disk.img');
  await writeFile(disk, '');
  await truncate(disk, RAM_END);
});

afterEach(() => rm(workDir, { recursive: true }));

/** Boots the restorer on the disk and runs until the kernel that it brings back has the machine. */
async function restoreFromDisk(): Promise<{ machine: Machine; kernel: Kernel }> {
  const machine = await createMachine({ memory: '16M', disk });
  const restorer = await machine.boot(exampleGuest('restorer'));
  await machine.run({ switches: 1 });
  await restorer.remove();
  return { machine, kernel: machine.current! };
}

async function reentryOf(machine: Machine, { index }: Kernel): Promise<number | undefined> {
  const { kernels } = await machine.inspect();
  return kernels.find(({ slot }) => slot === index)?.reentry;
}

test('a kernel that came back from the disk hibernates again from the machine in which it woke up', async () => {
  await using first = await createMachine({ memory: '16M', disk });
  await first.boot(testGuest('dozer'), { name: 'A', window: [0, RAM_END] });
  expect((await first.run()).reason).toBe('powerOff');

  for (let nap = 1; nap <= 3; nap++) {
    const { machine, kernel } = await restoreFromDisk();
    await using _ = machine;
    expect(kernel.name).toBe('A');
    expect(machine.kernels).toHaveLength(1);
    expect(await word(kernel, TICKS)).toBe(10 * nap);
    expect(await machine.run()).toMatchObject({ reason: 'powerOff', kernel: 'saver' });
    expect(await word(kernel, NAPS)).toBe(nap);
  }
});

test('a kernel that came back from the disk shares the machine with others again', async () => {
  await using first = await createMachine({ memory: '16M', disk });
  await first.boot(testGuest('dozer'), { name: 'A', window: [0, RAM_END] });
  await first.run();
  const { machine, kernel } = await restoreFromDisk();
  await using _ = machine;
  await machine.run({ ticks: 25_000_000 });
  const other = await machine.load(exampleGuest('clerk'), { name: 'B', window: ['0', '8M'] });
  await machine.jump(other);
  await machine.run({ steps: 7 });
  expect(await word(kernel, TICKS)).toBe(12);
  await machine.jump(kernel);
  await machine.run({ ticks: 50_000_000 });
  expect(await word(kernel, TICKS)).toBe(17);
  expect(await word(other, 0x200000)).toBe(7);
});

test('a kernel that came back from the disk does not take a stranger for whoever was there before it left', async () => {
  await using first = await createMachine({ memory: '16M', disk });
  const a = await first.boot(testGuest('dozer'), { name: 'A', window: [0, RAM_END] });
  await first.load(exampleGuest('clerk'), { name: 'bystander', window: ['8M', '9M'] });
  const peer = await first.load(exampleGuest('clerk'), { name: 'peer', window: ['9M', '10M'] });
  await first.jump(peer);
  await first.jump(a);
  const peerReentry = await reentryOf(first, peer);
  await first.run();

  const { machine, kernel } = await restoreFromDisk();
  await using _ = machine;
  await machine.run({ ticks: 1_000_000 });
  const stranger = await kernel.clone('stranger');
  // The same address by chance, without which this test shows nothing.
  expect(await reentryOf(machine, stranger)).toBe(peerReentry);
  await expect(machine.jump()).rejects.toMatchObject({ code: 'JUMP_REFUSED', details: { errnoName: 'EINVAL' } });
});

test('a saver that cannot save jumps back, and nothing is lost', async () => {
  await truncate(disk, 16 * SECTOR);
  await using machine = await createMachine({ memory: '16M', disk });
  const a = await machine.boot(exampleGuest('sleeper'), { name: 'A', window: [0, RAM_END] });
  expect(await machine.run()).toMatchObject({ reason: 'powerOff', kernel: 'A', switches: 2 });
  expect(await word(a, SLEEPER_TICKS)).toBe(200);
  expect(await word(a, INTACT)).toBe(1);
});

test('the restorer enters no dump with a wrong byte, and none whose header is missing', async () => {
  {
    await using first = await createMachine({ memory: '16M', disk });
    await first.boot(testGuest('dozer'), { name: 'A', window: [0, RAM_END] });
    await first.run();
  }
  const saved = await readFile(disk);
  const used = saved.findLastIndex((byte) => byte !== 0);
  const ENOEXEC = 8;
  for (const offset of [0, 4096, used]) {
    const file = await open(disk, 'r+');
    const sector = Uint8Array.from(saved.subarray(offset - (offset % SECTOR), offset - (offset % SECTOR) + SECTOR));
    const damaged = Uint8Array.from(sector);
    damaged[offset % SECTOR] ^= 0x10;
    await file.write(damaged, 0, SECTOR, offset - (offset % SECTOR));
    await file.close();
    await using machine = await createMachine({ memory: '16M', disk });
    const restorer = await machine.boot(exampleGuest('restorer'));
    expect(await machine.run({ switches: 1 })).toMatchObject({ reason: 'powerOff', switches: 0 });
    expect(restorer.stop.exitStatus).toBe(ENOEXEC);
    await writeFile(disk, saved);
  }
});
