// SPDX-License-Identifier: MIT
//
// npx tsx test/campaigns/i386-differential.ts [count] [seed] [options]: random instruction sequences on the engine, on
// qemu-system-i386 and on v86, compared register by register. Prints each difference that is not known to be the emulator's,
// and at the end what it saw as JSON; exit code 1 if there was any.
//   --skip-v86, --skip-qemu, --skip-own   without that machine
//   --hardware                            also on the processor of this machine, what a Linux process can run
//   --mode NAME, --floating               only cases of that mode, only cases about the x87
//   --show N                              print at most so many differences (20)
import { parseArgs } from 'node:util';
import { compareMachines } from '../i386/differential/comparison.ts';
import { type MachineName, openMachine } from '../i386/differential/machines.ts';

const flag = { type: 'boolean' } as const;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'skip-v86': flag,
      'skip-qemu': flag,
      'skip-own': flag,
      hardware: flag,
      floating: flag,
      mode: { type: 'string' },
      show: { type: 'string' },
    },
  });
  const [count = 100_000, seed = 1] = positionals.map(Number);
  const names = (['own', 'qemu', 'v86'] as MachineName[]).filter((name) => !values[`skip-${name}` as 'skip-v86']);
  if (values.hardware) names.push('hardware');
  const machines = names.map(openMachine);
  const limit = Number(values.show ?? 20);
  let shown = 0;
  const started = performance.now();
  const tally = await compareMachines(machines, {
    count,
    seed,
    wishes: { mode: values.mode, floating: values.floating },
    onBatch: ({ cases, unexplained }) => {
      for (; shown < Math.min(unexplained.length, limit); shown++) console.log(`${unexplained[shown]}\n`);
      if (process.stderr.isTTY) process.stderr.write(`${cases} of ${count}, ${unexplained.length} differences\r`);
    },
  }).finally(() => {
    for (const machine of machines) machine[Symbol.dispose]();
  });
  const seconds = Math.round((performance.now() - started) / 1000);
  const { unexplained, ...seen } = tally;
  console.log(
    JSON.stringify({ ok: unexplained.length === 0, differences: unexplained.length, ...seen, seconds }, null, 2),
  );
  process.exitCode = unexplained.length === 0 ? 0 : 1;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
