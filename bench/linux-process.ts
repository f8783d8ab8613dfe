// SPDX-License-Identifier: MIT
//
// A process that boots the reference Linux on one of two PCs and takes the time of what it is told to do there: on kjump's machine
// or on the npm package v86. Arguments: `own` or `v86`, a `Course`, and its size as JSON. The answer is a `Times` for the parent.
import { createHash } from 'node:crypto';
import {
  COMMAND_LINE,
  command,
  jumpBackEntry,
  type LinuxShell,
  LONGEST_TICKS,
  loadSecond,
  prompt,
  ROOTFS,
  ROOTFS_WITH_KERNEL,
} from '../examples/linux-guest.ts';
import { type LinuxPc, OwnPc, V86Pc } from './linux-pc.ts';
import { check } from './report.ts';

/** How much is done between two looks at the clock, and how often. */
export interface CourseSize {
  readonly rounds: number;
  readonly loops: number;
  readonly fileMiB: number;
  readonly processes: number;
  readonly jumps: number;
}

/** `work`: boot, and commands at the shell. `jump`: two systems that jump to each other. */
export type Course = 'work' | 'jump';
export type Subject = 'boot' | 'shell-loop' | 'md5' | 'fork' | 'jump';
/** Milliseconds, one by one. */
export type Times = Partial<Record<Subject, number[]>>;

const FILE = '/tmp/zeros';
/** Where the second system's window ends. */
const WINDOW_END_MIB = 32;
/** Written by the kernel when it has the machine again (kernel/power/process.c). */
const IS_BACK = /Restarting tasks/;

const { signal } = new AbortController();

async function work(pc: LinuxPc, size: CourseSize): Promise<Times> {
  const times: Times = {};
  const shell = await timed(times, 'boot', async () => {
    const booted = await pc.boot(ROOTFS, COMMAND_LINE);
    await prompt(booted, signal);
    return booted;
  });
  const answer = (line: string): Promise<string> => command(shell, line, signal);
  // No messages of the kernel among the answers.
  await answer('dmesg -n 1');
  const count = async (subject: Subject, to: number, body: string): Promise<void> => {
    const line = `i=0; while [ $i -lt ${to} ]; do ${body}i=$((i+1)); done; echo $i`;
    const last = await timed(times, subject, () => answer(line));
    check(last.endsWith(String(to)), `${subject}: the shell has counted to ${to}, and says ${last}`);
  };
  const processes = async (): Promise<number> => Number(/\d+/.exec(await answer('grep processes /proc/stat'))?.[0]);

  for (let round = 0; round < size.rounds; round++) await count('shell-loop', size.loops, '');

  await answer(`dd if=/dev/zero of=${FILE} bs=1M count=${size.fileMiB}`);
  const digest = createHash('md5')
    .update(new Uint8Array(size.fileMiB * 1024 ** 2))
    .digest('hex');
  for (let round = 0; round < size.rounds; round++) {
    const found = await timed(times, 'md5', () => answer(`md5sum ${FILE}`));
    check(found.includes(digest), `md5: the digest is ${digest}, and ${found} was found`);
  }

  const before = await processes();
  for (let round = 0; round < size.rounds; round++) await count('fork', size.processes, '/bin/busybox true; ');
  const made = (await processes()) - before;
  check(made >= size.rounds * size.processes, `fork: ${made} processes were made`);
  return times;
}

async function jump(pc: LinuxPc, size: CourseSize): Promise<Times> {
  const times: Times = {};
  const a = await pc.boot(ROOTFS_WITH_KERNEL, `${COMMAND_LINE} memmap=exactmap memmap=632K@4K memmap=127M@1M`);
  await prompt(a, signal);
  await loadSecond(a, WINDOW_END_MIB, signal);
  a.console.type('kexec -e\n');
  const b = await pc.second();
  await prompt(b, signal);
  await command(b, `kexec --load-jump-back-helper --entry=${await jumpBackEntry(b, signal)}`, signal);
  const visits = { a: 0, b: 0 };
  const visit = async (from: LinuxShell, to: LinuxShell, name: keyof typeof visits): Promise<void> => {
    await timed(times, 'jump', () => {
      from.console.type('kexec -e\n');
      return to.console.expect(IS_BACK, { ticks: LONGEST_TICKS, signal });
    });
    await prompt(to, signal);
    const answer = await command(to, 'n=$((n+1)); echo $n', signal);
    // Messages of the kernel may lie around it: one of them is what is waited for, so they are not switched off.
    visits[name] = Number(/^\d+$/m.exec(answer)?.[0]);
  };
  for (let round = 0; round < size.jumps; round++) {
    await visit(b, a, 'a');
    await visit(a, b, 'b');
  }
  check(
    visits.a === size.jumps && visits.b === size.jumps,
    `each was there ${size.jumps} times: ${visits.a} ${visits.b}`,
  );
  return times;
}

async function timed<T>(times: Times, subject: Subject, what: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const answer = await what();
  times[subject] ??= [];
  times[subject].push(performance.now() - started);
  return answer;
}

const [machine, course, size] = process.argv.slice(2);
const pc = machine === 'own' ? new OwnPc() : new V86Pc();
({ work, jump })[course as Course](pc, JSON.parse(size) as CourseSize).then(
  (times) => process.send!(times, () => process.exit(0)),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
