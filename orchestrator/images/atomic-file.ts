// SPDX-License-Identifier: MIT
//
// Replaces a file whole or not at all: everything goes into a temporary file beside it, which is synced and then renamed over
// the old one (rename(2) is atomic). Whoever is killed on the way leaves the old file, and a temporary file that the next
// writer removes: its name holds the pid of its writer.
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { diskError } from './image-errors.ts';

/**
 * Makes `path` a file of what `fill` writes. Throws `DISK` with the errno in `details` if a system call fails, and whatever
 * `fill` throws; the old file is as it was then and no temporary file is left. (Only if the directory cannot be synced at
 * the very end, the new file is there already, but may not outlive a loss of power.)
 */
export async function replaceFile(path: string, fill: (file: FileHandle) => Promise<void>): Promise<void> {
  await removeLeftovers(path);
  const temporary = `${path}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx');
    try {
      await fill(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (cause) {
    // The first error is the one to tell; a temporary file that cannot be removed now is removed by the next writer.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw diskError('write', path, cause);
  }
}

/** Makes the new name last. Windows has no such thing as syncing a directory. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Removes the temporary files of dead writers of `path`. What cannot be listed or removed disturbs nobody. */
async function removeLeftovers(path: string): Promise<void> {
  const directory = dirname(path);
  const prefix = `${basename(path)}.`;
  const names = await readdir(directory).catch(() => []);
  for (const name of names) {
    if (!name.startsWith(prefix)) continue;
    const match = /^(\d{1,9})\.[0-9a-f]{12}\.tmp$/.exec(name.slice(prefix.length));
    if (match === null || isAlive(Number(match[1]))) continue;
    await rm(join(directory, name), { force: true }).catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
