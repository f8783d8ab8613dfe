// SPDX-License-Identifier: MIT
//
// Whole pages that machine code copies while paging is off. Two pages that change places through a third one, as in Linux's swap_pages
// (arch/x86/kernel/relocate_kernel_32.S), cost the exchange of two table entries: a copy is put off until it shows what it is part of.
// What is put off nobody can see: the pages have no entries in the TLB that would show their old bytes or let them be stored to, so
// an access misses, and whoever looks up a page, or ends a run, settles first.
import type { PhysicalMemory } from '../../../shared/physical-memory.ts';
import { PAGE_SIZE, pageAddress } from '../../../shared/units.ts';
import type { Tlb } from './tlb.ts';

export class PageMoves {
  /** `third` is to be a copy of `first`. */
  isPending = false;
  private third = 0;
  private first = 0;
  /** And behind that `first` one of `second`; −1: it is not. */
  private second = -1;
  private readonly memory: PhysicalMemory;
  private readonly tlb: Tlb;
  /** To be told of a frame that is about to leave its page. */
  private readonly frameLeaves: (frame: number) => void;

  constructor(memory: PhysicalMemory, tlb: Tlb, frameLeaves: (frame: number) => void) {
    this.memory = memory;
    this.tlb = tlb;
    this.frameLeaves = frameLeaves;
  }

  /** `target` is to be a copy of `source`; both may be. Never fails. */
  move(target: number, source: number): void {
    if (target === source) return;
    if (this.isPending && this.second >= 0) {
      if (target === this.second && source === this.third) {
        this.exchange();
        return;
      }
      this.settle();
    } else if (this.isPending) {
      if (target === this.first) {
        // Back from the third page, as when a page is exchanged with itself: it has these bytes.
        if (source === this.third) return;
        this.second = source;
        this.hide(target, source);
        return;
      }
      if (target === this.third) {
        // A copy that is written over was never needed, and the page is out of sight already.
        this.first = source;
        this.tlb.forbidStores(source);
        return;
      }
      this.settle();
    }
    this.isPending = true;
    this.third = target;
    this.first = source;
    this.hide(target, source);
  }

  /** Makes what was put off. */
  settle(): void {
    if (!this.isPending) return;
    const { third, first, second } = this;
    this.isPending = false;
    this.second = -1;
    this.copy(third, first);
    if (second >= 0) this.copy(first, second);
  }

  /** The third step of an exchange: `third`, which was to have what `first` had, is now a copy of `second`. */
  private exchange(): void {
    const { memory, tlb, first, second } = this;
    tlb.bumpEpochOnce();
    this.frameLeaves(memory.frameOf(second));
    memory.exchange(first, second);
    // The first one is out of sight since the second step.
    tlb.forgetPage(second);
    this.first = second;
    this.second = -1;
  }

  private hide(target: number, source: number): void {
    const { memory, tlb } = this;
    tlb.forgetPage(target);
    tlb.forbidStores(source);
    this.frameLeaves(memory.frameOf(target));
  }

  /** With a frame that both have, or, if none can be promised to who stores first, byte by byte. */
  private copy(target: number, source: number): void {
    const { memory, tlb } = this;
    if (memory.frameOf(target) === memory.frameOf(source)) return;
    tlb.bumpEpochOnce();
    if (memory.aliasOne(target, source)) return;
    const before = memory.epoch;
    memory.write(pageAddress(target), memory.read(pageAddress(source), PAGE_SIZE));
    tlb.adoptEpoch(before);
  }
}
