// SPDX-License-Identifier: MIT
//
// Machine code that has nothing to do but to be executed: an instruction for every micro-operation and for the helpers that systems
// use most, each condition behind each kind of lazy flags, each access within a page and across two. Flat 32-bit code.

/** Physical addresses, for a machine of so many pages. */
export const RAM_PAGES = 16;
export const CODE_AT = 0x1000;
const HANDLERS_AT = 0x7000;
export const STACK_AT = 0x8000;
const DATA_AT = 0x9000;
/** An access of two or four bytes goes on in the next page. */
const ACROSS_AT = 0xafff;
const STACK_ACROSS = 0xb002;
const STRINGS_AT = 0xc000;
/** A table with a flat code segment behind the null descriptor, and one with gates for #DE and #GP. */
export const GDT_AT = 0xd000;
const GDT = [0, 0, 0x0000ffff, 0x00cf9b00];
export const GDT_LIMIT = GDT.length * 4 - 1;
export const IDT_AT = 0xe000;
const DIVIDE_ERROR = 0;
const GENERAL_PROTECTION = 13;
export const IDT_LIMIT = (GENERAL_PROTECTION + 1) * 8 - 1;
const CODE_SELECTOR = 8;
const INTERRUPT_GATE = 0x8e00;
/** Executions of the one loop in each round. */
export const LOOP_COUNT = 100;

const CONDITIONS = Array.from({ length: 16 }, (_, condition) => condition);
/** ADD, OR, ADC, SBB, AND, SUB, XOR, CMP: opcodes of their forms for bytes, register into r/m. */
const ARITHMETIC = CONDITIONS.slice(0, 8).map((n) => n * 8);
const TEST = 0x84;
const XCHG = 0x86;
const OPERAND_16 = 0x66;
/** ModRM: EAX or AL with ECX, with [EBX], with [EDX]. */
const CX = 0xc8;
const AT_EBX = 0x03;
const AT_EDX = 0x02;

const word = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
const words = (values: readonly number[]): number[] => values.flatMap(word);
const mov = (register: number, value: number): number[] => [0xb8 + register, ...word(value)];
/** An instruction with an opcode for bytes and the next one for words, in three sizes, each behind others. */
const sizes = (opcode: readonly number[], rest: readonly number[], before: readonly number[] = []): number[] => {
  const wide = [...opcode.slice(0, -1), opcode[opcode.length - 1] + 1, ...rest];
  return [...before, ...opcode, ...rest, ...before, ...wide, ...before, OPERAND_16, ...wide];
};

/** PUSHF and POPF, ADD, SUB, AND: what leaves flags in the record, and as what lazy flags are. */
const FLAGS_OF = [
  [0x9c, 0x9d],
  [0x01, CX],
  [0x29, CX],
  [0x21, CX],
];

function conditions(): number[] {
  return FLAGS_OF.flatMap((leave) => [
    ...CONDITIONS.flatMap((condition) => [...leave, 0x70 + condition, 0]),
    ...CONDITIONS.flatMap((condition) => [...leave, 0x0f, 0x90 + condition, 0xc0]),
    ...CONDITIONS.flatMap((condition) => [...leave, 0x0f, 0x40 + condition, 0xc1]),
    ...[...leave, OPERAND_16, 0x0f, 0x44, 0xc1],
    // LOOPNE, LOOPE, LOOP, JECXZ.
    ...[0xe0, 0xe1, 0xe2, 0xe3].flatMap((loop) => [...leave, loop, 0]),
    // ADC and SBB, INC and DEC, ROL and ROR, CMC.
    ...[0x10, 0x18].flatMap((opcode) => sizes([opcode], [CX], leave)),
    ...[0xc0, 0xc8].flatMap((modRm) => sizes([0xfe], [modRm], leave)),
    ...[0xc0, 0xc8].flatMap((modRm) => [...leave, 0xd1, modRm]),
    ...[...leave, 0xf5],
  ]);
}

function registers(): number[] {
  return [
    ...[...ARITHMETIC, TEST, XCHG, 0x88].flatMap((opcode) => sizes([opcode], [CX])),
    // NOT and NEG; MOVZX and MOVSX; LEA with index and scale, and with 16 bits.
    ...[0xd0, 0xd8].flatMap((modRm) => sizes([0xf6], [modRm])),
    ...[0xb6, 0xb7, 0xbe, 0xbf].flatMap((opcode) => [0x0f, opcode, 0xc1, OPERAND_16, 0x0f, opcode, 0xc1]),
    ...[0x8d, 0x44, 0x88, 4, 0x67, 0x8d, 0x40, 4],
    // SHL, SHR, SAR by one, by CL, by zero; SHLD; IMUL; MUL and DIV; CDQ and the like; BT and BSF.
    ...[0xe0, 0xe8, 0xf8].flatMap((modRm) => [0xd1, modRm, 0xd3, modRm, 0xc1, modRm, 0, ...sizes([0xd2], [modRm])]),
    ...[0x0f, 0xa4, CX, 3, 0x0f, 0xaf, 0xc1, 0x6b, 0xc1, 3, 0x31, 0xd2, 0xb1, 7, 0xf7, 0xe1, 0x31, 0xd2, 0xf7, 0xf1],
    ...[0x99, 0x98, OPERAND_16, 0x98, OPERAND_16, 0x99, 0x0f, 0xa3, CX, 0x0f, 0xbc, 0xc1, 0x0f, 0xbd, 0xc1],
  ];
}

