// SPDX-License-Identifier: MIT
//
// Who owns the CPU, and how the others wait. Only the owner's thread writes the machine. Ownership moves by one atomic store
// of the owner word: the old owner's `Atomics.store` and the new owner's `Atomics.load` of it order everything else, and
// nobody relies on any other ordering. RAM, registers and records are plain accesses.
//
// Every event addressed to a kernel (hand-over, control message, detach) bumps and notifies that kernel's bell, so that one
// wait covers them all and no wake-up is lost: the waiter remembers the bell it has seen and `Atomics.wait` compares it.
import { LIVE, LIVE_KERNEL, LIVE_KERNEL_BASE, LIVE_KERNEL_WORDS } from './layout/live-words.ts';
import type { MachineMemory } from './machine-memory.ts';

export const HOST = 0;
/** A lost thread is noticed at the latest after this long. */
const WATCHDOG_MS = 1000;

export class Ownership {
  readonly live: Int32Array;

  constructor(machine: MachineMemory) {
    this.live = machine.words('live');
  }

  /** `HOST`, or kernel slot + 1. */
  get owner(): number {
    return Atomics.load(this.live, LIVE.owner);
  }

  isOwner(slot: number): boolean {
    return Atomics.load(this.live, LIVE.owner) === slot + 1;
  }

  /** Moves the CPU to a kernel: the one store, then its bell. */
  giveToKernel(slot: number): void {
    Atomics.store(this.live, LIVE.owner, slot + 1);
    this.ring(slot);
  }

  giveToHost(): void {
    Atomics.store(this.live, LIVE.owner, HOST);
  }

  ring(slot: number): void {
    const bell = word(slot, LIVE_KERNEL.bell);
    Atomics.add(this.live, bell, 1);
    Atomics.notify(this.live, bell);
  }

  bell(slot: number): number {
    return Atomics.load(this.live, word(slot, LIVE_KERNEL.bell));
  }

  /**
   * Waits until the kernel's bell is no longer `seen`: spins up to `spins` loads if a core is free for it, then blocks, for
   * `timeoutMs` at most.
   */
  waitForBell(slot: number, seen: number, spins: number, maxSpinners: number, timeoutMs = WATCHDOG_MS): void {
    const bell = word(slot, LIVE_KERNEL.bell);
    if (spins > 0 && this.spin(slot, bell, seen, spins, maxSpinners)) return;
    Atomics.wait(this.live, bell, seen, timeoutMs);
  }

  /** True if the bell rang. Spinners beyond the spare cores would only take time slices from the thread that works. */
  private spin(slot: number, bell: number, seen: number, spins: number, maxSpinners: number): boolean {
    const spinning = word(slot, LIVE_KERNEL.spinning);
    const others = Atomics.add(this.live, LIVE.spinners, 1);
    // The mark follows the count: the host takes it back if this thread dies here.
    Atomics.store(this.live, spinning, 1);
    let rang = false;
    if (others < maxSpinners) {
      for (let i = 0; i < spins && !rang; i++) rang = Atomics.load(this.live, bell) !== seen;
    }
    Atomics.store(this.live, spinning, 0);
    Atomics.sub(this.live, LIVE.spinners, 1);
    return rang;
  }

  /** Takes back what a dead thread left in the count of spinners. */
  forgetSpinner(slot: number): void {
    if (Atomics.exchange(this.live, word(slot, LIVE_KERNEL.spinning), 0) === 1)
      Atomics.sub(this.live, LIVE.spinners, 1);
  }

  hasThread(slot: number): boolean {
    return Atomics.load(this.live, word(slot, LIVE_KERNEL.thread)) === 1;
  }
  setThread(slot: number, attached: boolean): void {
    Atomics.store(this.live, word(slot, LIVE_KERNEL.thread), attached ? 1 : 0);
  }

  /** Asks the thread of a parked kernel to leave its slot. */
  askToDetach(slot: number): void {
    Atomics.store(this.live, word(slot, LIVE_KERNEL.detach), 1);
    this.ring(slot);
  }
  isAskedToDetach(slot: number): boolean {
    return Atomics.load(this.live, word(slot, LIVE_KERNEL.detach)) === 1;
  }
  clearDetach(slot: number): void {
    Atomics.store(this.live, word(slot, LIVE_KERNEL.detach), 0);
  }
}

const word = (slot: number, index: number): number => LIVE_KERNEL_BASE + slot * LIVE_KERNEL_WORDS + index;
export const liveKernelWord = word;
