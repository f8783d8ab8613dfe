// SPDX-License-Identifier: MIT
//
// The bound of a blocked hand-over: how long a bare Atomics.notify takes to wake another thread out of Atomics.wait, one way.
// Two plain threads play ping-pong over two words; the clock is process.hrtime, which all threads share.
import { Worker } from 'node:worker_threads';
import { median } from './report.ts';

const PARTNER = `
const { workerData, parentPort } = require('node:worker_threads');
const { words, stamps, rounds } = workerData;
for (let i = 0; i < rounds; i++) {
  Atomics.wait(words, 0, i);
  stamps[i] = Number(process.hrtime.bigint()) / 1000 - stamps[rounds + i];
  Atomics.store(words, 1, i + 1);
  Atomics.notify(words, 1);
}
parentPort.postMessage('done');
`;

const LEADER = `
const { workerData, parentPort } = require('node:worker_threads');
const { words, stamps, rounds } = workerData;
for (let i = 0; i < rounds; i++) {
  // The partner must be asleep: what is measured is a wake, not a look.
  const until = process.hrtime.bigint() + 100000n;
  while (process.hrtime.bigint() < until);
  stamps[rounds + i] = Number(process.hrtime.bigint()) / 1000;
  Atomics.store(words, 0, i + 1);
  Atomics.notify(words, 0);
  Atomics.wait(words, 1, i);
}
parentPort.postMessage('done');
`;

/** Median one-way wake in µs. */
export async function wakeBoundUs(rounds: number): Promise<number> {
  const words = new Int32Array(new SharedArrayBuffer(8));
  const stamps = new Float64Array(new SharedArrayBuffer(16 * rounds));
  const workerData = { words, stamps, rounds };
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
  return median([...stamps.subarray(0, rounds)]);
}
