// SPDX-License-Identifier: MIT
//
// Generators of instructions about descriptors and of privileged ones; most fault outside ring 0.
import { DATA, KIND } from '../batch-layout.ts';
import { ODD_SELECTORS } from '../modes.ts';
import { anyOperand, memoryOperand, registerOperand } from '../operand.ts';
import { AF, little, type Sequence, STATUS, ZF } from '../sequence.ts';

export function descriptors(s: Sequence): void {
  const form = s.mode.native ? 0 : s.below(4);
  const size = s.wideSize();
  const source = s.pick([0, 1, 2, 3, 6, 7]);
  if (s.chance(90)) s.load(source, s.pick(ODD_SELECTORS) | (s.chance(50) ? s.random32() & 0xffff0000 : 0));
  if (form === 0) {
    const register = s.destination(16);
    const operand = s.chance(30) ? memoryOperand(s, 2, 'write') : registerOperand(register);
    s.emit('arpl', { opcode: [0x63], operand, reg: source });
    s.clobberOperand(operand, 16);
  } else if (form === 1) {
    s.emit('verr', { opcode: [0x0f, 0x00], operand: registerOperand(source), reg: 4 });
  } else if (form === 2) {
    s.emit('verw', { opcode: [0x0f, 0x00], operand: registerOperand(source), reg: 5 });
  } else {
    const register = s.destination(size);
    const limit = s.below(2);
    const operand = registerOperand(source);
    s.emit(limit ? 'lsl' : 'lar', { size, opcode: [0x0f, 0x02 + limit], operand, reg: register });
    s.clobber(register, size);
    if (!limit && size === 32) {
      // Bits 16 to 19 of the result are undefined (SDM vol. 2A LAR); ZF is kept in memory while they are cleared.
      s.emit('setcc', { opcode: [0x0f, 0x94], operand: memoryOperand(s, 1, 'write', DATA + 0x400), reg: 0 });
      const immediate = little(0xfff0ffff, 32);
      s.emit('and', { size: 32, opcode: [0x81], operand: registerOperand(register), reg: 4, immediate });
      s.flags(STATUS & ~AF, AF);
      return;
    }
  }
  s.flags(ZF, 0);
}

export function storeTables(s: Sequence): void {
  if (s.mode.native) return;
  const form = s.below(5);
  if (form < 2) {
    const operand = memoryOperand(s, 6, 'write');
    s.emit(form ? 'sidt' : 'sgdt', { size: s.wideSize(), opcode: [0x0f, 0x01], operand, reg: form });
    return;
  }
  // With a register and 32 bits the upper half is undefined.
  const operand = anyOperand(s, 16, 'write');
  const size = operand.register === undefined ? s.wideSize() : 16;
  if (form === 2) s.emit('smsw', { size, opcode: [0x0f, 0x01], operand, reg: 4 });
  else s.emit(form === 3 ? 'sldt' : 'str', { size, opcode: [0x0f, 0x00], operand, reg: form - 3 });
  s.clobberOperand(operand, 16);
}

/** Instructions that ring 3 may not run. */
export function privileged(s: Sequence): void {
  const register = s.pick([0, 1, 2, 3, 5, 6, 7]);
  if (!s.mode.ring3) {
    if (s.chance(30)) s.emit('clts', { opcode: [0x0f, 0x06] });
    else {
      s.emit('mov from cr', { opcode: [0x0f, 0x20], operand: registerOperand(register), reg: s.pick([0, 2, 3, 4]) });
      s.clobber(register, 32);
    }
    return;
  }
  const operand = registerOperand(register);
  const form = s.below(10);
  if (form === 0) s.emit('hlt', { opcode: [0xf4] });
  else if (form === 1) s.emit('clts', { opcode: [0x0f, 0x06] });
  else if (form === 2) s.emit('mov from cr', { opcode: [0x0f, 0x20], operand, reg: s.pick([0, 2, 3, 4]) });
  else if (form === 3) s.emit('mov to cr', { opcode: [0x0f, 0x22], operand, reg: s.pick([0, 2, 3, 4]) });
  else if (form === 4)
    s.emit('mov dr', { opcode: [0x0f, s.pick([0x21, 0x23])], operand, reg: s.pick([0, 1, 2, 3, 6, 7]) });
  else if (form === 5) s.emit('lmsw', { opcode: [0x0f, 0x01], operand: anyOperand(s, 16, 'read'), reg: 6 });
  else if (form === 6)
    s.emit('lgdt', { opcode: [0x0f, 0x01], operand: memoryOperand(s, 6, 'read'), reg: 2 + s.below(2) });
  else if (form === 7) s.emit('wbinvd', { opcode: [0x0f, 0x09] });
  else if (form === 8) s.emit('invd', { opcode: [0x0f, 0x08] });
  else s.emit('rdmsr', { opcode: [0x0f, s.pick([0x30, 0x32])] });
}

/** Port instructions: only where the I/O permission bitmap, which the TSS does not have, refuses them. */
export function ports(s: Sequence): void {
  if (s.mode.kind !== KIND.outer || s.ioPrivilege === 3) return;
  const form = s.below(3);
  if (form === 0) s.emit('in', { opcode: [0xe4 + s.below(2)], immediate: little(s.below(256), 8) });
  else if (form === 1) s.emit('out', { opcode: [s.pick([0xe6, 0xe7, 0xec, 0xed, 0xee, 0xef])], immediate: [0x90] });
  else s.emit('ins', { opcode: [0x6c + s.below(4)] });
}
