// SPDX-License-Identifier: MIT
//
// `kjump run`: one scenario; what it returns is the result.

import { ExitCode } from './exit-codes.ts';
import type { Invocation } from './invocation.ts';
import { loadScenario } from './load-scenario.ts';
import { machineOptionsOf } from './machine-options.ts';
import { runScenario } from './run-scenario.ts';

export async function run(
  { output, interruption, options }: Invocation,
  file: string,
  args: string[],
): Promise<number> {
  const overrides = machineOptionsOf(options);
  const loaded = await loadScenario(file);
  output.detail(loaded.scenario.title);
  const result = await runScenario(loaded, { args, overrides, output, interruption });
  output.result({ title: loaded.scenario.title, result: result ?? null }, output.pretty(result));
  return ExitCode.ok;
}
