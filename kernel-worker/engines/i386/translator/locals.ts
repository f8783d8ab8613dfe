// SPDX-License-Identifier: MIT
//
// Locals of a translated function, its parameters first, and the words of the CPU record that it shares with the interpreter: while
// it runs, registers and lazy flags are in locals; at every way out they are in the record.

/** Instructions left in the budget, and the number of the block to begin with. */
export const LEFT = 0;
export const NEXT_BLOCK = 1;
export const PARAMETERS = 2;
/** EAX to EDI. */
export const REGISTERS = 2;
/** T0, T1 and T2. */
export const SCRATCH = 10;
/** Lazy flags as in flags.ts: op, shift, a, b, result. */
export const FLAG_OP = 13;
export const FLAG_SHIFT = 14;
export const FLAG_A = 15;
export const FLAG_B = 16;
export const FLAG_RESULT = 17;
/** Linear address of the code page. */
export const PAGE_BASE = 18;
export const LIN_ADDR = 19;
export const ENTRY = 20;
/** For what is needed within one micro-operation. */
export const OTHER = 21;
/** Where the LDW of this instruction loaded from. */
export const STORE_HOST = 22;
export const VALUE = 23;
/** On the way out: offset in the page where to go on, or what says where (exits.ts). */
export const EXIT_OFFSET = 24;
export const EXIT_CODE = 25;
export const LOCAL_COUNT = 26;
/** The one of 64 bits. */
export const PRODUCT = 26;

/**
 * Words of the CPU record that only the engine uses, zero between two runs: lazy flags; how a translated function ended: EXIT_ON where
 * EIP says, EXIT_LEFT as a helper wants it, or as an exit says (exits.ts); and the linear address that it wanted last.
 */
export const FLAG_WORDS = 132;
export const EXIT_WORD = 137;
export const WANTED_WORD = 138;
export const EXIT_ON = 0;
export const EXIT_LEFT = 1;
