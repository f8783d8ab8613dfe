// SPDX-License-Identifier: MIT
//
// Micro-operations: what the decoder makes of instructions, the interpreter executes, and a translator can compile. Together with
// the helpers they are the one description of the instruction set. Each takes four words: [operation, a, b, immediate].
//
// Operands are indices into the CPU record, of words for 32-bit, halfwords for 16-bit, bytes for 8-bit operations; T0, T1, T2 and
// ZERO are scratch words there. A source is register + immediate: one of the two is ZERO or 0. `delta` is relative to the EIP of
// the block's first instruction, `count` the instructions of the block up to and including this one.
//
// The numbers are dense and appear as literals in the interpreter's switch, where they become a jump table; a test compares both.

const NAMES = [
  // Leaving a block. JMP: [count, link, delta]; JMP16 wraps at 64 KiB; JMPR: [count, register]; NEXT: a helper set the next EIP.
  ['JMP', 'JMP16', 'JMPR', 'NEXT'],
  // Condition in the number, order of SDM vol. 1 appendix B: [count, link, delta].
  ['JO', 'JNO', 'JB', 'JAE', 'JE', 'JNE', 'JBE', 'JA', 'JS', 'JNS', 'JP', 'JNP', 'JL', 'JGE', 'JLE', 'JG'],
  // The same for 16-bit code, never linked: [count, condition, delta].
  ['JCC16'],
  // LOOPNE, LOOPE, LOOP, JECXZ: [count, kind + 4 for a 32-bit counter + 8 for 16-bit code, delta].
  ['LOOP'],
  // [destination, source, immediate]
  ['MOV32', 'MOV16', 'MOV8'],
  ['ADD32', 'ADD16', 'ADD8', 'OR32', 'OR16', 'OR8', 'ADC32', 'ADC16', 'ADC8', 'SBB32', 'SBB16', 'SBB8'],
  ['AND32', 'AND16', 'AND8', 'SUB32', 'SUB16', 'SUB8', 'XOR32', 'XOR16', 'XOR8', 'CMP32', 'CMP16', 'CMP8'],
  ['TEST32', 'TEST16', 'TEST8'],
  // [destination]
  ['INC32', 'INC16', 'INC8', 'DEC32', 'DEC16', 'DEC8', 'NEG32', 'NEG16', 'NEG8', 'NOT32', 'NOT16', 'NOT8'],
  // [destination, source]: the name says the index of both.
  ['MOVZX8_32', 'MOVZX16_32', 'MOVSX8_32', 'MOVSX16_32', 'MOVZX8_16', 'MOVSX8_16'],
  ['XCHG32', 'XCHG16', 'XCHG8'],
  // [destination, base | index << 8 | scale << 16, displacement]: EA16 wraps at 64 KiB.
  ['EA32', 'EA16'],
  // [destination, count register, count]
  ['SHL32', 'SHR32', 'SAR32', 'ROL32', 'ROR32'],
  // [destination, factor | factor << 8, immediate added to the second factor]
  ['IMUL32'],
  ['CDQ', 'CWDE', 'CBW', 'CWD'],
  // SETCC: [destination byte, condition]; CMOV: [destination, source, condition].
  ['SETCC', 'CMOV32', 'CMOV16'],
  // Memory at linear address base + displacement: [destination, base, displacement]. LDW: a store to the same place follows.
  ['LD32', 'LD16', 'LD8', 'LDW32', 'LDW16', 'LDW8'],
  // STW stores where the LDW before it loaded from: [source]. ST: [source, base, displacement].
  ['STW32', 'STW16', 'STW8', 'ST32', 'ST16', 'ST8'],
  // Flat 32-bit stack: PUSH32 [source, -, immediate], POP32 [destination], PUSHIP [-, -, delta].
  ['PUSH32', 'POP32', 'PUSHIP'],
  // T1 becomes the linear address of the operand at offset T1: [segment, size, 1 for a store].
  ['SEG'],
  // [helper, operand word, immediate]
  ['HELPER'],
] as const;

export type UopName = (typeof NAMES)[number][number];
export const UOP_NAMES: readonly UopName[] = NAMES.flat();
/** Number of a micro-operation by name. */
export const UOP = Object.fromEntries(UOP_NAMES.map((name, number) => [name, number])) as Record<UopName, number>;
