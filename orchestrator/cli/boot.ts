// SPDX-License-Identifier: MIT
//
// `kjump boot` and `kjump resume`: a machine runs until a limit or its end. Its consoles are stdout; what became of it is told on
// stderr, or with --json all of it in one object.

import type { KjumpError } from '../../shared/errors.ts';
import type { WindowSpec } from '../../shared/kexec/windows.ts';
import { createMachine, resumeMachine } from '../create.ts';
import type { Machine } from '../machine.ts';
import { crashed } from '../refusals.ts';
import { ExitCode, exitCodeOf, isKjumpError } from './exit-codes.ts';
import type { Invocation } from './invocation.ts';
import { machineOptionsOf, resumeOverrides } from './machine-options.ts';
import { describeRun, type Outcome, outcomeOf } from './outcome.ts';
import { plainError } from './output.ts';
import { RunProgress } from './progress.ts';
import { narrate } from './run-scenario.ts';

interface RunOptions {
  readonly steps?: number;
  readonly ticks?: number;
  readonly switches?: number;
  readonly save?: string;
}
interface BootOptions extends RunOptions {
  readonly name?: string;
  readonly window?: WindowSpec;
  readonly at?: string;
  readonly entry?: string;
}

export async function boot(invocation: Invocation, kernel: string): Promise<number> {
  const { name, window, at, entry } = invocation.options as BootOptions;
  const machine = await createMachine(machineOptionsOf(invocation.options));
  return drive(invocation, machine, async () => {
    await machine.boot(kernel, { name, window, at, entry });
  });
}

export async function resume(invocation: Invocation, image: string): Promise<number> {
  const machine = await resumeMachine(image, resumeOverrides(machineOptionsOf(invocation.options)));
  return drive(invocation, machine, async () => {});
}

/** Starts the machine, runs it and tells how it ended. A crash is a result too, and an exit code. */
async function drive(invocation: Invocation, machine: Machine, start: () => Promise<void>): Promise<number> {
  const { output, interruption } = invocation;
  const { steps, ticks, switches, save } = invocation.options as RunOptions;
  const limits = { steps, ticks, switches };
  const progress = new RunProgress(machine, limits, output);
  const consoles = listen(invocation, machine, progress);
  const started = performance.now();

  const work = async (): Promise<{ outcome: Outcome; crash: KjumpError | null }> => {
    let crash: KjumpError | null = null;
    let reason: Outcome['reason'] = 'crashed';
    try {
      await start();
      progress.start();
      const report = await machine.run({ ...limits, signal: interruption.signal });
      reason = report.reason;
      if (reason === 'crashed') crash = crashed(machine.find(report.kernel).stop);
    } catch (error) {
      if (!isKjumpError(error) || exitCodeOf(error) !== ExitCode.crash) throw error;
      crash = error;
    } finally {
      progress.end();
    }
    const saved = save === undefined ? null : { path: save, ...(await machine.hibernate(save)) };
    const outcome = await outcomeOf(machine, reason, performance.now() - started, saved);
    return { outcome, crash };
  };

  const { outcome, crash } = await interruption.guard(work(), async () => {
    progress.end();
    await machine.close();
  });
  if (consoles.midLine && process.stdout.isTTY) output.say();
  output.say(describeRun(outcome, output));
  const fields = { ...outcome, console: consoles.text };
  if (crash === null) {
    output.result(fields, '');
    return ExitCode.ok;
  }
  output.error(crash);
  if (output.json) output.result({ ...fields, ok: false, error: plainError(crash) }, '');
  return ExitCode.crash;
}

/** Consoles to stdout, or, for JSON, into one text. */
function listen({ output }: Invocation, machine: Machine, progress: RunProgress): { text: string; midLine: boolean } {
  const consoles = { text: '', midLine: false };
  machine.on('console', ({ text }) => {
    if (output.json) {
      consoles.text += text;
      return;
    }
    progress.makeRoom();
    process.stdout.write(text);
    consoles.midLine = !text.endsWith('\n');
  });
  if (output.verbose) narrate(machine, output, { console: false });
  return consoles;
}
