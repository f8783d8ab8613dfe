// SPDX-License-Identifier: MIT
//
// Generators of x87 instructions. The register stack is kept from overflowing and underflowing. Left out are the transcendental
// instructions, whose last bit is the processor's own (SDM vol. 1 §8.3.10).
import { DATA } from '../batch-layout.ts';
import { FLOAT_PLACES } from '../fpu-state.ts';
import { memoryOperand, type Operand, registerOperand } from '../operand.ts';
import { CF, PF, type Sequence, STATUS, ZF } from '../sequence.ts';

const C0 = 1;
const C1 = 2;
const C2 = 4;
const C3 = 8;

/** Condition codes after the instruction just emitted. */
function conditions(s: Sequence, defined: number, undefined_: number): void {
  s.undefinedConditions = (s.undefinedConditions & ~defined) | undefined_;
}

const ARITHMETIC = ['fadd', 'fmul', 'fcom', 'fcomp', 'fsub', 'fsubr', 'fdiv', 'fdivr'];

function arithmeticConditions(s: Sequence, operation: number): void {
  if (operation === 2 || operation === 3) conditions(s, C0 | C1 | C2 | C3, 0);
  else conditions(s, C1, C0 | C2 | C3);
  if (operation === 3) s.depth--;
}

type Format = 'single' | 'double' | 'extended';
const BYTES = { single: 4, double: 8, extended: 10 };

/** A number in memory, mostly one that was put there as such. */
function floatOperand(s: Sequence, format: Format, access: 'read' | 'write' = 'read'): Operand {
  if (s.chance(25)) return memoryOperand(s, BYTES[format], access);
  const index =
    format === 'extended' ? 16 * s.below(FLOAT_PLACES.extendedCount) : BYTES[format] * s.below(FLOAT_PLACES.count);
  return memoryOperand(s, BYTES[format], access, DATA + 0x400 + FLOAT_PLACES[format] + index);
}

function stack(s: Sequence): number {
  return s.below(s.depth);
}

export function arithmetic(s: Sequence): void {
  if (s.depth < 1) {
    push(s);
    return;
  }
  const chosen = s.below(8);
  // FCOMP pops: FCOM where it may not run.
  const operation = chosen === 3 && s.conditional ? 2 : chosen;
  const name = ARITHMETIC[operation]!;
  const form = s.below(6);
  if (form < 2) {
    s.emit(name, {
      opcode: [form ? 0xdc : 0xd8],
      operand: floatOperand(s, form ? 'double' : 'single'),
      reg: operation,
    });
  } else if (form === 2) {
    const short = s.below(2);
    s.emit(`fi ${name}`, {
      opcode: [short ? 0xde : 0xda],
      operand: memoryOperand(s, short ? 2 : 4, 'read'),
      reg: operation,
    });
  } else if (form === 3 || operation === 2 || operation === 3) {
    s.emit(name, { opcode: [0xd8], operand: registerOperand(stack(s)), reg: operation });
  } else if (form === 4) {
    s.emit(name, { opcode: [0xdc], operand: registerOperand(stack(s)), reg: operation });
  } else {
    if (s.depth < 2 || s.conditional) return;
    s.emit(`${name}p`, { opcode: [0xde], operand: registerOperand(1 + s.below(s.depth - 1)), reg: operation });
    s.depth--;
  }
  arithmeticConditions(s, operation);
}

export function push(s: Sequence): void {
  if (s.depth > 7 || s.conditional) return;
  const form = s.below(8);
  if (form === 0) s.emit('fld', { opcode: [0xd9], operand: floatOperand(s, 'single'), reg: 0 });
  else if (form === 1) s.emit('fld', { opcode: [0xdd], operand: floatOperand(s, 'double'), reg: 0 });
  else if (form === 2) s.emit('fld', { opcode: [0xdb], operand: floatOperand(s, 'extended'), reg: 5 });
  else if (form === 3) s.emit('fild', { opcode: [0xdf], operand: memoryOperand(s, 2, 'read'), reg: 0 });
  else if (form === 4) s.emit('fild', { opcode: [0xdb], operand: memoryOperand(s, 4, 'read'), reg: 0 });
  else if (form === 5) s.emit('fild', { opcode: [0xdf], operand: memoryOperand(s, 8, 'read'), reg: 5 });
  else if (form === 6) s.emit('fld constant', { opcode: [0xd9, 0xe8 + s.below(7)] });
  else if (s.depth > 0) s.emit('fld', { opcode: [0xd9], operand: registerOperand(stack(s)), reg: 0 });
  else return;
  s.depth++;
  conditions(s, C1, C0 | C2 | C3);
}

