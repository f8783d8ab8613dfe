// SPDX-License-Identifier: MIT
//
// A process that runs batches on the engine under test, from the same reset vector of the same ROM, which lies in memory here.
// A process of its own, because a test runner's way of loading modules slows hot loops many times over.
import { EngineStop } from '../../../kernel-worker/engines/engine.ts';
import { Pc } from '../pc.ts';
import { BATCH, type Outcome, RAM_BYTES, readOutcome, readProgress } from './batch-layout.ts';
import { serveBatches } from './machine-process.ts';
import { readRunner } from './runner-image.ts';

const ROM = 0xf0000;
const RESET_CS = 0xf000;
const RESET_IP = 0xfff0;
/** Instructions between two looks at the progress, and the most that one case may take: a few thousand, with the runner's part. */
const SLICE = 100_000;
const CASE_LIMIT = 1_000_000;

function run(batch: Uint8Array): Outcome {
  const pc = new Pc({ memory: `${RAM_BYTES >> 20}M` });
  const read = (address: number, bytes: number): Uint8Array => pc.read(address, bytes);
  pc.write(ROM, readRunner()).write(BATCH, batch);
  pc.real(RESET_CS, RESET_IP);
  let stuck = 0;
  for (let before = -1; stuck < CASE_LIMIT; ) {
    const stop = pc.run(SLICE);
    const { index, done } = readProgress(read);
    if (done) break;
    // A triple fault: the board would reset the processor, and the ROM finds the case it happened in.
    if (stop === EngineStop.stopped) pc.real(RESET_CS, RESET_IP);
    stuck = index === before ? stuck + SLICE : 0;
    before = index;
  }
  return readOutcome(read);
}

serveBatches((batch) => Promise.resolve(run(batch)));
