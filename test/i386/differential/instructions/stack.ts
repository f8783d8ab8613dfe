// SPDX-License-Identifier: MIT
//
// Generators of instructions that use the stack, and of loads of segment registers.
import { KIND } from '../batch-layout.ts';
import { ODD_SELECTORS } from '../modes.ts';
import { anyOperand, memoryOperand, registerOperand } from '../operand.ts';
import { BP, little, type Sequence, SP, STATUS } from '../sequence.ts';

export function push(s: Sequence): void {
  const size = s.wideSize();
  if (!s.stackHasRoom(size / 8)) return;
  const form = s.below(4);
  if (form === 0) s.emit('push', { size, opcode: [0x50 + s.below(8)] });
  else if (form === 1) s.emit('push', { size, opcode: [0x68], immediate: little(s.interesting(), size) });
  else if (form === 2) s.emit('push', { size, opcode: [0x6a], immediate: [s.below(256)] });
  else s.emit('push', { size, opcode: [0xff], operand: anyOperand(s, size, 'read'), reg: 6 });
  s.moveStack(-size / 8);
}

const PUSH_SEGMENT = [[0x06], [0x0e], [0x16], [0x1e], [0x0f, 0xa0], [0x0f, 0xa8]];

export function pushSegment(s: Sequence): void {
  const size = s.wideSize();
  if (!s.stackHasRoom(size / 8) || (size === 32 && !clearBelow(s, 4))) return;
  s.emit('push sreg', { size, opcode: PUSH_SEGMENT[s.below(6)]! });
  s.moveStack(-size / 8);
}

/**
 * Writes zero to the doubleword `bytes` below the top of the stack. The upper half of a pushed selector is zero or not
 * written at all, depending on the processor (SDM vol. 2B PUSH): then both give the same.
 */
export function clearBelow(s: Sequence, bytes: number): boolean {
  const pointer = s.known[SP];
  const base = s.segmentBase(2);
  if (pointer === undefined || base === undefined) return false;
  const operand = memoryOperand(s, 4, 'write', (pointer + base - bytes) >>> 0);
  s.emit('mov', { size: 32, opcode: [0xc7], operand, reg: 0, immediate: little(0, 32) });
  return true;
}

export function pop(s: Sequence): void {
  const size = s.wideSize();
  if (!s.stackHasRoom(-size / 8)) return;
  if (s.chance(60)) {
    const register = s.destination(size);
    s.emit('pop', { size, opcode: [0x58 + register] });
    s.moveStack(size / 8);
    s.clobber(register, size);
    return;
  }
  // An ESP-based operand of POP is computed after ESP has moved (SDM vol. 2B POP).
  s.moveStack(size / 8);
  const operand = anyOperand(s, size, 'write');
  s.moveStack(-size / 8);
  s.emit('pop', { size, opcode: [0x8f], operand, reg: 0 });
  s.moveStack(size / 8);
  s.clobberOperand(operand, size);
}

export function pushPopAll(s: Sequence): void {
  const size = s.wideSize();
  const bytes = size;
  const down = s.below(2);
  if (!s.stackHasRoom(down ? bytes : -bytes)) return;
  s.emit(down ? 'pusha' : 'popa', { size, opcode: [down ? 0x60 : 0x61] });
  s.moveStack(down ? -bytes : bytes);
  if (!down) for (const register of [0, 1, 2, 3, 5, 6, 7]) s.clobber(register, 32);
}

/** Bits worth popping: never VM; TF, NT seldom. */
export function randomFlags(s: Sequence): number {
  let flags = 2 | (s.random32() & 0x3ed5);
  if (s.chance(30)) flags |= s.random32() & (s.mode.native ? 0x210000 : 0x250000);
  if (s.mode.ring3 && s.chance(5)) flags |= 0x100;
  return flags;
}

export function pushFlags(s: Sequence): void {
  const size = s.wideSize();
  if (!s.stackHasRoom(size / 8)) return;
  s.needs(STATUS);
  s.emit('pushf', { size, opcode: [0x9c] });
  s.moveStack(-size / 8);
}

