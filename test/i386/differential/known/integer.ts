// SPDX-License-Identifier: MIT
//
// Known deviations of qemu and v86 in integer instructions, protection and paging.
import { both, faultedAt, type Known, reached, stoppedAt, VECTOR } from './conditions.ts';

const { BR, DB, GP, PF, SS, UD } = VECTOR;
const TF = 0x100;
const ACCESSED = 0x100;
const BIT_TESTS = /^(bt|bts|btr|btc)$/;

const loadsSetAccessed =
  'SDM vol. 3A §3.4.5.1: the processor sets the bit when it loads the selector into a segment register';
const faultsLeaveState = 'SDM vol. 3A §6.5: after a fault the state is that before the instruction';

/** PUSHA with a stack pointer from which its pushes would go on behind 0. */
const pushaNearZero: Known['explains'] = (one, _own, other) =>
  other.vector === GP && stoppedAt(one, other) === 'pusha' && [7, 9, 11, 13, 15].includes(other.general[4] & 0xffff);
const pushaSentence = 'SDM vol. 2B PUSHA: #GP if SP is 7, 9, 11, 13 or 15 in real-address or virtual-8086 mode';

export const KNOWN_INTEGER: readonly Known[] = [
  { who: 'qemu', what: 'PUSHA goes round with SP below 16', manual: pushaSentence, explains: pushaNearZero },
  { who: 'v86', what: 'PUSHA goes round with SP below 16', manual: pushaSentence, explains: pushaNearZero },
  {
    who: 'qemu',
    what: 'IRET to an outer ring leaves the accessed bit of the SS descriptor clear',
    manual: loadsSetAccessed,
    explains: (one, own, _other, { field, left, right }) =>
      ((left ^ right) === ACCESSED && field.startsWith('gdt+')) ||
      (/^(e..$|data)/.test(field) && reached(one, own, /^lar$/)),
  },
  {
    who: 'v86',
    what: 'the accessed bit of a code segment is not set',
    manual: loadsSetAccessed,
    explains: (one, own, _other, { field, left, right }) =>
      ((left ^ right) === ACCESSED && field.startsWith('gdt+')) ||
      (/^(e..$|data)/.test(field) && reached(one, own, /^lar$/)),
  },
  {
    who: 'qemu',
    what: 'RF stays set after the instruction that follows IRET, and is clear in what a fault pushes',
    manual:
      'SDM vol. 3B §17.3.1.1: cleared after each instruction; vol. 3A §6.12.1: set in the image that a fault saves',
    explains: (_one, _own, _other, { field }) => field === 'eflags RF',
  },
  {
    who: 'v86',
    what: 'there is no RF',
    manual: 'SDM vol. 3A §2.3: RF of EFLAGS',
    explains: (_one, _own, _other, { field }) => field === 'eflags RF',
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
    what: 'RCL, RCR and SETcc of a memory operand that faults change the flags',
    manual: faultsLeaveState,
    explains: (one, own, _other, { field }) => field.startsWith('eflags') && faultedAt(one, own, /^(rcl|rcr|setcc)$/),
  },
  {
    who: 'qemu',
    what: 'a repeated comparison stopped by a fault leaves the flags of its last step',
    manual: 'SDM vol. 2B REP: EFLAGS is as it was before the instruction when CMPS or SCAS with REPE or REPNE faults',
    explains: (one, own, _other, { field }) => field.startsWith('eflags') && faultedAt(one, own, /^rep (cmps|scas)$/),
  },
  {
    who: 'qemu',
    what: 'LOCK is ignored before shifts and rotates',
    manual: 'SDM vol. 2A LOCK: #UD with any instruction but those listed',
    explains: (one, _own, other) => other.vector === UD && stoppedAt(one, other).startsWith('bad lock'),
  },
  {
    who: 'v86',
    what: 'LOCK is ignored where it is not allowed',
    manual:
      'SDM vol. 2A LOCK: #UD with any instruction but those listed, and with those if the destination is a register',
    explains: (one, _own, other) => other.vector === UD && stoppedAt(one, other).startsWith('bad lock'),
  },
  ...both({
    what: 'stores through CS in protected mode are carried out',
    manual: 'SDM vol. 3A §3.4.5.1: code segments are not writable',
    explains: (one, _own, other) => other.vector === GP && stoppedAt(one, other).startsWith('cs write'),
  }),
  ...both({
    what: 'limits of segments are not checked',
    manual: 'SDM vol. 3A §5.3: an offset past the limit is #GP, or #SS with the stack segment',
    explains: (_one, own, other) => other.vector === SS && own.vector !== SS,
  }),
  ...both({
    what: 'ARPL writes an operand that it does not change',
    manual: 'SDM vol. 2A ARPL: if the RPL of the destination is not lower, no change is made to the destination',
    explains: (one, own, other, { field }) =>
      (field.startsWith('page entry') && reached(one, own, /arpl$/)) ||
      (faultedAt(one, own, /arpl$/) && (field === 'errorCode' || !stoppedAt(one, other).endsWith('arpl'))),
  }),
  ...both({
    what: 'SGDT and SIDT write the limit before they find that the base cannot be written',
    manual: faultsLeaveState,
    explains: (one, own, _other, { field }) => /^(data|cr2)/.test(field) && faultedAt(one, own, /^(sgdt|sidt)$/),
  }),
  {
    who: 'qemu',
    what: 'far calls push as the supervisor',
    manual: 'SDM vol. 3A §4.6: accesses at CPL 3 that are not to system tables are user-mode accesses',
    explains: (one, own, _other, { field }) => field === 'errorCode' && faultedAt(one, own, /^call far$/),
  },
  ...both({
    what: 'the parts of a store that faults are touched in another order, or some are stored',
    manual: 'SDM vol. 2A CALL: CS is pushed first; vol. 2B PUSHA: EAX first; vol. 2A FBSTP: ten bytes upwards',
    explains: (one, own, _other, { field }) =>
      /^(cr2|data)/.test(field) && faultedAt(one, own, /^(pusha|fst|fbstp|call far)$/),
  }),
  {
    who: 'v86',
    what: 'BOUND does nothing',
    manual: 'SDM vol. 2A BOUND: #BR if the index is outside the bounds',
    explains: (one, _own, other, { field }) =>
      ((other.vector === BR || other.vector === PF) && stoppedAt(one, other) === 'bound') ||
      (field.startsWith('page entry') && reached(one, other, /^bound$/)),
  },
  {
    who: 'v86',
    what: 'bit tests with an immediate touch one byte of their operand',
    manual: 'SDM vol. 2A BT: the operand in memory is a word or a doubleword',
    explains: (one, own, other, { field }) =>
      (field === 'cr2' && faultedAt(one, own, BIT_TESTS)) ||
      (faultedAt(one, other, BIT_TESTS) && stoppedAt(one, other) !== stoppedAt(one, own)) ||
      (field.startsWith('page entry') && reached(one, own, BIT_TESTS)),
  },
  {
    who: 'v86',
    what: 'there is no INVD',
    manual: 'SDM vol. 2A INVD: #GP(0) if the privilege level is not 0',
    explains: (one, own) => own.vector === UD && stoppedAt(one, own) === 'invd',
  },
  {
    who: 'v86',
    what: 'INT3 and INTO ask for IOPL 3 in virtual-8086 mode',
    manual: 'SDM vol. 3B §20.2.7: of the interrupt instructions only INT n is sensitive to IOPL',
    explains: (one, own) => one.mode.virtual8086 && own.vector === GP && ['int3', 'into'].includes(stoppedAt(one, own)),
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
    what: 'ENTER with a nesting level does not build the display',
    manual: 'SDM vol. 2A ENTER: copies level - 1 frame pointers and pushes its own',
    explains: (one, own) => reached(one, own, /^nested enter$/),
  },
  {
    who: 'qemu',
    what: 'CMPXCHG8B leaves wrong bits in EFLAGS, reserved ones among them',
    manual: 'SDM vol. 2A CMPXCHG8B: ZF is set or cleared, the other flags are unaffected',
    explains: (one, own) => reached(one, own, /cmpxchg8b$/),
  },
];
