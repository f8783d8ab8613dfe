// SPDX-License-Identifier: MIT
//
// npx tsx test/campaigns/rotations.ts [rotations] [seed]: machine-code and TypeScript kernels take turns, in two machines. In the first
// the host passes the machine on in random order: two kernels in TypeScript and two in C at one address, one in C above them;
// one of them jumps by itself, too, to a peer of its own or to whoever was there before. In the second two kernels in C jump to and fro by themselves. Their
// digests must be those of their counters, no frame lost, and the process must not grow. Prints what it saw as JSON; exit code 1
// if anything does not hold.
import { pathToFileURL } from 'node:url';
import { StatusPage, wellBeing } from '../../examples/well-being.ts';
import { createMachine, type Kernel, type Machine } from '../../orchestrator/index.ts';
import { guestFile, statusOf } from '../machine-code/c-kernels.ts';
import { randomFrom } from './random.ts';

const KEEPER = new URL('../../examples/guests/keeper.ts', import.meta.url);
const STATUS_BYTES = 48;
const ROTATIONS_BETWEEN_CHECKS = 200;
/** A turn of the mesh, in ticks of a nanosecond: some timer ticks in all, seldom one in a turn. */
const SHORTEST_TURN = 20_000;
const TURNS = 300_000;
/** So long a kernel in C is not disturbed at first. */
const START = 20_000_000;
const FOR_EVER = 1_000_000_000;
const MAY_GROW_MIB = 32;

export interface RotationsReport {
  readonly ok: boolean;
  readonly switches: number;
  /** Jumps to A’s peer that had to be refused. */
  readonly refused?: number;
  /** Of the process, in the last three quarters of the rotations. */
  readonly grownMiB: number;
  /** Timer ticks that each kernel has counted. */
  readonly ticks: Readonly<Record<string, number>>;
  readonly faults: readonly string[];
}

type Check = (kernel: Kernel) => Promise<{ ticks: number; faults: readonly string[] }>;

const inC =
  (at: number): Check =>
  async (kernel) =>
    statusOf(await kernel.read(at, STATUS_BYTES));

const inTypeScript: Check = async (kernel) => {
  const { ticks, intact } = await wellBeing(kernel, StatusPage.keeper);
  return { ticks, faults: intact ? [] : ['its digest is not that of its ticks'] };
};

/** Kernels by name, and how each is looked at. */
type Checks = Readonly<Record<string, Check>>;

const MESH: Checks = {
  T: inTypeScript,
  U: inTypeScript,
  B: inC(StatusPage.kernelB),
  C: inC(StatusPage.kernelC),
  A: inC(StatusPage.kernelA),
};

/** Turns in random order. A’s own jumps come in addition. */
export async function rotateMesh(rotations: number, seed: number): Promise<RotationsReport> {
  await using machine = await createMachine({ memory: '24M', spare: '128M', threads: 7 });
  const ends = noteEnds(machine);
  const low = ['1M', '8M'] as const;
  const loop = { cmdline: `mode=loop beat=${FOR_EVER}` };
  await machine.boot(KEEPER, { name: 'T', window: low });
  await machine.load(KEEPER, { name: 'U', window: low });
  await machine.load(guestFile('kernel/kernel-b.elf'), { name: 'B', window: low, ...loop });
  await machine.load(guestFile('kernel/kernel-c.elf'), { name: 'C', window: ['8M', '16M'], ...loop });
  await machine.load(guestFile('kernel/kernel-a.elf'), {
    name: 'A',
    window: ['1M', '12M'],
    cmdline: `mode=jump rounds=${FOR_EVER} window=8M-10M`,
    modules: [{ file: guestFile('kernel/kernel-c.elf'), cmdline: 'mode=answer' }],
  });
  for (const name of ['U', 'B', 'C']) {
    await machine.jump(name);
    await machine.run({ ticks: START });
  }
  await machine.jump('A');
  await machine.run({ switches: 1 });
  const random = randomFrom(seed);
  const faults: string[] = [];
  const growth = new Growth(rotations / 4);
  let refused = 0;
  for (let turn = 0; turn < rotations && faults.length === 0; turn++) {
    growth.at(turn);
    const others = machine.kernels.filter((kernel) => kernel !== machine.current);
    if (!(await follows(machine, others[random(others.length)]))) refused++;
    await machine.run({ ticks: SHORTEST_TURN + random(TURNS) });
    faults.push(...ends);
    if (turn % ROTATIONS_BETWEEN_CHECKS === 0) faults.push(...(await lookAt(machine, MESH)).faults);
  }
  return { ...(await conclude(machine, MESH, growth, faults)), refused };
}

