// SPDX-License-Identifier: MIT
//
// Under which condition a documented difference between an older chip and a P6 applies, told from the vector alone. The lists in
// `differences/` name these conditions.
import { hasModrm, type Instruction, operandBytes } from './instruction.ts';
import { REGISTER, type Vector } from './vector.ts';

const { ax, bx, cx, dx, cs, ss, ds, es, sp, bp, si, di, ip, flags } = REGISTER;
const GENERAL_16 = [ax, cx, dx, bx, sp, bp, si, di];
const GENERAL_8 = [ax, cx, dx, bx];

const LOCK = 0xf0;
const REPEATS = [0xf2, 0xf3];
const CF = 1;
const AF = 0x10;
const DF = 0x400;

type Condition = (vector: Vector, instruction: Instruction) => boolean;

export const CONDITIONS: Readonly<Record<string, Condition>> = {
  'the shift count is above 1': (vector, instruction) => shiftCount(vector, instruction) % 32 > 1,
  'the shift count is not 0': (vector, instruction) => shiftCount(vector, instruction) % 32 > 0,
  'the shift count reaches the operand size': (vector, instruction) =>
    shiftCount(vector, instruction) % 32 >= shiftBits(instruction),
  'the shift count is above 31': (vector, instruction) => shiftCount(vector, instruction) > 31,
  'the instruction is repeated': isRepeated,
  'exception 13 is raised in a repetition': (vector, instruction) =>
    vector.exception === 13 && isRepeated(vector, instruction),
  'a divide error is raised': raisesDivideError,
  'exception 13 is raised for an invalid opcode': ({ exception }, { reg }) => exception === 13 && reg !== 0,
  'exception 13 is raised': ({ exception }) => exception === 13,
  'exception 13 is raised for a word at offset FFFF of the stack segment': (vector, instruction) =>
    vector.exception === 13 && isStackOperandAtEnd(vector, instruction),
  'the quotient is the most negative number': (vector, instruction) =>
    quotientOf(vector, instruction) === lowestQuotient(instruction),
  'the quotient does not fit and no divide error is raised': (vector, instruction) =>
    vector.exception === null && isQuotientTooLarge(vector, instruction),
  'SS is stored in place of CS': storesSsForCs,
  'the reg field selects no segment register of the 8086': (_vector, { reg }) => reg > 3,
  'the destination is CS': (_vector, { reg }) => (reg & 3) === 1,
  'the reg field is not 0': (_vector, { reg }) => reg !== 0,
  'the source is SP': (_vector, { mod, rm }) => mod === 3 && rm === 4,
  'an access or the instruction wraps around at offset FFFF': wraps,
  'the operand is at offset FFFE': (_vector, { offset }) => offset === 0xfffe,
  'the reg field selects FS or GS': (_vector, { reg }) => reg === 4 || reg === 5,
  'a LOCK prefix stands where a P6 allows none': (_vector, instruction) =>
    instruction.prefixes.includes(LOCK) && !isLockable(instruction),
  'the instruction is longer than 10 bytes': ({ bytes }) => bytes.length > 10,
  'the HLT behind it is the last byte of its segment': ({ final }) => final[ip] === 0,
  'AL plus or minus 6 carries into AH': carriesIntoAh,
  'AL is below 6 and AF is set': ({ initial }) => (initial[ax] & 0xff) < 6 && (initial[flags] & AF) !== 0,
  'AL is 9A to 9F and AF is set': ({ initial }) => {
    const al = initial[ax] & 0xff;
    return al >= 0x9a && al <= 0x9f && (initial[flags] & AF) !== 0 && (initial[flags] & CF) === 0;
  },
};

export function conditionNamed(name: string): Condition {
  const condition = CONDITIONS[name];
  if (condition === undefined) throw new Error(`there is no condition '${name}'`);
  return condition;
}

function isRepeated(_vector: Vector, { prefixes }: Instruction): boolean {
  return prefixes.some((prefix) => REPEATS.includes(prefix));
}

