// SPDX-License-Identifier: MIT
//
// Threads that end at the wrong moment, for real: behind the store that moves the CPU and before the word about it; on their own
// way out while the host already counts on them.
import { expect, test } from 'vitest';
import { createMachine, type Machine } from '../../orchestrator/index.ts';
import type { MachineParts } from '../../orchestrator/machine-parts.ts';
import type { Signal } from '../../shared/protocol.ts';

const guest = (name: string): URL => new URL(`../guests/${name}.ts`, import.meta.url);

/** The machine's bytes, and a way to lose what its threads say. */
function inside(machine: Machine): { parts: MachineParts; conductor: { onSignal: (signal: Signal) => void } } {
  return machine as unknown as ReturnType<typeof inside>;
}

async function ownerIs(machine: Machine, owner: number): Promise<void> {
  while (inside(machine).parts.ownership.owner !== owner) await new Promise((resolve) => setImmediate(resolve));
}

test('a thread that dies before it can say that the host has the CPU does not hold the run up', async () => {
  await using machine = await createMachine({ memory: '4M' });
  const a = await machine.boot(guest('counter'), { name: 'A' });
  inside(machine).conductor.onSignal = () => {};
  const run = machine.run({ steps: 10 });
  await ownerIs(machine, 1);
  await ownerIs(machine, 0);
  await a.powerCut();
  expect(await run).toMatchObject({ reason: 'limit', kernel: 'A' });
  expect(a.state).toBe('RUNNING');
});

test('a thread that dies before it can ask for a thread for the kernel it went to does not hold the jump up', async () => {
  await using machine = await createMachine({ memory: '4M' });
  const a = await machine.boot(guest('counter'), { name: 'A' });
  const b = await machine.load(guest('counter'), { name: 'B', window: ['1M', '3M'] });
  const { conductor } = inside(machine);
  const hear = conductor.onSignal.bind(conductor);
  conductor.onSignal = (signal) => {
    if (signal.kind !== 'attach') hear(signal);
  };
  const jump = machine.jump(b);
  await ownerIs(machine, 2);
  await a.powerCut();
  expect(await jump).toMatchObject({ from: 'A', to: 'B' });
  expect([a.state, b.state]).toEqual(['PARKED', 'RUNNING']);
});

test('a kernel that is restored while its thread is on its way out goes on with another', async () => {
  await using machine = await createMachine({ memory: '4M' });
  const kernel = await machine.boot(guest('trespasser'), { name: 'T', window: ['1M', '2M'] });
  const before = await machine.snapshot('before');
  for (let round = 0; round < 20; round++) {
    expect(await machine.run()).toMatchObject({ reason: 'crashed' });
    expect(kernel.stop.code).toBe('windowViolation');
    await before.restore();
  }
});

test('a forgetful kernel that is restored while its thread is on its way out goes on with another', async () => {
  await using machine = await createMachine({ memory: '4M', amnesia: true });
  await machine.boot(guest('counter'), { name: 'A', window: [0, '512K'] });
  const b = await machine.load(guest('counter'), { name: 'B', window: ['1M', '3M'] });
  const before = await machine.snapshot('before');
  for (let round = 0; round < 10; round++) {
    await machine.jump(b);
    await before.restore();
    expect(await machine.run({ steps: 5 })).toMatchObject({ reason: 'limit', kernel: 'A' });
  }
});
