// SPDX-License-Identifier: MIT
//
// Generators of jumps, calls and software interrupts. Jumps go forward, over instructions that may or may not run.
import { memoryOperand, registerOperand } from '../operand.ts';
import { little, OF, type Sequence, STATUS, ZF } from '../sequence.ts';
import { condition } from './moves.ts';
import { clearBelow, randomFlags } from './stack.ts';

type Body = (s: Sequence) => void;

/** Emits a jump over what `body` makes; the displacement is the last `bits` bits of the jump. */
function jumpOver(s: Sequence, name: string, parts: Parameters<Sequence['emit']>[1], bits: number, body: Body): void {
  s.emit(name, { ...parts, immediate: little(0, bits) });
  const end = s.bytes.length;
  s.perhaps(() => body(s));
  const distance = little(s.bytes.length - end, bits);
  distance.forEach((byte, i) => {
    s.bytes[end - distance.length + i] = byte;
  });
}

export function jump(s: Sequence, body: Body): void {
  if (s.conditional) return;
  const size = s.wideSize();
  const form = s.below(5);
  if (form === 0) jumpOver(s, 'jcc', { opcode: [0x70 + condition(s)] }, 8, body);
  else if (form === 1) {
    // A 16-bit operand size cuts EIP to 16 bits: only where EIP is small.
    const near = s.mode.bits;
    jumpOver(s, 'jcc', { size: near, opcode: [0x0f, 0x80 + condition(s)] }, near, body);
  } else if (form === 2) jumpOver(s, 'jmp', { opcode: [0xeb] }, 8, body);
  else if (form === 3) jumpOver(s, 'jmp', { opcode: [0xe9] }, s.mode.bits, body);
  else loop(s, size, body);
}

function loop(s: Sequence, size: number, body: Body): void {
  const kind = s.below(4);
  if (kind < 2) s.needs(ZF);
  const prefixes = size === s.mode.bits ? [] : [0x67];
  const name = ['loopne', 'loope', 'loop', 'jecxz'][kind]!;
  if (s.chance(50)) s.load(1, s.pick([0, 1, 2, 0x10000, 0x10001]));
  // The count is gone whichever way the jump goes.
  if (kind < 3) s.clobber(1, 32);
  jumpOver(s, name, { prefixes, opcode: [0xe0 + kind] }, 8, body);
}

/** CALL over a piece of code, or an indirect JMP or CALL to the next instruction, or a RET to it. */
export function call(s: Sequence, body: Body): void {
  if (s.conditional || !s.stackHasRoom(16)) return;
  const bits = s.mode.bits;
  const form = s.below(4);
  if (form === 0) {
    jumpOver(s, 'call', { opcode: [0xe8] }, bits, body);
    s.moveStack(-bits / 8);
    return;
  }
  const register = s.pick([0, 1, 2, 3, 6, 7]);
  // MOV with the size of the code, so that its length is known: the target is the instruction after the jump.
  const target = (length: number): number => s.bytes.length + length + s.origin;
  if (form === 1) {
    const called = s.below(2);
    s.load(register, target(bits === 32 ? 7 : 8));
    s.emit(called ? 'call' : 'jmp', { opcode: [0xff], operand: registerOperand(register), reg: called ? 2 : 4 });
    if (called) s.moveStack(-bits / 8);
  } else if (form === 2) {
    s.emit('push', { size: bits, opcode: [0x68], immediate: little(target(bits / 8 + 2), bits) });
    s.emit('ret', { opcode: [0xc3] });
  } else {
    const released = s.pick([0, 2, 4, 8]);
    s.emit('push', { size: bits, opcode: [0x68], immediate: little(target(bits / 8 + 4), bits) });
    s.emit('ret', { opcode: [0xc2], immediate: [released, 0] });
    s.moveStack(released);
  }
}

