// SPDX-License-Identifier: MIT
// The pool under real threads: two that use it at once, and one that is ended at random instants. Longer:
// KJUMP_CAMPAIGN=2000.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterEach, expect, test, vi } from 'vitest';
import { workerEntry } from '../../orchestrator/worker-entry.ts';
import { kernelKey } from '../../shared/frames.ts';
import type { MachineMemory } from '../../shared/machine-memory.ts';
import { LATER, sameEverywhere, stampsOf, WORD, writePattern } from '../fixtures/memory-stamps.ts';
import { formatted } from './memory-model.ts';

const CAMPAIGN = Number(process.env.KJUMP_CAMPAIGN ?? 0);
const RAM = 48;
const workers: Worker[] = [];

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
});

function start(
  machine: MachineMemory,
  words: Int32Array,
  data: { role: 'owner' | 'releaser'; slot: number; turn: number },
): Worker {
  const { filename, execArgv } = workerEntry(import.meta.url, '../fixtures/memory-thread');
  // By require, which the loader's hook reaches in a thread of Node 20; the main module of a Worker is imported.
  const worker = new Worker(`require(${JSON.stringify(filename)})`, {
    eval: true,
    execArgv,
    workerData: { memory: machine.memory, words, ...data },
  });
  workers.push(worker);
  return worker;
}

/** A thread brings the condition about; if it dies instead, its error is reported. */
const until = (condition: () => boolean): Promise<void> =>
  vi.waitFor(() => expect(condition()).toBe(true), { timeout: 20_000 + CAMPAIGN * 500, interval: 1 });

function patternedMachine() {
  const real = formatted(RAM, 0, RAM * 8);
  for (let page = 0; page < RAM; page++) writePattern(real.memory, page);
  const words = new Int32Array(new SharedArrayBuffer(64));
  return { ...real, words };
}

test('an owner that breaks sharing and a thread that releases captures never disturb each other', async () => {
  const { machine, memory, captures, words } = patternedMachine();
  const threads = [
    start(machine, words, { role: 'owner', slot: 0, turn: 1 }),
    start(machine, words, { role: 'releaser', slot: 1, turn: 1 }),
  ];
  Atomics.store(words, WORD.go, 1);
  Atomics.notify(words, WORD.go);

  const releases = CAMPAIGN * 10 || 2000;
  await until(() => Atomics.load(words, WORD.released) >= releases || Atomics.load(words, WORD.faults) > 0);
  Atomics.store(words, WORD.stop, 1);
  await Promise.all(threads.map((thread) => once(thread, 'exit')));

  expect(words[WORD.faults]).toBe(0);
  expect(captures.audit()).toEqual([]);
  for (const capture of captures.list()) captures.release(capture);
  memory.zero(0, RAM);
  expect(captures.audit()).toEqual([]);
  expect(memory.frames.free).toBe(memory.frames.count - 1);
});

const kills = CAMPAIGN || 24;
test(
  'a thread ended at any instant leaves whole pages, whole captures and right accounts',
  async () => {
    const { machine, memory, captures, words } = patternedMachine();
    const before = captures.create();
    let random = 2008;
    let next = start(machine, words, { role: 'owner', slot: 0, turn: 1 });
    for (let turn = 1; turn <= kills; turn++) {
      const thread = next;
      if (turn < kills) next = start(machine, words, { role: 'owner', slot: 0, turn: turn + 1 });
      Atomics.store(words, WORD.progress, 0);
      Atomics.store(words, WORD.go, turn);
      Atomics.notify(words, WORD.go);
      random = (Math.imul(random, 1103515245) + 12345) >>> 0;
      const instant = 1 + ((random >>> 8) % 10_000);
      await until(() => Atomics.load(words, WORD.progress) >= instant);
      await thread.terminate();

      captures.recover(kernelKey(0));
      expect(captures.audit()).toEqual([]);
      expect(words[WORD.faults]).toBe(0);
      const value = words[WORD.value];
      const values = [value - 1, value, value + LATER];
      for (let page = 0; page < RAM; page++) {
        const stamps = stampsOf(memory.viewOfPage(page), page);
        if (stamps === 'torn') expect.fail(`page ${page} is torn`);
        expect(values).toContain(stamps.first);
        expect(values.slice(0, values.indexOf(stamps.first) + 1)).toContain(stamps.last);
      }
      for (const capture of captures.list()) {
        expect(sameEverywhere(captures, capture, RAM)).toBe(true);
        if (capture !== before) captures.release(capture);
      }
      Atomics.store(words, WORD.offered, 0);
      captures.restore(before);
      for (let page = 0; page < RAM; page++)
        expect(stampsOf(memory.viewOfPage(page), page)).toEqual({ first: 0, last: 0 });
      expect(captures.audit()).toEqual([]);
    }
    captures.release(before);
    memory.zero(0, RAM);
    expect(captures.audit()).toEqual([]);
    expect(memory.frames.free).toBe(memory.frames.count - 1);
  },
  20_000 + kills * 500,
);
