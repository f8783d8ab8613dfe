// SPDX-License-Identifier: MIT
//
// Hibernation images: a capture goes to a file, and a machine comes back from it, in this process or another. The file is an
// ELF32 core file in the raw view (kexec-jump reference §7.1: what RAM holds, page by page); image-format.ts says what else is
// in it. Memory of our own is the head and a few runs of pages.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { CaptureId, Captures } from '../../shared/captures.ts';
import { KjumpError } from '../../shared/errors.ts';
import { HOST_KEY } from '../../shared/frames.ts';
import { LAYOUT_VERSION } from '../../shared/layout/header.ts';
import { LIVE } from '../../shared/layout/live-words.ts';
import { MachineMemory } from '../../shared/machine-memory.ts';
import { PhysicalMemory } from '../../shared/physical-memory.ts';
import { PAGE_SIZE } from '../../shared/units.ts';
import { replaceFile } from './atomic-file.ts';
import { checkHead, type Records } from './check-head.ts';
import { badImage, diskError, notAnImage, type Refuse } from './image-errors.ts';
import { FORMAT_VERSION, METADATA_BYTES_MAX, RUN_PAGES } from './image-format.ts';
import { encodeHead, type Head, headBytes } from './image-head.ts';
import { planPages } from './page-plan.ts';
import { RUN_BYTES, RUNS_AHEAD, readPages, writeFully, writePages } from './page-runs.ts';
import { readHead } from './read-head.ts';

/** An image that was read and found whole. */
export interface Image {
  readonly path: string;
  /** Size of the file. */
  readonly bytes: number;
  readonly head: Head;
  /** Where the stored pages start in the file. */
  readonly dataStart: number;
  readonly records: Records;
  /** What `writeImage` was given. */
  readonly metadata: unknown;
}

/** An image whose pages are in memory already. */
export interface LoadedImage extends Image {
  /** Frames filled, page table not; null once it was resumed. */
  machine: MachineMemory | null;
}

// ---- writing ------------------------------------------------------------------------------------------------------

/**
 * Writes a capture to `path`, atomically: an older file there stays whole until the new one is. The capture must live until
 * the promise settles; the machine may run meanwhile. `metadata` is any JSON value. Returns the bytes of the file and the
 * pages stored in it. Throws `DISK` (errno in `details`) and `BAD_OPTION` for metadata that is no JSON or above 1 MiB.
 */
export async function writeImage(
  path: string,
  machine: MachineMemory,
  memory: PhysicalMemory,
  captures: Captures,
  capture: CaptureId,
  metadata: unknown,
): Promise<{ bytes: number; pages: number }> {
  const plan = planPages(machine, captures, capture);
  const storedPages = plan.frames.length;
  const head: Head = {
    formatVersion: FORMAT_VERSION,
    layoutVersion: LAYOUT_VERSION,
    geometry: machine.geometry,
    pages: plan.pages,
    storedPages,
    loads: plan.loads,
    runChecksums: new Uint32Array(Math.ceil(storedPages / RUN_PAGES)),
    records: captures.records(capture),
    metadata: metadataText(metadata),
  };
  const dataStart = headBytes(head);
  await replaceFile(path, async (file) => {
    await writePages(file, dataStart, machine.u8, memory.frames.base, plan.frames, head.runChecksums);
    const cpu = machine.region('cpu').offset - machine.region('clock').offset;
    await writeFully(file, encodeHead(head, cpu), 0);
  });
  return { bytes: dataStart + storedPages * PAGE_SIZE, pages: storedPages };
}

function metadataText(metadata: unknown): string {
  const refuse = (what: string, cause?: unknown): never => {
    throw new KjumpError('BAD_OPTION', `the metadata of an image ${what}`, {
      why: 'it is kept as JSON of at most 1 MiB',
      fix: 'give plain values only',
      cause,
    });
  };
  let text: string | undefined;
  try {
    text = JSON.stringify(metadata ?? null);
  } catch (cause) {
    refuse('cannot be written as JSON', cause);
  }
  if (text === undefined) return refuse('cannot be written as JSON');
  if (Buffer.byteLength(text) > METADATA_BYTES_MAX) refuse('is too large');
  return text;
}

