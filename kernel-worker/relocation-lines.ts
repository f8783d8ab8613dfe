// SPDX-License-Identifier: MIT
//
// Line 10 of the jump: bring the leaver's pages out and the target's in, by walking lists that are their own inverse
// (relocate_kernel's swap_pages). The journal tells whoever comes after a dead thread what to walk back.
import { Errno } from '../shared/errno.ts';
import { isDamagedList } from '../shared/kexec/entry-list.ts';
import { listsBetween } from '../shared/kexec/home-lists.ts';
import type { Jump } from './jump.ts';

export function relocatePages(jump: Jump): number {
  const { board, fault, pages } = jump;
  const stopAfter = fault.line === 'relocate' ? Math.max(0, fault.index) : Number.POSITIVE_INFINITY;
  try {
    jump.pagesMoved = board.journal.walk(listsToWalk(jump), pages?.swapPage ?? 0, board.options.relocation, stopAfter);
  } catch (error) {
    // A list that the guest has damaged is the guest's mistake, found before its first page moved.
    if (isDamagedList(error)) return Errno.EINVAL;
    throw error;
  }
  if (jump.pagesMoved < stopAfter) return 0;
  board.journal.revert();
  return fault.errno;
}

export function takeBackRelocation({ board }: Jump): number {
  board.journal.revert();
  return 0;
}

/** Heads of the lists of this jump, in the order in which they are walked. The target has its slot. */
export function listsToWalk({ board, me, target, preserve }: Jump): number[] {
  // Out with the leaver and its parents, in with the target and its parents.
  if (preserve) return listsBetween(board.slots, me, target?.slot ?? null);
  // After a plain kexec the target stands where the leaver stood, and inherits its home list: only the image is walked. A
  // kernel that the image brought parked then brings its own window back, as its stub does on the return leg (§3.4).
  return [me.kexecImage.head >>> 0, target?.parkedHead ?? 0].filter((head) => head !== 0);
}
