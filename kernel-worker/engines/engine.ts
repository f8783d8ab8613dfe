// SPDX-License-Identifier: MIT
//
// What executes a kernel. An engine keeps nothing that matters outside the bytes: `flush` writes back what it holds in locals
// or caches, `invalidate` drops everything derived from memory or CPU, because somebody else may have changed both.

export const EngineStop = {
  /** The budget is used up. */
  budget: 0,
  /** The kernel asked for something: see `request` in its slot. */
  request: 1,
  /** The kernel waits for an interrupt and none will come. */
  deadlock: 2,
  /** The kernel stopped for good: see `stopCode` in its slot. */
  stopped: 3,
} as const;
export type EngineStopValue = (typeof EngineStop)[keyof typeof EngineStop];

export interface Engine {
  readonly name: string;
  /** Instructions in a slice: so many that a wish of the host is seen within about a millisecond. */
  readonly slice: number;
  /** First entry of a kernel: registers are as the border protocol left them, or as its loader wants them. */
  enter(): EngineStopValue;
  /** Runs for at most `budget` instructions (steps of a TypeScript kernel) and not past the tick. */
  run(budget: number, untilTick: number): EngineStopValue;
  flush(): void;
  invalidate(): void;
  /** Freezes the kernel's tasks: 0 or the errno of a refusal. Machine code does this by itself, before it jumps. */
  freezeTasks(): number;
  thawTasks(): void;
}
