// SPDX-License-Identifier: MIT
//
// A campaign's own module in a process of its own, which ends by itself or is ended with SIGKILL.
import { spawn } from 'node:child_process';
import { extname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export interface EndedProcess {
  /** It was ended before it could end. */
  readonly killed: boolean;
  /** The last line that it printed, as JSON; undefined if it was killed. */
  readonly result: unknown;
}

/** What hangs for longer is a fault. */
const LONGEST_MS = 3_600_000;

/** Runs the module with these arguments, for `killAfterMs` at most. Throws if it fails. */
export async function runOwnProcess(
  module: string,
  args: readonly string[],
  killAfterMs = LONGEST_MS,
): Promise<EndedProcess> {
  const loader = extname(module) === '.ts' ? ['--import', 'tsx'] : [];
  const child = spawn(process.execPath, [...loader, module, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      text[name] += chunk;
    });
  }
  const over = new AbortController();
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  }).finally(() => over.abort());
  delay(killAfterMs, null, { signal: over.signal }).then(
    () => child.kill('SIGKILL'),
    () => {},
  );
  const code = await ended;
  if (code === 0) return { killed: false, result: JSON.parse(text.stdout.trim().split('\n').at(-1) ?? '') };
  if (child.signalCode === 'SIGKILL' && killAfterMs < LONGEST_MS) return { killed: true, result: undefined };
  throw new Error(`${args.join(' ')} ended with ${code ?? child.signalCode}: ${text.stderr.slice(-2000)}`);
}
