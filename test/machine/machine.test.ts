// SPDX-License-Identifier: MIT
//
// The machine through its public API, with real threads.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeImage } from '../../orchestrator/images/hibernation.ts';
import { createMachine, type KjumpError, type Machine, resumeMachine } from '../../orchestrator/index.ts';
import { MachineParts } from '../../orchestrator/machine-parts.ts';
import { geometryOf, resolveOptions } from '../../orchestrator/options.ts';
import { MachineMemory } from '../../shared/machine-memory.ts';

const guest = (name: string): URL => new URL(`../guests/${name}.ts`, import.meta.url);
/** Where counter.ts counts: behind the entry page and the bitmap. */
const COUNT = 0x100000 + 2 * 4096;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kjump-test-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function count(machine: Machine, name: string): Promise<number> {
  return new DataView((await machine.find(name).read(COUNT, 4)).buffer).getInt32(0, true);
}

/** The code of the error that a call gives. */
async function codeOf(call: Promise<unknown> | (() => Promise<unknown>)): Promise<string> {
  try {
    await (typeof call === 'function' ? call() : call);
    return 'no error';
  } catch (error) {
    return (error as KjumpError).code;
  }
}

describe('a machine', () => {
  test('boots a kernel, runs it as far as it is told, and stands still in between', async () => {
    await using machine = await createMachine({ memory: '4M' });
    const kernel = await machine.boot(guest('counter'), { name: 'A' });
    expect(kernel.state).toBe('RUNNING');
    expect(await machine.run({ steps: 100 })).toMatchObject({ reason: 'limit', kernel: 'A' });
    expect(await count(machine, 'A')).toBe(100);
    const { tick } = await machine.run({ ticks: 50_000 });
    expect(await count(machine, 'A')).toBe(150);
    expect(machine.now).toBe(tick);
  });

  test('brings a kernel in, and the first one back where it was', async () => {
    await using machine = await createMachine({ memory: '4M' });
    const a = await machine.boot(guest('counter'), { name: 'A' });
    await machine.run({ steps: 10 });
    const b = await machine.load(guest('counter'), { name: 'B', window: ['1M', '3M'] });
    const there = await machine.jump(b);
    expect(there).toMatchObject({ from: 'A', to: 'B', kind: 'preserve', pages: 512 });
    expect([a.state, b.state]).toEqual(['PARKED', 'RUNNING']);
    await machine.run({ steps: 20 });
    const back = await machine.jump();
    expect(back).toMatchObject({ from: 'B', to: 'A' });
    expect(back.phases.filter(({ kernel }) => kernel === 'B').map(({ line }) => line)).toEqual([
      'lock',
      'prepare-console',
      'freeze-tasks',
      'suspend-console',
      'devices',
      'devices-late',
      'interrupts',
      'core',
      'save',
      'relocate',
    ]);
    await machine.run({ steps: 5 });
    expect([await count(machine, 'A'), await count(machine, 'B')]).toEqual([15, 20]);
    expect(machine.captures.audit()).toEqual([]);
  });

  test('leaves kernels whose windows do not meet where they are', async () => {
    await using machine = await createMachine({ memory: '4M' });
    await machine.boot(guest('counter'), { name: 'A', window: ['1M', '2M'] });
    const b = await machine.load(guest('counter'), { name: 'B', window: ['2M', '3M'] });
    expect((await machine.jump(b)).pages).toBe(0);
    expect((await machine.jump()).pages).toBe(0);
  });

  test('keeps a shared window in its place: all kernels that declare it see the same bytes', async () => {
    await using machine = await createMachine({ memory: '4M' });
    const shared = [['3M', '3100K']] as const;
    await machine.boot(guest('sharer'), { name: 'A', window: ['1M', '2M'], shared });
    await machine.run({ steps: 5 });
    const b = await machine.load(guest('sharer'), { name: 'B', window: ['1M', '2M'], shared });
    expect((await machine.jump(b)).pages).toBe(256);
    await machine.run({ steps: 3 });
    await machine.jump();
    await machine.run({ steps: 1 });
    const a = machine.find('A');
    expect([await a.read32(0x300000), await b.read32(0x300000)]).toEqual([9, 9]);
    expect([await a.read32(a.base), await b.read32(b.base)]).toEqual([0, 5]);
  });

  test('goes back to a snapshot, and kernels that came later are gone', async () => {
    await using machine = await createMachine({ memory: '4M' });
    await machine.boot(guest('counter'), { name: 'A' });
    await machine.run({ steps: 10 });
    const before = await machine.snapshot('before');
    const digest = before.digest();
    const b = await machine.load(guest('counter'), { name: 'B', window: ['1M', '2M'] });
    await machine.jump(b);
    await machine.run({ steps: 12 });
    const after = await machine.snapshot('after');
    expect(machine.diff(before, after).pages.length).toBeGreaterThan(0);
    expect(before.digest()).toBe(digest);
    await machine.restore(before);
    expect(b.isGone).toBe(true);
    expect(await codeOf(b.clone('C'))).toBe('NO_SUCH_KERNEL');
    expect(machine.current?.name).toBe('A');
    await machine.run({ steps: 1 });
    expect(await count(machine, 'A')).toBe(11);
    await before.release();
    await after.release();
    expect(machine.captures.audit()).toEqual([]);
  });

  test('pauses a run for a snapshot, and the run goes on to its own limit', async () => {
    await using machine = await createMachine({ memory: '4M' });
    await machine.boot(guest('counter'), { name: 'A' });
    const run = machine.run({ steps: 200_000 });
    const snapshot = await machine.snapshot('while it ran');
    expect(await run).toMatchObject({ reason: 'limit' });
    expect(await count(machine, 'A')).toBe(200_000);
    expect(snapshot.tick).toBeLessThan(machine.now);
  });

  test('stops a run when its signal is aborted, between two steps', async () => {
    await using machine = await createMachine({ memory: '4M' });
    await machine.boot(guest('counter'), { name: 'A' });
    const abort = new AbortController();
    const run = machine.run({ signal: abort.signal });
    abort.abort();
    expect(await codeOf(run)).toBe('ABORTED');
    await machine.run({ steps: 1 });
    expect(machine.current?.state).toBe('RUNNING');
  });

  test('clones a running and a parked kernel; each copy goes on by itself', async () => {
    await using machine = await createMachine({ memory: '4M', spare: '32M' });
    const a = await machine.boot(guest('counter'), { name: 'A' });
    await machine.run({ steps: 7 });
    const copy = await a.clone('A2');
    await machine.run({ steps: 1 });
    await machine.jump(copy);
    await machine.run({ steps: 30 });
    expect([await count(machine, 'A'), await count(machine, 'A2')]).toEqual([8, 37]);
    const third = await a.clone('A3');
    await machine.jump(third);
    await machine.run({ steps: 100 });
    expect([await count(machine, 'A'), await count(machine, 'A2'), await count(machine, 'A3')]).toEqual([8, 37, 108]);
    expect(machine.captures.audit()).toEqual([]);
  });

  test('is written to a file and resumed from it', async () => {
    const path = join(folder, 'machine.kjump');
    {
      await using machine = await createMachine({ memory: '4M' });
      await machine.boot(guest('counter'), { name: 'A' });
      const b = await machine.load(guest('counter'), { name: 'B', window: ['1M', '2M'] });
      await machine.run({ steps: 3 });
      await machine.jump(b);
      await machine.run({ steps: 4 });
      await machine.hibernate(path);
    }
    await using machine = await resumeMachine(path);
    expect(machine.current?.name).toBe('B');
    await machine.run({ steps: 1 });
    await machine.jump();
    await machine.run({ steps: 1 });
    expect([await count(machine, 'A'), await count(machine, 'B')]).toEqual([4, 5]);
    expect(machine.captures.audit()).toEqual([]);
  });

  test('gives more kernels than threads their turns', async () => {
    await using machine = await createMachine({ memory: '8M', spare: '32M', threads: 2, maxKernels: 6 });
    await machine.boot(guest('counter'), { name: 'K0', window: [0, '1M'] });
    for (let i = 1; i < 6; i++) await machine.load(guest('counter'), { name: `K${i}`, window: ['1M', '2M'] });
    for (let round = 0; round < 2; round++) {
      for (let i = 1; i < 6; i++) {
        await machine.jump(`K${i}`);
        await machine.run({ steps: i });
      }
    }
    const counts = await Promise.all([1, 2, 3, 4, 5].map((i) => count(machine, `K${i}`)));
    expect(counts).toEqual([2, 4, 6, 8, 10]);
  });

  test('describes the thread of a kernel that is blocked', async () => {
    await using machine = await createMachine({ memory: '4M' });
    const a = await machine.boot(guest('counter'), { name: 'A' });
    expect(await a.describeThread()).toMatchObject({ engine: 'guest', slot: 0 });
    await a.powerCut();
    expect(await codeOf(a.describeThread())).toBe('THREAD_DIED');
    // It was between two steps: nothing is lost, and another thread goes on.
    await machine.run({ steps: 3 });
    expect(await count(machine, 'A')).toBe(3);
  });
});

