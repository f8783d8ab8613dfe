// SPDX-License-Identifier: MIT
//
// npx tsx test/campaigns/linux-snapshots.ts [count] [seed]: Linux boots and works with its disk and its serial console, which is
// typed to at known ticks. A first run is not interrupted. A second one is captured at instants of virtual time chosen by the seed,
// and its bytes are noted ten million instructions behind each. Each capture, with the disk as it was then, is resumed in a new
// process for as many instructions: RAM, records and disk must be the same bytes. At the end of the second run they must be those
// of the first: captures are invisible. Prints what it saw as JSON; exit code 1 if anything differs. Needs the reference guest.
import { createHash } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { BZIMAGE, COMMAND_LINE, prompt, ROOTFS } from '../../examples/linux-guest.ts';
import { createMachine, type Inspection, type Machine, resumeMachine } from '../../orchestrator/index.ts';
import { CLOCK } from '../../shared/layout/clock.ts';
import { runOwnProcess } from './own-process.ts';
import { randomFrom } from './random.ts';

const MEMORY = { memory: '32M', spare: '48M', threads: 1 } as const;
const DISK_BYTES = 2 * 1024 ** 2;
const INSTRUCTIONS = 10_000_000;
const COMMANDS = [
  'for i in 1 2 3 4 5 6 7 8; do seq $((i*999)) | dd of=/dev/sda bs=4096 seek=$((i*32)) conv=sync; sync; done',
  'for i in 1 2 3 4 5 6; do dd if=/dev/sda bs=4096 skip=$((i*32)) count=32 | md5sum; echo $i > /tmp/$i; done',
  'dmesg | grep -v nothing; ls -l /lib /bin | cut -c 1-60',
  'dd if=/dev/sda bs=16384 | tr 1 x | dd of=/dev/sda bs=16384; sync; cat /dev/sda | md5sum',
];
/** Of the next command, while the last one is on its way: the wire has no room for both. */
const TYPED_AHEAD_TICKS = 40_000_000;
const LONGEST_TICKS = 60e9;

/** What is typed, from which tick on. */
interface Input {
  readonly tick: number;
  readonly text: string;
}

/** What the first run says of the others: what to type, and where and how it ended. */
interface Course {
  readonly inputs: readonly Input[];
  readonly endTick: number;
  readonly instructions: number;
  readonly end: string;
}

export interface LinuxSnapshotsReport {
  readonly ok: boolean;
  readonly snapshots: number;
  /** Ticks of the captures that came to other bytes. */
  readonly differing: readonly number[];
  /** The run that was captured ended as the one that was not. */
  readonly invisible: boolean;
  /** What the machine was doing at the instants: halted, a disk transfer, input on its way or an output interrupt. */
  readonly during: { readonly halted: number; readonly disk: number; readonly serial: number };
  readonly seconds: { readonly virtual: number; readonly millionInstructions: number };
}

// ---- a machine on its course --------------------------------------------------------------------------------------------

async function boot(disk: string): Promise<Machine> {
  await writeFile(disk, Buffer.alloc(DISK_BYTES));
  const machine = await createMachine({ ...MEMORY, disk });
  await machine.boot(BZIMAGE, { name: 'linux', initrd: ROOTFS, append: COMMAND_LINE });
  return machine;
}

const stepsOf = (machine: Machine): number => machine.kernels[0].slot.steps;

/** Runs until a tick, or until so many instructions have run since power-on, and types what is due on the way. */
async function advance(machine: Machine, inputs: Input[], endTick: number, endSteps: number): Promise<void> {
  for (;;) {
    // A capture at the tick of an input comes before it, and whoever resumes from it types it first.
    if (machine.now >= endTick || stepsOf(machine) >= endSteps) return;
    while (inputs.length > 0 && inputs[0].tick <= machine.now) machine.kernels[0].console.type(inputs.shift()!.text);
    const ticks = Math.min(endTick, inputs[0]?.tick ?? Number.POSITIVE_INFINITY) - machine.now;
    const steps = endSteps - stepsOf(machine);
    await machine.run({
      ticks: Number.isFinite(ticks) ? ticks : undefined,
      steps: Number.isFinite(steps) ? steps : undefined,
    });
  }
}

/** RAM and records, but for the count of restores, and the disk. */
async function digest(machine: Machine, disk: string): Promise<string> {
  await using snapshot = await machine.snapshot('digest');
  const { memoryBytes } = await machine.inspect();
  const records = snapshot.records();
  records.fill(0, CLOCK.generation, CLOCK.generation + 4);
  const hash = createHash('sha256').update(snapshot.read(0, memoryBytes)).update(records);
  return hash.update(await readFile(disk)).digest('hex');
}

/** The run that nobody interrupts. It finds out when there is a prompt to type at. */
async function firstRun(disk: string): Promise<Course> {
  await using machine = await boot(disk);
  const [linux] = machine.kernels;
  const { signal } = new AbortController();
  const inputs: Input[] = [];
  const typeCommand = (i: number): void => {
    const text = `${COMMANDS[i]}; echo done $((${i}+1))\n`;
    inputs.push({ tick: machine.now, text });
    linux.console.type(text);
  };
  await prompt(linux, signal);
  for (let i = 0; i < COMMANDS.length; i += 2) {
    typeCommand(i);
    await machine.run({ ticks: TYPED_AHEAD_TICKS });
    typeCommand(i + 1);
    await linux.console.expect(new RegExp(`\\ndone ${i + 2}(?=\\n)`), { ticks: LONGEST_TICKS });
    await prompt(linux, signal);
  }
  return {
    inputs,
    endTick: machine.now,
    instructions: stepsOf(machine),
    end: await digest(machine, disk),
  };
}

