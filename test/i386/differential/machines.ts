// SPDX-License-Identifier: MIT
//
// The machines that a batch can run on, and how a batch is run to its end, also past cases that hang a machine.
import { type CaseResult, decodeResult, encodeBatch, type Outcome } from './batch-layout.ts';
import type { Case } from './generate.ts';
import { MachineProcess } from './machine-process.ts';
import { Hardware } from './run-hardware.ts';
import { runOnQemu } from './run-qemu.ts';

export type MachineName = 'own' | 'qemu' | 'v86' | 'hardware';

export interface Machine extends Disposable {
  readonly name: MachineName;
  /** Runs a batch for at most `timeoutMs`. */
  run(batch: Uint8Array, timeoutMs: number): Promise<Outcome>;
}

export function openMachine(name: MachineName): Machine {
  if (name === 'qemu') return { name, run: runOnQemu, [Symbol.dispose]: () => {} };
  const machine = name === 'hardware' ? new Hardware() : new MachineProcess(`run-${name}.ts`);
  const run: Machine['run'] = (batch, timeoutMs) => machine.run(batch, timeoutMs);
  return { name, run, [Symbol.dispose]: () => machine[Symbol.dispose]() };
}

/** The result of each case; undefined for a case that the machine did not survive. */
export async function runCases(
  machine: Machine,
  cases: readonly Case[],
  dataPage: Uint8Array,
  timeoutMs: number,
): Promise<(CaseResult | undefined)[]> {
  const results: (CaseResult | undefined)[] = [];
  while (results.length < cases.length) {
    const first = results.length;
    const outcome = await machine.run(encodeBatch(cases, dataPage, first), timeoutMs);
    while (results.length < outcome.index) results.push(decodeResult(outcome.results, results.length));
    if (!outcome.done) results.push(undefined);
  }
  return results;
}
