// SPDX-License-Identifier: MIT
//
// One thing at a time, in the order of asking: what system_transition_mutex is to Linux's jumps and hibernations.
export class Mutex {
  private last: Promise<unknown> = Promise.resolve();

  /** Runs `work` when everything asked for before has ended, however it ended. */
  run<T>(work: () => Promise<T> | T): Promise<T> {
    const result = this.last.then(work, work);
    this.last = result.catch(() => {});
    return result;
  }
}
