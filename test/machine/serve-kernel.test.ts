// SPDX-License-Identifier: MIT
//
// A thread's task, run in the test's own thread.
import { MessageChannel } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import serveKernel from '../../kernel-worker/main.ts';
import { MachineMemory } from '../../shared/machine-memory.ts';
import { Ownership } from '../../shared/ownership.ts';
import { THREAD_OPTIONS } from '../thread-options.ts';

function attach() {
  const machine = MachineMemory.create({ ramPages: 16, hiddenPages: 16, frames: 64, maxKernels: 1 });
  const ownership = new Ownership(machine);
  ownership.setThread(0, true);
  const control = new MessageChannel();
  const signals = new MessageChannel();
  const task = {
    memory: machine.memory,
    slot: 0,
    options: THREAD_OPTIONS,
    control: control.port2,
    signals: signals.port2,
  };
  return { ownership, task, signals: signals.port1 };
}

describe('a thread whose slot is empty', () => {
  test('says that it is attached, and ends', async () => {
    const { task, signals } = attach();
    const said = new Promise((resolve) => signals.once('message', resolve));
    expect(await serveKernel(task)).toBe('ended');
    expect(await said).toMatchObject({ kind: 'attached' });
  });

  test('leaves the mark of a thread in the slot: it may be that of the next thread already', async () => {
    const { task, ownership } = attach();
    await serveKernel(task);
    expect(ownership.hasThread(0)).toBe(true);
  });
});
