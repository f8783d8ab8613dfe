// SPDX-License-Identifier: MIT
//
// Carries out one scenario: gives it its context, and afterwards, however it ended, closes its machines, ends the processes
// that it started, and removes its folder.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { wholeLines } from '../console-lines.ts';
import { createMachine, resumeMachine } from '../create.ts';
import type { Machine } from '../machine.ts';
import type { MachineOptions } from '../options.ts';
import type { ScenarioContext } from '../scenario.ts';
import { formatSwitch } from '../timeline.ts';
import type { Interruption } from './interruption.ts';
import type { LoadedScenario } from './load-scenario.ts';
import { resumeOverrides } from './machine-options.ts';
import type { Output } from './output.ts';
import { Subprocesses } from './subprocesses.ts';

export interface ScenarioRun {
  readonly args: readonly string[];
  /** What the command line says of machines; goes before what the scenario says. */
  readonly overrides: MachineOptions;
  readonly output: Output;
  readonly interruption: Interruption;
}

/** The scenario's result. Throws what the scenario throws, or why it was interrupted. */
export async function runScenario({ scenario, url }: LoadedScenario, run: ScenarioRun): Promise<unknown> {
  const machines: Machine[] = [];
  const subprocesses = new Subprocesses(run);
  const workDir = await mkdtemp(join(tmpdir(), 'kjump-'));
  const context = makeContext(url, run, machines, subprocesses, workDir);
  // In a promise, so that whatever it throws, and when, comes after the cleaning up.
  const work = Promise.resolve(context).then((given) => scenario.run(given));
  return run.interruption.guard(work, async () => {
    await Promise.allSettled([...machines.map((machine) => machine.close()), subprocesses.end()]);
    await rm(workDir, { recursive: true, force: true });
  });
}

function makeContext(
  url: URL,
  { args, overrides, output, interruption }: ScenarioRun,
  machines: Machine[],
  subprocesses: Subprocesses,
  workDir: string,
): ScenarioContext {
  const keep = (machine: Machine): Machine => {
    machines.push(machine);
    if (output.verbose) narrate(machine, output);
    return machine;
  };
  const extension = extname(url.pathname).endsWith('ts') ? '.ts' : '.js';
  return {
    createMachine: async (options = {}) => keep(await createMachine({ ...options, ...overrides })),
    resumeMachine: async (path, options = {}) =>
      keep(await resumeMachine(path, { ...options, ...resumeOverrides(overrides) })),
    say: (text) => output.say(text),
    show: (report) => output.say(switchLine(report, output)),
    showMemory: async (machine, label) => output.say(await memoryPicture(machine, label, output)),
    workDir,
    guest: (name) => new URL(`guests/${name}${extname(name) === '' ? extension : ''}`, url),
    spawn: (file, spawnArgs = []) => subprocesses.run(file, spawnArgs),
    args,
    signal: interruption.signal,
  };
}

/** What a machine does, for --verbose. */
export function narrate(machine: Machine, output: Output, { console = true } = {}): void {
  machine.on('switch', (report) => output.say(switchLine(report, output)));
  machine.on('refused', ({ kernel, line, errno }) =>
    output.detail(`${kernel}: jump refused at ${line}, errno ${errno}`),
  );
  machine.on('off', ({ kernel, exitStatus }) => output.detail(`${kernel}: powered off with status ${exitStatus}`));
  machine.on('crash', ({ kernel, text }) => output.detail(`${kernel}: crashed: ${text}`));
  if (console)
    machine.on(
      'console',
      wholeLines(({ kernel, text }) => output.detail(`[${kernel}] ${text}`)),
    );
}

function switchLine(report: Parameters<ScenarioContext['show']>[0], { columns, colors }: Output): string {
  return formatSwitch(report, { columns, bold: colors.bold, dim: colors.dim });
}

/** The picture is the cells and 15 columns before them, one after. */
async function memoryPicture(machine: Machine, label: string, { columns, colors }: Output): Promise<string> {
  const picture = await machine.memoryMap(Math.min(columns, 100) - 16);
  return `${colors.bold(label)}\n${picture}`;
}
