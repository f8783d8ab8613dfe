// SPDX-License-Identifier: MIT
//
// Which bytes of which frames code was decoded from, for all threads: two shared tables by frame. A frame that holds decoded code has
// an odd generation. A store to such bytes, by any thread through any mapping, makes it even, and so does the frame's next user
// (shared/frames.ts): everything that was derived from the frame under another generation is stale. Code and data may share a
// frame, told apart by granules of 64 bytes.
import type { PhysicalMemory } from '../../../shared/physical-memory.ts';
import type { Board } from '../../board.ts';

const GRANULE_SHIFT = 6;

export class DecodedFrames {
  /** By frame. What was decoded under a generation is good while it lasts. */
  readonly generations: Int32Array;
  /** Two words a frame, a bit a granule: valid while the generation is odd. */
  private readonly granules: Int32Array;

  constructor({ machine }: Board, { frames }: PhysicalMemory) {
    this.generations = frames.codeGenerations;
    this.granules = machine.words('code-granules');
  }

  /** The frame holds decoded code: stores to it must be noticed. */
  has(frame: number): boolean {
    return (this.generations[frame] & 1) !== 0;
  }

  /** Marks [start, end) of a frame as decoded. True if the frame held no code before. */
  add(frame: number, start: number, end: number): boolean {
    const { generations, granules } = this;
    const isNew = !this.has(frame);
    if (isNew) {
      generations[frame] = (generations[frame] + 1) | 0;
      granules[frame * 2] = 0;
      granules[frame * 2 + 1] = 0;
    }
    const last = (end - 1) >>> GRANULE_SHIFT;
    for (let granule = start >>> GRANULE_SHIFT; granule <= last; granule++) {
      granules[frame * 2 + (granule >>> 5)] |= 1 << granule;
    }
    return isNew;
  }

  /** Bytes of a frame with decoded code are about to change. True if code was decoded from them: it is stale now. */
  store(frame: number, offset: number, size: number): boolean {
    if (!this.isDecoded(frame, offset, size)) return false;
    this.generations[frame] = (this.generations[frame] + 1) | 0;
    return true;
  }

  private isDecoded(frame: number, offset: number, size: number): boolean {
    const last = (offset + size - 1) >>> GRANULE_SHIFT;
    for (let granule = offset >>> GRANULE_SHIFT; granule <= last; granule++) {
      if ((this.granules[frame * 2 + (granule >>> 5)] & (1 << granule)) !== 0) return true;
    }
    return false;
  }
}
