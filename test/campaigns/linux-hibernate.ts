// SPDX-License-Identifier: MIT
//
// npx tsx test/campaigns/linux-hibernate.ts [times] [seed]: the ten steps of examples/linux-hibernate.ts, each in a process of its own
// that goes on from what the one before left on the host's disk: an image of the machine, or nothing but the machine's own disk
// behind step 7. At instants chosen by the seed a process is ended with SIGKILL, and its step done again. Whenever one was ended
// that writes A to the disk, or wakes it up, C looks at that disk too: it must bring back all of A, or say why not. Prints what it
// saw as JSON; exit code 1 if A was ever less than whole. Needs the reference Linux guest.
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import {
  A_MEMORY,
  bootA,
  bootC,
  C_MEMORY,
  jumpToA,
  jumpToB,
  loadA,
  loadB,
  makeDisk,
  powerOff,
  saveA,
} from '../../examples/linux-hibernate.ts';
import { createMachine, KjumpError, type Machine, resumeMachine } from '../../orchestrator/index.ts';
import { runOwnProcess } from './own-process.ts';
import { randomFrom } from './random.ts';

type Work = (machine: Machine, signal: AbortSignal) => Promise<unknown>;

/** From 4 to 10: what is done, and on which machine: a new one, or the image that the named step left. */
const STEPS = {
  bootA: { memory: A_MEMORY, work: bootA },
  loadB: { from: 'bootA', work: loadB },
  jumpToB: { from: 'loadB', work: jumpToB },
  saveA: {
    from: 'jumpToB',
    work: async (machine, signal) => {
      await saveA(machine, signal);
      await powerOff(machine, signal);
    },
  },
  bootC: { memory: C_MEMORY, work: bootC },
  loadA: { from: 'bootC', work: loadA },
  jumpToA: { from: 'loadA', work: jumpToA },
  /** 9 and 10 in one go, on a disk that somebody was interrupted with. */
  look: {
    from: 'bootC',
    work: async (machine, signal) => {
      await loadA(machine, signal);
      return jumpToA(machine, signal);
    },
  },
} as const satisfies Record<string, { memory?: string; from?: string; work: Work }>;
type Step = keyof typeof STEPS;
const ORDER: readonly Step[] = ['bootA', 'loadB', 'jumpToB', 'saveA', 'bootC', 'loadA', 'jumpToA'];
/** What these are interrupted in shows on the disk. */
const ON_DISK: readonly Step[] = ['saveA', 'jumpToA'];
const KILLS_MAX = 2;
const WHOLE = JSON.stringify({ answer: '42', note: 'remembered', damagedFiles: '0' });

export interface LinuxHibernateReport {
  readonly ok: boolean;
  readonly times: number;
  /** Processes ended with SIGKILL, by their step. */
  readonly kills: Readonly<Record<string, number>>;
  /** What C said of the disks that they left: how often why not, and how often it brought back all of A. */
  readonly looks: Readonly<Record<string, number>>;
  readonly faults: readonly string[];
}

// ---- a process --------------------------------------------------------------------------------------------------------

/** One step; `{ result }`, or `{ refused }` if the disk does not hold what it needs. */
async function takeStep(step: Step, folder: string, disk: string): Promise<object> {
  const { work, ...start } = STEPS[step];
  await using machine =
    'memory' in start
      ? await createMachine({ memory: start.memory, disk, threads: 1 })
      : await resumeMachine(imageOf(folder, start.from), { disk });
  try {
    const result = await work(machine, new AbortController().signal);
    if (step !== 'saveA' && step !== 'look') await machine.hibernate(imageOf(folder, step));
    return { result };
  } catch (error) {
    if (error instanceof KjumpError && error.code === 'BAD_STATE') return { refused: error.message };
    throw error;
  }
}

const imageOf = (folder: string, step: string): string => join(folder, `${step}.kjump`);

// ---- all of them ------------------------------------------------------------------------------------------------------

