// SPDX-License-Identifier: MIT
//
// Starts this program's own modules in new processes: scenarios that a scenario starts, and the benchmarks. A process that is
// started here never outlives the one that started it: it is asked to end with the command, and killed with the process.
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { KjumpError } from '../../shared/errors.ts';
import type { MachineOptions } from '../options.ts';
import type { Interruption } from './interruption.ts';
import { machineFlags } from './machine-options.ts';
import type { Output } from './output.ts';

/** The module with this stem, `.ts` from source and `.js` when built, as arguments for Node. */
export function nodeArguments(stem: string): string[] {
  const extension = extname(import.meta.url);
  const module = fileURLToPath(new URL(stem + extension, import.meta.url));
  if (extension !== '.ts') return [module];
  // Spelt out: what this process was started with may be meant for a test runner.
  return ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href, module];
}

/** Runs Node until it ends; an interruption ends it with SIGTERM. Returns its exit code (null for a signal) and its stdout. */
export async function runNode(
  args: readonly string[],
  stdio: StdioOptions,
  signal: AbortSignal,
): Promise<{ code: number | null; stdout: string }> {
  const child = spawn(process.execPath, args, { stdio });
  const terminate = () => child.kill('SIGTERM');
  const kill = () => child.kill('SIGKILL');
  signal.addEventListener('abort', terminate, { once: true });
  process.once('exit', kill);
  try {
    const [stdout, code] = await Promise.all([textOf(child), exitOf(child)]);
    return { code, stdout };
  } finally {
    signal.removeEventListener('abort', terminate);
    process.off('exit', kill);
  }
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
}

async function textOf({ stdout }: ChildProcess): Promise<string> {
  let text = '';
  stdout?.setEncoding('utf8');
  for await (const chunk of stdout ?? []) text += chunk;
  return text;
}

/** Processes of one scenario. */
export class Subprocesses {
  private readonly flags: readonly string[];
  private readonly controller = new AbortController();
  private readonly running = new Set<Promise<unknown>>();

  constructor({
    overrides,
    output,
    interruption,
  }: { overrides: MachineOptions; output: Output; interruption: Interruption }) {
    this.flags = ['--json', ...outputFlags(output), ...machineFlags(overrides)];
    interruption.signal.addEventListener('abort', () => this.controller.abort(), { once: true });
  }

  /** `kjump run` of a scenario; its narration goes to our stderr. Throws `SCENARIO` if it fails. */
  async run(file: URL | string, args: readonly string[]): Promise<unknown> {
    const path = typeof file === 'string' && !file.startsWith('file:') ? file : fileURLToPath(file);
    const command = [...nodeArguments('../cli'), 'run', ...this.flags, path, '--', ...args];
    const ended = runNode(command, ['ignore', 'pipe', 'inherit'], this.controller.signal);
    this.running.add(ended);
    try {
      const { code, stdout } = await ended;
      if (code === 0) return (JSON.parse(stdout) as { result: unknown }).result;
      throw new KjumpError('SCENARIO', `${path} failed in a process of its own`, {
        why: code === null ? 'the process was ended by a signal' : `its exit code is ${code}`,
        fix: 'see what it said above',
        details: { code },
      });
    } finally {
      this.running.delete(ended);
    }
  }

  /** Ends those that still run, and waits for them. */
  async end(): Promise<void> {
    this.controller.abort();
    await Promise.allSettled(this.running);
  }
}

function outputFlags({ quiet, verbose, debug, colorAllowed }: Output): string[] {
  const flags: [boolean, string][] = [
    [quiet, '--quiet'],
    [verbose, '--verbose'],
    [debug, '--debug'],
    [!colorAllowed, '--no-color'],
  ];
  return flags.filter(([given]) => given).map(([, flag]) => flag);
}
