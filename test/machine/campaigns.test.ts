// SPDX-License-Identifier: MIT
//
// Short, seeded parts of the long campaigns in test/campaigns.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { killCampaign } from '../campaigns/kills.ts';
import { makeRing, ringCounts } from '../campaigns/ring.ts';

const run = promisify(execFile);
const repeat = fileURLToPath(new URL('../campaigns/repeat.ts', import.meta.url));

/** The last line that a campaign prints, in a process of its own. */
async function inItsOwnProcess(): Promise<unknown> {
  const { stdout } = await run(process.execPath, ['--import', 'tsx', repeat, '12'], { timeout: 60_000 });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}

describe('four kernels at one address', () => {
  test('each finds its own memory as it left it in every one of 3,000 switches, and no frame is lost', async () => {
    await using machine = await makeRing();
    const { reason } = await machine.run({ switches: 3000 });
    const { turns, errors } = await ringCounts(machine);
    expect(reason).toBe('limit');
    expect(errors).toEqual([0, 0, 0, 0]);
    expect(turns.reduce((sum, n) => sum + n, 0)).toBe(3000);
    expect(machine.captures.audit()).toEqual([]);
  });

  test('threads ended at random lose nothing of a parked kernel and crash a running one, which a restore makes whole', async () => {
    const report = await killCampaign(160, 20081);
    expect(report.faults).toEqual([]);
    expect(report.kills).toBe(8);
  });
});

describe('the same scenario in two processes', () => {
  test('gives equal bytes and equal events, but for wall durations', async () => {
    const first = await inItsOwnProcess();
    const second = await inItsOwnProcess();
    expect(first).toEqual(second);
    expect(first).toMatchObject({ machine: expect.stringMatching(/^[0-9a-f]{64}$/), switches: expect.any(Number) });
  });
});
