// SPDX-License-Identifier: MIT
//
// Where qemu or v86 is known not to do what the manual says, and what a process cannot see of the processor. A difference is accepted only if a row of the machine at fault
// explains it; the engine under test has no rows. Each row was found by this comparison and decided by the manual.
import { type CaseResult, DATA_SUPERVISOR } from './batch-layout.ts';
import { boundaryOf, type Difference } from './compare.ts';
import { FLOAT_PLACES } from './fpu-state.ts';
import type { Case } from './generate.ts';

export type Emulator = 'qemu' | 'v86' | 'hardware';

export interface Known {
  readonly who: Emulator;
  readonly what: string;
  /** What the manual says, in our words. */
  readonly manual: string;
  /** Whether this explains that `who` was left with `own` where another machine was left with `other`. */
  explains(one: Case, own: CaseResult, other: CaseResult, found: Difference): boolean;
}

const BR = 5;
const UD = 6;
const DB = 1;
const GP = 13;
const PF = 14;
const TF = 0x100;

/** The name of the instruction at which a result stopped. */
function stoppedAt(one: Case, result: CaseResult): string {
  return boundaryOf(one, result)?.name ?? '';
}

/** Whether an instruction that `is` it lies before the place where a result stopped, or is that place. */
function reached(one: Case, result: CaseResult, is: (name: string) => boolean): boolean {
  const stop = boundaryOf(one, result)?.offset ?? Number.POSITIVE_INFINITY;
  return one.boundaries.some(({ name, offset }) => offset <= stop && is(name));
}

const resumeFlag: Known['explains'] = (_one, _own, _other, { field }) => field === 'eflags RF';

/** A status word that differs may have been stored. */
function isStatusInMemory(one: Case, own: CaseResult, field: string): boolean {
  if (!(field === 'eax' || field.startsWith('data+'))) return false;
  return reached(one, own, (name) => ['fnstsw', 'fnstenv', 'fnsave'].includes(name));
}

const ROUGH = ['fld constant', 'fprem', 'fprem1', 'fxtract', 'fscale', 'fbstp'];

/** Whether a case has a number in a register or in memory whose integer bit does not fit its exponent. */
function hasUnsupported(one: Case): boolean {
  const at = (bytes: Uint8Array, offset: number): boolean => {
    const exponent = (bytes[offset + 8]! | (bytes[offset + 9]! << 8)) & 0x7fff;
    return exponent !== 0 ? bytes[offset + 7]! < 0x80 : bytes[offset + 7]! >= 0x80;
  };
  const places = Array.from({ length: FLOAT_PLACES.extendedCount }, (_, n) => FLOAT_PLACES.extended + 16 * n);
  const registers = Array.from({ length: 8 }, (_, n) => 28 + 10 * n);
  // Any ten bytes can be loaded from elsewhere.
  const loads = one.boundaries.some(({ name }) => name === 'fld');
  return loads || registers.some((offset) => at(one.fpu, offset)) || places.some((offset) => at(one.patch, offset));
}

/** Whether an FSAVE image asks for less than 64 bits of precision. */
function hasLowPrecision(image: Uint8Array): boolean {
  return (image[1]! & 3) !== 3;
}

/** Whether an FSAVE image has an exception unmasked. */
function hasUnmasked(image: Uint8Array): boolean {
  return (image[0]! & 0x3f) !== 0x3f;
}

const isBitTest = (name: string): boolean => ['bt', 'bts', 'btr', 'btc'].includes(name);

/** Whether a machine is known not to survive a case: v86 stops when INT reaches beyond the limit of the IDT. */
export function mayDie(one: Case, who: string): boolean {
  return who === 'v86' && one.boundaries.some(({ name }) => name === 'int beyond');
}