/** False for A’s peer while A itself has what lies in its window: it can be entered only while A waits for it. */
async function follows(machine: Machine, kernel: Kernel): Promise<boolean> {
  try {
    await machine.jump(kernel);
    return true;
  } catch (error) {
    if (MESH[kernel.name] === undefined && (error as { code?: string }).code === 'JUMP_REFUSED') return false;
    throw error;
  }
}

/** A and its peer, by themselves; a rotation is there and back. */
export async function rotatePair(rotations: number): Promise<RotationsReport> {
  await using machine = await createMachine({ memory: '8M', spare: '8M', threads: 2 });
  const ends = noteEnds(machine);
  await machine.boot(guestFile('kernel/kernel-a.elf'), {
    name: 'A',
    cmdline: `mode=jump rounds=${FOR_EVER}`,
    modules: [{ file: guestFile('kernel/kernel-b.elf'), cmdline: 'mode=answer' }],
  });
  const checks: Checks = { A: inC(StatusPage.kernelA), A1: inC(StatusPage.kernelB) };
  const faults: string[] = [];
  const growth = new Growth(rotations / 4);
  for (let done = 0; done < rotations && faults.length === 0; done += ROTATIONS_BETWEEN_CHECKS) {
    growth.at(done);
    const switches = 2 * Math.min(ROTATIONS_BETWEEN_CHECKS, rotations - done);
    await machine.run({ switches });
    faults.push(...ends);
    // Whose pages are in place is known: the one that has the machine.
    const { name } = machine.current ?? { name: 'nobody' };
    faults.push(...(await lookAt(machine, { [name]: checks[name] })).faults);
  }
  return await conclude(machine, { A: checks.A }, growth, faults);
}

function noteEnds(machine: Machine): string[] {
  const ends: string[] = [];
  for (const end of ['crash', 'off'] as const) machine.on(end, ({ kernel, text }) => ends.push(`${kernel}: ${text}`));
  return ends;
}

async function lookAt(machine: Machine, checks: Checks) {
  const ticks: Record<string, number> = {};
  const faults: string[] = [];
  for (const [name, check] of Object.entries(checks)) {
    const seen = await check(machine.find(name));
    ticks[name] = seen.ticks;
    faults.push(...seen.faults.map((fault) => `${name}: ${fault}`));
  }
  return { ticks, faults };
}

async function conclude(
  machine: Machine,
  checks: Checks,
  growth: Growth,
  before: readonly string[],
): Promise<RotationsReport> {
  const { ticks, faults: now } = await lookAt(machine, checks);
  const faults = [...before, ...now, ...machine.captures.audit()];
  const { mib: grownMiB } = growth;
  const ok = faults.length === 0 && grownMiB < MAY_GROW_MIB;
  return { ok, switches: machine.switches, grownMiB, ticks, faults };
}

/** How much the process grows once everything is warm: within one machine, for what an earlier one had is freed when it is. */
class Growth {
  private readonly warm: number;
  private rss = 0;

  constructor(warm: number) {
    this.warm = warm;
  }

  at(rotation: number): void {
    if (this.rss === 0 && rotation >= this.warm) this.rss = process.memoryUsage().rss;
  }

  get mib(): number {
    return this.rss === 0 ? 0 : Math.round((process.memoryUsage().rss - this.rss) / 1024 ** 2);
  }
}

async function main(): Promise<void> {
  const [rotations = 100_000, seed = 1] = process.argv.slice(2).map(Number);
  const started = performance.now();
  const half = Math.ceil(rotations / 2);
  const mesh = await rotateMesh(half, seed);
  const pair = await rotatePair(half);
  const ok = mesh.ok && pair.ok;
  const seconds = Math.round((performance.now() - started) / 1000);
  console.log(JSON.stringify({ ok, rotations, mesh, pair, seconds }));
  process.exitCode = ok ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main().catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
}
