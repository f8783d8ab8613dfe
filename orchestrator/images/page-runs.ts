// SPDX-License-Identifier: MIT
//
// Moves the stored pages between memory and file, a run at a time, each run with its checksum. The disk works on one run while
// this thread computes the checksum of another; all memory used beside the machine is a few runs.
import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { hex, PAGE_SIZE, pageAddress } from '../../shared/units.ts';
import type { Refuse } from './image-errors.ts';
import { RUN_PAGES } from './image-format.ts';
import type { Head } from './image-head.ts';

export const RUN_BYTES = RUN_PAGES * PAGE_SIZE;
/** Runs that are being read or checked at a time. Two readers share the first touch of fresh memory, the slowest part of it. */
export const RUNS_AHEAD = 3;

/** Writes the stored pages, a run at a time, and fills in the checksums of the runs. */
export async function writePages(
  file: FileHandle,
  start: number,
  u8: Uint8Array,
  frameBase: number,
  frames: Int32Array,
  checksums: Uint32Array,
): Promise<void> {
  // Two: one is filled while the other is being written.
  const staging = [new Uint8Array(RUN_BYTES), new Uint8Array(RUN_BYTES)];
  let writing = Promise.resolve();
  for (let run = 0; run < checksums.length; run++) {
    const ofRun = frames.subarray(run * RUN_PAGES, (run + 1) * RUN_PAGES);
    const bytes = gather(u8, frameBase, ofRun, staging[run & 1]);
    checksums[run] = crc32(bytes);
    await writing;
    writing = writeFully(file, bytes, start + run * RUN_BYTES);
  }
  await writing;
}

/** The bytes of the frames in order: where they lie, if they lie in order; else copied into `staging`. */
function gather(u8: Uint8Array, frameBase: number, frames: Int32Array, staging: Uint8Array): Uint8Array {
  for (let first = 0, end = 1; first < frames.length; first = end++) {
    while (end < frames.length && frames[end] === frames[end - 1] + 1) end++;
    const start = frameBase + frames[first] * PAGE_SIZE;
    const extent = u8.subarray(start, start + (end - first) * PAGE_SIZE);
    if (end - first === frames.length) return extent;
    staging.set(extent, first * PAGE_SIZE);
  }
  return staging.subarray(0, frames.length * PAGE_SIZE);
}

/** Writes all of the bytes, however little the disk takes at a time. */
export async function writeFully(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Reads every run into what `target` gives for it, which may be longer, and checks it while the next ones are being read. */
export async function readPages(
  file: FileHandle,
  head: Head,
  start: number,
  target: (run: number) => Uint8Array,
  refuse: Refuse,
): Promise<void> {
  const runs = head.runChecksums.length;
  const startReading = (run: number): Promise<Uint8Array> => {
    const pages = Math.min(RUN_PAGES, head.storedPages - run * RUN_PAGES);
    const bytes = target(run).subarray(0, pages * PAGE_SIZE);
    const reading = readExactly(file, bytes, start + run * RUN_BYTES, refuse);
    // It is awaited after the runs before it were checked, and that may throw: its rejection must not be nobody's.
    reading.catch(() => undefined);
    return reading;
  };
  const ahead: Promise<Uint8Array>[] = [];
  for (let run = 0; run < runs; run++) {
    for (let next = run + ahead.length; next < Math.min(run + RUNS_AHEAD, runs); next++) ahead.push(startReading(next));
    const bytes = await (ahead.shift() as Promise<Uint8Array>);
    const [expected, actual] = [head.runChecksums[run], crc32(bytes)];
    if (expected !== actual) refuse('pages', `checksum of ${nameOfRun(head, run)}`, hex(expected), hex(actual));
  }
}

/** A run, and where its first page lies in memory. */
function nameOfRun({ loads }: Head, run: number): string {
  const page = run * RUN_PAGES;
  const load = loads.find(({ stored, storedPages }) => page >= stored && page < stored + storedPages);
  const physAddr = load === undefined ? 0 : pageAddress(load.firstPage + page - load.stored);
  return `run ${run}, which starts with the page at physical address ${hex(physAddr)}`;
}

/** Fills `target` from the file; returns it. A file that became shorter meanwhile is refused. */
export async function readExactly(
  file: FileHandle,
  target: Uint8Array,
  position: number,
  refuse: Refuse,
): Promise<Uint8Array> {
  for (let done = 0; done < target.length; ) {
    const { bytesRead } = await file.read(target, done, target.length - done, position + done);
    if (bytesRead === 0) refuse('file size', 'the file ends', `${position + target.length} or later`, position + done);
    done += bytesRead;
  }
  return target;
}
