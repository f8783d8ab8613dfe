// SPDX-License-Identifier: MIT
//
// Known deviations of qemu and v86 in x87 instructions. Most of what the manual says here was checked on a processor as well
// (run-hardware.ts).
import {
  both,
  bothNan,
  faultedAt,
  hasLowPrecision,
  hasUnmasked,
  hasUnsupported,
  isFloatResult,
  isStatusInMemory,
  type Known,
  reached,
  stoppedAt,
  VECTOR,
} from './conditions.ts';

const READS_FLAGS = /^(pushf|lahf|setcc|cmov|fcmov|jcc|loope|loopne|into|salc|adc|sbb|rcl|rcr|cmc|daa|das|aaa|aas)$/;

export const KNOWN_X87: readonly Known[] = [
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
    explains: (one, own, other, { field }) =>
      reached(one, own, /^fu?comi$/) &&
      (/^eflags (OF|SF|AF)$/.test(field) || reached(one, own, READS_FLAGS) || reached(one, other, READS_FLAGS)),
  },
  {
    who: 'qemu',
    what: 'FPREM and FPREM1 clear the condition codes if the operation is invalid',
    manual: 'SDM vol. 2A FPREM: C0, C3 and C1 are the quotient; the processor leaves them if there is none',
    explains: (one, own, _other, { field }) => /^fsw C/.test(field) && reached(one, own, /^fprem/),
  },
  ...both({
    what: 'of a signaling and a quiet NaN the result is the signaling one, made quiet',
    manual: 'SDM vol. 1 table 4-7: SNaN and QNaN give, on the x87, the QNaN operand',
    explains: (one, own, other, { field }) => reached(one, own, /^f/) && bothNan(own, other, field),
  }),
  {
    who: 'qemu',
    what: 'FSCALE gives the wrong NaN of two, and takes denormal and unsupported numbers for others',
    manual: 'SDM vol. 1 table 4-7: the NaN with the larger significand; §8.2.2: unsupported encodings are invalid',
    explains: (one, own, _other, { field }) => isFloatResult(field) && reached(one, own, /^fscale$/),
  },
  {
    who: 'qemu',
    what: 'an x87 store that faults has set exception flags',
    manual: 'SDM vol. 3A §6.5: after a fault the state is that before the instruction',
    explains: (one, own, _other, { field }) => field.startsWith('fsw') && faultedAt(one, own, /^f(i|b)?st/),
  },
  {
    who: 'qemu',
    what: 'loads, FRNDINT and others round to the precision of the control word, and some results are rounded twice',
    manual:
      'SDM vol. 1 §8.1.5.2: the precision-control bits affect only FADD, FSUB, FMUL, FDIV, their forms, and FSQRT',
    explains: (one, own, _other, { field }) =>
      isFloatResult(field) &&
      ([one.fpu, own.fpu].some(hasLowPrecision) || reached(one, own, /^(fldcw|fldenv|frstor)$/)),
  },
  {
    who: 'qemu',
    what: 'unmasked x87 exceptions are not raised by every instruction, nor before the result is stored',
    manual:
      'SDM vol. 1 §8.5: an unmasked invalid operation leaves operands and stack as they were; §8.6: #MF at the next instruction',
    explains: (one, own, other) => [one.fpu, own.fpu, other.fpu].some(hasUnmasked),
  },
  {
    who: 'v86',
    what: 'the tag word does not tell zero and special numbers from valid ones',
    manual: 'SDM vol. 1 §8.1.7: 01 zero, 10 special',
    explains: (_one, _own, _other, { field }) => field === 'ftw',
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
    what: 'FNSAVE with 16-bit operand size is #UD',
    manual: 'SDM vol. 2A FSAVE: the image of 94 bytes',
    explains: (one, own) => own.vector === VECTOR.UD && stoppedAt(one, own) === 'fnsave',
  },
  {
    who: 'v86',
    what: 'constants, FPREM, FXTRACT, FSCALE and FBSTP are computed in double precision',
    manual: 'SDM vol. 1 §8.3.5, §8.3.8: results have the precision of the extended format',
    explains: (one, own, _other, { field }) =>
      isFloatResult(field) && reached(one, own, /^(fld constant|fprem1?|fxtract|fscale|fbstp)$/),
  },
  {
    who: 'v86',
    what: 'FXAM does not know every class of number',
    manual: 'SDM vol. 2A FXAM: table of the classes, denormal and unsupported among them',
    explains: (one, own, _other, { field }) => /^fsw C|^eflags/.test(field) && reached(one, own, /^fxam$/),
  },
  {
    who: 'v86',
    what: 'unsupported encodings are computed with as if they were numbers',
    manual: 'SDM vol. 1 §8.2.2: they signal an invalid operation',
    explains: (one, own, _other, { field }) =>
      hasUnsupported(one) &&
      ((isFloatResult(field) && reached(one, own, /^f/)) ||
        (reached(one, own, /^fu?comi$/) && reached(one, own, READS_FLAGS))),
  },
];
