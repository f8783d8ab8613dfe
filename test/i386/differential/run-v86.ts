// SPDX-License-Identifier: MIT
//
// A process that runs batches on the npm package v86, which keeps timers and has no end of its own.
import { fileURLToPath } from 'node:url';
import { V86 } from 'v86';
import { BATCH, type Outcome, RAM_BYTES, readOutcome, readProgress } from './batch-layout.ts';
import { serveBatches } from './machine-process.ts';
import { readRunner } from './runner-image.ts';

const WASM_PATH = fileURLToPath(new URL('../../../node_modules/v86/build/v86.wasm', import.meta.url));
const POLL_MS = 10;

/** Ends the run under way. v86 throws out of its own timer when a guest shuts down: the results stay readable. */
let finish: () => void = () => {};

async function run(batch: Uint8Array, timeoutMs: number): Promise<Outcome> {
  const emulator = new V86({
    wasm_path: WASM_PATH,
    bios: { buffer: new Uint8Array(readRunner()).buffer },
    memory_size: RAM_BYTES,
    vga_memory_size: 1 << 20,
    autostart: false,
    disable_speaker: true,
    disable_keyboard: true,
    disable_mouse: true,
  });
  const read = (address: number, bytes: number): Uint8Array => emulator.read_memory(address, bytes);
  await new Promise<void>((resolve) => emulator.add_listener('emulator-loaded', () => resolve()));
  emulator.write_memory(batch, BATCH);
  const deadline = performance.now() + timeoutMs;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      if (readProgress(read).done || performance.now() > deadline) finish();
    }, POLL_MS);
    finish = () => {
      clearInterval(timer);
      resolve();
    };
    void emulator.run();
  });
  const outcome = readOutcome(read);
  if (outcome.done) await emulator.destroy();
  return outcome;
}

process.on('uncaughtException', () => finish());
serveBatches(run);
