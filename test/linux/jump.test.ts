// SPDX-License-Identifier: MIT
//
// Two systems with the reference Linux jump to each other with the stock kexec tool, and nobody tells the machine.
import { describe, expect, test } from 'vitest';
import {
  BZIMAGE,
  COMMAND_LINE,
  hasLinuxGuest,
  jumpAway,
  loadSecond,
  ROOTFS_WITH_KERNEL,
  WHEN_SKIPPED,
} from '../../examples/linux-guest.ts';
import { scenario as linuxJump } from '../../examples/linux-jump.ts';
import { createMachine } from '../../orchestrator/index.ts';
import { linuxRoundTrips } from '../campaigns/linux-round-trips.ts';
import { runScenario } from '../examples/test-context.ts';

const TWO_BOOTS_MS = 300_000;

describe.skipIf(!hasLinuxGuest)(`Linux${WHEN_SKIPPED}`, () => {
  test(
    'jumps to a second Linux and back, and again without boot: both go on where they were, and every switch is noticed',
    async () => {
      const { result, said } = await runScenario(linuxJump, ['3', '24']);
      expect(JSON.parse(JSON.stringify(result))).toEqual({
        switches: 6,
        kernels: [
          { name: 'A', state: 'RUNNING' },
          { name: 'A1', state: 'PARKED' },
        ],
        visits: { A: '3', B: '3' },
        intact: true,
      });
      const switches = said.filter((line) => line.includes('→'));
      expect(switches).toEqual(['A → A1', 'A1 → A', 'A → A1', 'A1 → A', 'A → A1', 'A1 → A']);
    },
    TWO_BOOTS_MS,
  );

  test(
    'finds all of its memory as it left it, but for what a jump is documented to change, and so does its peer, each time',
    async ({ signal }) => {
      expect(await linuxRoundTrips(3, { windowEndMiB: 24, signal })).toMatchObject({
        ok: true,
        trips: 3,
        movedPages: 23 * 256,
        faults: [],
      });
    },
    TWO_BOOTS_MS,
  );

  test(
    'reads what was typed to it before its serial port was open, and so does a Linux that it loads by itself',
    async ({ signal }) => {
      await using machine = await createMachine({ memory: '128M' });
      const append = `${COMMAND_LINE} memmap=exactmap memmap=632K@4K memmap=127M@1M`;
      const a = await machine.boot(BZIMAGE, { name: 'A', initrd: ROOTFS_WITH_KERNEL, append });
      a.console.type('echo $((6*7)) apples\n');
      await a.console.expect(/\n42 apples\n\/ # $/);
      await loadSecond(a, 24, signal);
      const b = await jumpAway(machine, signal);
      b.console.type('echo $((6*8)) pears\n');
      await b.console.expect(/\n48 pears\n\/ # $/);
    },
    TWO_BOOTS_MS,
  );
});
