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
/** Result of the ADD whose carry an INC or DEC behind it keeps. */
export const CARRY_RESULT = 18;
/** Linear address of the code page. */
export const PAGE_BASE = 19;
export const LIN_ADDR = 20;
export const ENTRY = 21;
export const HOST = 22;
/** Where the LDW of this instruction loaded from. */
export const STORE_HOST = 23;
export const VALUE = 24;
/** Offset in the page where to go on, on the way out; and whether the interpreter must take the next instruction. */
export const EXIT_OFFSET = 25;
export const EXIT_KIND = 26;
export const LOCAL_COUNT = 27;
/** The one of 64 bits. */
export const PRODUCT = 27;

/** Words of the CPU record that only the engine uses, zero between two runs: lazy flags, and how a translated function
 * ended: EXIT_ON where EIP says, EXIT_DECLINED for the interpreter to take the next instruction, EXIT_LEFT as a helper wants it.
 */
export const FLAG_WORDS = 132;
export const EXIT_WORD = 137;
export const EXIT_ON = 0;
export const EXIT_DECLINED = 1;
export const EXIT_LEFT = 2;
