// SPDX-License-Identifier: MIT
//
// From instructions to micro-operations. Every instruction of the opcode table has an entry in emit-table.ts, or is a helper of the
// same name. What may fault comes before what changes something, within the micro-operations of one instruction too: loads, or a load
// with the intent to store, then the operation, then a store that can no longer fail.
import { EMIT } from './emit-table.ts';
import { helperNumber } from './helper-table.ts';
import type { Instruction } from './instruction.ts';
import { Mode } from './mode.ts';
import { OPERAND_ADDRESS32, OPERAND_MEMORY, OPERAND_SIZE32 } from './operands.ts';
import { UOP, type UopName } from './uops.ts';

const ECX = 1;
const ESP = 4;
const CS = 1;
const DS = 3;
const T0 = 128;
const T1 = 129;
const ZERO = 131;
const ALU_OPERATIONS = new Set(['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp', 'test', 'mov']);

/** Helpers behind which no instruction of the block follows. */
const TERMINATORS = new Set(
  `ud jmpNear jmpNearIndirect callNear callNearIndirect retNear jmpFar callFar jmpFarIndirect callFarIndirect retFar iret
  int int1 int3 hlt sysenter sysexit rsm`.split(/\s+/),
);

/** Where the words of a block go. */
export interface UopSink {
  put(operation: number, a: number, b: number, immediate: number): void;
}

/** Index of a register, or of a scratch word, for operands of a size. */
function indexOf(register: number, size: number): number {
  if (size !== 1) return size === 4 ? register : register * 2;
  return register >= T0 ? register * 4 : ((register & 3) << 2) + (register >>> 2);
}

const suffix = (size: number): string => (size === 4 ? '32' : size === 2 ? '16' : '8');
const uop = (name: string): number => UOP[name as UopName];

export class Emitter {
  private readonly sink: UopSink;
  private instruction!: Instruction;
  private mode = 0;
  /** From the block's first instruction to the end of this one, in bytes and in instructions. */
  private end = 0;
  private count = 0;

  constructor(sink: UopSink) {
    this.sink = sink;
  }

  /** Emits one instruction; true if the block ends behind it. */
  emit(instruction: Instruction, mode: number, end: number, count: number): boolean {
    this.instruction = instruction;
    this.mode = mode;
    this.end = end;
    this.count = count;
    const { opcode, lock, memory } = instruction;
    const { name, operands } = opcode;
    const needsMemory = operands.includes('M');
    if ((lock && !(opcode.lockable && memory)) || (needsMemory && !memory)) return this.helper('ud');
    if (ALU_OPERATIONS.has(name)) this.arithmetic(name, operands);
    else {
      const special = EMIT[name];
      if (special !== undefined) return special(this, instruction) === true;
      return this.plainHelper(name);
    }
    return false;
  }

  /** The block ends in front of the next instruction. */
  fallThrough(): void {
    this.put('JMP', this.count, 0, this.end);
  }

  // ---- operands ---------------------------------------------------------------------------------------------------

  /** Size in bytes of an operand of the opcode table. */
  sizeOf(operand: string): number {
    if (operand === 'AL' || operand === 'CL') return 1;
    if (operand === 'eAX') return this.instruction.operandSize;
    const letter = operand[1];
    if (letter === 'b') return 1;
    return letter === 'w' ? 2 : letter === 'd' ? 4 : this.instruction.operandSize;
  }

  /** The register that an operand names, or −1 for one in memory or an immediate. */
  private registerOf(operand: string): number {
    const { instruction } = this;
    switch (operand[0]) {
      case 'G':
        return instruction.reg;
      case 'Z':
        return instruction.byte & 7;
      case 'E':
        return instruction.memory ? -1 : instruction.rm;
      default:
        return operand === 'AL' || operand === 'eAX' ? 0 : -1;
    }
  }

  put(name: string, a: number, b: number, immediate: number): void {
    this.sink.put(uop(name), a, b, immediate);
  }

