// SPDX-License-Identifier: MIT
//
// Runs the cases of a batch that fit a Linux process of 32 bits on the processor of this machine: native/native.c, built when
// it is needed. Not part of the tests: it needs an x86 machine and a compiler for 32 bits.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Outcome } from './batch-layout.ts';

const SOURCE = fileURLToPath(new URL('native/native.c', import.meta.url));
const FLAGS = ['-m32', '-O1', '-static', '-fno-pie', '-no-pie', '-fno-stack-protector'];

export class Hardware implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'kjump-native-'));

  constructor() {
    execFileSync('gcc', [...FLAGS, '-o', join(this.#directory, 'native'), SOURCE], { stdio: 'inherit' });
  }

  async run(batch: Uint8Array, timeoutMs: number): Promise<Outcome> {
    const [input, output] = ['batch', 'results'].map((name) => join(this.#directory, name)) as [string, string];
    writeFileSync(input, batch);
    await promisify(execFile)(join(this.#directory, 'native'), [input, output], { timeout: timeoutMs });
    const count = new DataView(batch.buffer, batch.byteOffset).getUint32(4, true);
    return { index: count, done: true, results: readFileSync(output) };
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