const STORES: readonly (readonly [string, number, number, number, boolean])[] = [
  ['fst', 0xd9, 2, 4, false],
  ['fst', 0xd9, 3, 4, true],
  ['fst', 0xdd, 2, 8, false],
  ['fst', 0xdd, 3, 8, true],
  ['fst', 0xdb, 7, 10, true],
  ['fist', 0xdf, 2, 2, false],
  ['fist', 0xdf, 3, 2, true],
  ['fist', 0xdb, 2, 4, false],
  ['fist', 0xdb, 3, 4, true],
  ['fist', 0xdf, 7, 8, true],
  ['fbstp', 0xdf, 6, 10, true],
];

export function store(s: Sequence): void {
  if (s.depth < 1) {
    push(s);
    return;
  }
  if (s.chance(20)) {
    const pops = !s.conditional && s.chance(50);
    // Past the registers in use the destination is an empty register, which is then in use: only within.
    s.emit('fst', { opcode: [0xdd], operand: registerOperand(stack(s)), reg: pops ? 3 : 2 });
    if (pops) s.depth--;
  } else {
    const [name, opcode, reg, bytes, pops] = s.pick(STORES);
    if (pops && s.conditional) return;
    s.emit(name, { opcode: [opcode], operand: memoryOperand(s, bytes, 'write'), reg });
    if (pops) s.depth--;
  }
  conditions(s, C1, C0 | C2 | C3);
}

export function compare(s: Sequence): void {
  if (s.depth < 2) {
    push(s);
    return;
  }
  const form = s.below(7);
  const operand = registerOperand(stack(s));
  if (form === 0) s.emit('fucom', { opcode: [0xdd], operand, reg: 4 });
  else if (form === 1) s.emit('ftst', { opcode: [0xd9, 0xe4] });
  else if (form === 2) s.emit('fxam', { opcode: [0xd9, 0xe5] });
  else if (form === 3) {
    const unordered = s.below(2);
    s.emit(unordered ? 'fucomi' : 'fcomi', { opcode: [0xdb], operand, reg: 6 - unordered });
    s.flags(STATUS, 0);
    conditions(s, C1, 0);
    return;
  } else if (s.conditional) return;
  else if (form === 4) {
    const unordered = s.below(2);
    s.emit(unordered ? 'fucomi' : 'fcomi', { opcode: [0xdf], operand, reg: 6 - unordered });
    s.flags(STATUS, 0);
    s.depth--;
    conditions(s, C1, 0);
    return;
  } else if (form === 5) {
    s.emit('fucom', { opcode: [0xdd], operand, reg: 5 });
    s.depth--;
  } else {
    s.emit(s.pick(['fcom', 'fucom']), {
      opcode: s.pick([
        [0xde, 0xd9],
        [0xda, 0xe9],
      ]),
    });
    s.depth -= 2;
  }
  conditions(s, C0 | C1 | C2 | C3, 0);
}

export function unary(s: Sequence): void {
  if (s.depth < 2) {
    push(s);
    return;
  }
  const form = s.below(11);
  if (form === 0) s.emit('fchs', { opcode: [0xd9, 0xe0] });
  else if (form === 1) s.emit('fabs', { opcode: [0xd9, 0xe1] });
  else if (form < 4) s.emit('fsqrt', { opcode: [0xd9, 0xfa] });
  else if (form < 6) s.emit('frndint', { opcode: [0xd9, 0xfc] });
  else if (form === 6) s.emit('fscale', { opcode: [0xd9, 0xfd] });
  else if (form === 7) s.emit('fxch', { opcode: [0xd9], operand: registerOperand(stack(s)), reg: 1 });
  else if (form === 8) {
    if (s.depth > 7 || s.conditional) return;
    s.emit('fxtract', { opcode: [0xd9, 0xf4] });
    s.depth++;
  } else {
    const nearest = s.below(2);
    s.emit(nearest ? 'fprem1' : 'fprem', { opcode: [0xd9, nearest ? 0xf5 : 0xf8] });
    conditions(s, C0 | C1 | C2 | C3, 0);
    return;
  }
  conditions(s, C1, C0 | C2 | C3);
}