  private get isFlat(): boolean {
    return (this.mode & Mode.flatData) !== 0 && this.instruction.segment <= DS && this.instruction.segment !== CS;
  }
  get isFlatStack(): boolean {
    const needs = Mode.flatData | Mode.stack32;
    return (this.mode & needs) === needs && this.instruction.operandSize === 4;
  }
  /** Near transfers need no check: 32-bit code without a limit. */
  get isFree32(): boolean {
    const needs = Mode.flatCode | Mode.code32;
    return (this.mode & needs) === needs && this.instruction.operandSize === 4;
  }
  /** 16-bit code in a segment of 64 KiB or more. */
  get isFree16(): boolean {
    return (this.mode & (Mode.flatCode | Mode.code32)) === Mode.flatCode && this.instruction.operandSize === 2;
  }

  /** Puts the offset of the memory operand into a word. */
  offsetTo(word: number): void {
    const { base, index, scale, displacement, addressSize } = this.instruction;
    const registers = (base < 0 ? ZERO : base) | ((index < 0 ? ZERO : index) << 8) | (scale << 16);
    this.put(addressSize === 4 ? 'EA32' : 'EA16', word, registers, displacement);
  }

  /** Makes the memory operand addressable: base register and displacement of its linear address. */
  private address(size: number, isStore: boolean): { base: number; displacement: number } {
    const { base, index, displacement, addressSize, segment } = this.instruction;
    if (this.isFlat && addressSize === 4 && index < 0) return { base: base < 0 ? ZERO : base, displacement };
    this.offsetTo(T1);
    if (!this.isFlat) this.put('SEG', segment, size, isStore ? 1 : 0);
    return { base: T1, displacement: 0 };
  }

  load(register: number, size: number): void {
    const { base, displacement } = this.address(size, false);
    this.put(`LD${suffix(size)}`, indexOf(register, size), base, displacement);
  }
  store(register: number, size: number): void {
    const { base, displacement } = this.address(size, true);
    this.put(`ST${suffix(size)}`, indexOf(register, size), base, displacement);
  }
  private loadForStore(size: number): void {
    const { base, displacement } = this.address(size, true);
    this.put(`LDW${suffix(size)}`, indexOf(T0, size), base, displacement);
  }

  /** The operand's value in a register: its own, or T0. Immediates go to T0 too. */
  value(operand: string, size = this.sizeOf(operand)): number {
    const register = this.registerOf(operand);
    if (register >= 0) return register;
    if (operand[0] === 'I') this.put('MOV32', T0, ZERO, this.instruction.immediate);
    else this.load(T0, size);
    return T0;
  }

  /** Reads the destination, lets `operate` change it at its index, and writes it back. */
  modify(operand: string, operate: (index: number, size: number) => void): void {
    const size = this.sizeOf(operand);
    const register = this.registerOf(operand);
    if (register >= 0) {
      operate(indexOf(register, size), size);
      return;
    }
    this.loadForStore(size);
    operate(indexOf(T0, size), size);
    this.put(`STW${suffix(size)}`, indexOf(T0, size), 0, 0);
  }

  // ---- families ---------------------------------------------------------------------------------------------------

  private arithmetic(name: string, [target, source]: readonly string[]): void {
    const size = this.sizeOf(target);
    const operation = name.toUpperCase() + suffix(size);
    const targetRegister = this.registerOf(target);
    const isImmediate = source[0] === 'I';
    const immediate = isImmediate ? this.instruction.immediate : 0;
    if (targetRegister >= 0) {
      if (name === 'mov' && !isImmediate && this.registerOf(source) < 0) {
        this.load(targetRegister, size);
        return;
      }
      const sourceRegister = isImmediate ? ZERO : this.value(source, size);
      this.put(operation, indexOf(targetRegister, size), indexOf(sourceRegister, size), immediate);
      return;
    }
    const sourceRegister = isImmediate ? ZERO : this.registerOf(source);
    if (name === 'mov') {
      if (isImmediate) this.put('MOV32', T0, ZERO, immediate);
      this.store(isImmediate ? T0 : sourceRegister, size);
    } else if (name === 'cmp' || name === 'test') {
      this.load(T0, size);
      this.put(operation, indexOf(T0, size), indexOf(sourceRegister, size), immediate);
    } else {
      this.modify(target, (index) => this.put(operation, index, indexOf(sourceRegister, size), immediate));
    }
  }

  unary(name: string): void {
    const [operand] = this.instruction.opcode.operands;
    this.modify(operand, (index, size) => this.put(name.toUpperCase() + suffix(size), index, 0, 0));
  }

