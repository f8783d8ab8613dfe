// SPDX-License-Identifier: MIT
//
// Callers' mistakes: each is refused with a stable code, before anything is changed, and never as a contradiction of ours.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createMachine, type KjumpError, type Machine, resumeMachine } from '../../orchestrator/index.ts';

const guest = (name: string): URL => new URL(`../guests/${name}.ts`, import.meta.url);

/** The code of the error that a call gives, at once or later. */
async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call();
    return 'no error';
  } catch (error) {
    return String((error as KjumpError).code ?? error);
  }
}

/** Past the compiler, as from JavaScript. */
function anything<T>(value: unknown): T {
  return value as T;
}

async function booted(): Promise<Machine> {
  const machine = await createMachine({ memory: '4M' });
  await machine.boot(guest('counter'), { name: 'A' });
  return machine;
}

test('options that are no object, and values that JSON cannot say, are bad options', async () => {
  for (const options of [null, 5, [], { seed: 5n }, { seed: Number.NaN }]) {
    expect(await codeOf(() => createMachine(anything(options)))).toBe('BAD_OPTION');
  }
  await expect(createMachine({ seed: Number.NaN })).rejects.toMatchObject({ why: expect.stringContaining('NaN') });
});

test('a disk that cannot be used is refused when the machine is made', async () => {
  expect(await codeOf(() => createMachine({ memory: '4M', disk: '/no/such/disk' }))).toBe('NO_SUCH_FILE');
});

test('what does not name a file is no file', async () => {
  await using machine = await createMachine({ memory: '4M' });
  for (const file of [null, undefined, 5, '', new URL('http://example.org/kernel.ts')]) {
    expect(await codeOf(() => machine.boot(anything(file)))).toBe('NO_SUCH_FILE');
  }
});

test('names that do not come back as they were given are refused', async () => {
  await using machine = await createMachine({ memory: '4M' });
  for (const name of ['', 'a\0b', 'a\nb', 'x'.repeat(32)]) {
    expect(await codeOf(() => machine.boot(guest('counter'), { name }))).toBe('BAD_OPTION');
  }
});

test('a window needs room for the memory of a module beside its entry page and bitmap', async () => {
  await using machine = await createMachine({ memory: '4M' });
  expect(await codeOf(() => machine.boot(guest('counter'), { window: ['1M', '1032K'] }))).toBe('BAD_WINDOW');
  await machine.boot(guest('counter'), { name: 'small', window: ['1M', '1036K'] });
  expect(await machine.run({ steps: 3 })).toMatchObject({ reason: 'limit', kernel: 'small' });
});

test('a kernel whose functions are async is refused when it is entered', async () => {
  await using machine = await createMachine({ memory: '4M' });
  await expect(machine.boot(guest('promising'))).rejects.toMatchObject({
    code: 'KERNEL_CRASHED',
    why: expect.stringContaining('async step'),
  });
});

test('a fault plan without a line, and one that is no plan, are bad options; a fault that was planned says so', async () => {
  await using machine = await booted();
  await machine.load(guest('counter'), { name: 'B', window: ['1M', '2M'] });
  for (const failAt of [null, 5, {}, { line: 'nowhere' }]) {
    expect(await codeOf(() => machine.jump('B', { failAt: anything(failAt) }))).toBe('BAD_OPTION');
  }
  await expect(machine.jump('B', { failAt: { line: 'lock' } })).rejects.toMatchObject({
    code: 'JUMP_REFUSED',
    why: 'failAt asked for it',
  });
  expect(machine.current?.name).toBe('A');
});

test('stretches of memory that are none, signals that are none, and pictures without end are bad options', async () => {
  await using machine = await booted();
  const [a] = machine.kernels;
  await using snapshot = await machine.snapshot('s');
  for (const [physAddr, length] of [
    [Number.NaN, 4],
    [-1, 4],
    [1.5, 4],
    [0, -1],
    [0, Number.POSITIVE_INFINITY],
    [2 ** 32 - 2, 4],
    [undefined, undefined],
  ] as [number, number][]) {
    expect(await codeOf(() => a.read(physAddr, length))).toBe('BAD_OPTION');
    expect(await codeOf(() => snapshot.read(physAddr, length))).toBe('BAD_OPTION');
  }
  for (const page of [-1, Number.NaN, 1e9]) expect(await codeOf(() => snapshot.page(page))).toBe('BAD_OPTION');
  for (const width of [0, Number.NaN, 1e9]) expect(await codeOf(() => machine.memoryMap(width))).toBe('BAD_OPTION');
  expect(await codeOf(() => machine.run({ steps: 1, signal: anything({}) }))).toBe('BAD_OPTION');
  expect(await codeOf(() => machine.hibernate(anything(5)))).toBe('BAD_OPTION');
  expect(await codeOf(() => a.load(guest('counter'), { preserve: anything('no') }))).toBe('BAD_OPTION');
});

