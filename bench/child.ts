// SPDX-License-Identifier: MIT
//
// A figure that is taken in a process of its own: where nothing is compiled yet, or something else keeps the process alive.
import { fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Runs a module of this folder, which answers with one message to its parent and ends. Rejects if it ends without. */
export function askProcess<T>(module: string, args: readonly string[]): Promise<T> {
  const path = fileURLToPath(new URL(`./${module}${extname(import.meta.url)}`, import.meta.url));
  return new Promise((resolve, reject) => {
    const child = fork(path, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    child.once('message', (answer) => resolve(answer as T));
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${module} ${args.join(' ')} ended with ${code}`)));
  });
}