/** ADD to XOR, NOT, NEG, INC, DEC and XCHG with a memory operand that they change (SDM vol. 2A, LOCK). */
function isLockable({ opcode, mod, reg }: Instruction): boolean {
  if (mod === 3) return false;
  if (opcode < 0x38) return (opcode & 7) < 2;
  if (opcode >= 0x80 && opcode <= 0x83) return reg !== 7;
  if (opcode === 0x86 || opcode === 0x87) return true;
  if (opcode === 0xf6 || opcode === 0xf7) return reg === 2 || reg === 3;
  return (opcode === 0xfe || opcode === 0xff) && reg < 2;
}

function shiftCount({ initial }: Vector, { opcode, immediate8 }: Instruction): number {
  if (opcode === 0xd2 || opcode === 0xd3) return initial[cx] & 0xff;
  return opcode === 0xc0 || opcode === 0xc1 ? immediate8 : 1;
}

const shiftBits = ({ opcode }: Instruction): number => ((opcode & 1) === 0 ? 8 : 16);

/** Interrupt 0 was taken: the recorded exception says so, or three words were pushed and CS:IP came from the first vector. */
function raisesDivideError({ exception, initial, final, initialMemory }: Vector): boolean {
  if (exception !== null) return exception === 0;
  if (final[sp] !== ((initial[sp] - 6) & 0xffff)) return false;
  const byteAt = new Map<number, number>();
  for (let i = 0; i < initialMemory.length; i += 2) byteAt.set(initialMemory[i], initialMemory[i + 1]);
  const word = (address: number): number => (byteAt.get(address) ?? 0) | ((byteAt.get(address + 1) ?? 0) << 8);
  return byteAt.has(0) && final[ip] === word(0) && final[cs] === word(2);
}

const lowestQuotient = ({ opcode }: Instruction): number => (opcode === 0xf6 ? -0x80 : -0x8000);

/** Quotient of IDIV, told from the numbers that are divided; null if the vector does not say them all, or the divisor is 0. */
function quotientOf(vector: Vector, instruction: Instruction): number | null {
  const { initial } = vector;
  const isByte = instruction.opcode === 0xf6;
  const divisor = operandValue(vector, instruction, isByte ? 1 : 2);
  if (divisor === null || divisor === 0) return null;
  const dividend = isByte ? (initial[ax] << 16) >> 16 : (initial[dx] << 16) | initial[ax];
  const signed = isByte ? (divisor << 24) >> 24 : (divisor << 16) >> 16;
  return Math.trunc(dividend / signed);
}

function isQuotientTooLarge(vector: Vector, instruction: Instruction): boolean {
  const quotient = quotientOf(vector, instruction);
  const lowest = lowestQuotient(instruction);
  return quotient !== null && (quotient < lowest || quotient >= -lowest);
}

function storesSsForCs({ exception, initial, final, finalMemory }: Vector): boolean {
  if (exception === null || initial[ss] === initial[cs]) return false;
  const address = final[ss] * 16 + ((final[sp] + 2) & 0xffff);
  const low = findByte(finalMemory, address);
  const high = findByte(finalMemory, address + 1);
  return low === (initial[ss] & 0xff) && high === initial[ss] >> 8;
}

/** The register or memory operand of the ModRM byte before the instruction; null if the vector does not say what it was. */
function operandValue({ initial, initialMemory }: Vector, instruction: Instruction, size: 1 | 2): number | null {
  const { mod, rm, offset, prefixes } = instruction;
  if (mod === 3) {
    if (size === 2) return initial[GENERAL_16[rm]];
    return (initial[GENERAL_8[rm & 3]] >> (rm < 4 ? 0 : 8)) & 0xff;
  }
  const segment = initial[segmentOf(instruction, prefixes)];
  let value = 0;
  for (let i = 0; i < size; i++) {
    const address = segment * 16 + ((offset + i) & 0xffff);
    const found = findByte(initialMemory, address);
    if (found === null) return null;
    value |= found << (8 * i);
  }
  return value;
}

function segmentOf({ mod, rm }: Instruction, prefixes: readonly number[]): number {
  const overrides: Readonly<Record<number, number>> = { 38: es, 46: cs, 54: ss, 62: ds };
  const last = prefixes.filter((prefix) => prefix in overrides).at(-1);
  if (last !== undefined) return overrides[last];
  const usesBp = rm === 2 || rm === 3 || (rm === 6 && mod !== 0);
  return usesBp ? ss : ds;
}

