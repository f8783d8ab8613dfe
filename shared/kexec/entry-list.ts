// SPDX-License-Identifier: MIT
//
// The list of entry words that says which source page goes to which destination, as it lies in memory: its tags, and the one
// reader of it (kexec-jump reference §1.4; Linux 6.1 relocate_kernel_32.S swap_pages). The words are ordinary physical memory,
// written once by list-builder.ts while an image is loaded, read by every jump.
//
// A list whose first page is in RAM was written by a guest, or may have been since, and reaches RAM only; one that starts in a
// hidden page is the orchestrator's own and may name hidden pages.
import { KjumpError } from '../errors.ts';
import type { PhysicalMemory } from '../physical-memory.ts';
import { hex, PAGE_MASK } from '../units.ts';

export const IND_DESTINATION = 1;
export const IND_INDIRECTION = 2;
export const IND_DONE = 4;
export const IND_SOURCE = 8;

// Local names for hot code: where a loader makes CommonJS of this file, an imported name is a call of a getter.
const TAGS = 15;
const SHIFT = 12;
const WORDS = 1024;
const WORDS_SHIFT = 10;
const FIRST_CAPACITY = 4096;

/** A list that has been read, in its order; page indices. Can be read into again: the arrays only grow. */
export class PairList {
  /** Pairs: the first `count` elements of the two arrays. */
  count = 0;
  destinations = new Int32Array(FIRST_CAPACITY);
  sources = new Int32Array(FIRST_CAPACITY);
  /** The pages that the list itself lies in. */
  indirections: number[] = [];
  /** Pages from here on are none of this list's business: the end of RAM, or of the hidden pages. */
  limit = 0;

  grow(): void {
    const { destinations, sources } = this;
    this.destinations = new Int32Array(2 * destinations.length);
    this.sources = new Int32Array(2 * sources.length);
    this.destinations.set(destinations);
    this.sources.set(sources);
  }
}

/**
 * Reads a whole list. A head that is no indirection word is an empty list: 4 in a crash image, 0 where there is none. A word
 * without a tag is passed over, and behind the last word of a page comes the next page, as in Linux. Throws `BAD_IMAGE` for
 * a list without an end. `table` is the page table that it is read through, for whoever asks what a jump would find after
 * earlier exchanges.
 */
export function readList(memory: PhysicalMemory, head: number, list: PairList, table = memory.table): void {
  const { ramPages, pageCount } = memory;
  const words = new Int32Array(memory.table.buffer);
  const frameWord = memory.frames.base >>> 2;
  const limit = head >>> SHIFT < ramPages ? ramPages : pageCount;
  let { destinations, sources } = list;
  let count = 0;
  // Not defined in Linux before the first DESTINATION word.
  let destination = 0;
  list.count = 0;
  list.limit = limit;
  list.indirections.length = 0;
  if ((head & TAGS & -head) !== IND_INDIRECTION) return;
  let listPage = head >>> SHIFT;
  for (;;) {
    // A list that is no ring reads every page at most once.
    if (listPage >= limit || list.indirections.length === limit) throw endless(head, listPage);
    list.indirections.push(listPage);
    listPage++;
    const first = frameWord + (table[listPage - 1] << WORDS_SHIFT);
    for (let at = first; at < first + WORDS; at++) {
      const word = words[at];
      // The tags are tested in the order 1, 2, 4, 8: the lowest bit that is set decides.
      const tag = word & TAGS & -word;
      if (tag === IND_SOURCE) {
        if (count === destinations.length) {
          list.grow();
          ({ destinations, sources } = list);
        }
        destinations[count] = destination++;
        sources[count++] = word >>> SHIFT;
      } else if (tag === IND_DESTINATION) destination = word >>> SHIFT;
      else if (tag === IND_INDIRECTION) {
        listPage = word >>> SHIFT;
        break;
      } else if (tag === IND_DONE) {
        list.count = count;
        return;
      }
    }
  }
}

/** True for the error of `readList`: where a guest can write the list, it is the guest's mistake. */
export const isDamagedList = (error: unknown): boolean => error instanceof KjumpError && error.code === 'BAD_IMAGE';

function endless(head: number, listPage: number): KjumpError {
  return new KjumpError('BAD_IMAGE', `the entry list at ${hex(head & PAGE_MASK)} has no end`, {
    why: 'a list of entry words ends with the word 4 (IND_DONE); this one has been damaged since it was loaded',
    fix: 'load the image again',
    details: { head: head >>> 0, listPage },
  });
}
