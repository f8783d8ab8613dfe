// SPDX-License-Identifier: MIT
//
// A Linux that asks the machine who it is, through /dev/port, before and after it is resumed from an image.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  BZIMAGE,
  COMMAND_LINE,
  command,
  hasLinuxGuest,
  prompt,
  ROOTFS,
  WHEN_SKIPPED,
} from '../../examples/linux-guest.ts';
import { createMachine, type Machine, resumeMachine } from '../../orchestrator/index.ts';

const BOOT_MS = 120_000;
const { signal } = new AbortController();

async function ask(machine: Machine) {
  const linux = machine.kernels[0];
  const identity = await command(
    linux,
    `dd if=/dev/port bs=32 skip=$((0x5e0/32)) count=1 2>/dev/null | hexdump -ve '1/1 "%02x"'; echo`,
    signal,
  );
  // The hour of the real-time clock: index 4 at port 0x70, its value at 0x71.
  await command(linux, "printf '\\004' | dd of=/dev/port bs=1 seek=112 2>/dev/null", signal);
  const hour = `dd if=/dev/port bs=1 skip=113 count=1 2>/dev/null | hexdump -ve '1/1 "%02x"'; echo`;
  return { identity, hour: await command(linux, hour, signal), date: await command(linux, 'date +%H', signal) };
}

describe.skipIf(!hasLinuxGuest)(`Linux${WHEN_SKIPPED}`, () => {
  test(
    'reads its generation id, and sees in the real-time clock, not in its own, the time that passed while it was in an image',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'kjump-identity-'));
      try {
        const image = join(folder, 'linux.kjump');
        await using machine = await createMachine({ memory: '32M', threads: 1 });
        const linux = await machine.boot(BZIMAGE, { name: 'linux', initrd: ROOTFS, append: COMMAND_LINE });
        await prompt(linux, signal);
        expect(await ask(machine)).toEqual({
          identity: `4b4a4d50200000000000000000000000${linux.generationId}`,
          hour: '12',
          date: '12',
        });
        await machine.hibernate(image);
        await using later = await resumeMachine(image, { policy: { clock: 5 * 3600, identity: 'new' } });
        const { generationId } = later.kernels[0];
        expect(generationId).not.toBe(linux.generationId);
        expect(await ask(later)).toEqual({
          identity: `4b4a4d50200000005046000000000000${generationId}`,
          hour: '17',
          date: '12',
        });
      } finally {
        await rm(folder, { recursive: true });
      }
    },
    BOOT_MS,
  );
});
