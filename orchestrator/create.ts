// SPDX-License-Identifier: MIT
//
// Where machines come from: nothing, or an image file.
import { access, constants } from 'node:fs/promises';
import { KjumpError } from '../shared/errors.ts';
import { seedIdentities } from '../shared/identity.ts';
import { MachineMemory } from '../shared/machine-memory.ts';
import { readImage, resumeInto } from './images/hibernation.ts';
import { Machine } from './machine.ts';
import { MachineParts } from './machine-parts.ts';
import {
  aPath,
  checkOptions,
  checkPath,
  geometryOf,
  type MachineOptions,
  oneOf,
  type ResolvedOptions,
  resolveOptions,
  trueOrFalse,
  wholeNumber,
} from './options.ts';
import { applyResumePolicy, checkResumePolicy, type ResumePolicy } from './resume-policy.ts';

/** What a resumed machine may have otherwise than the one that was saved. */
export interface ResumeOptions
  extends Partial<
    Pick<ResolvedOptions, 'threads' | 'disk' | 'secondDisk' | 'clock' | 'spins' | 'interpret' | 'amnesia'>
  > {
  /** What the kernels are told of it: nothing by default. */
  readonly policy?: ResumePolicy;
}

const aPathOrNone = (value: unknown): string | null => (value === null ? null : aPath(value));
const RESUME_CHECKS = {
  threads: wholeNumber(1, 64),
  disk: aPathOrNone,
  secondDisk: aPathOrNone,
  clock: oneOf('virtual', 'realtime'),
  spins: wholeNumber(0, 10_000_000),
  interpret: trueOrFalse,
  amnesia: trueOrFalse,
  // It has options of its own, with checks of their own.
  policy: () => null,
};

/** A machine with no kernel yet. Throws `BAD_OPTION`, `BAD_SIZE`, or `NO_SUCH_FILE` for a disk that cannot be used. */
export async function createMachine(options: MachineOptions = {}): Promise<Machine> {
  const resolved = resolveOptions(options);
  await requireDisk(options.disk);
  await requireDisk(options.secondDisk);
  const parts = new MachineParts(MachineMemory.create(geometryOf(resolved)), resolved);
  parts.memory.format();
  parts.clock.seed = resolved.seed;
  seedIdentities(parts.machine, resolved.seed);
  parts.clock.current = -1;
  parts.clock.foreground = -1;
  return new Machine(parts);
}

/**
 * The machine of an image file, as it was; options of threads, disk and clock may be given anew. Throws `NO_SUCH_FILE`,
 * `NOT_AN_IMAGE`, `BAD_IMAGE` before anything is made.
 */
export async function resumeMachine(path: string, options: ResumeOptions = {}): Promise<Machine> {
  checkPath('resumeMachine', path);
  checkOptions('resumeMachine', options, RESUME_CHECKS);
  const { policy = {}, ...others } = options;
  checkResumePolicy(policy);
  await requireDisk(options.disk);
  await requireDisk(options.secondDisk);
  const image = await readImage(path);
  const { options: saved, takenAtMs } = savedMetadata(path, image.metadata);
  const given = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined));
  const parts = new MachineParts(resumeInto(image), { ...saved, ...given });
  parts.clock.generation += 1;
  return new Machine(parts, applyResumePolicy(parts, policy, Date.now() - takenAtMs));
}

interface SavedMetadata {
  readonly options: ResolvedOptions;
  /** When the machine was captured, by the host's clock. */
  readonly takenAtMs: number;
}

/** What the image's metadata carries: whole, or it is no image that this version made. Throws `BAD_IMAGE`. */
function savedMetadata(path: string, metadata: unknown): SavedMetadata {
  const expected = Object.keys(resolveOptions({})).sort();
  const { options, takenAtMs } = (metadata ?? {}) as { options?: unknown; takenAtMs?: unknown };
  const actual = typeof options === 'object' && options !== null ? Object.keys(options).sort() : [];
  const isWhole = JSON.stringify(expected) === JSON.stringify(actual) && Number.isFinite(takenAtMs);
  if (isWhole) return { options: options as ResolvedOptions, takenAtMs: takenAtMs as number };
  throw new KjumpError('BAD_IMAGE', `${path} does not say how to make its machine`, {
    why: "the section metadata lacks the machine's options or the time of its capture, or has others",
    fix: 'resume it with the version of kjump that wrote it',
    details: { section: 'metadata', expected, actual },
  });
}

/** A disk that the caller names must be there; of one that an image names only its kernel's transfers fail. */
async function requireDisk(disk: string | null | undefined): Promise<void> {
  if (disk === undefined || disk === null) return;
  try {
    await access(disk, constants.R_OK | constants.W_OK);
  } catch (cause) {
    throw new KjumpError('NO_SUCH_FILE', `${disk} cannot be the disk`, {
      why: (cause as Error).message,
      fix: 'give a file that can be read and written; its size is that of the disk',
      cause,
    });
  }
}
