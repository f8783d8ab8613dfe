// SPDX-License-Identifier: MIT
//
// Loads the module of a kernel written in TypeScript. `require` with tsx's hook loads everything there is on every supported
// Node (TypeScript, ES modules, CommonJS); `import()` of a .ts file fails on Node 20 even with it.
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { GuestKernel, GuestRoutine } from '../../../shared/guest.ts';
import { EntryKind } from '../../../shared/layout/entry-page.ts';

const require = createRequire(import.meta.url);
/** A thread of the source tree has the hook from its start (workerEntry in orchestrator/). */
const IS_BUILT = extname(fileURLToPath(import.meta.url)) === '.js';
const FUNCTIONS = ['start', 'step', 'interrupt', 'freeze', 'thaw', 'call'];

/** The module's functions. Throws an Error that says what is wrong with it. */
export function loadGuestModule(kind: EntryKind, specifier: string): GuestKernel & Partial<GuestRoutine> {
  if (IS_BUILT) require('tsx/cjs');
  const module = require(fileURLToPath(specifier)) as Record<string, unknown>;
  const needed = kind === EntryKind.kernel ? 'step' : 'call';
  if (typeof module[needed] !== 'function') throw new Error(`${specifier} exports no function ${needed}(k)`);
  // What runs after an await would run while another kernel owns the CPU.
  for (const name of FUNCTIONS) {
    if (module[name]?.constructor.name === 'AsyncFunction') {
      throw new Error(`${specifier} exports an async ${name}(k): a kernel's functions are done when they return`);
    }
  }
  return module as unknown as GuestKernel & Partial<GuestRoutine>;
}
