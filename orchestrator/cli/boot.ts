// SPDX-License-Identifier: MIT
//
// `kjump boot` and `kjump resume`: a machine runs until a limit or its end. Its consoles are stdout, and with --serial stdio what
// is typed goes to them; what became of it is told on stderr, or with --json all of it in one object.
import type { KjumpError } from '../../shared/errors.ts';
import type { WindowSpec } from '../../shared/kexec/windows.ts';
import { EFLAGS_IF } from '../../shared/layout/cpu-state.ts';
import { createMachine, resumeMachine } from '../create.ts';
import type { RunReport, StopReport } from '../events.ts';
import type { RunLimits } from '../execution.ts';
import type { ModuleOption } from '../loaders/program.ts';
import type { Machine } from '../machine.ts';
import { crashed } from '../refusals.ts';
import type { ResumePolicy } from '../resume-policy.ts';
import { ExitCode, exitCodeOf, isKjumpError } from './exit-codes.ts';
import type { Invocation } from './invocation.ts';
import { machineOptionsOf, resumeOverrides } from './machine-options.ts';
import { describeRun, type Outcome, outcomeOf } from './outcome.ts';
import { plainError } from './output.ts';
import { machineCounts, RunProgress } from './progress.ts';
import { narrate } from './run-scenario.ts';
import { Terminal } from './terminal.ts';

interface RunOptions {
  readonly steps?: number;
  readonly ticks?: number;
  readonly switches?: number;
  readonly save?: string;
  readonly serial?: 'stdio';
}
interface BootOptions extends RunOptions {
  readonly name?: string;
  readonly window?: WindowSpec;
  readonly at?: string;
  readonly entry?: string;
  readonly cmdline?: string;
  readonly module?: readonly ModuleOption[];
  readonly append?: string;
  readonly initrd?: string;
}

interface ResumeCommandOptions extends RunOptions {
  readonly policy?: ResumePolicy;
}

export async function boot(invocation: Invocation, kernel: string): Promise<number> {
  const { name, window, at, entry, cmdline, module: modules, append, initrd } = invocation.options as BootOptions;
  const machine = await createMachine({ ...pace(invocation), ...machineOptionsOf(invocation.options) });
  return drive(invocation, machine, async () => {
    await machine.boot(kernel, { name, window, at, entry, cmdline, modules, append, initrd });
  });
}

export async function resume(invocation: Invocation, image: string): Promise<number> {
  const overrides = resumeOverrides(machineOptionsOf(invocation.options));
  const { policy } = invocation.options as ResumeCommandOptions;
  const machine = await resumeMachine(image, { ...pace(invocation), ...overrides, policy });
  return drive(invocation, machine, async () => {});
}

/** Somebody sits there. */
function isInteractive({ options, output }: Invocation): boolean {
  return (options as RunOptions).serial === 'stdio' && process.stdin.isTTY && !output.json;
}

/** Who sits at a terminal shares the time of the machine. */
function pace(invocation: Invocation): { clock?: 'realtime' } {
  return isInteractive(invocation) ? { clock: 'realtime' } : {};
}

/** Starts the machine, runs it and tells how it ended. A crash is a result too, and an exit code. */
async function drive(invocation: Invocation, machine: Machine, start: () => Promise<void>): Promise<number> {
  const { output, interruption } = invocation;
  const { steps, ticks, switches, save, serial } = invocation.options as RunOptions;
  const limits = { steps, ticks, switches };
  const progress = new RunProgress(machine, limits, output);
  const consoles = listen(invocation, machine, progress);
  let terminal: Terminal | null = null;
  const started = performance.now();

  const work = async (): Promise<{ outcome: Outcome; crash: KjumpError | null }> => {
    let crash: KjumpError | null = null;
    let death: StopReport | null = null;
    machine.on('crash', (report) => {
      death = report;
    });
    let reason: Outcome['reason'] = 'crashed';
    try {
      await start();
      if (serial === 'stdio') terminal = openTerminal(invocation, machine);
      if (!isInteractive(invocation)) progress.start();
      const report = await runWithKeys(machine, limits, interruption.signal, terminal);
      reason = report.reason;
      if (reason === 'crashed') crash = crashed(death ?? machine.find(report.kernel).stop);
    } catch (error) {
      if (!isKjumpError(error) || exitCodeOf(error) !== ExitCode.crash) throw error;
      crash = error;
    } finally {
      progress.end();
      terminal?.end();
    }
    const saved = save === undefined ? null : { path: save, ...(await machine.hibernate(save)) };
    const outcome = await outcomeOf(machine, reason, performance.now() - started, saved);
    return { outcome, crash };
  };

  const { outcome, crash } = await interruption.guard(work(), async () => {
    progress.end();
    terminal?.end();
    await machine.close();
    if (consoles.midLine && process.stdout.isTTY) output.say();
  });
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

function openTerminal(invocation: Invocation, machine: Machine): Terminal {
  const { output } = invocation;
  const interactive = isInteractive(invocation);
  if (interactive) output.say(output.colors.dim('Ctrl-A x leaves, Ctrl-A h helps'));
  return new Terminal(machine, process.stdin, interactive, {
    leave: () => machine.pause(),
    say: (text) => output.say(text),
  });
}

/** Runs to the limits. A kernel that is halted with interrupts on waits for a key as long as there is somebody to press one. */
async function runWithKeys(
  machine: Machine,
  limits: RunLimits,
  signal: AbortSignal,
  terminal: Terminal | null,
): Promise<RunReport> {
  const from = machineCounts(machine);
  for (;;) {
    const now = machineCounts(machine);
    const left = (name: keyof RunLimits) => {
      const limit = limits[name];
      return limit === undefined ? undefined : Math.max(0, limit - now[name] + from[name]);
    };
    const report = await machine.run({
      ticks: left('ticks'),
      steps: left('steps'),
      switches: left('switches'),
      signal,
    });
    if (report.reason !== 'deadlock' || terminal === null) return report;
    const { cpu } = await machine.inspect();
    const isListening = ((cpu.eflags as number) & EFLAGS_IF) !== 0;
    if (!isListening || !(await terminal.more())) return report;
  }
}

/** Consoles to stdout, or, for JSON, into one text. */
function listen({ output }: Invocation, machine: Machine, progress: RunProgress): { text: string; midLine: boolean } {
  const consoles = { text: '', midLine: false };
  machine.on('console', ({ text }) => {
    if (output.json) {
      consoles.text += text;
      return;
    }
    consoles.midLine = !text.endsWith('\n');
    progress.makeRoom(consoles.midLine && process.stdout.isTTY);
    process.stdout.write(text);
  });
  if (output.verbose) narrate(machine, output, { console: false });
  return consoles;
}