describe('bad input is refused before anything changes', () => {
  test('by createMachine', async () => {
    expect(await codeOf(createMachine({ memory: '1000' }))).toBe('BAD_SIZE');
    expect(await codeOf(createMachine({ memory: 'plenty' }))).toBe('BAD_SIZE');
    expect(await codeOf(createMachine({ memory: '3G' }))).toBe('BAD_SIZE');
    expect(await codeOf(createMachine({ maxKernels: 65 }))).toBe('BAD_OPTION');
    expect(await codeOf(createMachine({ memroy: '1M' } as never))).toBe('BAD_OPTION');
  });

  test('by boot, load, clone, jump and run', async () => {
    await using machine = await createMachine({ memory: '4M', spare: '6M', maxKernels: 3 });
    expect(await codeOf(machine.run())).toBe('BAD_STATE');
    expect(await codeOf(machine.jump())).toBe('BAD_STATE');
    expect(await codeOf(machine.boot('/no/such/kernel.ts'))).toBe('NO_SUCH_FILE');
    const text = join(folder, 'text.bin');
    await writeFile(text, 'no kernel');
    expect(await codeOf(machine.boot(text))).toBe('NOT_A_KERNEL');
    const a = await machine.boot(guest('counter'), { name: 'A' });
    const before = (await machine.snapshot('before')).digest();
    expect(await codeOf(machine.boot(guest('counter')))).toBe('BAD_STATE');
    expect(await codeOf(machine.load(guest('counter'), { window: ['1M', '9M'] }))).toBe('BAD_WINDOW');
    expect(await codeOf(machine.load(guest('counter'), { window: ['1M', 0x100001] }))).toBe('BAD_WINDOW');
    expect(await codeOf(machine.load(guest('counter'), { name: 'A' }))).toBe('BAD_OPTION');
    expect(await codeOf(machine.load(guest('counter'), { wndow: 1 } as never))).toBe('BAD_OPTION');
    expect(await codeOf(machine.jump('nobody'))).toBe('NO_SUCH_KERNEL');
    expect(await codeOf(machine.jump(a))).toBe('JUMP_REFUSED');
    expect(await codeOf(machine.run({ steps: -1 }))).toBe('BAD_OPTION');
    expect(await codeOf(a.clone('A'))).toBe('BAD_OPTION');
    expect(await codeOf(machine.hibernate('/no/such/folder/image'))).toBe('DISK');
    const after = await machine.snapshot('after');
    expect(machine.captures.audit()).toEqual([]);
    // The refused jump left its errno in the slot; nothing else is different.
    const { pages, fields } = machine.diff(await machine.snapshot('again'), after);
    expect([pages, fields]).toEqual([[], []]);
    expect(before).not.toBe('');
  });

  test('when frames or slots run out', async () => {
    await using machine = await createMachine({ memory: '4M', spare: '4M', maxKernels: 3 });
    const a = await machine.boot(guest('counter'), { name: 'A' });
    await machine.load(guest('counter'), { name: 'B', window: ['1M', '2M'] });
    expect(await codeOf(a.clone('C'))).toMatch(/OUT_OF_(FRAMES|PAGES)/);
    await machine.load(guest('counter'), { name: 'C', window: ['1M', '1100K'] });
    expect(await codeOf(machine.load(guest('counter'), { window: ['1M', '1100K'] }))).toBe('TOO_MANY_KERNELS');
    expect(machine.captures.audit()).toEqual([]);
    await machine.run({ steps: 1 });
  });

  test('by resumeMachine, for a file that is no image', async () => {
    expect(await codeOf(resumeMachine('/no/such/image'))).toBe('NO_SUCH_FILE');
    const text = join(folder, 'no-image');
    await writeFile(text, 'x'.repeat(5000));
    expect(await codeOf(resumeMachine(text))).toBe('NOT_AN_IMAGE');
    expect((await readFile(text)).length).toBe(5000);
  });

  test('by resumeMachine, for a whole image that does not say how to make its machine', async () => {
    const parts = new MachineParts(
      MachineMemory.create(geometryOf(resolveOptions({ memory: '1M' }))),
      resolveOptions({}),
    );
    parts.memory.format();
    const path = join(folder, 'nameless.kjump');
    const { machine, memory, captures } = parts;
    for (const metadata of [null, {}, { options: { memory: 1 } }]) {
      await writeImage(path, machine, memory, captures, captures.create(), metadata);
      const refusal = await resumeMachine(path).catch((error: KjumpError) => error);
      expect(refusal).toMatchObject({ code: 'BAD_IMAGE', details: { section: 'metadata' } });
    }
  });
});

