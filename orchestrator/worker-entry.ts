// SPDX-License-Identifier: MIT
// Where a worker thread's module lies and which Node options its thread needs, so that the same code starts threads
// from source (.ts, under tsx or vitest) and from the built package (.js).
//
// The options are always spelt out. Left out, a thread inherits them from the process: from vitest that would be
// options meant for tests, and under vitest on Node 20 nothing at all that can read TypeScript.
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface WorkerEntry {
  /** Absolute path of the worker's module, for Piscina's or Worker's `filename`. */
  readonly filename: string;
  /** Node options of the thread; empty when it loads JavaScript only. */
  readonly execArgv: string[];
}

/**
 * Locate the worker module `stem` (relative, without its extension) beside the module whose `import.meta.url` is
 * `base`: it has the extension of that module, .ts in a source tree and .js when built.
 *
 * A built thread has no loader: what passes through one has getters for imports, and hot code is slower by a fourth; it starts
 * in half of the time, too. One of the source tree gets tsx's CommonJS hook and not its ESM one: on Node 20 the ESM hook does not
 * reach worker threads, and it starts three times slower. Under that hook nothing that the thread loads may use top-level await.
 */
export function workerEntry(base: string, stem: string): WorkerEntry {
  const extension = extname(fileURLToPath(base));
  const filename = fileURLToPath(new URL(stem + extension, base));
  if (extension !== '.ts') return { filename, execArgv: [] };
  // An absolute path, since --require looks names up from the working directory, which is the user's.
  return { filename, execArgv: ['--require', createRequire(base).resolve('tsx/cjs')] };
}