// ---- reading ------------------------------------------------------------------------------------------------------

/**
 * Reads an image and checks all of it: headers, notes, sizes, every checksum. Its pages are read into a new buffer that is no
 * machine until `resumeInto`. Throws `NO_SUCH_FILE`, `NOT_AN_IMAGE`, `DISK`, or `BAD_IMAGE` with `section`, `expected` and
 * `actual` in its details.
 */
export async function readImage(path: string): Promise<LoadedImage> {
  return withImage(path, async (file, image, machine, refuse) => {
    const frames = machine.bytes('frames');
    // Stored page n goes to frame n + 1; frame 0 stays zeros.
    await readPages(file, image.head, image.dataStart, (run) => frames.subarray(PAGE_SIZE + run * RUN_BYTES), refuse);
    return { ...image, machine };
  });
}

/** Checks an image as `readImage` does, with a small buffer, however large the image is. Throws the same errors. */
export async function verifyImage(path: string): Promise<Image> {
  return withImage(path, async (file, image, _machine, refuse) => {
    const buffers = Array.from({ length: RUNS_AHEAD }, () => new Uint8Array(RUN_BYTES));
    await readPages(file, image.head, image.dataStart, (run) => buffers[run % RUNS_AHEAD], refuse);
    return image;
  });
}

async function withImage<Result>(
  path: string,
  use: (file: FileHandle, image: Image, machine: MachineMemory, refuse: Refuse) => Promise<Result>,
): Promise<Result> {
  try {
    // Without O_NONBLOCK, a pipe of that name would be waited for.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const refuse: Refuse = badImage(path);
      const head = await readHead(file, refuse, notAnImage(path));
      const dataStart = headBytes(head);
      const bytes = dataStart + head.storedPages * PAGE_SIZE;
      const { size } = await file.stat();
      if (size !== bytes) refuse('file size', 'bytes', bytes, size);
      const machine = emptyMachine(head, refuse);
      const records = checkHead(head, machine, refuse);
      const image = { path, bytes, head, dataStart, records, metadata: parseMetadata(head.metadata, refuse) };
      return await use(file, image, machine, refuse);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw diskError('read', path, cause);
  }
}

/** A buffer of the image's geometry: untouched, so it costs nothing yet. */
function emptyMachine({ geometry }: Head, refuse: Refuse): MachineMemory {
  try {
    return MachineMemory.create(geometry);
  } catch (cause) {
    return refuse('format', `no machine can be made of it: ${(cause as Error).message}`);
  }
}

function parseMetadata(text: string, refuse: Refuse): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    return refuse('metadata', `it is no JSON: ${(cause as Error).message}`);
  }
}

// ---- resuming -----------------------------------------------------------------------------------------------------

/**
 * The machine of an image: memory, records and accounts as they were captured, owned by the host. Pages that shared a frame
 * share one again. Once an image; throws `BAD_STATE` after that.
 */
export function resumeInto(image: LoadedImage): MachineMemory {
  const { machine, head } = image;
  if (machine === null) {
    throw new KjumpError('BAD_STATE', `${image.path} was resumed already`, {
      why: 'the pages that were read became the memory of that machine',
      fix: 'read the image again',
    });
  }
  image.machine = null;
  const memory = new PhysicalMemory(machine, HOST_KEY);
  const { frames, table } = memory;
  for (const { firstPage, stored, storedPages } of head.loads) {
    for (let i = 0; i < storedPages; i++) {
      const frame = stored + i + 1;
      table[firstPage + i] = frame;
      frames.references[frame]++;
    }
  }
  machine.u8.set(head.records, machine.region('clock').offset);
  machine.words('live')[LIVE.hiddenHigh] = head.pages - head.geometry.ramPages;
  frames.rebuildStack();
  frames.reserved = memory.countShared();
  return machine;
}
