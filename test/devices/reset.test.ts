// SPDX-License-Identifier: MIT
// A kernel that asks for a reset of the machine is over: there is no firmware that could start it again.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createMachine } from '../../orchestrator/index.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kjump-reset-'));
});
afterEach(() => rm(folder, { recursive: true }));

test.each([
  ['the keyboard controller', [0xb0, 0xfe, 0xe6, 0x64]],
  ['port 0x92', [0xb0, 0x03, 0xe6, 0x92]],
])('through %s', async (_how, code) => {
  const path = join(folder, 'reset.bin');
  // Behind it: mov $1, %bl; 1: jmp 1b
  await writeFile(path, Uint8Array.from([...code, 0xb3, 0x01, 0xeb, 0xfe]));
  await using machine = await createMachine({ memory: '4M' });
  const kernel = await machine.boot(path, { at: '1M' });
  expect(await machine.run({ steps: 1000 })).toMatchObject({ reason: 'powerOff' });
  expect(kernel.state).toBe('OFF');
  expect(kernel.stop).toMatchObject({ code: 'reset', text: 'it asked for a reset of the machine' });
  expect((await machine.inspect()).cpu.ebx).toBe(0);
});
