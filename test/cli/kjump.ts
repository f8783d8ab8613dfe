// SPDX-License-Identifier: MIT
//
// The command as its users have it: a process, with its two streams and its exit code.
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const SCENARIO = 'test/cli/many.ts';
export const COUNTER = 'test/guests/counter.ts';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Settles with the first match in stderr. */
  readonly said: (pattern: RegExp) => Promise<RegExpExecArray>;
}

/** Whatever the environment says of colours is not meant for the command. */
const PLAIN = { NO_COLOR: undefined, FORCE_COLOR: undefined, CI: undefined };

/** What takes longer than `timeout` ms hangs. */
export function start(args: readonly string[], env: NodeJS.ProcessEnv = {}, timeout = 55_000): Started {
  const child = spawn(process.execPath, ['--import', 'tsx', 'orchestrator/cli.ts', ...args], {
    cwd: ROOT,
    env: { ...process.env, ...PLAIN, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Nothing is left behind if the command hangs.
    timeout,
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  const said = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(stderr);
        if (match !== null) resolve(match);
      };
      child.stderr?.on('data', look);
      child.once('close', () => reject(new Error(`it ended and said only: ${stderr}`)));
      look();
    });
  return { child, ended, said };
}

export function kjump(args: readonly string[], env: NodeJS.ProcessEnv = {}, timeout?: number): Promise<Ended> {
  return start(args, env, timeout).ended;
}
