// SPDX-License-Identifier: MIT
//
// Generators of integer instructions: arithmetic, logic, shifts, multiplication, BCD. Flags as in SDM vol. 1 appendix A.
import { anyOperand, memoryOperand, type Operand, registerOperand } from '../operand.ts';
import { AF, CF, little, OF, PF, type Sequence, SF, STATUS, ZF } from '../sequence.ts';

const ALU = ['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp'];
const CMP = 7;

/** A LOCK prefix now and then, sometimes where it is not allowed and makes #UD. */
export function lock(s: Sequence, allowed: boolean): number[] {
  if (!s.chance(allowed ? 4 : 1)) return [];
  if (!allowed) s.tag = 'bad lock ';
  return [0xf0];
}

function aluFlags(s: Sequence, operation: number): void {
  if (operation === 1 || operation === 4 || operation === 6) s.flags(STATUS & ~AF, AF);
  else s.flags(STATUS, 0);
}

export function alu(s: Sequence): void {
  const operation = s.below(8);
  const name = ALU[operation]!;
  const size = s.size();
  if (operation === 2 || operation === 3) s.needs(CF);
  const wide = size === 8 ? 0 : 1;
  const form = s.below(4);
  if (form === 0) {
    const operand = anyOperand(s, size, 'write');
    const prefixes = lock(s, operand.register === undefined && operation !== CMP);
    s.emit(name, { size, prefixes, opcode: [operation * 8 + wide], operand, reg: s.below(8) });
    if (operation !== CMP) s.clobberOperand(operand, size);
  } else if (form === 1) {
    const operand = anyOperand(s, size, 'read');
    const register = s.destination(size);
    s.emit(name, { size, prefixes: lock(s, false), opcode: [operation * 8 + 2 + wide], operand, reg: register });
    if (operation !== CMP) s.clobber(register, size);
  } else if (form === 2) {
    s.emit(name, { size, opcode: [operation * 8 + 4 + wide], immediate: little(s.interesting(), size) });
    if (operation !== CMP) s.clobber(0, size);
  } else {
    const short = size !== 8 && s.chance(60);
    const operand = anyOperand(s, size, 'write');
    const prefixes = lock(s, operand.register === undefined && operation !== CMP);
    const opcode = [short ? 0x83 : 0x80 + wide];
    s.emit(name, {
      size,
      prefixes,
      opcode,
      operand,
      reg: operation,
      immediate: little(s.interesting(), short ? 8 : size),
    });
    if (operation !== CMP) s.clobberOperand(operand, size);
  }
  aluFlags(s, operation);
}

export function test(s: Sequence): void {
  const size = s.size();
  const wide = size === 8 ? 0 : 1;
  const form = s.below(3);
  if (form === 0) s.emit('test', { size, opcode: [0xa8 + wide], immediate: little(s.interesting(), size) });
  else if (form === 1) {
    s.emit('test', { size, opcode: [0x84 + wide], operand: anyOperand(s, size, 'read'), reg: s.below(8) });
  } else {
    const operand = anyOperand(s, size, 'read');
    s.emit('test', { size, opcode: [0xf6 + wide], operand, reg: 0, immediate: little(s.interesting(), size) });
  }
  s.flags(STATUS & ~AF, AF);
}

export function incDec(s: Sequence): void {
  const size = s.size();
  const down = s.below(2);
  const name = down ? 'dec' : 'inc';
  if (size !== 8 && s.chance(50)) {
    const register = s.destination(size);
    s.emit(name, { size, opcode: [0x40 + down * 8 + register] });
    s.clobber(register, size);
  } else {
    const operand = anyOperand(s, size, 'write');
    const prefixes = lock(s, operand.register === undefined);
    s.emit(name, { size, prefixes, opcode: [size === 8 ? 0xfe : 0xff], operand, reg: down });
    s.clobberOperand(operand, size);
  }
  s.flags(STATUS & ~CF, 0);
}

export function negNot(s: Sequence): void {
  const size = s.size();
  const operand = anyOperand(s, size, 'write');
  const prefixes = lock(s, operand.register === undefined);
  const negate = s.below(2);
  s.emit(negate ? 'neg' : 'not', { size, prefixes, opcode: [size === 8 ? 0xf6 : 0xf7], operand, reg: 2 + negate });
  s.clobberOperand(operand, size);
  if (negate) s.flags(STATUS, 0);
}

