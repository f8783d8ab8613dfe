// SPDX-License-Identifier: MIT
//
// How a run ended: as plain data for JSON, and as the few lines that people get.
import { formatSize, PAGE_SIZE } from '../../shared/units.ts';
import type { RunReport } from '../events.ts';
import type { KernelInspection } from '../inspect.ts';
import type { Machine } from '../machine.ts';
import type { AppliedPolicy } from '../resume-policy.ts';
import { alignColumns } from './columns.ts';
import type { Output } from './output.ts';
import { policyText } from './policy.ts';

export interface Outcome {
  readonly reason: RunReport['reason'];
  /** The kernel that had the machine last. */
  readonly kernel: string;
  readonly tick: number;
  readonly switches: number;
  readonly wallMs: number;
  /** What the kernel gave at power-off; null if it did not. */
  readonly exitStatus: number | null;
  readonly kernels: readonly KernelInspection[];
  readonly saved: { readonly path: string; readonly bytes: number } | null;
  /** What the kernels were told when the machine was resumed; null for a new one. */
  readonly resumedWith: AppliedPolicy | null;
}

export async function outcomeOf(
  machine: Machine,
  reason: Outcome['reason'],
  wallMs: number,
  saved: Outcome['saved'],
): Promise<Outcome> {
  const { kernels } = await machine.inspect();
  const { current } = machine;
  return {
    reason,
    kernel: current?.name ?? '',
    tick: machine.now,
    switches: machine.switches,
    wallMs: Math.round(wallMs * 10) / 10,
    exitStatus: reason === 'powerOff' ? (current?.stop.exitStatus ?? null) : null,
    kernels,
    saved,
    resumedWith: machine.resumedWith,
  };
}

const ENDINGS: Readonly<Record<Outcome['reason'], (outcome: Outcome) => string>> = {
  none: () => 'stopped',
  limit: ({ kernel }) => `the limit was reached; ${kernel} has the machine`,
  requested: ({ kernel }) => `paused; ${kernel} has the machine`,
  powerOff: ({ kernel, exitStatus }) => `${kernel} powered off with status ${exitStatus}`,
  crashed: ({ kernel }) => `${kernel} crashed`,
  deadlock: ({ kernel }) => `${kernel} waits for an interrupt that will never come`,
};

export function describeRun(outcome: Outcome, { colors }: Output): string {
  const { tick, wallMs, switches, kernels, saved, resumedWith } = outcome;
  const rows = [
    ['ended', ENDINGS[outcome.reason](outcome)],
    ['time', `${virtualTime(tick)} virtual, ${(wallMs / 1000).toFixed(2)} s of the wall`],
    ['switches', String(switches)],
    ...kernelRows(kernels).map((text, i) => [i === 0 ? 'kernels' : '', text]),
  ];
  const policy = resumedWith === null ? '' : policyText(resumedWith);
  if (policy !== '') rows.push(['policy', policy]);
  if (saved !== null) rows.push(['saved', `${saved.path}, ${saved.bytes.toLocaleString('en')} bytes`]);
  return rows.map(([label, text]) => `${colors.dim(label.padEnd(10))}${text}`.trimEnd()).join('\n');
}

/** A line for each kernel, in columns. */
export function kernelRows(
  kernels: readonly Pick<KernelInspection, 'name' | 'state' | 'steps' | 'windows'>[],
): string[] {
  return alignColumns(
    kernels.map(({ name, state, steps, windows }) => [
      name,
      state,
      `${steps.toLocaleString('en')} steps`,
      windows.map(({ firstPage, endPage }) => `${bytes(firstPage)}..${bytes(endPage)}`).join(', '),
    ]),
    [2],
  );
}

const bytes = (pages: number): string => formatSize(pages * PAGE_SIZE);

/** Ticks are nanoseconds. */
export function virtualTime(tick: number): string {
  if (tick < 1e6) return `${tick / 1000} µs`;
  return tick < 1e9 ? `${(tick / 1e6).toFixed(3)} ms` : `${(tick / 1e9).toFixed(3)} s`;
}
