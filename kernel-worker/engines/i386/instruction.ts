// SPDX-License-Identifier: MIT
//
// One instruction, as its bytes say: prefixes, opcode, ModRM and SIB, displacement and immediate (SDM vol. 2A chapter 2). The
// object is reused from instruction to instruction.
import { ONE_BYTE_MAP, type Opcode, TWO_BYTE_MAP } from './opcode-table.ts';

export const LENGTH_MAX = 15;
const NO_SEGMENT = -1;
const SS = 2;
const DS = 3;
const NONE = -1;
const UNDEFINED: Opcode = { name: 'ud', operands: [], lockable: false, modrm: false, group: null };

/** Gives the byte at a distance from the instruction's start; `failed` once it could not be fetched. */
export interface ByteSource {
  byte(index: number): number;
}

export class Instruction {
  length = 0;
  opcode: Opcode = UNDEFINED;
  /** The last opcode byte, and what stood before it: 0 or 0x0f. */
  byte = 0;
  operandSize = 4;
  addressSize = 4;
  lock = false;
  /** 0, 2 for F2, 3 for F3. */
  repeat = 0;
  modrm = NONE;
  reg = 0;
  rm = 0;
  /** The E operand is in memory. */
  memory = false;
  segment = DS;
  base = NONE;
  index = NONE;
  scale = 0;
  displacement = 0;
  immediate = 0;
  /** Second immediate: the selector of a far pointer, the level of ENTER. */
  immediate2 = 0;
  /** Longer than 15 bytes. */
  tooLong = false;
  private source: ByteSource = { byte: () => 0 };
  private override = NO_SEGMENT;

  decode(source: ByteSource, code32: boolean): void {
    this.source = source;
    this.length = 0;
    this.tooLong = false;
    this.lock = false;
    this.repeat = 0;
    this.modrm = NONE;
    this.memory = false;
    this.base = NONE;
    this.index = NONE;
    this.scale = 0;
    this.displacement = 0;
    this.immediate = 0;
    this.immediate2 = 0;
    this.override = NO_SEGMENT;
    this.segment = DS;
    this.operandSize = code32 ? 4 : 2;
    this.addressSize = code32 ? 4 : 2;
    this.prefixes(code32);
    let map = ONE_BYTE_MAP;
    if (this.byte === 0x0f) {
      map = TWO_BYTE_MAP;
      this.byte = this.next();
    }
    this.opcode = map[this.byte];
    if (this.opcode.modrm) {
      this.modrm = this.next();
      this.reg = (this.modrm >>> 3) & 7;
      this.rm = this.modrm & 7;
      if (this.opcode.group !== null) this.opcode = this.opcode.group[this.reg];
      // MOV to and from control and debug registers takes the register form whatever mod says (SDM vol. 2A MOV CR).
      if (this.modrm < 0xc0 && !this.opcode.operands.includes('Rd')) this.memoryOperand();
    }
    if (this.override !== NO_SEGMENT) this.segment = this.override;
    for (const operand of this.opcode.operands) this.immediates(operand);
    if (this.length > LENGTH_MAX) this.tooLong = true;
  }

  private prefixes(code32: boolean): void {
    for (;;) {
      this.byte = this.next();
      switch (this.byte) {
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
          this.override = (this.byte >>> 3) & 3;
          break;
        case 0x64:
        case 0x65:
          this.override = this.byte & 7;
          break;
        case 0x66:
          this.operandSize = code32 ? 2 : 4;
          break;
        case 0x67:
          this.addressSize = code32 ? 2 : 4;
          break;
        case 0xf0:
          this.lock = true;
          break;
        case 0xf2:
        case 0xf3:
          this.repeat = this.byte & 3;
          break;
        default:
          return;
      }
      if (this.length >= LENGTH_MAX) {
        this.tooLong = true;
        this.byte = 0x90;
        return;
      }
    }
  }

  private memoryOperand(): void {
    this.memory = true;
    const mod = this.modrm >>> 6;
    if (this.addressSize === 2) this.address16(mod);
    else this.address32(mod);
  }

  /** SDM vol. 2A table 2-1. */
  private address16(mod: number): void {
    const BX = 3;
    const BP = 5;
    const SI = 6;
    const DI = 7;
    this.base = [BX, BX, BP, BP, SI, DI, BP, BX][this.rm];
    this.index = [SI, DI, SI, DI, NONE, NONE, NONE, NONE][this.rm];
    if (mod === 0 && this.rm === 6) {
      this.base = NONE;
      this.displacement = this.next16();
      return;
    }
    if (this.base === BP) this.segment = SS;
    if (mod === 1) this.displacement = (this.next() << 24) >> 24;
    else if (mod === 2) this.displacement = (this.next16() << 16) >> 16;
  }

  /** SDM vol. 2A tables 2-2 and 2-3. */
  private address32(mod: number): void {
    this.base = this.rm;
    if (this.rm === 4) {
      const sib = this.next();
      this.scale = sib >>> 6;
      this.index = (sib >>> 3) & 7;
      this.base = sib & 7;
      if (this.index === 4) {
        this.index = NONE;
        this.scale = 0;
      }
    }
    if (this.base === 5 && mod === 0) {
      this.base = NONE;
      this.displacement = this.next32();
      return;
    }
    if (this.base === 4 || this.base === 5) this.segment = SS;
    if (mod === 1) this.displacement = (this.next() << 24) >> 24;
    else if (mod === 2) this.displacement = this.next32();
  }

  private immediates(operand: string): void {
    switch (operand) {
      case 'Ib':
        if (this.opcode.name === 'enter') this.immediate2 = this.next();
        else this.immediate = this.next();
        break;
      case 'Ibs':
      case 'Jb':
        this.immediate = (this.next() << 24) >> 24;
        break;
      case 'Iw':
        this.immediate = this.next16();
        break;
      case 'Iz':
        this.immediate = this.operandSize === 4 ? this.next32() : this.next16();
        break;
      case 'Jz':
        this.immediate = this.operandSize === 4 ? this.next32() : (this.next16() << 16) >> 16;
        break;
      case 'Ap':
        this.immediate = this.operandSize === 4 ? this.next32() : this.next16();
        this.immediate2 = this.next16();
        break;
      case 'Ob':
      case 'Ov':
        this.memory = true;
        this.displacement = this.addressSize === 4 ? this.next32() : this.next16();
    }
  }

  private next(): number {
    return this.source.byte(this.length++);
  }
  private next16(): number {
    const low = this.next();
    return low | (this.next() << 8);
  }
  private next32(): number {
    const low = this.next16();
    return low | (this.next16() << 16);
  }
}
