// SPDX-License-Identifier: MIT
//
// Jumps of kernels in their threads, through the public interface: what the other tests of this folder look at one by one,
// with the real engine, bells and memory between threads.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { createMachine, resumeMachine } from '../../orchestrator/create.ts';
import type { MachineOptions } from '../../orchestrator/options.ts';
import { Errno } from '../../shared/errno.ts';
import { JUMP_LINES } from '../../shared/jump-lines.ts';

const guest = (name: string): URL => new URL(`../guests/${name}.ts`, import.meta.url);
const WINDOW = ['1M', '2M'] as const;
/** Behind the entry page and one page of bitmap. */
const BASE = 0x100000 + 0x2000;

type Machine = Awaited<ReturnType<typeof createMachine>>;
const machines: Machine[] = [];
afterEach(async () => {
  for (const machine of machines.splice(0)) await machine.close();
});

async function make(options: MachineOptions = {}): Promise<Machine> {
  const machine = await createMachine({ memory: '4M', threads: 2, ...options });
  machines.push(machine);
  return machine;
}

const word = (bytes: Uint8Array, at = 0): number => new DataView(bytes.buffer).getInt32(at, true);

test.each([{}, { relocation: 'copy' as const }, { amnesia: true }, { threads: 1 }])(
  'case 49: kernels in threads keep their memory over N round trips (%o)',
  async (options) => {
    const machine = await make(options);
    const a = await machine.boot(guest('traveller'), { name: 'a', window: ['2M', '4M'] });
    const b = await a.load(guest('traveller'), { name: 'b', window: WINDOW });
    const trips = options.amnesia ? 4 : 20;
    const report = await machine.run({ switches: 2 * trips, ticks: 10_000_000 });
    expect([report.reason, report.kernel, report.switches]).toEqual(['limit', 'a', 2 * trips]);
    expect(word(await b.read(BASE, 4))).toBe(10 * trips);
    // A has been stopped by the limit as it was about to leave once more, or before its next step.
    expect(word(await a.read(0x200000 + 0x2000, 4))).toBeGreaterThanOrEqual(10 * trips);
    expect((await a.read(0x200000 + 0x2000, 16))[12]).toBe(0);
    expect((await b.read(BASE, 16))[12]).toBe(1);
    expect(machine.captures.audit()).toEqual([]);
  },
);

test('case 31: a kernel in a thread that has nowhere to go is told EINVAL, and goes on', async () => {
  const machine = await make();
  await machine.boot(guest('traveller'));
  await expect(machine.jump()).rejects.toMatchObject({ code: 'JUMP_REFUSED', details: { errno: Errno.EINVAL } });
  await machine.run({ steps: 25 });
  expect(machine.current?.state).toBe('RUNNING');
});

test('case 60: a kernel in a thread whose tasks do not freeze is told EBUSY until they do', async () => {
  const machine = await make();
  const a = await machine.boot(guest('stubborn'), { name: 'a', window: ['2M', '4M'] });
  const at = 0x200000 + 0x2000;
  await a.load(guest('counter'), { name: 'b', window: WINDOW });
  const told: number[] = [];
  machine.on('refused', ({ errno }) => told.push(errno));
  await machine.run({ steps: 4 });
  expect(word(await a.read(at, 16), 8)).toBe(Errno.EBUSY);
  const report = await machine.run({ switches: 1, steps: 100 });
  expect(report.kernel).toBe('b');
  expect(told).toEqual([Errno.EBUSY, Errno.EBUSY]);
  // Asked three times, frozen once, and not thawed before it is back.
  expect([word(await a.read(at, 16), 4), word(await a.read(at, 16), 12)]).toEqual([3, 0]);
  await machine.jump(a);
  expect(word(await a.read(at, 16), 12)).toBe(1);
});

test('a fault at any line comes back as an error of the jump, and the next jump arrives', async () => {
  const machine = await make();
  const a = await machine.boot(guest('counter'), { name: 'a', window: ['2M', '4M'] });
  const b = await machine.load(guest('counter'), { name: 'b', window: WINDOW });
  for (const line of JUMP_LINES) {
    const jump = machine.jump(b, { failAt: { line, errno: Errno.ENXIO } });
    await expect(jump).rejects.toMatchObject({ code: 'JUMP_REFUSED', details: { errno: Errno.ENXIO } });
    expect(machine.current?.name).toBe('a');
  }
  expect((await machine.jump(b)).to).toBe('b');
  expect((await machine.jump(a)).phases.map(({ direction }) => direction)).toContain('up');
});

test('case 73: a hibernation asked for during a jump waits for it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kjump-'));
  try {
    const machine = await make();
    await machine.boot(guest('counter'), { name: 'a', window: ['2M', '4M'] });
    const b = await machine.load(guest('counter'), { name: 'b', window: WINDOW });
    const path = join(folder, 'image');
    const jump = machine.jump(b);
    const hibernation = machine.hibernate(path);
    await Promise.all([jump, hibernation]);
    const resumed = await resumeMachine(path);
    machines.push(resumed);
    // Not a kernel half way: the jump is over in the image.
    expect([resumed.current?.name, resumed.current?.state, resumed.switches]).toEqual(['b', 'RUNNING', 1]);
    expect((await resumed.jump('a')).from).toBe('b');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('after the end of a kernel the machine goes on with any other, but not with one in a plain image of it', async () => {
  const machine = await make();
  const a = await machine.boot(guest('thrower'), { name: 'a', window: ['2M', '4M'] });
  const heir = await a.load(guest('counter'), { name: 'heir', window: ['2M', '3M'], preserve: false });
  const c = await machine.load(guest('counter'), { name: 'c', window: WINDOW });
  await machine.run({ steps: 100 });
  expect(a.state).toBe('CRASHED');
  await expect(machine.jump(heir)).rejects.toMatchObject({ code: 'BAD_STATE' });
  await machine.jump(c);
  await a.remove();
  expect([heir.isGone, c.state]).toEqual([true, 'RUNNING']);
  expect(machine.captures.audit()).toEqual([]);
});

test('a kernel cannot be removed while one is in its memory or parked in its pages, and takes its own with it', async () => {
  const machine = await make();
  const a = await machine.boot(guest('counter'), { name: 'a', window: ['2M', '4M'] });
  const b = await a.load(guest('counter'), { name: 'b', window: WINDOW });
  const c = await machine.load(guest('counter'), { name: 'c', window: WINDOW });
  await machine.jump();
  await machine.jump(c);
  await expect(b.remove()).rejects.toMatchObject({ code: 'BAD_STATE' });
  await machine.jump(a);
  await b.remove();
  expect([b.isGone, a.kexecLoaded]).toEqual([true, false]);
  expect((await machine.jump(c)).to).toBe('c');
  expect(machine.captures.audit()).toEqual([]);
});
