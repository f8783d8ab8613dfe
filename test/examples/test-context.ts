// SPDX-License-Identifier: MIT
//
// Runs a scenario within the test: its machines with the options of the test, its second process within this one.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { createMachine, type Machine, type MachineOptions, resumeMachine } from '../../orchestrator/index.ts';
import type { Scenario } from '../../orchestrator/scenario.ts';

export interface TestRun {
  // biome-ignore lint/suspicious/noExplicitAny: each scenario has a result of its own
  readonly result: any;
  readonly said: string[];
}

export async function runScenario(
  scenario: Scenario,
  args: readonly string[] = [],
  options: MachineOptions = {},
): Promise<TestRun> {
  const machines: Machine[] = [];
  const said: string[] = [];
  const workDir = await mkdtemp(join(tmpdir(), 'kjump-example-'));
  const carryOut = (someArgs: readonly string[]): Promise<unknown> =>
    scenario.run({
      createMachine: async (wished) => {
        const machine = await createMachine({ ...wished, ...options });
        machines.push(machine);
        return machine;
      },
      resumeMachine: async (path, wished) => {
        const machine = await resumeMachine(path, wished);
        machines.push(machine);
        return machine;
      },
      say: (text) => said.push(text),
      show: ({ from, to }) => said.push(`${from} → ${to}`),
      showMemory: async (machine) => {
        said.push(await machine.memoryMap());
      },
      workDir,
      guest: exampleGuest,
      spawn: async (_file, spawnArgs = []) => JSON.parse(JSON.stringify(await carryOut(spawnArgs))),
      args: someArgs,
      signal: new AbortController().signal,
    });
  try {
    return { result: await carryOut(args), said };
  } finally {
    await Promise.all(machines.map((machine) => machine.close()));
    await rm(workDir, { recursive: true });
  }
}

export const exampleGuest = (name: string): URL =>
  new URL(`../../examples/guests/${name}${extname(name) === '' ? '.ts' : ''}`, import.meta.url);
