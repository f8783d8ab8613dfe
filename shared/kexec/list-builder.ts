// SPDX-License-Identifier: MIT
//
// Builds the list of entry words (Linux 6.1 kernel/kexec_core.c kimage_add_entry, kimage_terminate; kexec-jump reference §1.4).
// An indirection page takes 1,023 words; word 1,023 is the link to the next page, or DONE.
import type { PhysicalMemory } from '../physical-memory.ts';
import { IND_DESTINATION, IND_DONE, IND_INDIRECTION, IND_SOURCE } from './entry-list.ts';

/** Entries that an indirection page takes beside its link. */
const ENTRIES_PER_PAGE = 1023;
// Local names for hot code: where a loader makes CommonJS of this file, an imported name is a call of a getter.
const DESTINATION = IND_DESTINATION;
const SOURCE = IND_SOURCE;
const SHIFT = 12;

/** Builds a list in pages it asks `allocatePage` for: a page index, or −1 if there is none. */
export class KimageListBuilder {
  /** The first entry word; complete once `terminate` has been called. */
  head = 0;
  /** Words appended: links are not counted. */
  length = 0;
  private readonly memory: PhysicalMemory;
  private readonly allocatePage: () => number;
  private readonly pages: number[] = [];
  /** Address of the next word, and of the slot for the link. Both −1 at first: the head is slot and link in one. */
  private entry = -1;
  private lastEntry = -1;

  constructor(memory: PhysicalMemory, allocatePage: () => number) {
    this.memory = memory;
    this.allocatePage = allocatePage;
  }

  /** Destination page of the sources that follow. False: no page for the list. */
  setDestination(page: number): boolean {
    return this.append((page << SHIFT) | DESTINATION);
  }

  /** Source page for the next destination. False: no page for the list. */
  addSource(page: number): boolean {
    return this.append((page << SHIFT) | SOURCE);
  }

  /** Ends the list and returns its head word. A list without entries is the head alone. */
  terminate(): number {
    this.store(IND_DONE);
    return this.head;
  }

  /** Physical address of the n-th word appended, n < `length`. */
  wordAddress(n: number): number {
    const page = this.pages[Math.floor(n / ENTRIES_PER_PAGE)];
    return ((page << SHIFT) >>> 0) + 4 * (n % ENTRIES_PER_PAGE);
  }

  private append(word: number): boolean {
    if (this.entry === this.lastEntry) {
      const page = this.allocatePage();
      if (page < 0) return false;
      this.store((page << SHIFT) | IND_INDIRECTION);
      this.pages.push(page);
      this.entry = (page << SHIFT) >>> 0;
      this.lastEntry = this.entry + 4 * ENTRIES_PER_PAGE;
    }
    this.memory.write32(this.entry, word);
    this.entry += 4;
    this.length++;
    return true;
  }

  private store(word: number): void {
    if (this.entry < 0) this.head = word >>> 0;
    else this.memory.write32(this.entry, word);
  }
}

/** Indirection pages that `buildList` needs for these destinations. */
export function listPages(destinations: ArrayLike<number>): number {
  let words = destinations.length;
  for (let i = 0; i < destinations.length; i++) if (!goesOn(destinations, i)) words++;
  return Math.ceil(words / ENTRIES_PER_PAGE);
}

/**
 * The list of the pairs (destinations[i], sources[i]), page indices, with a DESTINATION word wherever the destinations do not
 * just go on. `allocatePage` is called `listPages(destinations)` times. Returns the head word; 0 if a page was refused.
 */
export function buildList(
  memory: PhysicalMemory,
  destinations: ArrayLike<number>,
  sources: ArrayLike<number>,
  allocatePage: () => number,
): number {
  const list = new KimageListBuilder(memory, allocatePage);
  for (let i = 0; i < destinations.length; i++) {
    if (!goesOn(destinations, i) && !list.setDestination(destinations[i])) return 0;
    if (!list.addSource(sources[i])) return 0;
  }
  return list.terminate();
}

const goesOn = (destinations: ArrayLike<number>, i: number): boolean =>
  i > 0 && destinations[i] === destinations[i - 1] + 1;