  /** Shifts of 32 bits; the others are helpers. */
  shift(name: string): boolean {
    const [target, count] = this.instruction.opcode.operands;
    const immediate = count === 'CL' ? -1 : count === '1' ? 1 : this.instruction.immediate;
    if (this.sizeOf(target) !== 4 || name === 'rcl' || name === 'rcr') return this.rmHelper(name, target, immediate);
    this.modify(target, (index) =>
      this.put(`${name.toUpperCase()}32`, index, immediate < 0 ? ECX : ZERO, Math.max(0, immediate)),
    );
    return false;
  }

  extend(name: string): void {
    const [target, source] = this.instruction.opcode.operands;
    const from = this.sizeOf(source);
    const to = this.sizeOf(target);
    const register = this.value(source, from);
    const operation = from === to ? 'MOV16' : `${name.toUpperCase()}${from * 8}_${to * 8}`;
    this.put(operation, indexOf(this.instruction.reg, to), indexOf(register, from), 0);
  }

  push(operand: string): boolean {
    const isImmediate = operand[0] === 'I';
    if (!this.isFlatStack) {
      if (isImmediate) return this.helper('pushImm', this.instruction.operandSize, this.instruction.immediate);
      const register = this.registerOf(operand);
      if (register < 0) return this.rmHelper('pushRm', operand, 0);
      return this.helper('pushReg', this.instruction.operandSize | (register << 3) | (register << 6), 0);
    }
    if (isImmediate) this.put('PUSH32', ZERO, 0, this.instruction.immediate);
    else this.put('PUSH32', this.value(operand), 0, 0);
    return false;
  }

  pop(operand: string): boolean {
    const { base, operandSize } = this.instruction;
    const register = this.registerOf(operand);
    if (register < 0) {
      // The address is taken behind the pop: an ESP in it is already incremented (SDM vol. 2B POP).
      if (base === ESP) this.instruction.displacement += operandSize;
      return this.rmHelper('popRm', operand, 0);
    }
    if (this.isFlatStack) this.put('POP32', register, 0, 0);
    else this.helper('popReg', operandSize | (register << 3) | (register << 6), 0);
    return false;
  }

  // ---- near transfers ---------------------------------------------------------------------------------------------

  jump(displacement: number): boolean {
    if (this.isFree32) this.put('JMP', this.count, 0, (this.end + displacement) | 0);
    else if (this.isFree16) this.put('JMP16', this.count, 0, (this.end + displacement) | 0);
    else return this.helper('jmpNear', this.instruction.operandSize, displacement);
    return true;
  }

  jumpIf(condition: number, displacement: number): boolean {
    const delta = (this.end + displacement) | 0;
    if (this.isFree32) this.sink.put(UOP.JO + condition, this.count, 0, delta);
    else if (this.isFree16) this.put('JCC16', this.count, condition, delta);
    else this.helper('branch', this.instruction.operandSize | (condition << 3), displacement);
    return false;
  }

  loop(): boolean {
    const { byte, addressSize, immediate } = this.instruction;
    const kind = (byte & 3) | (addressSize === 4 ? 4 : 0);
    if (this.isFree32) this.put('LOOP', this.count, kind, (this.end + immediate) | 0);
    else if (this.isFree16) this.put('LOOP', this.count, kind | 8, (this.end + immediate) | 0);
    else this.helper('loopBranch', this.instruction.operandSize | (kind << 3), immediate);
    return false;
  }

  call(displacement: number): boolean {
    if (!this.isFree32 || !this.isFlatStack) return this.helper('callNear', this.instruction.operandSize, displacement);
    this.put('PUSHIP', 0, 0, this.end);
    this.put('JMP', this.count, 0, (this.end + displacement) | 0);
    return true;
  }

  callThrough(): boolean {
    if (!this.isFree32 || !this.isFlatStack) return this.rmHelper('callNearIndirect', 'Ev', 0);
    const register = this.value('Ev', 4);
    // The target is read before the push: it may be ESP.
    if (register !== T0) this.put('MOV32', T0, register, 0);
    this.put('PUSHIP', 0, 0, this.end);
    this.put('JMPR', this.count, T0, 0);
    return true;
  }

