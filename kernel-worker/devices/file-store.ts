// SPDX-License-Identifier: MIT
// Sectors in a file of the host, opened at the first use and never before, so that a kernel that does not touch its disk
// does not depend on the file. Its size is the disk's; what a file that shrank has lost reads as zeros. What is unsynced
// is remembered only to spare a second fsync: an object that has not written yet assumes that an earlier one may have.
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { Errno } from '../../shared/errno.ts';
import { SECTOR_BYTES } from '../../shared/layout/ata-state.ts';
import type { SectorStore } from './sector-store.ts';

const CLOSED = -1;

export class FileStore implements SectorStore {
  private readonly path: string;
  private descriptor = CLOSED;
  private maybeUnsynced = true;
  private wholeSectors = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** Whole sectors of the file when it was opened; 0 for a file that cannot be opened. */
  get sectors(): number {
    return this.withFile(() => {}) === Errno.OK ? this.wholeSectors : 0;
  }

  read(lba: number, target: Uint8Array): Errno {
    return this.withFile((file) => {
      let done = 0;
      while (done < target.length) {
        const count = readSync(file, target, done, target.length - done, lba * SECTOR_BYTES + done);
        if (count === 0) break;
        done += count;
      }
      target.fill(0, done);
    });
  }

  write(lba: number, source: Uint8Array): Errno {
    this.maybeUnsynced = true;
    return this.withFile((file) => {
      let done = 0;
      while (done < source.length) {
        done += writeSync(file, source, done, source.length - done, lba * SECTOR_BYTES + done);
      }
    });
  }

  /** fsync(2). */
  flush(): Errno {
    if (!this.maybeUnsynced) return Errno.OK;
    const errno = this.withFile(fsyncSync);
    if (errno === Errno.OK) this.maybeUnsynced = false;
    return errno;
  }

  /** The next use opens the file again. */
  close(): void {
    if (this.descriptor !== CLOSED) closeSync(this.descriptor);
    this.descriptor = CLOSED;
  }

  private open(): void {
    this.descriptor = openSync(this.path, constants.O_RDWR);
    this.wholeSectors = Math.floor(fstatSync(this.descriptor).size / SECTOR_BYTES);
  }

  private withFile(use: (file: number) => void): Errno {
    try {
      if (this.descriptor === CLOSED) this.open();
      use(this.descriptor);
      return Errno.OK;
    } catch (error) {
      return errnoOf(error);
    }
  }
}

const NO_SPACE = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const NO_ACCESS = new Set(['EROFS', 'EACCES', 'EPERM']);

/** What the host said: kept if it is one that tells more than that it failed, else EIO. */
function errnoOf(error: unknown): Errno {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (NO_SPACE.has(code)) return Errno.ENOSPC;
  return NO_ACCESS.has(code) ? Errno.EROFS : Errno.EIO;
}