function memory(modRm: number): number[] {
  return [
    // Load, store, read-modify-write, in three sizes; through FS; XCHG, CMPXCHG, XADD, BTS; NOT, INC, SHL, IMUL.
    ...[0x8a, 0x02, 0x88, ...ARITHMETIC, TEST, XCHG].flatMap((opcode) => sizes([opcode], [modRm])),
    ...[0xf6].flatMap((opcode) => sizes([opcode], [modRm | 0x10])),
    ...[0xfe, 0xd0].flatMap((opcode) => sizes([opcode], [modRm])),
    ...[0x64, 0x8b, modRm, 0x64, 0x89, modRm],
    ...[0xb0, 0xc0].flatMap((opcode) => sizes([0x0f, opcode], [modRm])),
    ...[0x0f, 0xba, modRm | 0x28, 3, 0x0f, 0xaf, modRm, 0x0f, 0xb6, modRm, 0x0f, 0xb7, modRm, 0xc7, modRm, ...word(1)],
  ];
}

/** PUSH and POP of registers, constants, memory and flags; CALL and RET. */
const STACK = [
  ...[0x50, 0x58, 0x6a, 1, 0x58, 0xff, 0x30 | AT_EBX, 0x8f, AT_EBX, 0x60, 0x61, 0x9c, 0x9d],
  ...[0xe8, 2, 0, 0, 0, 0xeb, 1, 0xc3],
];

function strings(): number[] {
  const load = [...mov(6, STRINGS_AT), ...mov(7, STRINGS_AT + 256), ...mov(1, 5)];
  const repeated = [0xa4, 0xa6, 0xaa, 0xac, 0xae].flatMap((opcode) => [
    ...[...load, 0xf3, opcode, ...load, 0xf3, opcode + 1],
    ...[...load, opcode, opcode + 1],
  ]);
  return [0xfc, ...repeated];
}

/** Faults, of a helper and of an access through GS, which has no bytes: DIV by zero, MOV. The handlers skip them. */
const FAULTS = [0x31, 0xc9, 0xf7, 0xf1, 0x65, 0x8b, AT_EBX];
/** ADD dword [ESP], 2; IRET. */
const DIVIDE_HANDLER = [0x83, 0x04, 0x24, 2, 0xcf];
/** ADD ESP, 4; ADD dword [ESP], 3; IRET. */
const PROTECTION_HANDLER = [0x83, 0xc4, 4, 0x83, 0x04, 0x24, 3, 0xcf];
/** DEC ECX; JNZ. */
const LOOP = [...mov(1, LOOP_COUNT), 0x49, 0x75, 0xfd];

const gate = (offset: number): number[] => words([(CODE_SELECTOR << 16) | offset, INTERRUPT_GATE]);

/** What lies in memory: where, and bytes. */
export function warmUpMemory(): readonly (readonly [number, Uint8Array])[] {
  const protectionAt = HANDLERS_AT + DIVIDE_HANDLER.length;
  const contents: readonly (readonly [number, readonly number[]])[] = [
    [CODE_AT, program()],
    [HANDLERS_AT, [...DIVIDE_HANDLER, ...PROTECTION_HANDLER]],
    [GDT_AT, words(GDT)],
    [IDT_AT + DIVIDE_ERROR * 8, gate(HANDLERS_AT)],
    [IDT_AT + GENERAL_PROTECTION * 8, gate(protectionAt)],
  ];
  return contents.map(([at, bytes]) => [at, Uint8Array.from(bytes)]);
}

/** All of it, again and again. */
function program(): number[] {
  const values = [...mov(0, 0x12345678), ...mov(1, 5), ...mov(3, DATA_AT)];
  const code = [
    ...[...values, ...conditions()],
    ...[...values, ...registers()],
    ...[...values, ...memory(AT_EBX)],
    ...[...values, ...mov(2, ACROSS_AT), ...memory(AT_EDX)],
    ...[...values, ...STACK, ...mov(4, STACK_ACROSS), 0x50, 0x58, ...mov(4, STACK_ACROSS), ...STACK],
    ...[...mov(4, STACK_AT), ...strings(), ...values, ...FAULTS, ...LOOP],
  ];
  return [...code, 0xe9, ...word(-(code.length + 5))];
}
