// SPDX-License-Identifier: MIT
//
// Generators of instructions that move data or flags and of string instructions.
import { DATA } from '../batch-layout.ts';
import { segmentOf } from '../modes.ts';
import { anyOperand, memoryOperand, registerOperand, SEGMENT_PREFIXES } from '../operand.ts';
import { CF, little, OF, PF, type Sequence, SF, type Size, STATUS, ZF } from '../sequence.ts';
import { lock } from './arithmetic.ts';

export function move(s: Sequence): void {
  const size = s.size();
  const wide = size === 8 ? 0 : 1;
  const form = s.below(5);
  if (form === 0) {
    const operand = anyOperand(s, size, 'write');
    s.emit('mov', { size, prefixes: lock(s, false), opcode: [0x88 + wide], operand, reg: s.below(8) });
    s.clobberOperand(operand, size);
  } else if (form === 1) {
    const register = s.destination(size);
    s.emit('mov', { size, opcode: [0x8a + wide], operand: anyOperand(s, size, 'read'), reg: register });
    s.clobber(register, size);
  } else if (form === 2) {
    const operand = anyOperand(s, size, 'write');
    s.emit('mov', { size, opcode: [0xc6 + wide], operand, reg: 0, immediate: little(s.interesting(), size) });
    s.clobberOperand(operand, size);
  } else if (form === 3) {
    const register = s.destination(size);
    const value = s.interesting();
    s.emit('mov', { size, opcode: [0xb0 + 8 * wide + register], immediate: little(value, size) });
    s.clobber(register, size);
    if (size === 32) s.known[register] = value;
  } else moveDirect(s, size);
}

/** MOV between the accumulator and an address without ModRM. */
function moveDirect(s: Sequence, size: Size): void {
  const store = s.below(2);
  const offset = (DATA + 0x400 + s.below(0xf0) - (s.segmentBase(3) ?? 0)) >>> 0;
  if (s.segmentBase(3) === undefined || (s.mode.bits === 16 && offset > 0xff00)) return;
  if (store && !segmentOf(s.mode, s.selectors[3]!)?.writable) return;
  const opcode = [0xa0 + 2 * store + (size === 8 ? 0 : 1)];
  s.emit('mov', { size, opcode, immediate: little(offset, s.mode.bits) });
  if (!store) s.clobber(0, size);
}

export function extend(s: Sequence): void {
  const size = s.wideSize();
  const from = s.below(2);
  const signed = s.below(2);
  const register = s.destination(size);
  const operand = anyOperand(s, from ? 16 : 8, 'read');
  s.emit(signed ? 'movsx' : 'movzx', { size, opcode: [0x0f, 0xb6 + 8 * signed + from], operand, reg: register });
  s.clobber(register, size);
}

/** The flags that each of the sixteen conditions reads. */
const CONDITION_FLAGS = [OF, CF, ZF, CF | ZF, SF, PF, SF | OF, ZF | SF | OF];

export function condition(s: Sequence): number {
  const code = s.below(16);
  s.needs(CONDITION_FLAGS[code >> 1]!);
  return code;
}

export function conditionalMove(s: Sequence): void {
  const size = s.wideSize();
  const code = condition(s);
  const register = s.destination(size);
  s.emit('cmov', { size, opcode: [0x0f, 0x40 + code], operand: anyOperand(s, size, 'read'), reg: register });
  s.clobber(register, size);
}

export function setByCondition(s: Sequence): void {
  const code = condition(s);
  const operand = anyOperand(s, 8, 'write');
  s.emit('setcc', { opcode: [0x0f, 0x90 + code], operand, reg: s.below(8) });
  s.clobberOperand(operand, 8);
}

export function exchange(s: Sequence): void {
  const size = s.size();
  if (size !== 8 && s.chance(30)) {
    const register = s.destination(size);
    s.emit('xchg', { size, opcode: [0x90 + register] });
    s.clobber(0, size);
    s.clobber(register, size);
    return;
  }
  const register = s.destination(size);
  const operand = anyOperand(s, size, 'write');
  const prefixes = lock(s, operand.register === undefined);
  s.emit('xchg', { size, prefixes, opcode: [size === 8 ? 0x86 : 0x87], operand, reg: register });
  s.clobberOperand(operand, size);
  s.clobber(register, size);
}

export function loadAddress(s: Sequence): void {
  const size = s.wideSize();
  const register = s.destination(size);
  const operand = s.chance(2) ? registerOperand(s.below(8)) : memoryOperand(s, 4, 'read');
  s.emit('lea', { size, opcode: [0x8d], operand, reg: register });
  s.clobber(register, size);
}

export function swapBytes(s: Sequence): void {
  const register = s.destination(32);
  s.emit('bswap', { size: 32, opcode: [0x0f, 0xc8 + register] });
  s.clobber(register, 32);
}

