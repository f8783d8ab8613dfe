// SPDX-License-Identifier: MIT
//
// `kjump bench`: the benchmarks, in a process of their own, because they measure one.

import { ExitCode } from './exit-codes.ts';
import type { Invocation } from './invocation.ts';
import { nodeArguments, runNode } from './subprocesses.ts';

export async function bench({ output, interruption }: Invocation, args: string[]): Promise<number> {
  if (import.meta.url.endsWith('.ts'))
    output.say('From source; `npm run bench` measures the built package, which is faster');
  const flags = [...(output.json ? ['--json'] : []), ...args];
  const work = runNode([...nodeArguments('../../bench/main'), ...flags], 'inherit', interruption.signal);
  const { code } = await interruption.guard(work, async () => {});
  return code ?? ExitCode.failed;
}
