// SPDX-License-Identifier: MIT
//
// A kernel may start anywhere within a page; kexec_load(2) wants segments of whole pages that do not overlap.
import { PAGE_SIZE, pagesIn } from '../../shared/units.ts';
import type { ProgramSegment } from './program.ts';

/** Page-aligned segments that cover the pieces; pieces that meet in a page, or touch, become one. */
export function wholePages(pieces: readonly ProgramSegment[]): ProgramSegment[] {
  const ranges: { first: number; end: number }[] = [];
  for (const { physAddr, length } of [...pieces].sort((a, b) => a.physAddr - b.physAddr)) {
    const first = Math.floor(physAddr / PAGE_SIZE);
    const end = pagesIn(physAddr + length);
    const last = ranges.at(-1);
    if (last !== undefined && first <= last.end) last.end = Math.max(last.end, end);
    else ranges.push({ first, end });
  }
  return ranges.map(({ first, end }) => {
    const start = first * PAGE_SIZE;
    const length = (end - first) * PAGE_SIZE;
    const bytes = new Uint8Array(length);
    for (const piece of pieces) {
      if (piece.physAddr >= start && piece.physAddr < start + length) bytes.set(piece.bytes, piece.physAddr - start);
    }
    return { physAddr: start, bytes, length };
  });
}
