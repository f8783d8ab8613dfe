// SPDX-License-Identifier: MIT
//
// What a scenario is: a module that exports `scenario`, which `kjump run` and `kjump tour` carry out. It is given machines that
// are closed for it, a folder that is removed for it, and a way to say what happens; what it returns is the result on stdout.
import { KjumpError } from '../shared/errors.ts';
import type { ResumeOptions } from './create.ts';
import type { SwitchReport } from './events.ts';
import type { Machine } from './machine.ts';
import type { MachineOptions } from './options.ts';

export interface Scenario {
  /** One line. */
  readonly title: string;
  /** One to three sentences, shown by the tour before it runs. */
  readonly about: string;
  /** Returns a result that JSON can say; anything thrown fails the scenario. */
  run(context: ScenarioContext): Promise<unknown>;
}

export interface ScenarioContext {
  /** A machine that is closed when the scenario ends. What the command line says of machines overrides `options`. */
  createMachine(options?: MachineOptions): Promise<Machine>;
  /** A machine from an image file, closed when the scenario ends. */
  resumeMachine(path: string, options?: ResumeOptions): Promise<Machine>;
  /** Narration, to stderr. */
  say(text: string): void;
  /** The phases of a switch with their durations in one line, to stderr. */
  show(report: SwitchReport): void;
  /** A map of physical memory under a label, to stderr. */
  showMemory(machine: Machine, label: string): Promise<void>;
  /** A folder of this run, removed at its end. */
  readonly workDir: string;
  /** The kernel `guests/<name>` beside the scenario's file. Without an extension a module: `.ts` from source, `.js` when built. */
  guest(name: string): URL;
  /** Runs a scenario in a new process and returns its result. Throws `SCENARIO` if it does not end well. */
  spawn(scenarioFile: URL | string, args?: readonly string[]): Promise<unknown>;
  /** What the command line said after the scenario's file. */
  readonly args: readonly string[];
  /** Aborted by Ctrl-C and by `--timeout`. */
  readonly signal: AbortSignal;
}

/** Checks a scenario, and gives its author types. Throws `SCENARIO` naming what is missing. */
export function defineScenario(scenario: Scenario): Scenario {
  const wrong = (['title', 'about'] as const).find((name) => typeof scenario?.[name] !== 'string');
  if (wrong === undefined && typeof scenario.run === 'function') return scenario;
  throw new KjumpError('SCENARIO', `the scenario has no ${wrong ?? 'function run'}`, {
    why: 'a scenario is an object { title, about, run }',
    fix: 'export const scenario = defineScenario({ title, about, async run(context) { … } })',
  });
}
