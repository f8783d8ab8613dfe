// SPDX-License-Identifier: MIT
//
// npx tsx test/campaigns/repeat.ts [switches]: a scenario with timers, serial port, disk, snapshots and jumps. Prints the digest
// of the machine and of its events without their wall-clock durations: the same in every process.
import { createHash } from 'node:crypto';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMachine, type Machine } from '../../orchestrator/index.ts';

const guest = (name: string): URL => new URL(`../guests/${name}.ts`, import.meta.url);

async function main(switches: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'kjump-repeat-'));
  try {
    const disk = join(folder, 'disk.img');
    await writeFile(disk, '');
    await truncate(disk, 64 * 1024);
    await using machine = await createMachine({ memory: '16M', disk, seed: 7 });
    const events = hashEvents(machine);
    await machine.boot(guest('busy'), { name: 'A' });
    const b = await machine.load(guest('busy'), { name: 'B', window: ['1M', '4M'] });
    await machine.jump(b);
    await machine.run({ switches });
    const snapshot = await machine.snapshot('middle');
    await machine.run({ ticks: 5_000_000 });
    await machine.restore(snapshot);
    await machine.run({ steps: 1000 });
    const end = await machine.snapshot('end');
    console.log(
      JSON.stringify({
        machine: end.digest(),
        events: events.digest('hex'),
        tick: machine.now,
        switches: machine.switches,
      }),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Every event, in order, with everything but what the wall clock says. */
function hashEvents(machine: Machine) {
  const hash = createHash('sha256');
  const note = (kind: string) => (event: object) => {
    hash.update(JSON.stringify([kind, event], (key, value) => (key.endsWith('Us') ? undefined : value)));
  };
  for (const kind of ['phase', 'switch', 'refused', 'console', 'crash', 'off', 'stopped'] as const)
    machine.on(kind, note(kind));
  return hash;
}

main(Number(process.argv[2] ?? 20)).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
