// SPDX-License-Identifier: MIT
//
// The files of a suite of single-step vectors: MOO or JSON, packed with gzip or not.
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parseJsonVectors } from './json-vectors.ts';
import { parseMooVectors } from './moo-vectors.ts';
import type { Vector } from './vector.ts';

const VECTORS = /\.(moo|json)(\.gz)?$/i;
/** Beside the vectors lies a description of the suite. */
const DESCRIPTION = /^metadata\.json$/i;

/** The path itself if it is a file, else the files of vectors in the folder, in order. */
export async function vectorFiles(path: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const names = (await readdir(path)).filter((name) => VECTORS.test(name) && !DESCRIPTION.test(name));
  return names.sort().map((name) => join(path, name));
}

/** Throws an `Error` that names the file if it cannot be read as vectors. */
export async function readVectors(path: string): Promise<Vector[]> {
  try {
    const file = await readFile(path);
    const bytes = /\.gz$/i.test(path) ? gunzipSync(file) : file;
    return /\.moo(\.gz)?$/i.test(path) ? parseMooVectors(bytes) : parseJsonVectors(bytes.toString('utf8'));
  } catch (cause) {
    throw new Error(`${basename(path)} cannot be read as vectors: ${(cause as Error).message}`, { cause });
  }
}
