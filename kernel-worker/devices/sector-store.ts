// SPDX-License-Identifier: MIT
// What a disk keeps its sectors in. A store never throws for what the host does to it: a failure is an errno, which the
// disk shows its guest as a status.
import type { Errno } from '../../shared/errno.ts';

export interface SectorStore {
  /** Capacity in sectors of 512 bytes. */
  readonly sectors: number;
  /** Fills `target`, whole sectors of 512 bytes, from sector `lba` on; the last one is < sectors. */
  read(lba: number, target: Uint8Array): Errno;
  /** Takes sectors from `source`, likewise. Durable after the next `flush`. */
  write(lba: number, source: Uint8Array): Errno;
  flush(): Errno;
}