export const KNOWN: readonly Known[] = [
  {
    who: 'qemu',
    what: 'IRET to an outer ring leaves the accessed bit of the SS descriptor clear',
    manual: 'SDM vol. 3A §3.4.5.1: the processor sets the bit when it loads the selector into a segment register',
    explains: (one, own, _other, { field, left, right }) =>
      (left ^ right) === 0x100 && (field.startsWith('gdt+') || reached(one, own, (name) => name === 'lar')),
  },
  {
    who: 'qemu',
    what: 'an instruction that reads and writes its memory operand faults as a read',
    manual:
      'SDM vol. 3A §4.7: W/R says whether the access that faulted was a write; the processor asks for both at once',
    explains: (_one, own, other, { field }) =>
      field === 'errorCode' && own.vector === PF && other.vector === PF && (own.errorCode ^ other.errorCode) === 2,
  },
  {
    who: 'qemu',
    what: 'CMPXCHG8B leaves wrong bits in EFLAGS, reserved ones among them',
    manual: 'SDM vol. 2A CMPXCHG8B: ZF is set or cleared, the other flags are unaffected',
    explains: (one, own) => reached(one, own, (name) => name.endsWith('cmpxchg8b')),
  },
  {
    who: 'qemu',
    what: 'RCL, RCR and SETcc of a memory operand that faults change the flags',
    manual: 'SDM vol. 3A §6.5: after a fault the state is that before the instruction',
    explains: (one, own, _other, { field }) =>
      field.startsWith('eflags') && own.vector === PF && ['rcl', 'rcr', 'setcc'].includes(stoppedAt(one, own)),
  },
  {
    who: 'qemu',
    what: 'RF stays set after the instruction that follows IRET, and is clear in what a fault pushes',
    manual:
      'SDM vol. 3B §17.3.1.1: cleared after each instruction; vol. 3A §6.12.1: set in the image that a fault saves',
    explains: resumeFlag,
  },
  {
    who: 'v86',
    what: 'the accessed bit of a code segment is not set',
    manual: 'SDM vol. 3A §3.4.5.1: the processor sets the bit when it loads the selector into a segment register',
    explains: (_one, _own, _other, { field, left, right }) => field.startsWith('gdt+') && (left ^ right) === 0x100,
  },
  {
    who: 'v86',
    what: 'x87 exceptions and C1 are mostly not noted in the status word, and never raised',
    manual: 'SDM vol. 1 §8.1.3: the flags stick once an exception was detected; §8.6: unmasked ones raise #MF',
    explains: (one, own, other, { field }) =>
      (field.startsWith('fsw') && !/C0|C2|C3/.test(field)) ||
      isStatusInMemory(one, own, field) ||
      [one.fpu, own.fpu, other.fpu].some(hasUnmasked),
  },
  {
    who: 'v86',
    what: 'constants, FPREM, FXTRACT, FSCALE and FBSTP are computed in double precision',
    manual: 'SDM vol. 1 §8.3.5, §8.3.8: results have the precision of the extended format',
    explains: (one, own, _other, { field }) =>
      reached(one, own, (name) => ROUGH.includes(name)) && /^(st\d|fsw|data|e..$|eflags)/.test(field),
  },
  {
    who: 'v86',
    what: 'unsupported encodings are computed with as if they were numbers',
    manual: 'SDM vol. 1 §8.2.2: they signal an invalid operation',
    explains: (one, _own, _other, { field }) => hasUnsupported(one) && /^(st\d|fsw|data|e..$|eflags)/.test(field),
  },
  {
    who: 'v86',
    what: 'FNSAVE with 16-bit operand size is #UD',
    manual: 'SDM vol. 2A FSAVE: the image of 94 bytes',
    explains: (one, own) => own.vector === UD && stoppedAt(one, own) === 'fnsave',
  },
  {
    who: 'v86',
    what: 'the tag word does not tell zero and special numbers from valid ones',
    manual: 'SDM vol. 1 §8.1.7: 01 zero, 10 special',
    explains: (_one, _own, _other, { field }) => field === 'ftw',
  },
  {
    who: 'v86',
    what: 'there is no RF',
    manual: 'SDM vol. 3A §2.3: RF of EFLAGS',
    explains: resumeFlag,
  },
  {
    who: 'v86',
    what: 'bit tests with an immediate touch one byte of their operand',
    manual: 'SDM vol. 2A BT: the operand in memory is a word or a doubleword',
    explains: (one, own, other, { field }) =>
      (field === 'cr2' && own.vector === PF && isBitTest(stoppedAt(one, own))) ||
      (other.vector === PF && isBitTest(stoppedAt(one, other)) && stoppedAt(one, other) !== stoppedAt(one, own)) ||
      (field.startsWith('page entry') && reached(one, own, isBitTest)),
  },
  {
    who: 'v86',
    what: 'there is no INVD',
    manual: 'SDM vol. 2A INVD: #GP(0) if the privilege level is not 0',
    explains: (one, own) => own.vector === UD && stoppedAt(one, own) === 'invd',
  },
  ...both({
    what: 'the addresses of a store of several parts that faults are touched in another order',
    manual:
      'SDM vol. 3A §6.15, interrupt 14: CR2 is the address that caused the fault; PUSHA begins with EAX, FBSTP with the low byte',
    explains: (one, own, other, { field }) =>
      field === 'cr2' && own.vector === PF && other.vector === PF && ['pusha', 'fbstp'].includes(stoppedAt(one, own)),
  }),
  {
    who: 'qemu',
    what: 'C1 stays as it was, or is not the direction of rounding',
    manual: 'SDM vol. 1 §8.1.3.1: cleared if the stack did not overflow, set if the result was rounded up',
    explains: (one, own, _other, { field }) => field === 'fsw C1' || isStatusInMemory(one, own, field),
  },
  {
    who: 'qemu',
    what: 'denormal operands are not always noted in DE',
    manual: 'SDM vol. 1 §8.5.2: an arithmetic instruction with a denormal operand signals DE',
    explains: (_one, _own, _other, { field }) => field === 'fsw DE',
  },
  {
    who: 'qemu',
    what: 'FCOMI and FUCOMI leave OF, SF and AF as they were',
    manual: 'SDM vol. 2A FCOMI: OF, SF and AF are cleared',
    explains: (one, own, _other, { field }) =>
      (['eflags OF', 'eflags SF', 'eflags AF'].includes(field) || /^(e..$|data)/.test(field)) &&
      reached(one, own, (name) => /^fu?comi$/.test(name)),
  },
  {
    who: 'qemu',
    what: 'unmasked x87 exceptions are not raised by every instruction, nor before the result is stored',
    manual:
      'SDM vol. 1 §8.5: an unmasked invalid operation leaves operands and stack as they were; §8.6: #MF at the next instruction',
    explains: (one, own, other) => hasUnmasked(one.fpu) || hasUnmasked(own.fpu) || hasUnmasked(other.fpu),
  },
  {
    who: 'qemu',
    what: 'an x87 store that faults has set exception flags',
    manual: 'SDM vol. 3A §6.5: after a fault the state is that before the instruction',
    explains: (one, own, _other, { field }) =>
      field.startsWith('fsw') && own.vector === PF && /^fi?st/.test(stoppedAt(one, own)),
  },
  {
    who: 'qemu',
    what: 'loads, FRNDINT and others round to the precision of the control word, and some results are rounded twice',
    manual:
      'SDM vol. 1 §8.1.5.2: the precision-control bits affect only FADD, FSUB, FMUL, FDIV, their forms, and FSQRT',
    explains: (one, own, _other, { field }) =>
      [one.fpu, own.fpu].some(hasLowPrecision) && /^(st\d|fsw (PE|OE|UE|C.)|ftw|data)/.test(field),
  },
  {
    who: 'qemu',
    what: 'a repeated comparison stopped by a fault leaves the flags of its last step',
    manual: 'SDM vol. 2B REP: EFLAGS is as it was before the instruction when CMPS or SCAS with REPE or REPNE faults',
    explains: (one, own, _other, { field }) =>
      field.startsWith('eflags') && own.vector === PF && /^rep (cmps|scas)/.test(stoppedAt(one, own)),
  },
  ...both({
    what: 'ARPL writes an operand that it does not change',
    manual: 'SDM vol. 2A ARPL: if the RPL of the destination is not lower, no change is made to the destination',
    explains: (one, own, other, { field }) =>
      (field.startsWith('page entry') && reached(one, own, (name) => name === 'arpl')) ||
      (own.vector === PF && stoppedAt(one, own) === 'arpl' && (field === 'errorCode' || stoppedAt(one, other) !== 'arpl')),
  }),
  ...both({
    what: 'limits of segments are not checked',
    manual: 'SDM vol. 3A §5.3: an offset past the limit is #GP, or #SS with the stack segment',
    explains: (_one, own, other) => other.vector === SS && own.vector !== SS,
  }),
  {
    who: 'qemu',
    what: 'FPREM and FPREM1 clear the condition codes if the operation is invalid',
    manual: 'SDM vol. 2A FPREM: C0, C3 and C1 are the quotient; the processor leaves them if there is none',
    explains: (one, own, _other, { field }) =>
      /^fsw C/.test(field) && reached(one, own, (name) => name.startsWith('fprem')),
  },
  ...both({
    what: 'SGDT and SIDT write the limit before they find that the base cannot be written',
    manual: 'SDM vol. 3A §6.5: after a fault the state is that before the instruction',
    explains: (one, own, _other, { field }) =>
      own.vector === PF && ['sgdt', 'sidt'].includes(stoppedAt(one, own)) && /^(data|cr2)/.test(field),
  }),
  {
    who: 'qemu',
    what: 'LOCK is ignored before shifts and rotates',
    manual: 'SDM vol. 2A LOCK: #UD with any instruction but those listed',
    explains: (one, _own, other) => other.vector === UD && stoppedAt(one, other).startsWith('bad lock'),
  },
  ...(['qemu', 'v86'] as const).map((who) => ({
    who,
    what: 'stores through CS in protected mode are carried out',
    manual: 'SDM vol. 3A §3.4.5.1: code segments are not writable',
    explains: (one: Case, _own: CaseResult, other: CaseResult) =>
      other.vector === GP && stoppedAt(one, other).startsWith('cs write'),
  })),
  {
    who: 'v86',
    what: 'LOCK is ignored where it is not allowed',
    manual:
      'SDM vol. 2A LOCK: #UD with any instruction but those listed, and with those if the destination is a register',
    explains: (one, _own, other) => other.vector === UD && stoppedAt(one, other).startsWith('bad lock'),
  },
  {
    who: 'v86',
    what: 'BOUND does nothing',
    manual: 'SDM vol. 2A BOUND: #BR if the index is outside the bounds',
    explains: (one, _own, other, { field }) =>
      ([BR, PF].includes(other.vector) && stoppedAt(one, other) === 'bound') ||
      (field.startsWith('page entry') && reached(one, other, (name) => name === 'bound')),
  },
  {
    who: 'v86',
    what: 'ENTER with a nesting level does not build the display',
    manual: 'SDM vol. 2A ENTER: copies level - 1 frame pointers and pushes its own',
    explains: (one, own) => reached(one, own, (name) => name === 'nested enter'),
  },
  {
    who: 'v86',
    what: 'TF does not trap and is not kept',
    manual: 'SDM vol. 3B §17.3.1.4: a trap after each instruction that begins with TF set',
    explains: (_one, own, other, { field }) =>
      other.vector === DB || (field === 'eflags TF' && (own.eflags & TF) === 0),
  },
  {
    who: 'v86',
    what: 'INT3 and INTO ask for IOPL 3 in virtual-8086 mode',
    manual: 'SDM vol. 3B §20.2.7: of the interrupt instructions only INT n is sensitive to IOPL',
    explains: (one, own) => one.mode.virtual8086 && own.vector === GP && ['int3', 'into'].includes(stoppedAt(one, own)),
  },
  {
    who: 'hardware',
    what: 'control registers, tables and pages of supervisors are not for processes to see',
    manual: 'the process runs under an operating system',
    explains: (_one, own, other, { field }) =>
      ['cr0', 'dr6', 'eflags 21'].includes(field) ||
      /^(gdt|page entry)/.test(field) ||
      (field === 'errorCode' &&
        (own.cr2 >>> 12) * 0x1000 === DATA_SUPERVISOR &&
        (own.errorCode ^ other.errorCode) === 1),
  },
];

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
