// SPDX-License-Identifier: MIT
//
// What whoever comes back to a kernel owes it (reference §3.4): its stub copies pages upward, 32 bits wide, through flat segments, on the
// caller's stack, and has no IDT. Linux checks nothing and is destroyed (case 52); in `repaired` mode the one that comes is
// stopped instead, and the kernel it came to stays parked and whole.
import { CPU, EFLAGS_DF, EFLAGS_IF, SEGMENT } from '../shared/layout/cpu-state.ts';
import { hex, PAGE_SIZE } from '../shared/units.ts';
import type { Board } from './board.ts';

const DB = 0x4000;
const NO_LIMIT = -1;
/** The stub reads the word at ESP and writes the one below. */
const STACK_WORD = 4;

/** What is broken, in words; nothing in strict mode. */
export function brokenContract({ cpu, memory, options }: Board): string[] {
  if (options.mode !== 'repaired') return [];
  const broken: string[] = [];
  if ((cpu.eflags & EFLAGS_DF) !== 0) broken.push('DF set: pages would be copied downward, over others');
  if ((cpu.eflags & EFLAGS_IF) !== 0) broken.push('interrupts on, while there is nobody to take them');
  if (cpu.word(CPU.a20Masked) !== 0) broken.push('address line 20 masked');
  for (const name of ['cs', 'ss', 'ds', 'es'] as const) {
    const at = CPU[name];
    const isFlat = cpu.word(at + SEGMENT.base) === 0 && cpu.word(at + SEGMENT.limit) === NO_LIMIT;
    const is32 = (cpu.word(at + SEGMENT.attributes) & DB) !== 0 || (name !== 'cs' && name !== 'ss');
    if (!isFlat || !is32) broken.push(`${name.toUpperCase()} not flat`);
  }
  const esp = cpu.esp >>> 0;
  const end = memory.pageCount * PAGE_SIZE;
  if (esp < STACK_WORD || esp + STACK_WORD > end) broken.push(`ESP ${hex(esp)} outside memory`);
  return broken;
}
