// SPDX-License-Identifier: MIT
//
// The ROM that every machine starts from: runner/runner.S, assembled by runner/build.sh.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const RUNNER_PATH = fileURLToPath(new URL('runner/runner.bin', import.meta.url));

export function readRunner(): Uint8Array {
  return readFileSync(RUNNER_PATH);
}
