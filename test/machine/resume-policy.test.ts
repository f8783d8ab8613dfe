// SPDX-License-Identifier: MIT
//
// What a system is told when it goes on elsewhere: nothing, or what its policy says; and that the same policy gives the same bytes.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  createMachine,
  type Kernel,
  type Machine,
  type ResumePolicy,
  resumeMachine,
} from '../../orchestrator/index.ts';
import { CLOCK } from '../../shared/layout/clock.ts';

const ASKER = new URL('../guests/asker.ts', import.meta.url);
const SIZES = { memory: '4M', spare: '32M', threads: 1 } as const;
/** Unix seconds: 12:00:04. */
const NOON = 1_217_073_604;
const TAKEN_MS = 1_800_000_000_000;

let folder = '';
let image = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kjump-policy-'));
  image = join(folder, 'a-and-b.kjump');
  vi.spyOn(Date, 'now').mockReturnValue(TAKEN_MS);
  await using machine = await running();
  await machine.hibernate(image);
  vi.restoreAllMocks();
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => {
  vi.restoreAllMocks();
});

/** A has the machine, B is parked with devices of its own. */
async function running(): Promise<Machine> {
  const machine = await createMachine({ ...SIZES, rtcSeconds: NOON });
  await machine.boot(ASKER, { name: 'A', window: ['1M', '2M'] });
  const b = await machine.load(ASKER, { name: 'B', window: ['1M', '2M'] });
  await machine.jump(b);
  await machine.run({ steps: 1 });
  await machine.jump();
  return machine;
}

const resumed = (policy?: ResumePolicy): Promise<Machine> => resumeMachine(image, { policy });

interface Answers {
  readonly id: string;
  readonly outside: number;
  readonly ports: string;
  readonly time: string;
}

/** What the kernel that has the machine is told at its next step. */
async function ask(machine: Machine): Promise<Answers> {
  const kernel = machine.current as Kernel;
  const before = kernel.console.output.length;
  await machine.run({ steps: 1 });
  const [id, outside, ports, time] = kernel.console.output.slice(before).trim().split(' ');
  return { id, outside: Number(outside), ports, time };
}

/** State of the entropy device of whoever has the machine. */
async function generator(machine: Machine): Promise<unknown> {
  return (await machine.inspect()).devices['virtio-entropy'].generator;
}

async function digest(machine: Machine): Promise<string> {
  const snapshot = await machine.snapshot('digest');
  const records = Buffer.from(snapshot.records());
  records.writeUInt32LE(0, CLOCK.generation);
  return records.toString('hex') + Buffer.from(snapshot.read(0, 4 * 1024 ** 2)).toString('latin1');
}

