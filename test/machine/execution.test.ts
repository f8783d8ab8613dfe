// SPDX-License-Identifier: MIT
//
// Who runs when, with a kernel that is played by hand: nothing that is asked for while the machine is on its way is forgotten.
import { describe, expect, test } from 'vitest';
import { Execution, type ExecutionParts } from '../../orchestrator/execution.ts';
import { LIVE } from '../../shared/layout/live-words.ts';
import { MachineMemory } from '../../shared/machine-memory.ts';
import { HOST, Ownership } from '../../shared/ownership.ts';
import { StopReason, type StopReasonValue } from '../../shared/stop.ts';

function bench(more: Partial<ExecutionParts> = {}) {
  const machine = MachineMemory.create({ ramPages: 16, hiddenPages: 16, frames: 64, maxKernels: 2 });
  const ownership = new Ownership(machine);
  ownership.setThread(0, true);
  const execution = new Execution({
    ownership,
    nowTick: () => 0,
    current: () => 0,
    over: () => null,
    attach: async () => {},
    ...more,
  });
  /** What the kernel's thread does when it stops. */
  const stop = (reason: StopReasonValue): void => {
    ownership.live[LIVE.stopReason] = reason;
    ownership.giveToHost();
    execution.cameBack();
  };
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { execution, ownership, stop, turn };
}

describe('while the kernel waits for a thread', () => {
  test('a pause is not forgotten', async () => {
    let attached = (): void => {};
    const { execution, ownership, stop, turn } = bench({
      attach: () => new Promise<void>((resolve) => (attached = resolve)),
    });
    ownership.setThread(0, false);
    const run = execution.run({});
    await turn();
    execution.pause();
    attached();
    await turn();
    expect(ownership.owner).toBe(1);
    expect(ownership.live[LIVE.stopRequest]).toBe(1);
    stop(StopReason.requested);
    expect(await run).toMatchObject({ reason: StopReason.requested });
  });
});

describe('a burst', () => {
  test('is not cut short by those who want the machine next', async () => {
    const { execution, ownership, stop, turn } = bench();
    const order: string[] = [];
    const burst = execution.held(async () => {
      const { reason } = await execution.burst({ switches: 2 });
      order.push(`burst ${reason}`);
    });
    await turn();
    const next = execution.held(() => order.push('next'));
    ownership.live[LIVE.switchesLeft] = 1;
    stop(StopReason.requested);
    await turn();
    expect(ownership.owner).toBe(1);
    expect(ownership.live[LIVE.switchesLeft]).toBe(1);
    stop(StopReason.limit);
    await Promise.all([burst, next]);
    expect(order).toEqual([`burst ${StopReason.limit}`, 'next']);
  });
});

describe('a run', () => {
  test('ends when somebody has ended its kernel during a pause', async () => {
    let over: StopReasonValue | null = null;
    const { execution, ownership, stop, turn } = bench({ over: () => over });
    const run = execution.run({});
    await turn();
    const held = execution.held(() => {
      over = StopReason.crashed;
    });
    stop(StopReason.requested);
    await held;
    expect(await run).toMatchObject({ reason: StopReason.crashed });
    expect(ownership.owner).toBe(HOST);
  });

  test('that is asked to pause rings the kernel, which may be waiting for the wall clock', async () => {
    const { execution, ownership, stop, turn } = bench();
    const run = execution.run({});
    await turn();
    const bell = ownership.bell(0);
    execution.pause();
    expect(ownership.bell(0)).toBe(bell + 1);
    stop(StopReason.requested);
    await run;
  });
});
