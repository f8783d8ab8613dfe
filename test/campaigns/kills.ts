// SPDX-License-Identifier: MIT
//
// npx tsx test/campaigns/kills.ts [switches] [seed] [machine options as JSON]: threads of parked and of running kernels are ended
// at random moments while four kernels switch. A parked kernel must lose nothing; a running one must be CRASHED, with every
// other kernel whole, and whole itself after a restore; every frame accounted for throughout. Prints what it saw as JSON; exit
// code 1 otherwise.
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { crc32 } from 'node:zlib';
import type { Machine, MachineOptions, Snapshot } from '../../orchestrator/index.ts';
import { randomFrom } from './random.ts';
import { makeRing, RING_BASE } from './ring.ts';

const DATA = 4096;
const DATA_BYTES = 16 * 4096;
const CHECKSUM = 8;
const SWITCHES_A_ROUND = 20;

export interface KillReport {
  readonly ok: boolean;
  readonly kills: number;
  readonly crashes: number;
  /** Kills that the machine did not notice: the kernel was parked. */
  readonly unnoticed: number;
  readonly switches: number;
  readonly faults: readonly string[];
}

export async function killCampaign(switches: number, seed: number, options: MachineOptions = {}): Promise<KillReport> {
  const random = randomFrom(seed);
  const faults: string[] = [];
  let kills = 0;
  let crashes = 0;
  let done = 0;
  await using machine = await makeRing({ spare: '96M', ...options });
  let safe = await machine.snapshot('safe');
  while (done < switches) {
    const before = machine.switches;
    // Half of the time the one that has the machine now, which is likely to be at work still.
    const victim = random(2) === 0 ? (machine.current?.name ?? 'K0') : `K${random(4)}`;
    const patience = random(4);
    const cut = delay(patience).then(() => machine.find(victim).powerCut());
    const report = await machine.run({ switches: SWITCHES_A_ROUND });
    await cut;
    kills++;
    // The thread may have been ended between two runs: nothing was lost then.
    if (report.reason === 'crashed') {
      crashes++;
      faults.push(...(await checkOthers(machine, report.kernel)));
      if (machine.find(report.kernel).state !== 'CRASHED') faults.push(`${report.kernel} should be CRASHED`);
      await machine.restore(safe);
      faults.push(...(await checkOthers(machine, null)));
    } else if (report.reason !== 'limit' || machine.switches - before !== SWITCHES_A_ROUND) {
      faults.push(`a run of ${SWITCHES_A_ROUND} switches made ${machine.switches - before} (${report.reason})`);
    } else {
      faults.push(...(await checkOthers(machine, null)));
      safe = await renew(machine, safe);
    }
    faults.push(...machine.captures.audit());
    done += SWITCHES_A_ROUND;
  }
  await safe.release();
  return {
    ok: faults.length === 0,
    kills,
    crashes,
    unnoticed: kills - crashes,
    switches: done,
    faults: faults.slice(0, 10),
  };
}

async function renew(machine: Machine, old: Snapshot): Promise<Snapshot> {
  await old.release();
  return machine.snapshot('safe');
}

/** Every kernel but one holds data that its checksum is of. */
async function checkOthers(machine: Machine, but: string | null): Promise<string[]> {
  const faults: string[] = [];
  for (let i = 0; i < 4; i++) {
    const name = `K${i}`;
    if (name === but) continue;
    const head = await machine.find(name).read(RING_BASE, 16);
    const data = await machine.find(name).read(RING_BASE + DATA, DATA_BYTES);
    const stored = new DataView(head.buffer).getUint32(CHECKSUM, true);
    if (crc32(data) !== stored) faults.push(`${name} is not whole`);
  }
  return faults;
}

async function main(): Promise<void> {
  const [switches = '1000', seed = '1', options = '{}'] = process.argv.slice(2);
  const report = await killCampaign(Number(switches), Number(seed), JSON.parse(options));
  console.log(JSON.stringify(report));
  process.exitCode = report.ok ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main().catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
}
