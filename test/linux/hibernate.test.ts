// SPDX-License-Identifier: MIT
//
// The ten steps of 2008 with the reference Linux, as a user takes them: the command, which starts a process for each half.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasLinuxGuest, WHEN_SKIPPED } from '../../examples/linux-guest.ts';
import { bootC, C_MEMORY, loadA, makeDisk } from '../../examples/linux-hibernate.ts';
import { createMachine } from '../../orchestrator/index.ts';
import { kjump } from '../cli/kjump.ts';

/** Three boots, and 29 MiB to a disk and back by programmed I/O. */
const TEN_STEPS_MS = 300_000;

describe.skipIf(!hasLinuxGuest)(`Linux${WHEN_SKIPPED}`, () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kjump-hibernate-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test(
    'hibernates with kexec: a second Linux saves its memory, the process ends, and a third one in another brings it back whole',
    async () => {
      const { code, stdout, stderr } = await kjump(['run', 'examples/linux-hibernate.ts', '--json'], {}, TEN_STEPS_MS);
      expect(stderr).toContain('C has loaded A');
      expect(code).toBe(0);
      const { saved, restored } = JSON.parse(stdout).result;
      expect(saved).toMatchObject({ entry: expect.stringMatching(/^0x[0-9a-f]+d7$/), reason: 'deadlock' });
      // All that A can use, but for what B has of it while it is there.
      expect(Number(saved.pages)).toBeGreaterThan(7000);
      expect(restored).toEqual({ answer: '42', note: 'remembered', damagedFiles: '0' });
    },
    TEN_STEPS_MS,
  );

  test(
    'that is to bring back a system from a disk on which none sleeps, or not all of one, says so, and loads nothing',
    async () => {
      const disk = join(folder, 'empty.img');
      await makeDisk(disk);
      await using machine = await createMachine({ memory: C_MEMORY, disk });
      const { signal } = new AbortController();
      await bootC(machine, signal);
      await expect(loadA(machine, signal)).rejects.toMatchObject({
        code: 'BAD_STATE',
        message: 'no system sleeps on this disk',
      });
      await writeFile(disk, `16 0x014000d7 ${'0'.repeat(32)}\n`, { flag: 'r+' });
      await expect(loadA(machine, signal)).rejects.toMatchObject({
        code: 'BAD_STATE',
        message: 'the system on this disk is damaged',
      });
      machine.find('C').console.type('cat /sys/kernel/kexec_loaded\n');
      expect(await machine.find('C').console.expect(/\n\/ # $/)).toContain('\n0\n');
    },
    TEN_STEPS_MS,
  );
});