// ---- captures, and who goes on from them ----------------------------------------------------------------------------------

/** What the machine is doing. */
function doing({ cpu, devices }: Inspection): { halted: boolean; disk: boolean; serial: boolean } {
  const { wireCount, rxCount, threPending } = devices.uart0;
  return {
    halted: cpu.halted !== 0,
    disk: devices.disk0.phase !== 0,
    serial: wireCount !== 0 || rxCount !== 0 || threPending !== 0,
  };
}

/** Processes that go on from captures, as many at a time as there are processors. */
class Resumed {
  /** What each came to, in the order of the captures; null while it is on its way. */
  readonly digests: (string | null)[] = [];
  private readonly folder: string;
  private readonly running = new Set<Promise<void>>();
  private failed: Error | null = null;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Saves the machine and its disk, and has them resumed. */
  async add(machine: Machine, disk: string, inputs: readonly Input[]): Promise<void> {
    const index = this.digests.push(null) - 1;
    const image = join(this.folder, `${index}.kjump`);
    const disk2 = join(this.folder, `${index}.img`);
    await machine.hibernate(image);
    await copyFile(disk, disk2);
    while (this.running.size >= availableParallelism()) await Promise.race(this.running);
    if (this.failed !== null) throw this.failed;
    const work = this.resume(index, image, disk2, inputs)
      .catch((error: Error) => {
        this.failed = error;
      })
      .finally(() => this.running.delete(work));
    this.running.add(work);
  }

  async all(): Promise<readonly (string | null)[]> {
    await Promise.all(this.running);
    if (this.failed !== null) throw this.failed;
    return this.digests;
  }

  private async resume(index: number, image: string, disk: string, inputs: readonly Input[]): Promise<void> {
    const args = ['--resume', image, disk, JSON.stringify(inputs)];
    const { result } = await runOwnProcess(fileURLToPath(import.meta.url), args);
    this.digests[index] = result as string;
    await Promise.all([rm(image), rm(disk)]);
  }
}

/** In a process of its own: goes on from a capture. */
async function resume(image: string, disk: string, inputs: Input[]): Promise<string> {
  await using machine = await resumeMachine(image, { disk });
  await advance(machine, inputs, Number.POSITIVE_INFINITY, stepsOf(machine) + INSTRUCTIONS);
  return await digest(machine, disk);
}

/** The run that is captured at these ticks. */
async function capturedRun(folder: string, course: Course, ticks: readonly number[], progress: (line: string) => void) {
  const disk = join(folder, 'captured.img');
  await using machine = await boot(disk);
  const inputs = [...course.inputs];
  const resumed = new Resumed(folder);
  const expected: string[] = [];
  const ends: number[] = [];
  const during = { halted: 0, disk: 0, serial: 0 };
  let end = '';
  const differing = (found: readonly (string | null)[]): number[] =>
    ticks.filter((_, i) => found[i] !== null && i < expected.length && found[i] !== expected[i]);
  const instants = [...ticks, course.endTick];
  while (instants.length > 0 || ends.length > 0) {
    const next = instants[0] ?? Number.POSITIVE_INFINITY;
    await advance(machine, inputs, next, ends[0] ?? Number.POSITIVE_INFINITY);
    if (machine.now >= next) {
      instants.shift();
      if (instants.length === 0) end = await digest(machine, disk);
      else {
        const now = doing(await machine.inspect());
        for (const key of ['halted', 'disk', 'serial'] as const) during[key] += now[key] ? 1 : 0;
        await resumed.add(machine, disk, inputs);
        ends.push(stepsOf(machine) + INSTRUCTIONS);
      }
    } else {
      ends.shift();
      const count = expected.push(await digest(machine, disk));
      if (count % 50 === 0) progress(JSON.stringify({ snapshots: count, differing: differing(resumed.digests) }));
    }
  }
  const found = await resumed.all();
  return { during, invisible: end === course.end, differing: differing(found) };
}

/** `progress` is told how far it is. */
export async function linuxSnapshots(
  count: number,
  seed: number,
  progress: (line: string) => void = () => {},
): Promise<LinuxSnapshotsReport> {
  const folder = await mkdtemp(join(tmpdir(), 'kjump-linux-snapshots-'));
  try {
    const course = await firstRun(join(folder, 'first.img'));
    const random = randomFrom(seed);
    const ticks = Array.from({ length: count }, () => Math.floor((random(2 ** 31) / 2 ** 31) * course.endTick));
    const found = await capturedRun(
      folder,
      course,
      ticks.sort((a, b) => a - b),
      progress,
    );
    return {
      ok: found.invisible && found.differing.length === 0,
      snapshots: count,
      ...found,
      seconds: {
        virtual: Math.round(course.endTick / 1e9),
        millionInstructions: Math.round(course.instructions / 1e6),
      },
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function main(): Promise<void> {
  const [first, ...rest] = process.argv.slice(2);
  if (first === '--resume') {
    const [image, disk, inputs] = rest;
    console.log(JSON.stringify(await resume(image, disk, JSON.parse(inputs))));
    return;
  }
  const started = performance.now();
  const report = await linuxSnapshots(Number(first ?? 1000), Number(rest[0] ?? 1), console.error);
  console.log(JSON.stringify({ ...report, wallSeconds: Math.round((performance.now() - started) / 1000) }));
  process.exitCode = report.ok ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main().catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
}
