// SPDX-License-Identifier: MIT
//
// Runs files of single-step vectors and counts: what passed, what failed, and what a documented difference between chips leaves
// out. A store to a byte that no vector names is found by looking at all of memory every so often.
import { basename } from 'node:path';
import { hex, PAGE_SIZE } from '../../shared/units.ts';
import { type Mismatches, VectorRunner } from './check-vector.ts';
import type { Differences } from './differences.ts';
import type { MakeTestPc, TestPc } from './test-pc.ts';
import { REGISTERS, type Vector } from './vector.ts';
import { readVectors, vectorFiles } from './vector-files.ts';

const MEMORY = 2 * 1024 ** 2;
/** Vectors between two looks at all of memory. */
const SWEEP = 250;

export interface VectorOptions {
  /** Vectors of each file, from its start. */
  readonly limit: number;
  /** Failures of each file to show. */
  readonly show: number;
}

export interface FileResult {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  /** Not run, because of a documented difference. */
  readonly skipped: number;
}

type Print = (text: string) => void;

export async function runVectors(
  path: string,
  differences: Differences,
  makePc: MakeTestPc,
  options: VectorOptions,
  print: Print,
): Promise<FileResult[]> {
  const pc = makePc({ memory: MEMORY, devices: false });
  const runner = new VectorRunner(pc, differences);
  const results: FileResult[] = [];
  for (const file of await vectorFiles(path)) {
    const vectors = (await readVectors(file)).slice(0, options.limit);
    const result = runFile(basename(file), vectors, runner, pc, options.show, print);
    print(formatCounts(result));
    results.push(result);
  }
  return results;
}

function runFile(
  file: string,
  vectors: readonly Vector[],
  runner: VectorRunner,
  pc: TestPc,
  show: number,
  print: Print,
): FileResult {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  let shown = 0;
  const report = (text: () => string): void => {
    failed++;
    if (shown++ < show) print(text());
  };
  vectors.forEach((vector, position) => {
    const leniency = runner.leniencyOf(vector);
    if (leniency.skipped !== null) skipped++;
    else {
      const mismatches = runner.check(vector, leniency);
      if (mismatches.length === 0) passed++;
      else {
        report(() => formatFailure(file, vector, mismatches));
        // Whatever it has stored where nothing was expected must not be found again.
        sweep(pc);
      }
    }
    if (position % SWEEP === SWEEP - 1 || position === vectors.length - 1) {
      const stray = sweep(pc);
      if (stray < 0) return;
      passed = Math.max(0, passed - 1);
      const first = position - (position % SWEEP);
      report(
        () => `${file} #${first} to #${position}: one of them has stored to ${hex(stray, 6)}, which it does not name`,
      );
    }
  });
  return { file, passed, failed, skipped };
}

/** Makes memory zeros; address of the first byte that was not, or −1. */
function sweep({ memory }: TestPc): number {
  const zeros = Buffer.alloc(PAGE_SIZE);
  let stray = -1;
  for (let page = 0; page < MEMORY / PAGE_SIZE; page++) {
    const bytes = memory.viewOfPage(page);
    if (zeros.equals(bytes)) continue;
    if (stray < 0) stray = page * PAGE_SIZE + bytes.findIndex((byte) => byte !== 0);
    memory.write(page * PAGE_SIZE, zeros);
  }
  return stray;
}

export function formatCounts({ file, passed, failed, skipped }: FileResult): string {
  const counts = [`${passed} passed`, `${failed} failed`, `${skipped} left out`].map((text) => text.padStart(16));
  return `${file.padEnd(16)}${counts.join('')}`;
}

function formatFailure(file: string, { index, name, bytes, initial }: Vector, mismatches: Mismatches): string {
  const code = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const registers = REGISTERS.map((register, i) => `${register}=${initial[i].toString(16).padStart(4, '0')}`).join(' ');
  return `${file} #${index}  ${code}  ${name}\n    before  ${registers}\n    found   ${mismatches.slice(0, 6).join('; ')}`;
}

export function totalOf(results: readonly FileResult[]): FileResult {
  const sum = (of: (result: FileResult) => number): number => results.reduce((total, result) => total + of(result), 0);
  return { file: 'total', passed: sum((r) => r.passed), failed: sum((r) => r.failed), skipped: sum((r) => r.skipped) };
}
