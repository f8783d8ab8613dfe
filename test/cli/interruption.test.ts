// SPDX-License-Identifier: MIT
//
// A command that is stopped from outside ends what it has begun: its machines, the processes it started, its folder.
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { COUNTER, kjump, SCENARIO, start } from './kjump.ts';

const HANGING = /\{"pid":(\d+),"workDir":"([^"]+)"\}/;

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test.concurrent('SIGINT ends a running machine with 130, and its folder is gone', async () => {
  const { child, ended, said } = start(['run', SCENARIO, 'hang', '--json']);
  const [, , workDir] = await said(HANGING);
  expect(existsSync(workDir)).toBe(true);
  child.kill('SIGINT');
  const { code, stdout, stderr } = await ended;
  expect(stderr).toMatch(/^error: interrupted by SIGINT \[ABORTED\]$/m);
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: 'ABORTED', exitCode: 130 } });
  expect(code).toBe(130);
  expect(existsSync(workDir)).toBe(false);
});

test.concurrent('SIGTERM ends with 143, and so does the process that a scenario started', async () => {
  const { child, ended, said } = start(['run', SCENARIO, 'spawning-hang']);
  const [, pid, workDir] = await said(HANGING);
  expect(Number(pid)).not.toBe(child.pid);
  child.kill('SIGTERM');
  expect((await ended).code).toBe(143);
  expect(isAlive(Number(pid))).toBe(false);
  expect(existsSync(workDir)).toBe(false);
});

test.concurrent('--timeout ends a kernel that never stops with 124', async () => {
  const { code, stderr } = await kjump(['boot', COUNTER, '--timeout', '1500ms']);
  expect(stderr).toMatch(/^error: not done within 1.5 s \[TIMEOUT\]$/m);
  expect(code).toBe(124);
});

test.concurrent('--timeout ends a kernel that never comes back from its first instruction', async () => {
  const { code } = await kjump(['boot', 'test/cli/guests/deaf.ts', '--timeout', '1500ms']);
  expect(code).toBe(124);
});
