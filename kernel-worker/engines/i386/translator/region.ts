// SPDX-License-Identifier: MIT
//
// A region: decoded blocks of one code page that lead to each other, from a hot one on. They become one function. Where a block leads
// out of the page, or to code that has not been decoded, the function is left. All blocks of a region lie in one frame and were
// decoded under the same generation of it: as long as the block that is entered is good, so are all.
import { BLOCK_HEADER, type CodeCache } from '../code-cache.ts';
import { UOP } from '../uops.ts';

/** Blocks of a region are numbered with so many bits. */
export const ENTRY_BITS = 6;
const PAGE = 4096;
const BLOCKS_MAX = 48;
const WORDS_MAX = 6000;
const JMP = UOP.JMP;
const LAST = UOP.NEXT;
const JO = UOP.JO;
const JG = UOP.JG;
const LOOP = UOP.LOOP;
const PUSHIP = UOP.PUSHIP;
const HELPER = UOP.HELPER;

export interface RegionBlock {
  /** Its number in the region. */
  readonly id: number;
  /** Where it is in the cache, and its micro-operations' end. */
  readonly at: number;
  readonly end: number;
  /** Offset in the page, and instructions. */
  readonly start: number;
  readonly count: number;
  /** Numbers of the blocks that it may lead to. */
  readonly successors: number[];
}

export interface Region {
  readonly blocks: readonly RegionBlock[];
  /** Blocks that may be entered from outside: the hot one, and those behind calls. */
  readonly entries: ReadonlySet<number>;
  /** Where calls within the region return to. */
  readonly returnSites: ReadonlySet<number>;
  readonly mode: number;
}

/** Offsets in the page that a micro-operation at `at` of the block may jump to; beyond the page too. */
export function jumpTarget(code: Int32Array, at: number, start: number): number {
  const operation = code[at];
  const isJump = operation === JMP || (operation >= JO && operation <= JG) || operation === LOOP;
  return isJump ? start + code[at + 3] : -1;
}

/** The region around a hot block. */
export function collectRegion(cache: CodeCache, seed: number): Region {
  const { code } = cache;
  const frame = code[seed + 1];
  const mode = code[seed + 6];
  const blocks: RegionBlock[] = [];
  const numbers = new Map<number, number>();
  const entries = new Set([0]);
  const returnSites = new Set<number>();
  let words = 0;

  const numberOf = (offset: number): number => {
    if (offset < 0 || offset >= PAGE) return -1;
    return add(cache.blockAt(frame, offset, mode));
  };
  const add = (at: number): number => {
    const known = numbers.get(at);
    if (known !== undefined) return known;
    if (at === 0 || blocks.length === BLOCKS_MAX || words > WORDS_MAX || !isWorthwhile(code, at)) return -1;
    const end = endOf(code, at);
    words += end - at;
    const id = blocks.length;
    blocks.push({ id, at, end, start: code[at + 5], count: code[at], successors: [] });
    numbers.set(at, id);
    return id;
  };

  add(seed);
  for (let i = 0; i < blocks.length; i++) {
    const { at, end, start, successors } = blocks[i];
    let returnOffset = -1;
    for (let uop = at + BLOCK_HEADER; uop < end; uop += 4) {
      if (code[uop] === PUSHIP) returnOffset = start + code[uop + 3];
      const target = jumpTarget(code, uop, start);
      if (target < 0) continue;
      const number = numberOf(target);
      if (number < 0) continue;
      if (!successors.includes(number)) successors.push(number);
      if (code[uop] === JMP && returnOffset >= 0) {
        const site = numberOf(returnOffset);
        if (site >= 0) returnSites.add(site);
      }
    }
    if (returnOffset < 0) continue;
    const site = numberOf(returnOffset);
    if (site >= 0) entries.add(site);
  }
  // A return within the region leads to any of the places behind its calls.
  for (const { end, successors } of blocks) {
    if (code[end - 4] !== UOP.JMPR) continue;
    for (const site of returnSites) if (!successors.includes(site)) successors.push(site);
  }
  return { blocks, entries, returnSites, mode };
}

/**
 * A block within one page whose first micro-operation is not already one that the interpreter must do. HELPER with NEXT behind it is
 * left to the interpreter.
 */
function isWorthwhile(code: Int32Array, block: number): boolean {
  if (code[block + 3] >= 0) return false;
  const first = block + BLOCK_HEADER;
  return code[first] !== HELPER || code[first + 4] !== LAST;
}

/** End of a block's micro-operations: behind the one that leaves it. */
export function endOf(code: Int32Array, block: number): number {
  let at = block + BLOCK_HEADER;
  while (code[at] > LAST) at += 4;
  return at + 4;
}