function findByte(memory: readonly number[], address: number): number | null {
  for (let i = 0; i < memory.length; i += 2) {
    if (memory[i] === address || memory[i] === address % 0x100000) return memory[i + 1];
  }
  return null;
}

/** AAA and AAS: older chips adjust AL and AH each for itself, a P6 adjusts AX. */
function carriesIntoAh({ initial }: Vector, { opcode }: Instruction): boolean {
  const al = initial[ax] & 0xff;
  const adjusts = (al & 15) > 9 || (initial[flags] & AF) !== 0;
  return adjusts && (opcode === 0x37 ? al + 6 > 0xff : al < 6);
}

// ---- wrap-around --------------------------------------------------------------------------------------------------

const STRINGS = new Set([0x6c, 0x6d, 0x6e, 0x6f, 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf]);
const USES_SI = new Set([0x6f, 0xa5, 0xa7, 0xad]);
const USES_DI = new Set([0x6d, 0xa5, 0xa7, 0xab, 0xaf]);

/** An operand of more than one byte, or the instruction itself, goes past offset FFFF and on at 0. */
function wraps(vector: Vector, instruction: Instruction): boolean {
  const { initial, bytes } = vector;
  const { opcode, offset, word } = instruction;
  if (initial[ip] + bytes.length >= 0x10000) return true;
  if (hasModrm(opcode) && offset >= 0 && offset + operandBytes(instruction) > 0x10000) return true;
  if ((opcode === 0xa1 || opcode === 0xa3) && word === 0xffff) return true;
  if (STRINGS.has(opcode)) return stringWraps(vector, instruction);
  return stackWraps(vector);
}

/** Bytes that POPA, RETF and IRET take off the stack; the others take a word. */
const POPS: Readonly<Record<number, number>> = { 97: 16, 202: 4, 203: 4, 207: 6 };
const POP_WORD = new Set([0x07, 0x17, 0x1f, 0x58, 0x59, 0x5a, 0x5b, 0x5c, 0x5d, 0x5e, 0x5f, 0x8f, 0x9d, 0xc2, 0xc3]);
const LEAVE = 0xc9;

/** What goes past offset FFFF is in the stack segment: a ModRM or string operand, or what is popped. */
function isStackOperandAtEnd(vector: Vector, instruction: Instruction): boolean {
  const { initial, final } = vector;
  const { opcode, offset, prefixes } = instruction;
  if (opcode === LEAVE) return initial[bp] === 0xffff;
  const popped = POPS[opcode] ?? (POP_WORD.has(opcode) ? 2 : 0);
  if (initial[sp] + popped > 0x10000) return true;
  if (USES_SI.has(opcode)) {
    // The 80286 has gone past the element that failed.
    const step = (initial[flags] & DF) === 0 ? 2 : -2;
    return segmentOf(instruction, prefixes) === ss && ((final[si] - step) & 0xffff) === 0xffff;
  }
  const isOperandAtEnd = hasModrm(opcode) && offset >= 0 && offset + operandBytes(instruction) > 0x10000;
  return isOperandAtEnd && segmentOf(instruction, prefixes) === ss;
}

function stringWraps(vector: Vector, instruction: Instruction): boolean {
  const { initial, final } = vector;
  const { opcode } = instruction;
  const times = isRepeated(vector, instruction) ? (initial[cx] - final[cx]) & 0xffff : 1;
  const meetsEnd = (start: number): boolean => {
    if ((start & 1) === 0 || times === 0) return false;
    const steps = (initial[flags] & DF) === 0 ? (0xffff - start) / 2 : ((start + 1) & 0xffff) / 2;
    return times > steps;
  };
  return (USES_SI.has(opcode) && meetsEnd(initial[si])) || (USES_DI.has(opcode) && meetsEnd(initial[di]));
}

/** With an odd stack pointer one item of the stack lies at FFFF and 0, both of which the vector then names. */
function stackWraps({ initial, initialMemory, finalMemory }: Vector): boolean {
  if ((initial[sp] & 1) === 0) return false;
  const base = initial[ss] * 16;
  const touches = (address: number): boolean =>
    findByte(finalMemory, address) !== null || findByte(initialMemory, address) !== null;
  return touches(base) && touches(base + 0xffff);
}