  jumpThrough(): boolean {
    if (!this.isFree32) return this.rmHelper('jmpNearIndirect', 'Ev', 0);
    this.put('JMPR', this.count, this.value('Ev', 4), 0);
    return true;
  }

  returnNear(release: number): boolean {
    if (!this.isFree32 || !this.isFlatStack) return this.helper('retNear', this.instruction.operandSize, release);
    this.put('POP32', T0, 0, 0);
    if (release !== 0) this.put('EA32', ESP, ESP | (ZERO << 8), release);
    this.put('JMPR', this.count, T0, 0);
    return true;
  }

  // ---- helpers ----------------------------------------------------------------------------------------------------

  /** True if the block ends behind it. */
  helper(name: string, operands = 0, immediate = 0): boolean {
    const number = helperNumber.get(name);
    if (number === undefined) throw new Error(`no helper ${name}`);
    this.put('HELPER', number, operands, immediate);
    if (!TERMINATORS.has(name)) return false;
    this.put('NEXT', this.count, 0, 0);
    return true;
  }

  /** The operand word of this instruction for operands of a size. */
  operandWord(size: number): number {
    const { reg, rm, memory, segment, addressSize, repeat, operandSize } = this.instruction;
    return (
      size |
      (reg << 3) |
      (rm << 6) |
      (memory ? OPERAND_MEMORY : 0) |
      (segment << 10) |
      (addressSize === 4 ? OPERAND_ADDRESS32 : 0) |
      (repeat << 14) |
      (operandSize === 4 ? OPERAND_SIZE32 : 0)
    );
  }

  /** A helper with an r/m operand. */
  rmHelper(name: string, operand: string, immediate: number): boolean {
    if (this.instruction.memory) this.offsetTo(T1);
    return this.helper(name, this.operandWord(this.sizeOf(operand)), immediate);
  }

  /** An instruction whose helper has its name: size from its first operand, the immediate as it stands. */
  private plainHelper(name: string): boolean {
    const { opcode, immediate, byte } = this.instruction;
    const [first, ...rest] = opcode.operands;
    // A register in the opcode is the reg and rm field for helpers.
    if (first !== undefined && first[0] === 'Z') {
      const register = byte & 7;
      return this.helper(name, this.sizeOf(first) | (register << 3) | (register << 6), immediate);
    }
    const isOperand = first !== undefined && first.length > 1 && first[0] !== 'I';
    const size = isOperand ? this.sizeOf(first) : this.instruction.operandSize;
    if (this.instruction.memory) this.offsetTo(T1);
    const takesCount = rest.includes('CL') || (name.startsWith('bt') && rest.includes('Gv'));
    return this.helper(name, this.operandWord(size), takesCount ? -1 : immediate);
  }

  loadEffectiveAddress(): void {
    const { reg, operandSize } = this.instruction;
    if (operandSize === 4) {
      this.offsetTo(reg);
      return;
    }
    this.offsetTo(T1);
    this.put('MOV16', indexOf(reg, 2), indexOf(T1, 2), 0);
  }

  setIf(condition: number): void {
    const { memory, rm } = this.instruction;
    this.put('SETCC', indexOf(memory ? T0 : rm, 1), condition, 0);
    if (memory) this.store(T0, 1);
  }

  moveIf(condition: number): void {
    const { reg, operandSize } = this.instruction;
    const source = this.value('Ev');
    this.put(`CMOV${suffix(operandSize)}`, indexOf(reg, operandSize), indexOf(source, operandSize), condition);
  }

  exchange([target, source]: readonly string[]): boolean {
    if (this.instruction.memory) return this.rmHelper('xchg', target, 0);
    const size = this.sizeOf(target);
    const registers = [this.registerOf(target), this.registerOf(source)].map((register) => indexOf(register, size));
    this.put(`XCHG${suffix(size)}`, registers[0], registers[1], 0);
    return false;
  }

  multiply(): boolean {
    const { reg, operandSize, immediate, opcode } = this.instruction;
    if (operandSize !== 4) return this.plainHelper(opcode.name);
    const source = this.value('Ev');
    if (opcode.name === 'imul2') this.put('IMUL32', reg, reg | (source << 8), 0);
    else this.put('IMUL32', reg, source | (ZERO << 8), immediate);
    return false;
  }
}
