// SPDX-License-Identifier: MIT
//
// The reference Linux on kjump and on the npm package v86: the same files, the same commands, by turns. Each time a process of its own
// boots it, and only what a user waits for is timed, from the outside.
import { askProcess } from './child.ts';
import type { CourseSize, Subject, Times } from './linux-process.ts';
import { type BenchOptions, median, type Result, timeBeside } from './report.ts';

/** Processes of each kind on each PC. */
const TURNS = 3;
const SIZE: CourseSize = { rounds: 3, loops: 10_000, fileMiB: 16, processes: 200, jumps: 5 };
const QUICK_SIZE: CourseSize = { rounds: 1, loops: 300, fileMiB: 1, processes: 10, jumps: 1 };
/** What each is to reach, in ms, if v86 takes so long. */
const REACH: Readonly<Record<Subject, (v86: number) => number>> = {
  boot: (v86) => v86,
  'shell-loop': (v86) => v86 / 0.7,
  md5: (v86) => v86 / 0.7,
  fork: (v86) => v86 / 0.7,
  jump: () => 100,
};
const PCS = ['own', 'v86'] as const;

export async function linux({ quick }: BenchOptions): Promise<Result[]> {
  const runs = (['work', 'jump'] as const).flatMap((course) => PCS.map((pc) => ({ course, pc })));
  const times = { own: {} as Times, v86: {} as Times };
  const run = async ({ course, pc }: (typeof runs)[number]): Promise<void> => {
    const size = JSON.stringify(quick ? QUICK_SIZE : SIZE);
    const found = await askProcess<Times>('linux-process', [pc, course, size]);
    for (const [subject, samples] of Object.entries(found) as [Subject, number[]][]) {
      times[pc][subject] = [...(times[pc][subject] ?? []), ...samples];
    }
  };
  // A run for its checks need not leave a core to each.
  if (quick) await Promise.all(runs.map(run));
  else for (let turn = 0; turn < TURNS; turn++) for (const one of runs) await run(one);
  return (Object.keys(REACH) as Subject[]).map((subject) => {
    const [own, v86] = PCS.map((pc) => median(times[pc][subject]!));
    return timeBeside(`linux.${subject}`, own, 'ms', [v86, 'v86'], REACH[subject](v86));
  });
}
