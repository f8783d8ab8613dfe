// SPDX-License-Identifier: MIT
//
// The relocation journal: which lists a jump walks and how far it has come, in the live words. A thread can be ended between
// any two exchanges; the pages of kernels that are parked must not be lost with it. Whoever finds the journal active walks
// back what was done, and memory is as it was before the relocation began.
//
// Written by the thread that relocates; read by the same thread when a later line is refused, or by the host after its death.
// A thread is ended at calls and loop back edges only, never between two plain stores in a row: an exchange and the count
// that follows it cannot be torn apart.
import { assert } from '../errors.ts';
import { JOURNAL_LISTS_MAX, LIVE } from '../layout/live-words.ts';
import type { MachineMemory } from '../machine-memory.ts';
import type { PhysicalMemory } from '../physical-memory.ts';
import { type RelocationMode, relocate, revertRelocation } from './relocate.ts';

export class RelocationJournal {
  private readonly memory: PhysicalMemory;
  private readonly live: Int32Array;

  constructor(machine: MachineMemory, memory: PhysicalMemory) {
    this.memory = memory;
    this.live = machine.words('live');
  }

  get active(): boolean {
    return Atomics.load(this.live, LIVE.journalActive) !== 0;
  }

  /**
   * Walks the lists in order and returns the pages exchanged: `stopAfter` of them at most. The journal stays open until the
   * relocation is taken back or stands. Throws what reading a damaged list throws, with everything taken back.
   */
  walk(heads: readonly number[], swapPage: number, mode: RelocationMode, stopAfter: number): number {
    this.open(heads, swapPage);
    let done = 0;
    try {
      for (let i = 0; i < heads.length; i++) {
        done += relocate(this.memory, heads[i], swapPage, mode, {
          stopAfter: stopAfter - done,
          journal: this.live,
          journalWord: LIVE.journalDone + i,
          copiesWord: LIVE.journalCopies + i,
        });
      }
    } catch (error) {
      this.revert();
      throw error;
    }
    return done;
  }

  private open(heads: readonly number[], swapPage: number): void {
    const { live } = this;
    assert(!this.active, 'a relocation is already under way');
    assert(heads.length <= JOURNAL_LISTS_MAX, 'more lists than the journal holds');
    heads.forEach((head, i) => {
      live[LIVE.journalHeads + i] = head;
      live[LIVE.journalDone + i] = 0;
      live[LIVE.journalCopies + i] = 0;
    });
    live[LIVE.journalLists] = heads.length;
    live[LIVE.journalSwapPage] = swapPage;
    Atomics.store(live, LIVE.journalActive, 1);
  }

  /** Walks everything back that has been exchanged, last list first, and closes the journal. */
  revert(): void {
    const { live } = this;
    for (let i = live[LIVE.journalLists] - 1; i >= 0; i--) {
      revertRelocation(this.memory, live[LIVE.journalHeads + i] >>> 0, live[LIVE.journalDone + i], {
        copies: live[LIVE.journalCopies + i],
        swapPage: live[LIVE.journalSwapPage] >>> 0,
      });
    }
    this.close();
  }

  /** The relocation stands. */
  close(): void {
    Atomics.store(this.live, LIVE.journalActive, 0);
  }
}
