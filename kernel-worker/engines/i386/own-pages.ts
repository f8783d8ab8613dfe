// SPDX-License-Identifier: MIT
//
// Pages of guest-physical memory that a kernel may store to: its windows, and hidden pages in which a
// jump may have left its stack.
import type { KernelSlot } from '../../../shared/kernel-slot.ts';
import { stackPages } from '../../../shared/kexec/home-pages.ts';
import { WindowGuard } from '../../../shared/kexec/windows.ts';
import type { Board } from '../../board.ts';

export class OwnPages {
  private readonly board: Board;
  private guard = new WindowGuard([]);
  private stackPages: readonly number[] = [];

  constructor(board: Board) {
    this.board = board;
  }

  /** What the slot says may have changed. */
  refresh(slot: KernelSlot): void {
    this.guard = new WindowGuard(slot.windows);
    this.stackPages = stackPages(this.board.slots, slot);
  }

  has(page: number): boolean {
    const { memory } = this.board;
    if (page < memory.ramPages) return this.guard.allows(page);
    return this.stackPages.includes(page) && memory.hiddenOwners[page - memory.ramPages] !== 0;
  }
}
