// SPDX-License-Identifier: MIT
//
// Loads a scenario's module. From source the process already reads TypeScript; the built command gets tsx's hooks when it is
// first given a .ts file, so that a scenario needs no build. Both hooks: the ES one for `import`, the CommonJS one for files of
// packages without "type": "module".
import { stat } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { KjumpError } from '../../shared/errors.ts';
import { defineScenario, type Scenario } from '../scenario.ts';
import { isKjumpError } from './exit-codes.ts';

export interface LoadedScenario {
  readonly scenario: Scenario;
  readonly url: URL;
}

const MODULES = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'];

/** Throws `NO_SUCH_FILE`, `BAD_OPTION` for what is no scenario, `SCENARIO` for one that cannot be loaded. */
export async function loadScenario(file: string | URL): Promise<LoadedScenario> {
  const path = typeof file === 'string' && !file.startsWith('file:') ? resolve(file) : fileURLToPath(file);
  await checkFile(path);
  const url = pathToFileURL(path);
  if (/ts$/.test(extname(path)) && extname(import.meta.url) === '.js') await readTypeScript();
  return { scenario: await scenarioOf(url, path), url };
}

async function checkFile(path: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found === null || !found.isFile()) {
    throw new KjumpError('NO_SUCH_FILE', `${path} cannot be read`, {
      why: found === null ? 'nothing has that name' : 'it is not a file',
      fix: 'give the path of a scenario, such as examples/cooperative.ts',
    });
  }
  if (!MODULES.includes(extname(path))) {
    throw new KjumpError('BAD_OPTION', `${path} is not a scenario`, {
      why: `a scenario is a module: ${MODULES.join(', ')}`,
      fix: 'to boot a kernel use `kjump boot`, to go on from an image `kjump resume`',
    });
  }
}

async function readTypeScript(): Promise<void> {
  const [esm, commonJs] = await Promise.all([import('tsx/esm/api'), import('tsx/cjs/api')]);
  esm.register();
  commonJs.register();
}

async function scenarioOf(url: URL, path: string): Promise<Scenario> {
  let module: { scenario?: Scenario; default?: { scenario?: Scenario }; step?: unknown };
  try {
    module = await import(url.href);
  } catch (cause) {
    if (isKjumpError(cause)) throw cause;
    throw new KjumpError('SCENARIO', `${path} cannot be loaded`, {
      why: (cause as Error).message,
      fix: 'mend the module; add --debug to see where it fails',
      cause,
    });
  }
  // CommonJS modules come as a default.
  const scenario = module.scenario ?? module.default?.scenario;
  if (scenario !== undefined) return defineScenario(scenario);
  const isKernel = typeof module.step === 'function';
  throw new KjumpError('BAD_OPTION', `${path} exports no scenario`, {
    why: isKernel ? 'it exports step(k): it is a kernel' : 'a scenario is `export const scenario: Scenario = { … }`',
    fix: isKernel ? 'boot it with `kjump boot`' : 'see examples/ for scenarios',
  });
}
