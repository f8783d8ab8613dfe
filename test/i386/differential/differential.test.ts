// SPDX-License-Identifier: MIT
//
// Random instruction sequences in all modes on the engine, on qemu-system-i386 and on v86. 100,000 of them are compared by
// test/campaigns/i386-differential.ts; here a few thousand, always the same.
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { differences } from './compare.ts';
import { compareMachines } from './comparison.ts';
import { makeCase, makeDataPage } from './generate.ts';
import { explain } from './known.ts';
import { type MachineName, openMachine, runCases } from './machines.ts';
import { qemuIsInstalled } from './run-qemu.ts';

const SEED = 2;
const COUNT = 4000;
const LONG = 120_000;

const names: MachineName[] = ['own', 'qemu', 'v86'];
if (!qemuIsInstalled()) {
  names.splice(1, 1);
  console.warn('qemu-system-i386 is not installed: the engine is compared with v86 only');
}

test(
  'the engine agrees with qemu and v86 wherever they agree with the manual',
  async () => {
    const machines = names.map(openMachine);
    try {
      const tally = await compareMachines(machines, { count: COUNT, seed: SEED, batch: COUNT / 2 });
      expect(tally.unexplained.join('\n\n')).toBe('');
      expect(tally.cases).toBe(COUNT);
      for (const name of names.slice(1)) expect(tally.compared[name]).toBeGreaterThan(0.99 * COUNT);
      // Most cases run to their UD2, but faults of every usual kind are among them.
      for (const vector of [0, 3, 4, 5, 6, 7, 11, 13, 14, 16]) expect(tally.vectors).toHaveProperty(`${vector}`);
    } finally {
      for (const machine of machines) machine[Symbol.dispose]();
    }
  },
  LONG,
);

test('one wrong bit in a register, a flag, a page table or memory is a difference that nothing explains', async () => {
  using machine = openMachine('own');
  const one = makeCase(0, { mode: 'paged 32', floating: false });
  const [right] = await runCases(machine, [one], makeDataPage(0), LONG);
  const unexplained = (wrong: Partial<typeof right>): string[] => {
    const results = [{ ...right!, ...wrong }, right!] as const;
    return explain(one, ['own', 'qemu'], results, differences(one, ...results)).unexplained.map(({ field }) => field);
  };
  const data = Uint8Array.from(right!.data);
  data[0x123]! ^= 0x10;
  expect(unexplained({})).toEqual([]);
  expect(unexplained({ general: right!.general.map((value, i) => (i === 6 ? value ^ 0x400 : value)) })).toEqual([
    'esi',
  ]);
  expect(unexplained({ eflags: right!.eflags ^ 0x400 })).toEqual(['eflags DF']);
  expect(unexplained({ pages: right!.pages.map((entry, i) => (i === 0 ? entry ^ 0x20 : entry)) })).toEqual([
    'page entry 0',
  ]);
  expect(unexplained({ data })).toEqual(['data+120']);
});

test('the same seed makes the same case', () => {
  for (let seed = 0; seed < 200; seed++) expect(makeCase(seed)).toEqual(makeCase(seed));
});

const BUILD = fileURLToPath(new URL('runner/build.sh', import.meta.url));
const hasCompiler = spawnSync('gcc', ['-m32', '-x', 'c', '-c', '-o', '/dev/null', '-'], { input: '' }).status === 0;

test.skipIf(!hasCompiler)('the committed ROM is what its source assembles to', () => {
  execFileSync(BUILD, ['--check']);
});
