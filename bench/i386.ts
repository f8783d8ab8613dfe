// SPDX-License-Identifier: MIT
//
// The i386 engine beside the npm package v86 on the same machine code: loops, whole-memory string instructions, page faults and
// timer interrupts. What is between two marks of a program is one sample; the first ones, in which code is compiled, do not count.
import { askProcess } from './child.ts';
import type { ProgramName, ProgramRun } from './i386-programs.ts';
import { type BenchOptions, check, median, type Result, speed } from './report.ts';

/** Marks whose intervals do not count. */
const WARM_UP = 2;
const INSTRUCTIONS = 100e6;
const QUICK_INSTRUCTIONS = 2e6;
const LOOP_REACH = 50;
const EVENT_REACH = 0.5;
const STRING_REACH = 0.5;
/** Bytes that a round of the string program copies, and fills. */
const STRING_BYTES = 4 << 20;
const FAULTS_PER_ROUND = 1024;

/** Instructions in one round of each loop; in `branches` it depends on the number. */
const LOOPS = { alu: 16, memory: 12, calls: 6512, branches: 9.7 } as const satisfies Partial<
  Record<ProgramName, number>
>;

interface Pair {
  /** Seconds between two marks, and instructions as kjump counted them. */
  readonly own: number;
  readonly v86: number;
  readonly instructions: number;
}

export async function i386({ quick }: BenchOptions): Promise<Result[]> {
  const samples = quick ? 1 : 5;
  const results: Result[] = [];
  for (const [name, perRound] of Object.entries(LOOPS) as [keyof typeof LOOPS, number][]) {
    const rounds = Math.ceil((quick ? QUICK_INSTRUCTIONS : INSTRUCTIONS) / perRound);
    const { own, v86, instructions } = await both(name, rounds, samples, true);
    const millions = instructions / 1e6;
    results.push(speed(`i386.${name}`, millions / own, 'M/s', [millions / v86, 'v86'], LOOP_REACH));
  }
  results.push(await string(quick ? 2 : 10, samples));
  const faults = FAULTS_PER_ROUND * (quick ? 4 : 200);
  results.push(await events('pagefaults', faults / FAULTS_PER_ROUND, faults, samples));
  const interrupts = quick ? 5_000 : 100_000;
  results.push(await events('interrupts', interrupts, interrupts, samples));
  return results;
}

async function string(rounds: number, samples: number): Promise<Result> {
  const { own, v86 } = await both('string', rounds, samples, false);
  const megabytes = (2 * STRING_BYTES * rounds) / 1e6;
  const bound = copyBound(rounds, samples);
  const reach = STRING_REACH * bound;
  return speed('i386.string', megabytes / own, 'MB/s', [megabytes / v86, `v86; host ${Math.round(bound)}`], reach);
}

/** MB/s of the host's own copy and fill of as many bytes. */
function copyBound(rounds: number, samples: number): number {
  const memory = new Uint8Array(new SharedArrayBuffer(4 * STRING_BYTES)).fill(1);
  const words = new Int32Array(memory.buffer);
  const speeds: number[] = [];
  for (let sample = 0; sample < samples + WARM_UP; sample++) {
    const started = performance.now();
    for (let round = 0; round < rounds; round++) {
      memory.copyWithin(STRING_BYTES + 0x230, 0x10, STRING_BYTES + 0x10);
      words.fill(round, (3 * STRING_BYTES) / 4);
    }
    speeds.push((2 * STRING_BYTES * rounds) / 1000 / (performance.now() - started));
  }
  return median(speeds.slice(WARM_UP));
}

async function events(
  name: 'pagefaults' | 'interrupts',
  rounds: number,
  count: number,
  samples: number,
): Promise<Result> {
  const { own, v86 } = await both(name, rounds, samples, name === 'pagefaults');
  const bound = count / v86 / 1e3;
  return speed(`i386.${name}`, count / own / 1e3, 'k/s', [bound, 'v86'], EVENT_REACH * bound);
}

/** A program on both. `sameCount`: v86 counts as many instructions as kjump, which proves that both do the same. */
async function both(name: ProgramName, rounds: number, samples: number, sameCount: boolean): Promise<Pair> {
  const own = await runOn('own', name, rounds, samples + WARM_UP);
  const v86 = await runOn('v86', name, rounds, samples + WARM_UP);
  const difference = Math.abs(v86.instructions / own.instructions - 1);
  check(!sameCount || difference < 0.1, `${name}: ${own.instructions} instructions, ${v86.instructions} on v86`);
  const seconds = (intervals: readonly number[]): number => median(intervals.slice(WARM_UP)) / 1000;
  return { own: seconds(own.intervals), v86: seconds(v86.intervals), instructions: own.instructions };
}

function runOn(machine: 'own' | 'v86', name: ProgramName, rounds: number, marks: number): Promise<ProgramRun> {
  return askProcess('i386-process', [machine, name, String(rounds), String(marks)]);
}