describe('a machine resumed from an image', () => {
  test('goes on without a word of it, unless it is told', async () => {
    await using machine = await running();
    await using later = await resumed();
    expect(machine.resumedWith).toBeNull();
    expect(later.resumedWith).toEqual({ clock: 0, entropy: 'same', identity: 'same' });
    for (const one of [machine, later]) await one.run({ steps: 10 });
    expect((await digest(later)) === (await digest(machine))).toBe(true);
  });

  test('shows the time that passed since it was captured, if its clock advances, to whoever comes in', async () => {
    vi.spyOn(Date, 'now').mockReturnValue(TAKEN_MS + 3 * 3600_000 + 1_900);
    await using machine = await resumed({ clock: 'advance' });
    const tick = machine.now;
    expect(machine.resumedWith).toEqual({ clock: 3 * 3600 + 1, entropy: 'same', identity: 'same' });
    expect(await ask(machine)).toMatchObject({ outside: 10_801, time: '15:00:05' });
    await machine.jump('B');
    expect(await ask(machine)).toMatchObject({ outside: 10_801, time: '15:00:05' });
    await machine.jump();
    expect(await ask(machine)).toMatchObject({ outside: 10_801, time: '15:00:05' });
    expect(machine.now - tick).toBeLessThan(1e9);
  });

  test('does not go back in time with a host whose clock was set back', async () => {
    vi.spyOn(Date, 'now').mockReturnValue(TAKEN_MS - 5000);
    await using machine = await resumed({ clock: 'advance' });
    expect(machine.resumedWith?.clock).toBe(0);
  });

  test('adds up what passes each time', async () => {
    const second = join(folder, 'second.kjump');
    {
      await using machine = await resumed({ clock: 60 });
      await machine.hibernate(second);
    }
    await using machine = await resumeMachine(second, { policy: { clock: 3600 } });
    expect(await ask(machine)).toMatchObject({ outside: 3660, time: '13:01:04' });
  });

  test('gives every kernel another id, each its own, and others each time', async () => {
    await using before = await resumed();
    const old = before.kernels.map(({ generationId }) => generationId);
    const ids = new Set(old);
    for (let i = 0; i < 2; i++) {
      await using machine = await resumed({ identity: 'new' });
      for (const { generationId } of machine.kernels) ids.add(generationId);
      const { id, ports } = await ask(machine);
      expect(id).toBe(machine.find('A').generationId);
      expect(ports).toBe(`4b4a4d50200000000000000000000000${id}`);
    }
    expect(ids.size).toBe(6);
  });

  test('draws other random numbers, and so does a kernel that was parked', async () => {
    const states = new Set<string>();
    for (const policy of [{}, { entropy: 'fresh' }, { entropy: 'fresh' }] as const) {
      await using machine = await resumed(policy);
      states.add(JSON.stringify(await generator(machine)));
      await machine.jump('B');
      states.add(JSON.stringify(await generator(machine)));
    }
    expect(states.size).toBe(6);
  });

  test('is the same again with what it was resumed with', async () => {
    await using first = await resumed({ clock: 'advance', entropy: 'fresh', identity: 'new' });
    const { resumedWith } = first;
    await using second = await resumed(resumedWith!);
    expect(second.resumedWith).toEqual(resumedWith);
    for (const machine of [first, second]) {
      await machine.run({ steps: 3 });
      await machine.jump('B');
      await machine.run({ steps: 3 });
    }
    expect((await digest(first)) === (await digest(second))).toBe(true);
  });

  test.each([
    [{ clock: 'back' }, 'clock'],
    [{ clock: -1 }, 'clock'],
    [{ entropy: 0.5 }, 'entropy'],
    [{ identity: 'same ' }, 'identity'],
    [{ time: 'advance' }, 'time'],
  ])('is refused a policy %j', async (policy, name) => {
    await expect(resumed(policy as ResumePolicy)).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: `resumeMachine policy: option ${name} cannot be used`,
    });
  });
});

describe('a kernel', () => {
  test('keeps its id while it jumps away and comes back; nobody else has it', async () => {
    await using machine = await running();
    const [a, b] = machine.kernels.map(({ generationId }) => generationId);
    expect(a).toMatch(/^[0-9a-f]{32}$/);
    expect(b).not.toBe(a);
    expect((await ask(machine)).id).toBe(a);
    await machine.jump('B');
    expect((await ask(machine)).id).toBe(b);
    await machine.jump();
    expect((await ask(machine)).id).toBe(a);
  });

  test('has another id, and other random numbers, in each clone, the same in every process; or those of the original', async () => {
    const seen: unknown[] = [];
    for (let i = 0; i < 2; i++) {
      await using machine = await running();
      const a = machine.find('A');
      const copies = [await a.clone('A2'), await a.clone('A3'), await machine.find('B').clone('B2')];
      const same = await a.clone('A4', { identity: 'same', entropy: 'same' });
      const original = { id: a.generationId, numbers: await generator(machine) };
      const found = [];
      for (const copy of [...copies, same]) {
        await machine.jump(copy);
        found.push({ id: (await ask(machine)).id, numbers: await generator(machine) });
      }
      expect(new Set([original, ...found].map(({ id }) => id)).size).toBe(4);
      expect(new Set([original, ...found].map(({ numbers }) => String(numbers))).size).toBe(4);
      expect(found.at(-1)).toEqual(original);
      seen.push(found);
    }
    expect(seen[0]).toEqual(seen[1]);
  });

  test('has another id on a machine with another seed', async () => {
    const ids = new Set<string>();
    for (const seed of [1, 2]) {
      await using machine = await createMachine({ ...SIZES, seed });
      ids.add((await machine.boot(ASKER)).generationId);
    }
    expect(ids.size).toBe(2);
  });

  test('cannot be cloned with a policy that is none', async () => {
    await using machine = await running();
    await expect(machine.find('A').clone('A2', { identity: 7 } as object)).rejects.toMatchObject({
      code: 'BAD_OPTION',
    });
    expect(machine.kernels).toHaveLength(2);
  });
});
