// SPDX-License-Identifier: MIT
//
// How instructions become micro-operations that are neither arithmetic (the names of emitter.ts ALU_OPERATIONS) nor a helper of the
// same name: by name in the opcode table.
import type { Emitter } from './emitter.ts';
import type { Instruction } from './instruction.ts';

const CS = 1;
const T2 = 130;
const ZERO = 131;

type Emit = (emitter: Emitter, instruction: Instruction) => unknown;

/** Gives true if the block ends behind the instruction. */
export const EMIT: Readonly<Record<string, Emit>> = {
  inc: (e) => e.unary('inc'),
  dec: (e) => e.unary('dec'),
  neg: (e) => e.unary('neg'),
  not: (e) => e.unary('not'),
  rol: (e) => e.shift('rol'),
  ror: (e) => e.shift('ror'),
  rcl: (e) => e.shift('rcl'),
  rcr: (e) => e.shift('rcr'),
  shl: (e) => e.shift('shl'),
  shr: (e) => e.shift('shr'),
  sar: (e) => e.shift('sar'),
  movzx: (e) => e.extend('movzx'),
  movsx: (e) => e.extend('movsx'),
  lea: (e) => e.loadEffectiveAddress(),
  xchg: (e, i) => e.exchange(i.opcode.operands),
  nop: () => {},
  push: (e, i) => e.push(i.opcode.operands[0]),
  pop: (e, i) => e.pop(i.opcode.operands[0]),
  pushS: (e, i) => e.helper('pushSreg', i.operandSize | (Number(i.opcode.operands[0]) << 3)),
  popS: (e, i) => e.helper('popSreg', i.operandSize | (Number(i.opcode.operands[0]) << 3)),
  movToS: (e, i) => (i.reg === CS || i.reg > 5 ? e.helper('ud') : e.rmHelper('movToSreg', 'Ew', 0)),
  movFromS: (e, i) => (i.reg > 5 ? e.helper('ud') : e.rmHelper('movFromSreg', 'Ev', 0)),
  farPointer: (e, i) => e.rmHelper('loadFarPointer', 'Ev', Number(i.opcode.operands[2])),
  imul2: (e) => e.multiply(),
  imul3: (e) => e.multiply(),
  setcc: (e, i) => e.setIf(i.byte & 15),
  cmov: (e, i) => e.moveIf(i.byte & 15),
  cbw: (e, i) => e.put(i.operandSize === 4 ? 'CWDE' : 'CBW', 0, 0, 0),
  cwd: (e, i) => e.put(i.operandSize === 4 ? 'CDQ' : 'CWD', 0, 0, 0),
  jmp: (e, i) => e.jump(i.immediate),
  jcc: (e, i) => e.jumpIf(i.byte & 15, i.immediate),
  loop: (e) => e.loop(),
  call: (e, i) => e.call(i.immediate),
  callE: (e) => e.callThrough(),
  jmpE: (e) => e.jumpThrough(),
  callM: (e) => e.rmHelper('callFarIndirect', 'Ev', 0),
  jmpM: (e) => e.rmHelper('jmpFarIndirect', 'Ev', 0),
  callFar: (e, i) => farTransfer(e, i, 'callFar'),
  jmpFar: (e, i) => farTransfer(e, i, 'jmpFar'),
  retNear: (e, i) => e.returnNear(i.immediate),
  enter: (e, i) => e.helper('enter', e.operandWord(i.operandSize), i.immediate | (i.immediate2 << 16)),
  fpu: (e, i) => e.rmHelper('fpu', 'Ev', (i.byte << 8) | i.modrm),
  in: (e, i) => e.helper('in', portSize(e, i), portOf(i)),
  out: (e, i) => e.helper('out', portSize(e, i), portOf(i)),
};

/** The target's selector goes to T2, its offset is the immediate. */
function farTransfer(emitter: Emitter, { operandSize, immediate, immediate2 }: Instruction, helper: string): boolean {
  emitter.put('MOV32', T2, ZERO, immediate2);
  return emitter.helper(helper, operandSize, immediate);
}

const portSize = (emitter: Emitter, { opcode }: Instruction): number => emitter.sizeOf(opcode.operands[0]);
/** −1: in DX. */
const portOf = ({ opcode, immediate }: Instruction): number => (opcode.operands[1] === 'DX' ? -1 : immediate & 0xff);
