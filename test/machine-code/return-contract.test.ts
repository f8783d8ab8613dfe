// SPDX-License-Identifier: MIT
//
// What whoever comes back to a machine-code kernel owes it, word by word (kernel-worker/return-contract.ts).
import { expect, test } from 'vitest';
import { brokenContract } from '../../kernel-worker/return-contract.ts';
import type { CpuRecord } from '../../shared/cpu-record.ts';
import { CPU, EFLAGS_DF, EFLAGS_IF, SEGMENT } from '../../shared/layout/cpu-state.ts';
import { JumpBench } from '../jump/jump-bench.ts';

function broken(change: (cpu: CpuRecord) => void, mode: 'strict' | 'repaired' = 'repaired'): string {
  const bench = new JumpBench({ mode });
  const board = bench.board(bench.boot('a'));
  bench.cpu.setFlatSegments();
  bench.cpu.esp = 0x8000;
  change(bench.cpu);
  return brokenContract(board).join(', ');
}

test('nothing is broken by flat segments, IF = DF = 0 and a stack in memory, at its end too', () => {
  expect(broken(() => {})).toBe('');
  expect(broken((cpu) => (cpu.esp = 4))).toBe('');
});

test.each<[string, (cpu: CpuRecord) => void]>([
  ['DF set', (cpu) => (cpu.eflags |= EFLAGS_DF)],
  ['interrupts on', (cpu) => (cpu.eflags |= EFLAGS_IF)],
  ['address line 20 masked', (cpu) => cpu.setWord(CPU.a20Masked, 1)],
  ['CS not flat', (cpu) => cpu.setWord(CPU.cs + SEGMENT.attributes, 0x9b)],
  ['SS not flat', (cpu) => cpu.setWord(CPU.ss + SEGMENT.limit, 0xffff)],
  ['DS not flat', (cpu) => cpu.setWord(CPU.ds + SEGMENT.base, 0x1000)],
  ['ES not flat', (cpu) => cpu.setWord(CPU.es + SEGMENT.limit, 0xfffff)],
  ['ESP 0x00000000 outside memory', (cpu) => (cpu.esp = 0)],
  ['ESP 0xfffffffc outside memory', (cpu) => (cpu.esp = -4)],
])('%s is said, and not in strict mode', (says, change) => {
  expect(broken(change)).toContain(says);
  expect(broken(change, 'strict')).toBe('');
});
