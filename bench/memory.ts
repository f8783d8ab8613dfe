// SPDX-License-Identifier: MIT
//
// Captures and clones: what a snapshot costs the machine that goes on running.
import { extname } from 'node:path';
import { createMachine } from '../orchestrator/index.ts';
import { type BenchOptions, check, median, type Result, result, timeUs } from './report.ts';

const guest = (name: string): URL => new URL(`./guests/${name}${extname(import.meta.url)}`, import.meta.url);
const CAPTURE_REACH_US = 300;
const CLONE_REACH_US = 500;

export async function memory({ quick }: BenchOptions): Promise<Result[]> {
  const rounds = quick ? 20 : 200;
  return [await capture(rounds), await clone(quick ? 20 : 100)];
}

/** A 64 MiB machine whose every page holds data. */
async function capture(rounds: number): Promise<Result> {
  await using machine = await createMachine({ memory: '64M', threads: 1 });
  await machine.boot(guest('filler'));
  await machine.run({ steps: 16384 });
  const samples: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const snapshot = await machine.snapshot('bench');
    samples.push(snapshot.durationUs);
    await snapshot.release();
  }
  check(machine.captures.audit().length === 0, 'every frame is accounted for');
  const bound = await shareBoundUs(16384, rounds);
  return result(
    'capture.64m.p50',
    median(samples),
    'µs',
    [bound, 'copying and counting as many words'],
    CAPTURE_REACH_US,
  );
}

/** A kernel with a 16 MiB window full of data; the clone can be jumped to when the call returns. */
async function clone(rounds: number): Promise<Result> {
  await using machine = await createMachine({ memory: '64M', spare: '256M', threads: 2 });
  const original = await machine.boot(guest('filler'), { name: 'original', window: [0, '16M'] });
  await machine.run({ steps: 4096 });
  let copies = 0;
  const value = await timeUs(rounds, async () => {
    const copy = await original.clone(`copy${copies++}`);
    check(copy.state === 'PARKED', 'the clone waits to be jumped to');
    if (copies > 1) await copy.remove();
  });
  await machine.jump('copy0');
  check(machine.current?.name === 'copy0', 'the clone runs');
  check(machine.captures.audit().length === 0, 'every frame is accounted for');
  const bound = await shareBoundUs(4096, rounds);
  return result('clone.p50', value, 'µs', [bound, 'copying and counting as many words'], CLONE_REACH_US);
}

/** Median µs to copy a page table of so many words and count a reference for each, on arrays of the same kind. */
function shareBoundUs(pages: number, rounds: number): Promise<number> {
  const table = new Int32Array(new SharedArrayBuffer(4 * pages)).map((_, i) => i);
  const copy = new Int32Array(new SharedArrayBuffer(4 * pages));
  const references = new Int32Array(new SharedArrayBuffer(4 * pages));
  return timeUs(rounds, () => {
    copy.set(table);
    for (let i = 0; i < pages; i++) references[table[i]]++;
  });
}
