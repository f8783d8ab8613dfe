// SPDX-License-Identifier: MIT
//
// As much of a 16-bit instruction as it takes to say which documented difference between chips it meets: its prefixes, opcode,
// ModRM byte, and the offset of its memory operand (SDM vol. 2A §2.1 and table 2-1). Independent of the engine under test.
import { REGISTER, type Vector } from './vector.ts';

const PREFIXES = new Set([0x26, 0x2e, 0x36, 0x3e, 0xf0, 0xf2, 0xf3]);
const { bx, bp, si, di } = REGISTER;
/** Registers that are added up for each value of R/M. */
const BASES = [[bx, si], [bx, di], [bp, si], [bp, di], [si], [di], [bp], [bx]];

export interface Instruction {
  readonly prefixes: readonly number[];
  readonly opcode: number;
  /** The byte behind the opcode, if there is one; 0 else. A ModRM byte for opcodes that have one. */
  readonly modrm: number;
  readonly mod: number;
  readonly reg: number;
  readonly rm: number;
  /** Offset of a memory operand in its segment; −1 if the ModRM byte names a register. Meaningless without a ModRM byte. */
  readonly offset: number;
  /** What follows ModRM byte and displacement: an immediate of 8 or 16 bits. */
  readonly immediate8: number;
  /** What follows the opcode, as 16 bits. */
  readonly word: number;
}

export function decode({ bytes, initial }: Vector): Instruction {
  let at = 0;
  while (PREFIXES.has(bytes[at])) at++;
  const byte = (index: number): number => bytes[index] ?? 0;
  const prefixes = bytes.slice(0, at);
  const opcode = byte(at);
  const modrm = byte(at + 1);
  const mod = modrm >> 6;
  const rm = modrm & 7;
  const reg = (modrm >> 3) & 7;
  const word = byte(at + 1) | (byte(at + 2) << 8);
  let next = at + 2;
  let offset = -1;
  if (mod === 0 && rm === 6) {
    offset = byte(next) | (byte(next + 1) << 8);
    next += 2;
  } else if (mod !== 3) {
    offset = BASES[rm].reduce((sum, register) => sum + initial[register], 0);
    if (mod === 1) offset += (byte(next) << 24) >> 24;
    if (mod === 2) offset += byte(next) | (byte(next + 1) << 8);
    next += mod;
    offset &= 0xffff;
  }
  return { prefixes, opcode, modrm, mod, reg, rm, offset, immediate8: byte(next), word };
}

const FAR_POINTERS = new Set(['62', 'C4', 'C5', 'FF.3', 'FF.5']);

/** Bytes of the ModRM memory operand that the instruction loads or stores; 0 for one that has none. */
export function operandBytes({ opcode, reg, mod }: Instruction): number {
  if (!hasModrm(opcode) || mod === 3 || opcode === 0x8d) return 0;
  const name = opcode.toString(16).toUpperCase();
  if (FAR_POINTERS.has(name) || FAR_POINTERS.has(`${name}.${reg}`)) return 4;
  // Of arithmetic, moves and shifts the even opcodes are for bytes; of the others with a ModRM byte none is.
  const hasWidth = opcode < 0x62 || (opcode >= 0x80 && opcode < 0x8c) || opcode >= 0xc0;
  const isByte = opcode === 0x82 || (hasWidth && (opcode & 1) === 0);
  return isByte ? 1 : 2;
}

export function hasModrm(opcode: number): boolean {
  if (opcode < 0x40) return (opcode & 7) < 4;
  if (opcode >= 0x80 && opcode < 0x90) return true;
  if (opcode >= 0xd8 && opcode < 0xe0) return true;
  return [
    0x62, 0x63, 0x69, 0x6b, 0xc0, 0xc1, 0xc4, 0xc5, 0xc6, 0xc7, 0xd0, 0xd1, 0xd2, 0xd3, 0xf6, 0xf7, 0xfe, 0xff,
  ].includes(opcode);
}
