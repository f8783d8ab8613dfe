// SPDX-License-Identifier: MIT
//
// The bounds of a hand-over: how long a store by one thread takes to be acted on by another, one way, with nothing around it:
// while the other spins on the word, and while it is blocked in Atomics.wait. Two plain threads play ping-pong over two words;
// the clock is process.hrtime, which all threads share.
import { Worker } from 'node:worker_threads';
import { median } from './report.ts';

/** The thread that is woken: it notes how long ago the other one stamped its store. */
const PARTNER = `
const { workerData, parentPort } = require('node:worker_threads');
const { words, stamps, rounds, spin } = workerData;
for (let i = 0; i < rounds; i++) {
  if (spin) while (Atomics.load(words, 0) === i);
  else Atomics.wait(words, 0, i);
  stamps[i] = Number(process.hrtime.bigint()) / 1000 - stamps[rounds + i];
  Atomics.store(words, 1, i + 1);
  Atomics.notify(words, 1);
}
parentPort.postMessage('done');
`;

/** The thread that stores. It lets the partner settle first: what is measured is a wake, not a look in passing. */
const LEADER = `
const { workerData, parentPort } = require('node:worker_threads');
const { words, stamps, rounds, spin, settleNs } = workerData;
for (let i = 0; i < rounds; i++) {
  const until = process.hrtime.bigint() + settleNs;
  while (process.hrtime.bigint() < until);
  stamps[rounds + i] = Number(process.hrtime.bigint()) / 1000;
  Atomics.store(words, 0, i + 1);
  if (!spin) Atomics.notify(words, 0);
  if (spin) while (Atomics.load(words, 1) === i);
  else Atomics.wait(words, 1, i);
}
parentPort.postMessage('done');
`;

/** Median µs from the store to the other thread's next statement. */
export async function handOverBoundUs(way: 'spin' | 'blocked', rounds: number): Promise<number> {
  const words = new Int32Array(new SharedArrayBuffer(8));
  const stamps = new Float64Array(new SharedArrayBuffer(16 * rounds));
  const spin = way === 'spin';
  const workerData = { words, stamps, rounds, spin, settleNs: spin ? 2_000n : 100_000n };
  const threads = [PARTNER, LEADER].map((code) => new Worker(code, { eval: true, workerData }));
  await Promise.all(
    threads.map(
      (thread) =>
        new Promise<void>((resolve, reject) => {
          thread.once('message', () => resolve());
          thread.once('error', reject);
        }),
    ),
  );
  await Promise.all(threads.map((thread) => thread.terminate()));
  // The first rounds run before the code is compiled.
  return median([...stamps.subarray(Math.floor(rounds / 4), rounds)]);
}
