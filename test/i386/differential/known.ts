// SPDX-License-Identifier: MIT
//
// Where qemu or v86 is known not to do what the manual says, and what a process cannot see of the processor. A difference is
// accepted only if a row of the machine at fault explains it; the engine under test has no rows. Each row was found by this
// comparison and decided by the manual.
import { type CaseResult, DATA_SUPERVISOR, PAGE_BYTES } from './batch-layout.ts';
import type { Difference } from './compare.ts';
import type { Case } from './generate.ts';
import { faultedAt, type Known } from './known/conditions.ts';
import { KNOWN_INTEGER } from './known/integer.ts';
import { KNOWN_X87 } from './known/x87.ts';

const KNOWN: readonly Known[] = [
  ...KNOWN_INTEGER,
  ...KNOWN_X87,
  {
    who: 'hardware',
    what: 'of an operand of ten bytes the first eight are stored before the last two fault',
    manual: 'SDM vol. 3A §6.5: that a fault can be restarted does not ask that nothing was stored',
    explains: (one, own, _other, { field }) => field.startsWith('data') && faultedAt(one, own, /^(fst|fbstp)$/),
  },
  {
    who: 'hardware',
    what: 'control registers, tables and pages of supervisors are not for processes to see',
    manual: 'the process runs under an operating system',
    explains: (_one, own, other, { field }) =>
      ['cr0', 'dr6', 'eflags 21'].includes(field) ||
      /^(gdt|page entry)/.test(field) ||
      (field === 'errorCode' &&
        own.cr2 - (own.cr2 % PAGE_BYTES) === DATA_SUPERVISOR &&
        (own.errorCode ^ other.errorCode) === 1),
  },
];

/** Whether a machine is known not to survive a case: v86 stops when INT reaches beyond the limit of the IDT. */
export function mayDie(one: Case, who: string): boolean {
  return who === 'v86' && one.boundaries.some(({ name }) => name === 'int beyond');
}

/** The differences that no row explains, and the rows that explained the others. */
export function explain(
  one: Case,
  names: readonly [string, string],
  results: readonly [CaseResult, CaseResult],
  found: readonly Difference[],
): { unexplained: Difference[]; used: Set<string> } {
  const [left, right] = results;
  const used = new Set<string>();
  const unexplained = found.filter((difference) => {
    const row = KNOWN.find(({ who, explains }) => {
      if (who === names[0] && explains(one, left, right, difference)) return true;
      return who === names[1] && explains(one, right, left, difference);
    });
    if (row) used.add(`${row.who}: ${row.what}`);
    return row === undefined;
  });
  return { unexplained, used };
}
