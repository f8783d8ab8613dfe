// SPDX-License-Identifier: MIT
// Tests run in child processes (a fork can be killed whatever its worker threads do); two at most, because one test
// file already starts several kernel threads of its own.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/linux/tell-when-skipped.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