test('a physical call with registers there are not, or numbers that are no words, is refused', async () => {
  await using machine = await booted();
  for (const call of [
    null,
    { at: 0x8000, nope: 1 },
    { at: 0x8000, registers: { rax: 1 } },
    { at: 0x8000, registers: { ebx: 2 ** 40 } },
    { at: 0x8000, read: 5 },
    { at: 0x8000, read: [{ physAddr: 0x9000 }] },
  ]) {
    expect(await codeOf(() => machine.callPhysical(guest('counter'), anything(call)))).toBe('BAD_OPTION');
  }
  expect(machine.current?.state).toBe('RUNNING');
});

test('snapshots and kernels of another machine are refused', async () => {
  await using one = await booted();
  await using other = await booted();
  const b = await one.load(guest('counter'), { name: 'B', window: ['1M', '2M'] });
  await other.load(guest('counter'), { name: 'C', window: ['1M', '2M'] });
  await using snapshot = await one.snapshot('one');
  // Both have the same number: without a look at whose it is, the wrong one would serve.
  await using own = await other.snapshot('other');
  for (const call of [
    () => other.restore(snapshot),
    () => other.restore(anything(null)),
    () => other.diff(own, snapshot),
    () => other.save(snapshot, 'nowhere.kjump'),
    () => other.jump(b),
  ]) {
    expect(await codeOf(call)).toBe('BAD_STATE');
  }
  expect(other.current?.name).toBe('A');
});

test('a snapshot that is released twice at once is released once', async () => {
  await using machine = await booted();
  const snapshot = await machine.snapshot('s');
  await Promise.all([snapshot.release(), snapshot.release()]);
  expect(await codeOf(() => machine.restore(snapshot))).toBe('BAD_STATE');
});

test('a snapshot of a closed machine can be released', async () => {
  const machine = await booted();
  const snapshot = await machine.snapshot('s');
  await machine.close();
  expect(await codeOf(() => snapshot.release())).toBe('no error');
});

test('a snapshot that is released while it is saved is saved as it was', async () => {
  await using machine = await createMachine({ memory: '32M' });
  const kernel = await machine.boot(guest('painter'));
  await machine.run({ steps: 3 });
  const snapshot = await machine.snapshot('s');
  const before = await kernel.read(0, 32 * 2 ** 20);
  const folder = await mkdtemp(join(tmpdir(), 'kjump-test-'));
  try {
    const path = join(folder, 's.kjump');
    const saved = snapshot.save(path);
    const released = snapshot.release();
    await machine.run({ steps: 3 });
    await Promise.all([saved, released]);
    await using resumed = await resumeMachine(path);
    await using now = await resumed.snapshot('now');
    expect(Buffer.compare(now.read(0, 32 * 2 ** 20), before)).toBe(0);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a kernel that is over is not entered again, by itself or after another that is over', async () => {
  await using machine = await createMachine({ memory: '4M' });
  const a = await machine.boot(guest('thrower'), { name: 'A' });
  const b = await machine.load(guest('thrower'), { name: 'B', window: ['1M', '2M'] });
  const c = await machine.load(guest('counter'), { name: 'C', window: ['2M', '3M'] });
  await machine.run();
  expect(a.state).toBe('CRASHED');
  expect(await codeOf(() => machine.jump('A'))).toBe('BAD_STATE');
  await machine.jump(b);
  await machine.run();
  expect(b.state).toBe('CRASHED');
  expect(await codeOf(() => machine.jump('A'))).toBe('BAD_STATE');
  await machine.jump(c);
  expect(await machine.run({ steps: 3 })).toMatchObject({ reason: 'limit', kernel: 'C' });
});