/** Flags that FCMOVB, FCMOVE, FCMOVBE, FCMOVU read. */
const MOVE_FLAGS = [CF, ZF, CF | ZF, PF];

export function conditionalMove(s: Sequence): void {
  if (s.depth < 1) {
    push(s);
    return;
  }
  const condition = s.below(4);
  s.needs(MOVE_FLAGS[condition]!);
  s.emit('fcmov', { opcode: [0xda + s.below(2)], operand: registerOperand(stack(s)), reg: condition });
  conditions(s, C1, C0 | C2 | C3);
}

export function control(s: Sequence): void {
  const form = s.below(9);
  if (form === 0) {
    if (s.undefinedConditions !== 0) return;
    s.emit('fnstsw', { opcode: [0xdf, 0xe0] });
    s.clobber(0, 16);
  } else if (form === 1) {
    if (s.undefinedConditions !== 0) return;
    s.emit('fnstsw', { opcode: [0xdd], operand: memoryOperand(s, 2, 'write'), reg: 7 });
  } else if (form === 2) s.emit('fnstcw', { opcode: [0xd9], operand: memoryOperand(s, 2, 'write'), reg: 7 });
  else if (form === 3) {
    // Reserved bits of the control word as they are after FNINIT.
    const linear = DATA + 0x400 + s.below(0xf0);
    const value = 0x40 | (s.chance(90) ? 0x3f : s.below(64)) | (s.pick([0, 2, 3]) << 8) | (s.below(4) << 10);
    const where = memoryOperand(s, 2, 'write', linear);
    s.emit('mov', { size: 16, opcode: [0xc7], operand: where, reg: 0, immediate: [value & 0xff, value >> 8] });
    s.emit('fldcw', { opcode: [0xd9], operand: memoryOperand(s, 2, 'read', linear), reg: 5 });
    conditions(s, 0, C0 | C1 | C2 | C3);
  } else if (form === 4) {
    s.emit('fnclex', { opcode: [0xdb, 0xe2] });
    conditions(s, 0, C0 | C1 | C2 | C3);
  } else if (form === 5) s.emit('fwait', { opcode: [0x9b] });
  else if (s.conditional) return;
  else if (form === 6) {
    s.emit('fninit', { opcode: [0xdb, 0xe3] });
    s.depth = 0;
    conditions(s, C0 | C1 | C2 | C3, 0);
  } else if (form === 7) environment(s);
  else {
    s.emit('fnop', { opcode: [0xd9, 0xd0] });
    conditions(s, 0, C0 | C1 | C2 | C3);
  }
}

/** FNSTENV and FNSAVE to a place of their own, since the pointers in them are not compared, and FLDENV and FRSTOR back. */
function environment(s: Sequence): void {
  if (s.undefinedConditions !== 0) return;
  const whole = s.below(2);
  const size = s.wideSize();
  const offset = 0x600 + s.below(0x40);
  const bytes = (size === 32 ? 28 : 14) + (whole ? 80 : 0);
  const opcode = [whole ? 0xdd : 0xd9];
  s.emit(whole ? 'fnsave' : 'fnstenv', {
    size,
    opcode,
    operand: memoryOperand(s, bytes, 'write', DATA + offset),
    reg: 6,
  });
  // From the instruction pointer to the operand selector; between the words of the 32-bit form lie reserved ones.
  s.undefinedBytes.push([offset + (size === 32 ? 12 : 6), offset + (size === 32 ? 28 : 14)]);
  if (size === 32) for (const at of [2, 6, 10]) s.undefinedBytes.push([offset + at, offset + at + 2]);
  if (s.chance(60)) {
    s.emit(whole ? 'frstor' : 'fldenv', {
      size,
      opcode,
      operand: memoryOperand(s, bytes, 'read', DATA + offset),
      reg: 4,
    });
    if (!whole) return;
  } else if (whole) {
    s.depth = 0;
    conditions(s, C0 | C1 | C2 | C3, 0);
  }
}
