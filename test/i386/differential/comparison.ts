// SPDX-License-Identifier: MIT
//
// Makes cases, runs them on several machines, and compares what the first was left with to each of the others.
import type { CaseResult } from './batch-layout.ts';
import { MAX_CASES } from './batch-layout.ts';
import { differences } from './compare.ts';
import { type Case, makeCase, makeDataPage, type Wishes } from './generate.ts';
import { explain, mayDie } from './known.ts';
import { type Machine, type MachineName, runCases } from './machines.ts';
import { report } from './report.ts';

export interface Tally {
  cases: number;
  /** Pairs of results compared, by the name of the second machine. */
  readonly compared: Record<string, number>;
  /** How often each row of KNOWN explained something. */
  readonly known: Record<string, number>;
  /** How often execution stopped at each vector on the first machine. */
  readonly vectors: Record<number, number>;
  /** Reports of differences that nothing explains. */
  readonly unexplained: string[];
}

export interface ComparisonOptions {
  readonly count: number;
  readonly seed: number;
  /** Cases of one run of a machine. */
  readonly batch?: number;
  readonly wishes?: Wishes;
  readonly onBatch?: (tally: Tally) => void;
}

/** EM and TS, which a process cannot set. */
const NO_X87 = 0xc;
const TIMEOUT_MS = 30_000;

export async function compareMachines(machines: readonly Machine[], options: ComparisonOptions): Promise<Tally> {
  const { count, seed, batch = MAX_CASES, wishes, onBatch } = options;
  const tally: Tally = { cases: 0, compared: {}, known: {}, vectors: {}, unexplained: [] };
  for (let first = 0; first < count; first += batch) {
    const size = Math.min(batch, count - first);
    const cases = Array.from({ length: size }, (_, i) => makeCase(seed * 1_000_000 + first + i, wishes));
    const dataPage = makeDataPage(seed);
    const results = await Promise.all(machines.map((machine) => runCases(machine, cases, dataPage, TIMEOUT_MS)));
    cases.forEach((one, i) => {
      const [own, ...others] = results.map((ofMachine) => ofMachine[i]);
      compareCase(tally, one, machines, own, others);
    });
    tally.cases += size;
    onBatch?.(tally);
  }
  return tally;
}

function compareCase(
  tally: Tally,
  one: Case,
  machines: readonly Machine[],
  left: CaseResult | undefined,
  others: readonly (CaseResult | undefined)[],
): void {
  if (left) tally.vectors[left.vector] = (tally.vectors[left.vector] ?? 0) + 1;
  others.forEach((right, i) => {
    const names: [MachineName, MachineName] = [machines[0]!.name, machines[i + 1]!.name];
    if (!left || !right) {
      const lost = [left, right].flatMap((result, n) => (result || mayDie(one, names[n]!) ? [] : [names[n]!]));
      if (lost.length > 0)
        tally.unexplained.push(`${report(one, [], names, [])}\n  ${lost.join(', ')} did not survive it`);
      return;
    }
    if (names.includes('hardware') && (!one.mode.native || (one.cr0 & NO_X87) !== 0)) return;
    tally.compared[names[1]] = (tally.compared[names[1]] ?? 0) + 1;
    const { unexplained, used } = explain(one, names, [left, right], differences(one, left, right));
    for (const what of used) tally.known[what] = (tally.known[what] ?? 0) + 1;
    if (unexplained.length > 0) tally.unexplained.push(report(one, unexplained, names, [left, right]));
  });
}
