// SPDX-License-Identifier: MIT
// Run as a process of its own, to be killed or starved: `writer-process.ts <path> <pages> [forever]` writes images of systems
// whose pages all hold one number, the generation, to the same path, and prints a line for each one that is complete.
import { writeImage } from '../../orchestrator/images/hibernation.ts';
import type { KjumpError } from '../../shared/errors.ts';
import { CLOCK } from '../../shared/layout/clock.ts';
import { Sample } from './sample-machine.ts';

const [path, pages, forever] = process.argv.slice(2);

async function main(): Promise<void> {
  const ramPages = Number(pages);
  const sample = Sample.create({ ramPages, hiddenPages: 0, frames: 2 * ramPages + 50, maxKernels: 1 });
  const { machine, memory, captures } = sample;
  const first = Date.now() % 0x10000000;
  for (let generation = first; generation === first || forever !== undefined; generation++) {
    // Not every page of every generation, so that the size of the file changes too.
    for (let index = 0; index < ramPages; index++) {
      if (index % 7 === generation % 7) memory.zero(index);
      else sample.fill(index, generation);
    }
    machine.view.setUint32(machine.region('clock').offset + CLOCK.generation, generation, true);
    const capture = captures.create();
    await writeImage(path, machine, memory, captures, capture, { generation });
    captures.release(capture);
    process.stdout.write(`${generation}\n`);
  }
}

main().catch((error: unknown) => {
  const { code, details } = error as KjumpError;
  process.stdout.write(`${JSON.stringify({ code, errno: details?.errno, message: String(error) })}\n`);
  process.exitCode = 1;
});
