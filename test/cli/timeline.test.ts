// SPDX-License-Identifier: MIT
import { expect, test } from 'vitest';
import { alignColumns, wrapText } from '../../orchestrator/cli/columns.ts';
import type { PhaseEvent, SwitchReport } from '../../orchestrator/events.ts';
import { formatSwitch } from '../../orchestrator/timeline.ts';
import { JUMP_LINES, type Phase } from '../../shared/jump-lines.ts';

const phase = (line: Phase, direction: 'down' | 'up', durationUs: number): PhaseEvent => ({
  kernel: direction === 'down' ? 'A' : 'B',
  line,
  direction,
  errno: 0,
  tick: 0,
  durationUs,
});

/** Down, each line takes one more than the line before it: lock 1 … relocate 10. */
const DOWN = JUMP_LINES.map((line, index) => phase(line, 'down', index + 1));
const UP = [phase('core', 'up', 20), phase('devices', 'up', 30.4), phase('freeze-tasks', 'up', 0.25)];

const report = (changes: Partial<SwitchReport> = {}): SwitchReport => ({
  from: 'A',
  to: 'B',
  kind: 'preserve',
  pages: 3840,
  tick: 0,
  phases: [...DOWN, ...UP],
  repaired: [],
  handOverUs: 2.4,
  totalUs: 107.6,
  ...changes,
});

const LONG =
  'lock 1 · console 6 · tasks 3 · devices 5 · late 6 · irqs 7 · core 8 · save 9 · pages 10 ⇢ 2 ⇢ core 20 · devices 30 · tasks 0.3';
const SHORT = 'tasks 10 · devices 26 · save 9 · pages 10 ⇢ 2 ⇢ devices 50 · tasks 0.3';

test('a switch is one line with every phase where there is room', () => {
  expect(formatSwitch(report(), { columns: 160 })).toBe(`A → B  108 µs, 15M  ${LONG}`);
});

test('the phases of a kind are one where there is less room', () => {
  expect(formatSwitch(report(), { columns: 100 })).toBe(`A → B  108 µs, 15M  ${SHORT}`);
});

test('the phases get a line of their own where there is no room beside the names', () => {
  const line = formatSwitch(report({ from: 'a long name', to: 'another long name' }), { columns: 80 });
  expect(line).toBe(`a long name → another long name  108 µs, 15M\n  ${SHORT}`);
});

test('a plain kexec, and a switch that moves nothing, say so', () => {
  expect(formatSwitch(report({ kind: 'plain', pages: 0 }))).toMatch(/^A → B \(for good\) {2}108 µs, no pages/);
});

test('a jump that the kernel made by its own code says so, with its own work and its relocation', () => {
  const down = [phase('own-work', 'down', 60), phase('relocate', 'down', 20)];
  const up = [phase('relocate', 'up', 3), phase('own-work', 'up', 20)];
  expect(formatSwitch(report({ phases: [...down, ...up], pages: 512 }))).toBe(
    'A → B  108 µs, by its own code, 2M  own work 60 · pages 20 ⇢ 2 ⇢ pages 3 · own work 20',
  );
  expect(formatSwitch(report({ phases: UP, pages: 0 }))).toBe(
    'A → B  108 µs, by its own code, no pages  2 ⇢ core 20 · devices 30 · tasks 0.3',
  );
  expect(formatSwitch(report({ phases: [], pages: 0 }))).toBe('A → B  108 µs, by its own code, no pages');
});

test('what the machine had to supply to the way back stands beside the size', () => {
  expect(formatSwitch(report({ phases: [], repaired: ['gdt', 'cr4'] }))).toBe(
    'A → B  108 µs, by its own code, 15M, GDT repaired, CR4 repaired',
  );
});

test('a kernel that the host brought in was handed nothing over', () => {
  expect(formatSwitch(report({ phases: UP, handOverUs: 0 }), { columns: 160 })).toBe(
    'A → B  108 µs, 15M  core 20 · devices 30 · tasks 0.3',
  );
});

test('columns are as wide as their widest cell, and numbers end together', () => {
  const rows = [
    ['a', '1', 'x'],
    ['long', '100', ''],
  ];
  expect(alignColumns(rows, [1])).toEqual(['a       1  x', 'long  100']);
  expect(alignColumns([])).toEqual([]);
});

test('text is wrapped between words, and a word that is too long stays whole', () => {
  expect(wrapText('one two three four', 9, ' ')).toBe(' one two\n three\n four');
  expect(wrapText('a veryverylongword b', 6)).toBe('a\nveryverylongword\nb');
});