describe('a kernel that goes wrong stops alone', () => {
  test('with a WindowViolation for a store outside its window, which is not done', async () => {
    await using machine = await createMachine({ memory: '4M' });
    await machine.boot(guest('counter'), { name: 'A' });
    const b = await machine.load(guest('trespasser'), { name: 'B', window: ['1M', '2M'] });
    await machine.jump(b);
    const { reason } = await machine.run({ steps: 2 });
    expect(reason).toBe('crashed');
    expect(b.stop).toMatchObject({ code: 'windowViolation', address: 0x200000, state: 'CRASHED' });
    await machine.jump('A');
    await machine.run({ steps: 2 });
    expect(await count(machine, 'A')).toBe(2);
    expect((await machine.find('A').read(0x200000, 1))[0]).toBe(0);
  });

  test('with the exception of its module, and the machine is restored or goes on with another', async () => {
    await using machine = await createMachine({ memory: '4M' });
    await machine.boot(guest('thrower'), { name: 'A' });
    const safe = await machine.snapshot('safe');
    expect((await machine.run({ steps: 5 })).reason).toBe('crashed');
    expect(machine.find('A').stop.text).toContain('on purpose');
    expect(await codeOf(machine.run())).toBe('BAD_STATE');
    await machine.restore(safe);
    expect(machine.find('A').state).toBe('RUNNING');
  });
});

