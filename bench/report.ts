// SPDX-License-Identifier: MIT
//
// A benchmark's figure beside the bound it was measured with, in the same run, and the ratio of the two.

export interface Result {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the figure is to be compared with, in the same unit. */
  readonly bound: number;
  readonly ratio: number;
  readonly ratioIs: 'value / bound' | 'bound / value';
  /** What the bound is. */
  readonly boundIs: string;
  /** What the figure must not exceed, or must come to if more is better, in its unit, on two free cores. */
  readonly reach: number;
  readonly better: 'less' | 'more';
}

export interface BenchOptions {
  /** A short run: for its checks, not its times. */
  readonly quick: boolean;
}

export type Benchmark = (options: BenchOptions) => Promise<Result[]>;

/** A figure with its bound: [bound, what it is], and what it is to reach. */
export function result(
  name: string,
  value: number,
  unit: string,
  [bound, boundIs]: readonly [number, string],
  reach: number,
  better: Result['better'] = 'less',
): Result {
  return {
    name,
    value: round(value),
    unit,
    bound: round(bound),
    ratio: round(value / bound),
    ratioIs: 'value / bound',
    boundIs,
    reach: round(reach),
    better,
  };
}

/** A time beside that of another PC for the same work: the ratio says how many times as fast this one is. */
export function timeBeside(
  name: string,
  value: number,
  unit: string,
  other: readonly [number, string],
  reach: number,
): Result {
  return { ...result(name, value, unit, other, reach), ratio: round(other[0] / value), ratioIs: 'bound / value' };
}

/** The same for a speed. */
export function speed(
  name: string,
  value: number,
  unit: string,
  bound: readonly [number, string],
  reach: number,
): Result {
  return result(name, value, unit, bound, reach, 'more');
}

export const isReached = ({ value, reach, better }: Result): boolean =>
  better === 'less' ? value <= reach : value >= reach;

const round = (value: number): number => Number(value.toPrecision(4));

/** The value below which a fraction of the samples lies; the samples are sorted in place. */
export function percentile(samples: number[], fraction: number): number {
  samples.sort((a, b) => a - b);
  return samples[Math.min(samples.length - 1, Math.floor(samples.length * fraction))];
}

export const median = (samples: number[]): number => percentile(samples, 0.5);

/** Median µs of a few runs of a piece of work. */
export async function timeUs(rounds: number, work: (round: number) => unknown): Promise<number> {
  const samples: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const started = performance.now();
    await work(round);
    samples.push((performance.now() - started) * 1000);
  }
  return median(samples);
}

/** Says why a benchmark's own check failed: figures of wrong results are worth nothing. */
export function check(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`benchmark check failed: ${what}`);
}
