// SPDX-License-Identifier: MIT
// Starting worker threads from source and from built files. The threads are real: what Node's loaders accept in a
// thread is the point, and it differs between Node 20 and 24 and between tsx and vitest.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Piscina } from 'piscina';
import { afterEach, expect, test } from 'vitest';
import { type WorkerEntry, workerEntry } from '../orchestrator/worker-entry.ts';

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function runOnce(entry: WorkerEntry, task: unknown): Promise<unknown> {
  const pool = new Piscina({ ...entry, minThreads: 1, maxThreads: 1, atomics: 'disabled' });
  pool.on('error', () => {}); // a load error also rejects run(), which is where the test looks
  cleanUps.push(() => pool.destroy());
  return pool.run(task);
}

/** A folder with a .js worker that imports the file named by its task, as a built kjump imports a user's kernel. */
function builtTree(): string {
  const folder = mkdtempSync(join(tmpdir(), 'kjump-worker-entry-'));
  cleanUps.push(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(
    join(folder, 'main.js'),
    `import { createRequire } from 'node:module';
     const require = createRequire(import.meta.url);
     export default (task) => {
       require(task.loader);
       return require(task.specifier).default({ value: task.value });
     };`,
  );
  return folder;
}

test('a worker of the source tree is the .ts sibling and can import further .ts files', async () => {
  const entry = workerEntry(import.meta.url, './fixtures/typed-worker');
  expect(entry.filename).toBe(fileURLToPath(new URL('./fixtures/typed-worker.ts', import.meta.url)));
  expect(await runOnce(entry, { value: 21 })).toEqual({ doubled: 42, execArgv: entry.execArgv });
});

test('a built worker is the .js sibling and carries no loader', () => {
  expect(workerEntry('file:///lib/dist/orchestrator/host.js', '../kernel-worker/main')).toEqual({
    filename: fileURLToPath('file:///lib/dist/kernel-worker/main.js'),
    execArgv: [],
  });
});

test('a built worker that takes up the loader by itself loads a .ts kernel from then on', async () => {
  const filename = join(builtTree(), 'main.js');
  // tsx is looked up from here, where it is installed; the worker itself lies in another folder.
  const loader = createRequire(import.meta.url).resolve('tsx/cjs');
  const specifier = fileURLToPath(new URL('./fixtures/typed-worker.ts', import.meta.url));
  expect(await runOnce({ filename, execArgv: [] }, { loader, specifier, value: 4 })).toEqual({
    doubled: 8,
    execArgv: [],
  });
});

test('a path with spaces and percent signs is decoded', () => {
  const base = pathToFileURL(join(tmpdir(), 'a b %41', 'host.js')).href;
  expect(workerEntry(base, './main').filename).toBe(join(tmpdir(), 'a b %41', 'main.js'));
});
