// SPDX-License-Identifier: MIT
//
// Hidden pages: physical pages above RAM that no guest can name. They hold the control, swap, indirection, source and context
// pages of loads that no guest made itself. A byte a page says which kernel slot it serves, so that unloading a kernel frees
// all of them and a picture of memory can show them. Only the owner of the CPU allocates and frees.
import { assert, KjumpError } from './errors.ts';
import { ZERO_FRAME } from './frames.ts';
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
    const { memory, owners, live } = this;
    assert(Number.isInteger(count) && count >= 0, `allocates ${count} hidden pages`);
    const pages: number[] = [];
    let high = 0;
    for (; high < owners.length && pages.length < count; high++) {
      if (owners[high] === 0) pages.push(memory.ramPages + high);
    }
    if (pages.length < count) {
      throw new KjumpError('OUT_OF_PAGES', `${count} hidden pages are needed and ${pages.length} are free`, {
        why: 'every loaded kernel keeps a hidden page for each page of its window',
        fix: 'unload a kernel, use smaller windows, or create the machine with a larger spare',
        details: { needed: count, free: pages.length },
      });
    }
    memory.frames.lock();
    try {
      memory.promise(count);
      // First of all: a page above that count is in no capture and in no account.
      if (high > live[LIVE.hiddenHigh]) live[LIVE.hiddenHigh] = high;
      for (const page of pages) owners[page - memory.ramPages] = slot + 1;
    } finally {
      memory.frames.unlock();
    }
    return pages;
  }

  /** Frees the given pages, each owned and named once. */
  release(pages: Iterable<number>): void {
    const { memory, owners } = this;
    const { frames, table, ramPages } = memory;
    frames.lock();
    try {
      for (const page of pages) {
        assert(owners[page - ramPages] > 0, 'a hidden page is freed that nobody owns');
        // Either the page has a frame, which comes free, or it was promised one.
        if (memory.isShared(page)) frames.reserved -= 1;
        const frame = table[page];
        table[page] = ZERO_FRAME;
        frames.drop(frame);
        // Last, for a thread that dies here: a free page maps no frame.
        owners[page - ramPages] = 0;
      }
    } finally {
      frames.unlock();
    }
    memory.bumpEpoch();
  }

  /** The pages that serve a kernel slot. */
  of(slot: number): number[] {
    const pages: number[] = [];
    for (let index = 0; index < this.live[LIVE.hiddenHigh]; index++) {
      if (this.owners[index] === slot + 1) pages.push(this.memory.ramPages + index);
    }
    return pages;
  }

  /** Makes the given pages, each owned, serve the kernel in slot `to`. */
  handOn(pages: Iterable<number>, to: number): void {
    for (const page of pages) {
      assert(this.owners[page - this.memory.ramPages] > 0, 'a hidden page is handed on that nobody owns');
      this.owners[page - this.memory.ramPages] = to + 1;
    }
  }
}