describe('what comes after the end of a kernel', () => {
  test('is a new kernel, booted into memory without what the last one left standing', async () => {
    await using machine = await createMachine({ memory: '4M' });
    await machine.boot(guest('counter'), { name: 'A', window: [0, '1M'] });
    await machine.load(guest('counter'), { name: 'B', window: ['1M', '2M'] });
    const c = await machine.load(guest('thrower'), { name: 'C', window: ['1M', '2M'] });
    await machine.jump('B');
    await machine.run({ steps: 5 });
    await machine.jump(c);
    expect((await machine.run({ steps: 1 })).reason).toBe('crashed');
    await machine.boot(guest('counter'), { name: 'D', window: ['2M', '3M'] });
    await machine.run({ steps: 2 });
    await machine.jump('B');
    await machine.run({ steps: 1 });
    expect(await machine.find('B').read32(machine.find('B').base)).toBe(6);
    expect(machine.captures.audit()).toEqual([]);
  });

  test('in real time, a run takes as long as its virtual time, and a pause before it is no backlog', async () => {
    await using machine = await createMachine({ memory: '4M', clock: 'realtime' });
    await machine.boot(guest('counter'), { name: 'A' });
    const started = performance.now();
    await machine.run({ ticks: 60_000_000 });
    expect(performance.now() - started).toBeGreaterThan(50);
  });

  test('what a program has in a shared window is there for everybody as soon as it is loaded', async () => {
    const path = join(folder, 'shared.bin');
    await writeFile(path, Uint8Array.from([0x12, 0x34]));
    await using machine = await createMachine({ memory: '4M' });
    const a = await machine.boot(guest('counter'), { name: 'A', window: ['2M', '3M'] });
    await machine.load(path, { name: 'shared', at: '4K', entry: '1M', window: ['1M', '2M'], shared: [[0, '64K']] });
    expect([...(await a.read(0x1000, 2))]).toEqual([0x12, 0x34]);
  });

  test('machine code runs in its window, and a store outside stops it with the address', async () => {
    const path = join(folder, 'flat.bin');
    // mov dword [0x100800], 0x12345678; jmp to itself
    const code = [0xc7, 0x05, 0x00, 0x08, 0x10, 0x00, 0x78, 0x56, 0x34, 0x12, 0xeb, 0xfe];
    await writeFile(path, Uint8Array.from(code));
    await using machine = await createMachine({ memory: '4M' });
    const ts = await machine.boot(guest('counter'), { name: 'A', window: [0, '1M'] });
    const flat = await machine.load(path, { name: 'flat', at: '1M', window: ['1M', '2M'] });
    expect([...(await flat.read(0x100000, 2))]).toEqual([0xc7, 0x05]);
    await machine.jump(flat);
    await machine.run({ steps: 2 });
    expect(await flat.read32(0x100800)).toBe(0x12345678);
    await machine.jump(ts);
    await machine.run({ steps: 1 });

    await writeFile(path, Uint8Array.from([0xa3, 0x00, 0x00, 0x20, 0x00]));
    const astray = await machine.load(path, { name: 'astray', at: '1M', window: ['1M', '2M'] });
    await machine.jump(astray);
    expect(await machine.run({ steps: 1 })).toMatchObject({ reason: 'crashed', kernel: 'astray' });
    expect(astray.stop).toMatchObject({ code: 'windowViolation', address: 0x200000 });
  });
});

describe('a kernel whose freeze throws', () => {
  test('is not jumped away from, says why on its console, and goes on', async () => {
    await using machine = await createMachine({ memory: '4M' });
    const said: string[] = [];
    machine.on('console', ({ text }) => said.push(text));
    await machine.boot(guest('unfreezable'), { name: 'A', window: [0, '1M'] });
    const b = await machine.load(guest('counter'), { name: 'B', window: ['1M', '2M'] });
    const refusal = await machine.jump(b).catch((error: KjumpError) => error);
    expect(refusal).toMatchObject({ code: 'JUMP_REFUSED', details: { line: 'freeze-tasks', errnoName: 'EBUSY' } });
    await machine.run({ steps: 1 });
    expect(said.join('')).toContain('A: freeze: Error: never');
  });
});

test('handles are JSON by name', async () => {
  await using machine = await createMachine({ memory: '4M' });
  const kernel = await machine.boot(guest('counter'), { name: 'A' });
  const snapshot = await machine.snapshot('s');
  expect(JSON.parse(JSON.stringify({ kernel, snapshot }))).toEqual({
    kernel: { name: 'A', state: 'RUNNING' },
    snapshot: { name: 's', tick: 1000 },
  });
});
