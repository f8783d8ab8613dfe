// SPDX-License-Identifier: MIT
//
// Relocation: every pair of the list, destination and source page, changes places (Linux 6.1 relocate_kernel_32.S swap_pages;
// kexec-jump reference §3.2). The second walk of a list undoes the first. Two ways with one result: `copy` does what the
// machine code does, three page copies a pair through the swap page; `exchange` swaps the two entries of the page table.
//
// The list is read whole before the first pair moves, so a damaged one is refused with nothing changed. Outside RAM there is a
// hole: what goes there is lost, what comes from there is ones. Hidden pages are sources of the orchestrator's lists and
// nobody's destination, so no guest reaches them by naming their address.
import { assert } from '../errors.ts';
import type { PhysicalMemory } from '../physical-memory.ts';
import { PAGE_SIZE, pageAddress, pageIndexOf } from '../units.ts';
import { PairList, readList } from './entry-list.ts';

export type RelocationMode = 'exchange' | 'copy';

export interface RelocationOptions {
  /** Stops when so many pairs are done and there is another one: fault injection. */
  readonly stopAfter?: number;
  /** The live words, and the index of the word that is to count the pairs done. */
  readonly journal?: Int32Array;
  readonly journalWord?: number;
  /** Index of the word that is to count the copies made of the pair under way, in mode `copy`. */
  readonly copiesWord?: number;
}

/** A pair that mode `copy` was stopped within. */
export interface TornPair {
  readonly copies: number;
  readonly swapPage: number;
}

const NO_JOURNAL = new Int32Array(2);
const NOT_TORN: TornPair = { copies: 0, swapPage: 0 };
/** A page index that no memory has. */
const HOLE = 0xfffff;
const ONES = new Uint8Array(PAGE_SIZE).fill(0xff);
/** The list of the walk that is going on; kept for its arrays. */
const pairs = new PairList();

/**
 * Walks the list and swaps each pair; returns the pairs done. `swapPage` is a physical address; after a whole walk the page
 * holds the last source page's old bytes, as Linux leaves it. `exchange` writes it last, after all pairs, and not at all if
 * stopped early; `copy` writes it with every pair. Whoever must be able to undo a whole walk keeps its 4,096 bytes.
 *
 * The journal word is exact wherever this thread can be killed, in mode `exchange`: between a pair's stores and the count there
 * is no call and no loop edge. In mode `copy` the second word says which of the pair's three pages is the torn one.
 *
 * Throws `BAD_IMAGE`, with nothing changed, if the list has no end.
 */
export function relocate(
  memory: PhysicalMemory,
  head: number,
  swapPage: number,
  mode: RelocationMode,
  { stopAfter = Infinity, journal = NO_JOURNAL, journalWord = 0, copiesWord = 1 }: RelocationOptions = {},
): number {
  journal[journalWord] = 0;
  readList(memory, head, pairs);
  if (pairs.count === 0) return 0;
  assert(swapPage !== 0, 'a list is relocated without a swap page');
  const end = Math.min(pairs.count, stopAfter);
  const swap = pageIndexOf(swapPage);
  if (mode === 'exchange') exchangePairs(memory, end, swap, journal, journalWord);
  else copyPairs(memory, end, swap, journal, journalWord, copiesWord);
  memory.bumpEpoch();
  return end;
}

function exchangePairs(
  memory: PhysicalMemory,
  end: number,
  swap: number,
  journal: Int32Array,
  journalWord: number,
): void {
  const { table, ramPages } = memory;
  const { destinations, sources, limit } = pairs;
  // Where the last source's old bytes are now.
  let lastBytes = swap;
  for (let i = 0; i < end; i++) {
    const destination = destinations[i];
    const source = sources[i];
    if (destination < ramPages && source < limit) {
      // PhysicalMemory.exchange, written out: nothing may come between these stores and the count.
      const frame = table[destination];
      table[destination] = table[source];
      table[source] = frame;
      journal[journalWord] = i + 1;
      lastBytes = destination;
    } else {
      swapByCopies(memory, destination, source, swap);
      journal[journalWord] = i + 1;
      lastBytes = swap;
    }
  }
  if (end === pairs.count && lastBytes !== swap) copyPage(memory, lastBytes, swap);
}

function copyPairs(
  memory: PhysicalMemory,
  end: number,
  swap: number,
  journal: Int32Array,
  journalWord: number,
  copiesWord: number,
): void {
  for (let i = 0; i < end; i++) {
    swapByCopies(memory, pairs.destinations[i], pairs.sources[i], swap, journal, copiesWord);
    journal[journalWord] = i + 1;
    journal[copiesWord] = 0;
  }
}

function swapByCopies(
  memory: PhysicalMemory,
  destination: number,
  source: number,
  swap: number,
  journal: Int32Array = NO_JOURNAL,
  copiesWord = 1,
): void {
  const from = source < pairs.limit ? source : HOLE;
  const to = destination < memory.ramPages ? destination : HOLE;
  copyPage(memory, from, swap);
  journal[copiesWord] = 1;
  copyPage(memory, to, from);
  journal[copiesWord] = 2;
  copyPage(memory, swap, to);
}

function copyPage(memory: PhysicalMemory, from: number, to: number): void {
  memory.write(pageAddress(to), from === HOLE ? ONES : memory.viewOfPage(from));
}

/**
 * Undoes the first `done` pairs of a walk that was cut short, the last one first, so that it is exact for any list; before
 * them the pair that was `torn`. A pair with a hole stays as it is: its bytes are lost. The swap page is not touched.
 */
export function revertRelocation(
  memory: PhysicalMemory,
  head: number,
  done: number,
  { copies, swapPage }: TornPair = NOT_TORN,
): void {
  // Nothing is read for nothing: the list that was refused as damaged can be reverted, too.
  if (done === 0 && copies === 0) return;
  readList(memory, head, pairs);
  if (copies > 0) mendPair(memory, pairs.destinations[done], pairs.sources[done], pageIndexOf(swapPage), copies);
  for (let i = Math.min(done, pairs.count) - 1; i >= 0; i--) {
    const destination = pairs.destinations[i];
    const source = pairs.sources[i];
    if (destination < memory.ramPages && source < pairs.limit) memory.exchange(destination, source);
  }
  memory.bumpEpoch();
}

/** The pair as it was before its copies: the swap page has the source's bytes, and the source, once whole, the destination's. */
function mendPair(memory: PhysicalMemory, destination: number, source: number, swap: number, copies: number): void {
  if (destination >= memory.ramPages || source >= pairs.limit) return;
  if (copies === 2) copyPage(memory, source, destination);
  copyPage(memory, swap, source);
}

/** Calls `visit(destination, source)` for every pair of the list, physical addresses, in the order a jump swaps them. */
export function walkList(
  memory: PhysicalMemory,
  head: number,
  visit: (destination: number, source: number) => void,
): void {
  const list = new PairList();
  readList(memory, head, list);
  for (let i = 0; i < list.count; i++) visit(pageAddress(list.destinations[i]), pageAddress(list.sources[i]));
}