class Campaign {
  readonly kills: Record<string, number> = {};
  readonly looks: Record<string, number> = {};
  readonly faults: string[] = [];
  private readonly random: (below: number) => number;
  private readonly folder: string;
  /** ms that each step took last. */
  private readonly lasted = new Map<Step, number>();

  constructor(folder: string, seed: number) {
    this.random = randomFrom(seed);
    this.folder = folder;
  }

  async once(): Promise<void> {
    await makeDisk(this.disk);
    for (const step of ORDER) {
      for (let kills = 0; !(await this.take(step, kills < KILLS_MAX && this.random(2) === 0)); kills++) {
        this.kills[step] = (this.kills[step] ?? 0) + 1;
        if (ON_DISK.includes(step)) await this.look(step);
      }
    }
  }

  private get disk(): string {
    return join(this.folder, 'disk.img');
  }

  /** True if the step was taken; a fault ends the round by throwing. */
  private async take(step: Step, mayBeKilled: boolean): Promise<boolean> {
    const started = performance.now();
    // At any moment of the last time, or a little later: between this step and the next.
    const killAfterMs = mayBeKilled ? this.random(Math.ceil((this.lasted.get(step) ?? 8000) * 1.05)) : undefined;
    const { killed, result } = await this.run(step, this.disk, killAfterMs);
    if (killed) return false;
    this.lasted.set(step, performance.now() - started);
    const { refused, result: found } = result as { refused?: string; result?: unknown };
    if (refused !== undefined) throw new Error(`${step} refuses: ${refused}`);
    if (step === 'jumpToA' && JSON.stringify(found) !== WHOLE) throw new Error(`A is ${JSON.stringify(found)}`);
    return true;
  }

  /** C looks at a copy of the disk. */
  private async look(after: Step): Promise<void> {
    const copy = join(this.folder, 'look.img');
    await copyFile(this.disk, copy);
    // In the first round nobody has booted C yet when B is killed.
    if (!this.lasted.has('bootC')) await this.take('bootC', false);
    const { result } = await this.run('look', copy);
    const { refused, result: found } = result as { refused?: string; result?: unknown };
    const whole = JSON.stringify(found) === WHOLE;
    if (refused === undefined && !whole) this.faults.push(`behind an end of ${after} A is ${JSON.stringify(found)}`);
    const saw = `${after}: ${refused ?? 'all of A'}`;
    this.looks[saw] = (this.looks[saw] ?? 0) + 1;
  }

  private run(step: Step, disk: string, killAfterMs?: number) {
    return runOwnProcess(fileURLToPath(import.meta.url), ['--step', step, this.folder, disk], killAfterMs);
  }
}

/** `progress` is told what a time has brought. */
export async function linuxHibernateCampaign(
  times: number,
  seed: number,
  progress: (line: string) => void = () => {},
): Promise<LinuxHibernateReport> {
  const folder = await mkdtemp(join(tmpdir(), 'kjump-linux-hibernate-'));
  const campaign = new Campaign(folder, seed);
  const { kills, looks, faults } = campaign;
  let done = 0;
  try {
    for (; done < times; done++) {
      await campaign.once().catch((error: Error) => faults.push(`time ${done + 1}: ${error.message}`));
      progress(JSON.stringify({ times: done + 1, kills, looks, faults }));
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  return { ok: faults.length === 0, times: done, kills, looks, faults };
}

async function main(): Promise<void> {
  const [first, ...rest] = process.argv.slice(2);
  if (first === '--step') {
    const [step, folder, disk] = rest;
    console.log(JSON.stringify(await takeStep(step as Step, folder, disk)));
    return;
  }
  const started = performance.now();
  const report = await linuxHibernateCampaign(Number(first ?? 20), Number(rest[0] ?? 1), console.error);
  console.log(JSON.stringify({ ...report, seconds: Math.round((performance.now() - started) / 1000) }));
  process.exitCode = report.ok ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main().catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
}
