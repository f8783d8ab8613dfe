// SPDX-License-Identifier: MIT
//
// npx tsx test/campaigns/switches.ts [switches]: four kernels at one address, each checking its own memory in each of its
// turns; no frame lost, no growth of the process. Prints what it saw as JSON; exit code 1 if anything does not hold.
import { makeRing, ringCounts } from './ring.ts';

async function main(switches: number): Promise<void> {
  await using machine = await makeRing();
  // Memory settles while code warms up.
  const warmUp = Math.min(10_000, switches);
  await machine.run({ switches: warmUp });
  const before = process.memoryUsage().rss;
  const started = performance.now();
  const half = Math.floor((switches - warmUp) / 2);
  await machine.run({ switches: half });
  const middle = process.memoryUsage().rss;
  await machine.run({ switches: switches - warmUp - half });
  const seconds = (performance.now() - started) / 1000;
  const after = process.memoryUsage().rss;
  const { turns, errors } = await ringCounts(machine);
  const audit = machine.captures.audit();
  const total = turns.reduce((sum, n) => sum + n, 0);
  const grownMiB = (after - middle) / 1024 ** 2;
  const ok = errors.every((n) => n === 0) && audit.length === 0 && total === switches && grownMiB < 16;
  const rssMiB = [before, middle, after].map((bytes) => Math.round(bytes / 1024 ** 2));
  console.log(
    JSON.stringify({ ok, switches, turns, errors, audit, rssMiB, seconds, perSwitchUs: (seconds * 1e6) / switches }),
  );
  process.exitCode = ok ? 0 : 1;
}

main(Number(process.argv[2] ?? 100_000)).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