export function multiply(s: Sequence): void {
  const size = s.size();
  const signed = s.below(2);
  const operand = anyOperand(s, size, 'read');
  s.emit(signed ? 'imul' : 'mul', { size, opcode: [size === 8 ? 0xf6 : 0xf7], operand, reg: 4 + signed });
  s.clobber(0, 32);
  if (size !== 8) s.clobber(2, size);
  s.flags(CF | OF, SF | ZF | AF | PF);
}

export function multiplyTo(s: Sequence): void {
  const size = s.wideSize();
  const register = s.destination(size);
  const operand = anyOperand(s, size, 'read');
  const form = s.below(3);
  if (form === 0) s.emit('imul', { size, opcode: [0x0f, 0xaf], operand, reg: register });
  else {
    const immediate = little(s.interesting(), form === 1 ? 8 : size);
    s.emit('imul', { size, opcode: [form === 1 ? 0x6b : 0x69], operand, reg: register, immediate });
  }
  s.clobber(register, size);
  s.flags(CF | OF, SF | ZF | AF | PF);
}

export function divide(s: Sequence): void {
  const size = s.size();
  // Most quotients of random numbers do not fit: make the upper half small.
  if (s.chance(75)) {
    if (size === 8) s.load(0, s.random32() & 0xffff03ff);
    else s.load(2, s.chance(20) ? 0xffffffff : s.below(4));
  }
  const signed = s.below(2);
  const operand = anyOperand(s, size, 'read');
  s.emit(signed ? 'idiv' : 'div', { size, opcode: [size === 8 ? 0xf6 : 0xf7], operand, reg: 6 + signed });
  s.clobber(0, 32);
  if (size !== 8) s.clobber(2, size);
  s.flags(0, STATUS);
}

const SHIFTS = ['rol', 'ror', 'rcl', 'rcr', 'shl', 'shr', 'sal', 'sar'];
const COUNTS = [0, 1, 1, 1, 2, 3, 7, 8, 9, 15, 16, 17, 18, 27, 31, 32, 33, 63, 0x80, 0xff];

/** Flags after a shift or rotate by `count` (SDM vol. 2B RCL/RCR/ROL/ROR, SAL/SAR/SHL/SHR). */
function shiftFlags(s: Sequence, operation: number, size: number, count: number): void {
  const masked = count & 31;
  if (masked === 0) return;
  const overflow = masked === 1 ? 0 : OF;
  if (operation < 4) s.flags((CF | OF) & ~overflow, overflow);
  else {
    // The carry of SHL and SHR is defined only for counts up to the size; SAR fills with the sign.
    const carry = operation !== 7 && masked > size ? CF : 0;
    s.flags(STATUS & ~AF & ~overflow & ~carry, AF | overflow | carry);
  }
}

export function shift(s: Sequence): void {
  const operation = s.below(8);
  const size = s.size();
  const wide = size === 8 ? 0 : 1;
  if (operation === 2 || operation === 3) s.needs(CF);
  const form = s.below(3);
  const count = form === 0 ? 1 : form === 1 ? s.pick(COUNTS) : s.countInCl(COUNTS);
  const operand = anyOperand(s, size, 'write');
  const opcode = [[0xd0, 0xc0, 0xd2][form]! + wide];
  const immediate = form === 1 ? [count] : [];
  s.emit(SHIFTS[operation]!, { size, prefixes: lock(s, false), opcode, operand, reg: operation, immediate });
  s.clobberOperand(operand, size);
  shiftFlags(s, operation, size, count);
}

export function doubleShift(s: Sequence): void {
  const size = s.wideSize();
  const right = s.below(2);
  const byCl = s.below(2);
  // Beyond the size the result itself is undefined.
  const counts = COUNTS.filter((count) => (count & 31) <= size);
  const count = byCl ? s.countInCl(counts) : s.pick(counts);
  const operand = anyOperand(s, size, 'write');
  const opcode = [0x0f, 0xa4 + 8 * right + byCl];
  s.emit(right ? 'shrd' : 'shld', { size, opcode, operand, reg: s.below(8), immediate: byCl ? [] : [count] });
  s.clobberOperand(operand, size);
  const masked = count & 31;
  if (masked !== 0) s.flags(STATUS & ~AF & ~(masked === 1 ? 0 : OF), AF | (masked === 1 ? 0 : OF));
}

