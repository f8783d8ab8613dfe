// SPDX-License-Identifier: MIT
//
// The live words: who owns the CPU, who is waiting, how far a run may go. They describe the threads around the machine, not
// the machine, so no capture carries them. Indices are 32-bit words from the start of the region `live`; everything that
// more than one thread touches at a time is accessed with Atomics.

/** Words of the region `live`, by index. */
export const LIVE = {
  /** 0: the host owns the CPU; n: kernel slot n − 1 does. Only the owner's thread writes the machine. */
  owner: 0,
  /** The host asks the owner to stop at the next slice boundary. */
  stopRequest: 1,
  /** Why the owner gave the CPU back to the host (`StopReason`), and which slot had it. */
  stopReason: 2,
  stopKernel: 3,
  /** Switches that may still happen in this run; −1 is no limit. */
  switchesLeft: 4,
  /** Steps that may still happen in this run; −1 is no limit. */
  stepsLeft: 5,
  /** float64: the tick at which this run stops (two words, 8-byte aligned). */
  runLimitTick: 6,
  /** Threads that spin right now instead of blocking. */
  spinners: 8,
  /** Relocation journal (shared/kexec/journal.ts): 1 from the first exchange to the hand-over; lists in the journal. */
  journalActive: 10,
  journalLists: 11,
  /** Physical address of the swap page of that relocation. */
  journalSwapPage: 12,
  /** Frame pool: lock (holder's key), free frames, frames promised to stores, first capture, mapping epoch. */
  poolLock: 16,
  poolFree: 17,
  poolReserved: 18,
  poolCaptures: 19,
  poolEpoch: 20,
  /** Hidden pages below this count have been used; captures need not look above. */
  hiddenHigh: 21,
  /** Trace ring: records ever written, records ever read, a producer waits for room. */
  traceHead: 24,
  traceTail: 25,
  traceWaiting: 26,
  /** Of each list: its head, and how many of its pages have been exchanged. */
  journalHeads: 32,
  journalDone: 40,
  /** Of each list: copies made of the pair under way, in mode `copy`. */
  journalCopies: 48,
} as const;
/** Lists that one jump can walk: leaving the kernel's own and its parents', entering the target's. */
export const JOURNAL_LISTS_MAX = 8;

/** Words of one kernel's block, by index from `LIVE_KERNEL_BASE + slot * LIVE_KERNEL_WORDS`. */
export const LIVE_KERNEL = {
  /** Bumped and notified for every event addressed to this kernel: hand-over or control message. */
  bell: 0,
  /** 1 while a thread is attached to the slot. */
  thread: 1,
  /** 1 while that thread is counted in `spinners`. */
  spinning: 2,
  /** Console ring: bytes ever written, bytes ever read. */
  consoleHead: 3,
  consoleTail: 4,
  /** The host wants the thread to leave the slot. */
  detach: 5,
} as const;

export const LIVE_KERNEL_BASE = 64;
export const LIVE_KERNEL_WORDS = 16;
export const LIVE_BYTES = 8192;
