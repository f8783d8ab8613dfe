// SPDX-License-Identifier: MIT
// Small machines to write images of, and what the image tests compare machines by.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Captures } from '../../shared/captures.ts';
import { KjumpError } from '../../shared/errors.ts';
import { HOST_KEY } from '../../shared/frames.ts';
import { HiddenPages } from '../../shared/hidden-pages.ts';
import { type MachineGeometry, MachineMemory } from '../../shared/machine-memory.ts';
import { PhysicalMemory } from '../../shared/physical-memory.ts';
import { PAGE_SIZE } from '../../shared/units.ts';

export class Sample {
  readonly machine: MachineMemory;
  readonly memory: PhysicalMemory;
  readonly hidden: HiddenPages;
  readonly captures: Captures;

  constructor(machine: MachineMemory) {
    this.machine = machine;
    this.memory = new PhysicalMemory(machine, HOST_KEY);
    this.hidden = new HiddenPages(machine, this.memory);
    this.captures = new Captures(machine, this.memory);
  }

  /** A machine of zeros; frames enough for two captures unless told otherwise. */
  static create({
    ramPages = 32,
    hiddenPages = 16,
    frames = 200,
    maxKernels = 2,
  }: Partial<MachineGeometry> = {}): Sample {
    const sample = new Sample(MachineMemory.create({ ramPages, hiddenPages, frames, maxKernels }));
    sample.memory.format();
    return sample;
  }

  /** Fills a page with words made from a seed other than 0. */
  fill(page: number, seed: number): void {
    const words = new Uint32Array(PAGE_SIZE / 4);
    for (let i = 0; i < words.length; i++) words[i] = Math.imul(seed + i, 0x9e3779b1) | 1;
    this.memory.write(page * PAGE_SIZE, new Uint8Array(words.buffer));
  }

  /** A copy of the bytes of every page, RAM and hidden, one after another. */
  copyOfMemory(): Buffer {
    return Buffer.from(this.memory.read(0, this.memory.pageCount * PAGE_SIZE));
  }

  /** A copy of the records: clock to hidden-page owners. */
  copyOfRecords(): Buffer {
    const { offset, bytes } = this.machine.region('hidden-owners');
    return Buffer.from(this.machine.u8.slice(this.machine.region('clock').offset, offset + bytes));
  }

  framesInUse(): number {
    return this.machine.geometry.frames - 1 - this.memory.frames.free;
  }
}

/** A directory of its own for `use`, removed afterwards. */
export async function inDirectory<Result>(use: (directory: string) => Promise<Result>): Promise<Result> {
  const directory = mkdtempSync(join(tmpdir(), 'kjump-images-'));
  try {
    return await use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The KjumpError that the promise rejects with; anything else fails the test. */
export async function refusalOf(promise: Promise<unknown>): Promise<KjumpError> {
  const outcome = await promise.then(
    () => new Error('nothing was refused'),
    (error: unknown) => error,
  );
  if (outcome instanceof KjumpError) return outcome;
  throw outcome;
}
