// SPDX-License-Identifier: MIT
//
// What the machine supplies to Linux's way back (reference §3.6, §3.7). The Linux guest has a patch, and needs nothing; kernels without it,
// as `guests/linux/build.sh --stock` makes them, come back in `repaired` mode only. KJUMP_LINUX_STOCK names the folder of such a guest,
// KJUMP_LINUX_STOCK_PAE that of one with CONFIG_X86_PAE; without them they are looked for where the build may have put them.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { hasLinuxGuest, WHEN_SKIPPED } from '../../examples/linux-guest.ts';
import { kjump, ROOT } from '../cli/kjump.ts';

const TWO_BOOTS_MS = 300_000;

interface Trips {
  readonly visits?: { readonly A: string; readonly B: string };
  readonly intact?: boolean;
  /** What was supplied at each arrival in A, as the report of the switch says. */
  readonly repaired: readonly string[];
  /** Rules of the death report. */
  readonly hints: readonly string[];
}

/** `kjump run examples/linux-jump.ts` with the guest of a folder. */
async function thereAndBack(mode: 'strict' | 'repaired', folder?: string): Promise<Trips> {
  const env = folder === undefined ? {} : { KJUMP_LINUX_GUEST: folder };
  const args = ['run', 'examples/linux-jump.ts', '2', '24', '--json', '--mode', mode];
  const { stdout, stderr } = await kjump(args, env, TWO_BOOTS_MS);
  const { result, error } = JSON.parse(stdout);
  const arrivals = stderr.split('\n').filter((line) => line.startsWith('A1 → A '));
  return {
    ...result,
    repaired: arrivals.map((line) => [...line.matchAll(/, (\w+) repaired/g)].map(([, what]) => what).join()),
    hints: (error?.details.report?.hints ?? []).map(({ rule }: { rule: string }) => rule),
  };
}

const THERE_AND_BACK = { visits: { A: '2', B: '2' }, intact: true, hints: [] };

describe.skipIf(!hasLinuxGuest)(`Linux with the patch${WHEN_SKIPPED}`, () => {
  test(
    'comes back in strict mode too, where nothing is supplied',
    async () => {
      expect(await thereAndBack('strict')).toMatchObject({ ...THERE_AND_BACK, repaired: ['', ''] });
    },
    TWO_BOOTS_MS,
  );
});

describe.each([
  { kernel: 'Linux without the patch', name: 'STOCK', supplied: 'GDT', hole: 'gdt-hole' },
  { kernel: 'Linux with PAE, without the patch', name: 'STOCK_PAE', supplied: 'GDT,CR4', hole: 'pae-hole' },
])('$kernel', ({ name, supplied, hole }) => {
  const folder = process.env[`KJUMP_LINUX_${name}`] ?? `guests/linux/build-${name.toLowerCase().replace('_', '-')}`;
  const isThere = existsSync(resolve(ROOT, folder, 'bzImage'));
  const skipped = isThere ? '' : ` (skipped: build.sh --stock, and name its folder in KJUMP_LINUX_${name})`;

  test.skipIf(!isThere)(
    `comes back in repaired mode, and the report says what was supplied${skipped}`,
    async () => {
      expect(await thereAndBack('repaired', folder)).toMatchObject({
        ...THERE_AND_BACK,
        repaired: [supplied, supplied],
      });
    },
    TWO_BOOTS_MS,
  );

  test.skipIf(!isThere)(
    `dies on its way back in strict mode, and the report of its death names the hole${skipped}`,
    async () => {
      const { visits, repaired, hints } = await thereAndBack('strict', folder);
      expect([visits, repaired]).toEqual([undefined, ['']]);
      expect(hints).toContain(hole);
    },
    TWO_BOOTS_MS,
  );
});