export function popFlags(s: Sequence): void {
  const size = s.wideSize();
  if (!s.stackHasRoom(size / 8)) return;
  s.emit('push', { size, opcode: [0x68], immediate: little(randomFlags(s), size) });
  s.emit('popf', { size, opcode: [0x9d] });
  s.flags(STATUS, 0);
}

export function enterLeave(s: Sequence): void {
  const size = s.wideSize();
  const pointer = s.known[SP];
  if (pointer === undefined || !s.stackHasRoom(64) || !s.stackHasRoom(-16)) return;
  if (s.chance(50)) {
    // LEAVE pops from where EBP points.
    s.load(BP, (pointer + 4 * s.below(4)) >>> 0);
    s.emit('leave', { size, opcode: [0xc9] });
    s.moveStack(s.known[BP]! - pointer + size / 8);
    s.clobber(BP, size);
    return;
  }
  const level = s.chance(60) ? 0 : s.pick([1, 2, 3, 0x20, 0x21]);
  s.load(BP, (pointer + 4 * s.below(4)) >>> 0);
  const room = s.below(16);
  s.emit(level === 0 ? 'enter' : 'nested enter', { size, opcode: [0xc8], immediate: [room, 0, level] });
  const depth = level & 31;
  s.moveStack(-(size / 8) * (1 + depth) - room);
  s.clobber(BP, 32);
}

/** A selector to load into a segment register of this mode, often good. */
function chooseSelector(s: Sequence, segment: number): number | undefined {
  if (s.mode.native) return s.pick(segment !== 2 ? [0x2b, 0x2b, 0] : [0x2b]);
  if (segment === 2 && s.stackMustHold) return s.selectors[2];
  if (s.mode.kind === KIND.real || s.mode.virtual8086) return s.pick(segment === 2 ? s.mode.stack : s.mode.data);
  if (segment === 2) return s.chance(60) ? s.pick(s.mode.stack) : s.pick(ODD_SELECTORS);
  return s.chance(65) ? s.pick(s.mode.data) : s.pick(ODD_SELECTORS);
}

function setSegment(s: Sequence, segment: number, selector: number): void {
  s.selectors[segment] = selector;
}

const POP_SEGMENT = [[0x07], [], [0x17], [0x1f], [0x0f, 0xa1], [0x0f, 0xa9]];
const LOAD_FAR = [[0xc4], [], [0x0f, 0xb2], [0xc5], [0x0f, 0xb4], [0x0f, 0xb5]];

export function loadSegment(s: Sequence): void {
  if (s.conditional) return;
  const segment = s.pick([0, 0, 2, 3, 3, 4, 5]);
  const selector = chooseSelector(s, segment);
  if (selector === undefined) return;
  const form = s.below(3);
  const size = s.wideSize();
  if (form === 0) {
    const register = s.pick([0, 1, 2, 3, 6, 7]);
    s.load(register, (s.random32() & 0xffff0000) | selector);
    s.emit('mov sreg', { size, opcode: [0x8e], operand: registerOperand(register), reg: segment });
  } else if (form === 1) {
    if (!s.stackHasRoom(size / 8)) return;
    s.emit('push', { size, opcode: [0x68], immediate: little(selector, size) });
    s.emit('pop sreg', { size, opcode: POP_SEGMENT[segment]! });
  } else {
    // A far pointer in memory: the selector is put there first.
    const linear = 0x41400 + s.below(0xf0);
    const where = memoryOperand(s, 2, 'write', linear + size / 8);
    s.emit('mov', { size: 16, opcode: [0xc7], operand: where, reg: 0, immediate: little(selector, 16) });
    const register = segment === 2 && s.stackMustHold ? s.below(4) : s.destination(size);
    const operand = memoryOperand(s, size / 8 + 2, 'read', linear);
    s.emit('load far pointer', { size, opcode: LOAD_FAR[segment]!, operand, reg: register });
    s.clobber(register, size);
  }
  setSegment(s, segment, selector);
}

export function storeSegment(s: Sequence): void {
  const size = s.wideSize();
  const operand = anyOperand(s, 16, 'write');
  s.emit('mov from sreg', { size, opcode: [0x8c], operand, reg: s.chance(95) ? s.below(6) : 6 + s.below(2) });
  s.clobberOperand(operand, size);
}
