// SPDX-License-Identifier: MIT
//
// The beginning of a kernel's life in a slot that had another kernel, whoever gives it the slot.
import { describe, expect, test } from 'vitest';
import { ConsoleInput } from '../../shared/console-input.ts';
import type { KernelSlot } from '../../shared/kernel-slot.ts';
import { JumpBench } from './jump-bench.ts';

describe('a kernel that gets the slot of one that is gone', () => {
  /** A machine whose second slot had a kernel that never read what was typed to it; and that slot's number of lives. */
  function withTypedTo(): { bench: JumpBench; a: KernelSlot; gone: KernelSlot; life: number } {
    const bench = new JumpBench();
    const a = bench.boot('A', 0, 64);
    const gone = bench.load('gone', 128, 160);
    new ConsoleInput(bench.parts.machine, gone.index).push([...'rm -r /\n'].map((one) => one.charCodeAt(0)));
    const life = gone.get('life');
    bench.remove(gone);
    return { bench, a, gone, life };
  }

  test('is not given what was typed to that one when the orchestrator places it', () => {
    const { bench, gone, life } = withTypedTo();
    const next = bench.load('next', 128, 160);
    expect(next.index).toBe(gone.index);
    expect(next.get('life')).toBe(life + 1);
    expect(new ConsoleInput(bench.parts.machine, next.index).isEmpty).toBe(true);
  });

  test('is not given it when a kernel brought it in with its own kexec', () => {
    const { bench, a, gone, life } = withTypedTo();
    expect(bench.guestLoad(a, 32, 48)).toBe(0);
    expect(bench.jump()).toBe(0);
    expect(bench.current.index).toBe(gone.index);
    expect(bench.current.get('life')).toBe(life + 1);
    expect(new ConsoleInput(bench.parts.machine, gone.index).isEmpty).toBe(true);
  });
});
