// SPDX-License-Identifier: MIT
//
// The two holes of the i386 return leg (reference §3.6, §3.7): the stub switches paging on with the peer's CR4, and loads segments
// with the peer's GDTR. In `repaired` mode the machine supplies both before the kernel's own code goes on: what the kernel had when it
// left was noted in its slot by the engine. In `strict` mode nothing is supplied, and the return dies as it does on a PC.
import { REPAIRED_CR4, REPAIRED_GDT } from '../shared/jump-lines.ts';
import type { KernelSlot } from '../shared/kernel-slot.ts';
import { CPU, CR4_PAE } from '../shared/layout/cpu-state.ts';
import type { Board } from './board.ts';

/** Supplies what the return leg of the kernel in `me` lacks; what that was, as bits for the report. */
export function repairReturn(board: Board, me: KernelSlot): number {
  if (board.options.mode !== 'repaired') return 0;
  const { cpu } = board;
  let repaired = 0;
  const [base, limit] = [me.get('gdtBase'), me.get('gdtLimit')];
  if (limit !== 0) {
    if (cpu.word(CPU.gdtr) !== base || cpu.word(CPU.gdtr + 4) !== limit) repaired |= REPAIRED_GDT;
    cpu.setWord(CPU.gdtr, base);
    cpu.setWord(CPU.gdtr + 4, limit);
    me.set('gdtLimit', 0);
  }
  if ((me.get('pagingCr4') & CR4_PAE) !== 0 && (cpu.cr4 & CR4_PAE) === 0) {
    cpu.setWord(CPU.cr4, cpu.cr4 | CR4_PAE);
    repaired |= REPAIRED_CR4;
  }
  return repaired;
}