/** Far transfers to the next instruction within the same privilege level. */
export function far(s: Sequence): void {
  if (s.conditional || !s.stackHasRoom(16)) return;
  const bits = s.mode.bits;
  const bytes = bits / 8;
  const selector = s.selectors[1]!;
  const target = (length: number): number => s.bytes.length + length + s.origin;
  const form = s.below(4);
  if (form === 0) {
    const called = s.below(2);
    if (called && bits === 32 && !clearBelow(s, 4)) return;
    const pointer = [...little(target(1 + bytes + 2), bits), ...little(selector, 16)];
    s.emit(called ? 'call far' : 'jmp far', { opcode: [called ? 0x9a : 0xea], immediate: pointer });
    if (called) s.moveStack(-2 * bytes);
  } else if (form === 1) {
    s.emit('push', { size: bits, opcode: [0x68], immediate: little(selector, bits) });
    s.emit('push', { size: bits, opcode: [0x68], immediate: little(target(1 + bytes + 1), bits) });
    s.emit('retf', { opcode: [0xcb] });
  } else if (form === 2) {
    s.emit('push', { size: bits, opcode: [0x68], immediate: little(randomFlags(s) & ~0x4000, bits) });
    s.emit('push', { size: bits, opcode: [0x68], immediate: little(selector, bits) });
    s.emit('push', { size: bits, opcode: [0x68], immediate: little(target(1 + bytes + 1), bits) });
    s.emit('iret', { opcode: [0xcf] });
    s.flags(STATUS, 0);
  } else throughMemory(s, bytes, selector);
}

const MANY_NOPS = 24;

/** A far JMP through a pointer in memory, written there first. Its length is not known yet: it lands in a row of NOPs. */
function throughMemory(s: Sequence, bytes: number, selector: number): void {
  const linear = 0x41400 + s.below(0xf0);
  const put = (at: number, value: number, size: 16 | 32): void => {
    const operand = memoryOperand(s, size / 8, 'write', at);
    s.emit('mov', { size, opcode: [0xc7], operand, reg: 0, immediate: little(value, size) });
  };
  put(linear + bytes, selector, 16);
  put(linear, s.bytes.length + MANY_NOPS + s.origin, s.mode.bits);
  s.emit('jmp far', { opcode: [0xff], operand: memoryOperand(s, bytes + 2, 'read', linear), reg: 5 });
  for (let i = 0; i < MANY_NOPS; i++) s.emit('nop', { opcode: [0x90] });
}

export function softwareInterrupt(s: Sequence): void {
  const form = s.below(s.mode.native ? 3 : 7);
  if (form === 0) s.emit('int3', { opcode: [0xcc] });
  else if (form === 1) {
    s.needs(OF);
    s.emit('into', { opcode: [0xce] });
  } else if (form === 2)
    s.emit('ud2', {
      opcode: s.pick([
        [0x0f, 0x0b],
        [0x0f, 0xff, 0xc0],
        [0x0f, 0xb9, 0xc0],
        [0x0f, 0x04],
      ]),
    });
  else {
    const vectors = [3, 4, 5, 0x20, 0x21, 0x28, 0x2f, 0x40, 0x78, 0x80];
    // Vectors with an error code as exceptions have none as interrupts, which the handlers of ring 0 do not tell apart.
    if (s.mode.ring3) vectors.push(0, 1, 6, 8, 13, 14, 0x30, 0x88, 0x8f, 0x90, 0xff);
    const vector = s.pick(vectors);
    s.emit(vector < 0x90 ? 'int' : 'int beyond', { opcode: [0xcd], immediate: [vector] });
  }
}

export function bound(s: Sequence): void {
  const size = s.wideSize();
  if (s.chance(70)) {
    // Bounds of zero and a great number, mostly kept.
    const linear = 0x41400 + s.below(0xf0);
    const low = memoryOperand(s, size / 8, 'write', linear);
    s.emit('mov', { size, opcode: [0xc7], operand: low, reg: 0, immediate: little(0x8000_0000 >> (32 - size), size) });
    const high = memoryOperand(s, size / 8, 'write', linear + size / 8);
    s.emit('mov', { size, opcode: [0xc7], operand: high, reg: 0, immediate: little(s.below(0x7000), size) });
    const operand = memoryOperand(s, size / 4, 'read', linear);
    s.emit('bound', { size, opcode: [0x62], operand, reg: s.below(8) });
  } else {
    s.emit('bound', { size, opcode: [0x62], operand: memoryOperand(s, size / 4, 'read'), reg: s.below(8) });
  }
}
