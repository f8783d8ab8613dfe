// SPDX-License-Identifier: MIT
//
// The threads around a machine, where a whole machine would hide them.
import { afterEach, describe, expect, test } from 'vitest';
import { WorkerHost } from '../../orchestrator/worker-host.ts';
import { MachineMemory } from '../../shared/machine-memory.ts';
import { Ownership } from '../../shared/ownership.ts';
import { THREAD_OPTIONS } from '../thread-options.ts';

let host: WorkerHost | null = null;
afterEach(() => host?.close());

describe('a thread that cannot start', () => {
  test('is not replaced for ever: after some attempts the machine is told', async () => {
    const machine = MachineMemory.create({ ramPages: 16, hiddenPages: 16, frames: 64, maxKernels: 1 });
    const ownership = new Ownership(machine);
    let ends = 0;
    const error = await new Promise<Error>((resolve) => {
      // A header that is no machine's: every thread fails its first assertion.
      machine.u8.fill(0, 0, 64);
      host = new WorkerHost(machine, ownership, THREAD_OPTIONS, 1, {
        signal: () => {},
        gone: (slot) => {
          ends++;
          void host?.attach(slot);
        },
        cannotStart: resolve,
        spareable: () => [],
      });
      void host.attach(0);
    });
    expect(error).toMatchObject({ code: 'THREAD_DIED', message: 'no thread comes up' });
    expect(ends).toBe(20);
  });
});