export function widen(s: Sequence): void {
  const size = s.wideSize();
  const toEdx = s.below(2);
  s.emit(toEdx ? 'cdq' : 'cwde', { size, opcode: [0x98 + toEdx] });
  s.clobber(toEdx ? 2 : 0, 32);
}

export function translate(s: Sequence): void {
  const base = s.segmentBase(3);
  if (base === undefined) return;
  const offset = (DATA + 0x400 - base) >>> 0;
  if (s.mode.bits === 16 && offset > 0xff00) return;
  s.load(3, offset);
  s.emit('xlat', { opcode: [0xd7] });
  s.clobber(0, 8);
}

export function flagBits(s: Sequence): void {
  const [name, opcode] = s.pick([
    ['cmc', 0xf5],
    ['clc', 0xf8],
    ['stc', 0xf9],
    ['cld', 0xfc],
    ['std', 0xfd],
    ['cli', 0xfa],
    ['sti', 0xfb],
    ['lahf', 0x9f],
    ['sahf', 0x9e],
    ['salc', 0xd6],
  ] as const);
  if (name === 'cmc' || name === 'salc') s.needs(CF);
  if (name === 'lahf') s.needs(STATUS & ~OF);
  s.emit(name, { opcode: [opcode] });
  if (name === 'lahf' || name === 'salc') s.clobber(0, 8);
  if (name === 'sahf') s.flags(STATUS & ~OF, 0);
  if (name === 'clc' || name === 'stc') s.flags(CF, 0);
}

export function nothing(s: Sequence): void {
  const form = s.below(4);
  if (form === 0) s.emit('nop', { opcode: [0x90] });
  else if (form === 1) s.emit('nop', { size: s.wideSize(), opcode: [0x90] });
  else s.emit('nop', { size: s.wideSize(), opcode: [0x0f, 0x1f], operand: anyOperand(s, 32, 'read'), reg: 0 });
}

const STRINGS = [
  { name: 'movs', opcode: 0xa4, source: true, target: 'write' },
  { name: 'cmps', opcode: 0xa6, source: true, target: 'read' },
  { name: 'stos', opcode: 0xaa, source: false, target: 'write' },
  { name: 'lods', opcode: 0xac, source: true, target: undefined },
  { name: 'scas', opcode: 0xae, source: false, target: 'read' },
] as const;

/** A place for a string in a segment; near the end of the page now and then, where pages are. */
function stringOffset(s: Sequence, segment: number, write: boolean): number | undefined {
  const selector = s.selectors[segment];
  const found = selector === undefined ? undefined : segmentOf(s.mode, selector);
  if (!found || (write && !found.writable) || (segment === 1 && s.mode.bits === 16)) return undefined;
  const atEdge = s.mode.paged && s.chance(10);
  const linear = atEdge ? s.pick([DATA + 0xfe0, DATA]) + s.below(32) : DATA + 0x440 + s.below(0x80);
  const offset = (linear - found.base) >>> 0;
  // Below zero lies the other end of the segment, where limits differ.
  const small = s.mode.bits === 16 || found.small;
  return (small && offset > 0xff00) || offset < 0x20 ? undefined : offset;
}

export function string(s: Sequence): void {
  const { name, opcode, source, target } = s.pick(STRINGS);
  const size = s.size();
  const sourceSegment = source && s.chance(25) ? s.below(6) : 3;
  const from = source ? stringOffset(s, sourceSegment, false) : 0;
  const to = target ? stringOffset(s, 0, target === 'write') : 0;
  if (from === undefined || to === undefined) return;
  const addressPrefix = Math.max(from, to) < 0xff00 && s.chance(20) ? [0x67] : [];
  if (source) s.load(6, from);
  if (target) s.load(7, to);
  const repeat = s.chance(70) ? [s.pick([0xf2, 0xf3])] : [];
  if (repeat.length > 0) s.load(1, s.pick([0, 1, 2, 3, 4, 5, 6]));
  const override = sourceSegment === 3 ? [] : [SEGMENT_PREFIXES[sourceSegment]!];
  const prefixes = [...repeat, ...override, ...addressPrefix];
  // What a repeated comparison leaves in the flags when a fault stops it is not what it leaves at its end.
  const compares = target === 'read';
  const repeatedName = repeat.length > 0 ? `rep ${name}` : name;
  s.emit(repeatedName, { size, prefixes, opcode: [opcode + (size === 8 ? 0 : 1)] });
  if (compares && (repeat.length === 0 || s.known[1] !== 0)) s.flags(STATUS, 0);
  if (repeat.length > 0) s.clobber(1, 32);
  if (source) s.clobber(6, 32);
  if (target) s.clobber(7, 32);
  if (name === 'lods') s.clobber(0, size);
}
