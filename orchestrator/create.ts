// SPDX-License-Identifier: MIT
//
// Where machines come from: nothing, or an image file.
import { KjumpError } from '../shared/errors.ts';
import { MachineMemory } from '../shared/machine-memory.ts';
import { readImage, resumeInto } from './images/hibernation.ts';
import { Machine } from './machine.ts';
import { MachineParts } from './machine-parts.ts';
import {
  checkOptions,
  geometryOf,
  type MachineOptions,
  oneOf,
  type ResolvedOptions,
  resolveOptions,
  wholeNumber,
} from './options.ts';

/** What a resumed machine may have otherwise than the one that was saved. */
export type ResumeOptions = Partial<Pick<ResolvedOptions, 'threads' | 'disk' | 'clock' | 'spins' | 'amnesia'>>;

const RESUME_CHECKS = {
  threads: wholeNumber(1, 64),
  disk: () => null,
  clock: oneOf('virtual', 'realtime'),
  spins: wholeNumber(0, 10_000_000),
  amnesia: () => null,
};
/** A machine with no kernel yet. Throws `BAD_OPTION` or `BAD_SIZE`. */
export async function createMachine(options: MachineOptions = {}): Promise<Machine> {
  const resolved = resolveOptions(options);
  const parts = new MachineParts(MachineMemory.create(geometryOf(resolved)), resolved);
  parts.memory.format();
  parts.clock.seed = resolved.seed;
  parts.clock.current = -1;
  parts.clock.foreground = -1;
  return new Machine(parts);
}

/**
 * The machine of an image file, as it was; options of threads, disk and clock may be given anew. Throws `NO_SUCH_FILE`,
 * `NOT_AN_IMAGE`, `BAD_IMAGE` before anything is made.
 */
export async function resumeMachine(path: string, options: ResumeOptions = {}): Promise<Machine> {
  checkOptions('resumeMachine', options, RESUME_CHECKS);
  const image = await readImage(path);
  const saved = savedOptions(path, image.metadata);
  const parts = new MachineParts(resumeInto(image), { ...saved, ...options });
  parts.clock.generation += 1;
  return new Machine(parts);
}

/** The options that the image's metadata carries: whole, or it is no image that this version made. Throws `BAD_IMAGE`. */
function savedOptions(path: string, metadata: unknown): ResolvedOptions {
  const expected = Object.keys(resolveOptions({})).sort();
  const options = (metadata as { options?: unknown } | null)?.options;
  const actual = typeof options === 'object' && options !== null ? Object.keys(options).sort() : [];
  if (JSON.stringify(expected) === JSON.stringify(actual)) return options as ResolvedOptions;
  throw new KjumpError('BAD_IMAGE', `${path} does not say how to make its machine`, {
    why: "the section metadata lacks the machine's options, or has others",
    fix: 'resume it with the version of kjump that wrote it',
    details: { section: 'metadata', expected, actual },
  });
}
