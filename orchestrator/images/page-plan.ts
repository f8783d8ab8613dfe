// SPDX-License-Identifier: MIT
//
// Which pages of a capture go into the file, and which loads describe them. Decided before anything is written, because the
// headers come first and their number says where the data starts. Pages are looked at in order; a frame gets its place in the
// file when it is first seen, so a machine that shares nothing gives ascending loads, and a cloned system gives loads that
// name the same bytes again. A page without a frame, or whose bytes are all zeros, is only covered by p_memsz.
import type { CaptureId, Captures } from '../../shared/captures.ts';
import { ZERO_FRAME } from '../../shared/frames.ts';
import type { MachineMemory } from '../../shared/machine-memory.ts';
import { PAGE_SIZE } from '../../shared/units.ts';
import { LOWMEM_PAGES, type Load } from './elf32-core.ts';

export interface PagePlan {
  readonly pages: number;
  readonly loads: readonly Load[];
  /** Frame of each stored page, in the order of the file. */
  readonly frames: Int32Array;
}

const UNSEEN = -1;
const ZEROS = -2;
const PAGE_WORDS = PAGE_SIZE / 4;

/** True if a load must start at this page: RAM and hidden pages, and what has an address in Linux, are kept apart. */
export function startsLoad(page: number, ramPages: number): boolean {
  return page === 0 || page === ramPages || page === LOWMEM_PAGES;
}

/** Reads every frame of the capture up to its first word that is not zero. */
export function planPages(machine: MachineMemory, captures: Captures, capture: CaptureId): PagePlan {
  const pages = captures.pageCount(capture);
  const { ramPages } = machine.geometry;
  const frameWords = machine.words('frames');
  const placeOf = new Int32Array(machine.geometry.frames).fill(UNSEEN);
  placeOf[ZERO_FRAME] = ZEROS;
  const frames = new Int32Array(pages);
  let storedPages = 0;
  const loads: Load[] = [];
  let load = { firstPage: 0, pages: 0, stored: 0, storedPages: 0 };
  for (let page = 0; page < pages; page++) {
    const frame = captures.frameOf(capture, page);
    if (placeOf[frame] === UNSEEN) {
      if (isZero(frameWords, frame)) placeOf[frame] = ZEROS;
      else {
        placeOf[frame] = storedPages;
        frames[storedPages++] = frame;
      }
    }
    const place = placeOf[frame];
    const zeros = place === ZEROS;
    // Zeros extend any load. Data extends a load that has no zeros yet, if it lies behind the load's data in the file.
    const continues = zeros || (load.pages === load.storedPages && place === load.stored + load.storedPages);
    if (!continues || startsLoad(page, ramPages)) {
      load = { firstPage: page, pages: 0, stored: zeros ? 0 : place, storedPages: 0 };
      loads.push(load);
    }
    load.pages++;
    if (!zeros) load.storedPages++;
  }
  return { pages, loads, frames: frames.subarray(0, storedPages) };
}

function isZero(frameWords: Int32Array, frame: number): boolean {
  const end = (frame + 1) * PAGE_WORDS;
  for (let word = frame * PAGE_WORDS; word < end; word++) if (frameWords[word] !== 0) return false;
  return true;
}
