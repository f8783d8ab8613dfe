// SPDX-License-Identifier: MIT
//
// Hidden pages: physical pages above RAM that no guest can name. They hold the control, swap, indirection, source and context
// pages of loads that no guest made itself. A byte a page says which kernel slot it serves, so that unloading a kernel frees
// all of them and a picture of memory can show them. Only the owner of the CPU allocates and frees.
import { KjumpError } from './errors.ts';
import { LIVE } from './layout/live-words.ts';
import type { MachineMemory } from './machine-memory.ts';
import type { PhysicalMemory } from './physical-memory.ts';

export class HiddenPages {
  private readonly memory: PhysicalMemory;
  private readonly owners: Uint8Array;
  private readonly live: Int32Array;

  constructor(machine: MachineMemory, memory: PhysicalMemory) {
    this.memory = memory;
    this.owners = memory.hiddenOwners;
    this.live = machine.words('live');
  }

  /**
   * Page indices of `count` zeroed pages for the kernel in `slot`. Throws `OUT_OF_PAGES` if so many are not free, or
   * `OUT_OF_FRAMES` if stores to them could not be promised; nothing is changed then.
   */
  allocate(count: number, slot: number): number[] {
    const pages: number[] = [];
    for (let index = 0; index < this.owners.length && pages.length < count; index++) {
      if (this.owners[index] === 0) pages.push(this.memory.ramPages + index);
    }
    if (pages.length < count) {
      throw new KjumpError('OUT_OF_PAGES', `${count} hidden pages are needed and ${pages.length} are free`, {
        why: 'every loaded kernel keeps a hidden page for each page of its window',
        fix: 'unload a kernel, use smaller windows, or create the machine with more hidden memory',
        details: { needed: count, free: pages.length },
      });
    }
    const { frames } = this.memory;
    frames.lock();
    try {
      this.memory.promise(count);
    } finally {
      frames.unlock();
    }
    for (const page of pages) this.owners[page - this.memory.ramPages] = slot + 1;
    const high = (pages.at(-1) ?? -1) - this.memory.ramPages + 1;
    if (high > this.live[LIVE.hiddenHigh]) this.live[LIVE.hiddenHigh] = high;
    return pages;
  }

  /** Frees the given pages. */
  release(pages: Iterable<number>): void {
    const { frames } = this.memory;
    for (const page of pages) {
      // Zeroing promises the page a frame for its next store; a free page needs none.
      this.memory.zero(page);
      this.owners[page - this.memory.ramPages] = 0;
      frames.lock();
      frames.reserved -= 1;
      frames.unlock();
    }
  }

  /** The pages that serve a kernel slot. */
  of(slot: number): number[] {
    const pages: number[] = [];
    for (let index = 0; index < this.live[LIVE.hiddenHigh]; index++) {
      if (this.owners[index] === slot + 1) pages.push(this.memory.ramPages + index);
    }
    return pages;
  }

  /** Makes every hidden page that serves `from` serve `to`. */
  handOn(pages: Iterable<number>, to: number): void {
    for (const page of pages) this.owners[page - this.memory.ramPages] = to + 1;
  }
}