const BIT_TESTS = ['bt', 'bts', 'btr', 'btc'];

/** qemu hangs on a bit test of a register with LOCK, so that none is made. */
function lockBitTest(s: Sequence, operation: number, operand: Operand): number[] {
  return operand.register === undefined ? lock(s, operation !== 0) : [];
}

export function bitTest(s: Sequence): void {
  const size = s.wideSize();
  const operation = s.below(4);
  const name = BIT_TESTS[operation]!;
  if (s.chance(40)) {
    const operand = anyOperand(s, size, 'write');
    const prefixes = lockBitTest(s, operation, operand);
    s.emit(name, { size, prefixes, opcode: [0x0f, 0xba], operand, reg: 4 + operation, immediate: [s.below(256)] });
    if (operation !== 0) s.clobberOperand(operand, size);
  } else {
    let register = s.below(8);
    let operand = registerOperand(s.destination(size));
    if (s.chance(60)) {
      // The bit offset is signed and moves the operand: keep it near.
      register = s.pick([0, 1, 2, 3, 6, 7]);
      s.load(register, s.chance(50) ? s.below(400) : 0xffffffff - s.below(400));
      operand = memoryOperand(s, size / 8, 'write', 0x41440 + s.below(0x40));
    }
    const prefixes = lockBitTest(s, operation, operand);
    s.emit(name, { size, prefixes, opcode: [0x0f, 0xa3 + 8 * operation], operand, reg: register });
    if (operation !== 0) s.clobberOperand(operand, size);
  }
  s.flags(CF, OF | SF | AF | PF);
}

export function bitScan(s: Sequence): void {
  const size = s.wideSize();
  const register = s.destination(size);
  const reverse = s.below(2);
  const operand = anyOperand(s, size, 'read');
  s.emit(reverse ? 'bsr' : 'bsf', { size, opcode: [0x0f, 0xbc + reverse], operand, reg: register });
  s.clobber(register, size);
  s.flags(ZF, CF | OF | SF | AF | PF);
}

export function decimal(s: Sequence): void {
  const name = s.pick(['daa', 'das', 'aaa', 'aas', 'aam', 'aad']);
  if (name === 'daa' || name === 'das') {
    s.needs(AF | CF);
    s.emit(name, { opcode: [name === 'daa' ? 0x27 : 0x2f] });
    s.flags(STATUS & ~OF, OF);
  } else if (name === 'aaa' || name === 'aas') {
    s.needs(AF);
    s.emit(name, { opcode: [name === 'aaa' ? 0x37 : 0x3f] });
    s.flags(AF | CF, OF | SF | ZF | PF);
  } else {
    const immediate = [s.chance(60) ? 10 : s.pick([0, 1, 2, 7, 16, 0x80, 0xff])];
    s.emit(name, { opcode: [name === 'aam' ? 0xd4 : 0xd5], immediate });
    s.flags(SF | ZF | PF, OF | AF | CF);
  }
  s.clobber(0, 32);
}

export function exchangeAdd(s: Sequence): void {
  const size = s.size();
  const wide = size === 8 ? 0 : 1;
  const operand = anyOperand(s, size, 'write');
  const prefixes = lock(s, operand.register === undefined);
  const register = s.destination(size);
  if (s.chance(50)) s.emit('xadd', { size, prefixes, opcode: [0x0f, 0xc0 + wide], operand, reg: register });
  else s.emit('cmpxchg', { size, prefixes, opcode: [0x0f, 0xb0 + wide], operand, reg: register });
  s.clobberOperand(operand, size);
  s.clobber(register, size);
  s.clobber(0, size);
  s.flags(STATUS, 0);
}

export function compareExchange8(s: Sequence): void {
  const operand = memoryOperand(s, 8, 'write');
  s.emit('cmpxchg8b', { prefixes: lock(s, true), opcode: [0x0f, 0xc7], operand, reg: 1 });
  s.clobber(0, 32);
  s.clobber(2, 32);
  s.flags(ZF, 0);
}
