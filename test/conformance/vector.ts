// SPDX-License-Identifier: MIT
//
// A single-step vector: the state of a 16-bit CPU in real mode before and after one instruction, as somebody has recorded it
// from a chip. Registers are in one fixed order; memory is every byte that the instruction had to do with.

export const REGISTERS = [
  'ax',
  'bx',
  'cx',
  'dx',
  'cs',
  'ss',
  'ds',
  'es',
  'sp',
  'bp',
  'si',
  'di',
  'ip',
  'flags',
] as const;
export type Register = (typeof REGISTERS)[number];

/** Index of a register in `Vector.initial` and `Vector.final`. */
export const REGISTER = Object.fromEntries(REGISTERS.map((name, index) => [name, index])) as Record<Register, number>;

/** Bytes of memory: address and value, one pair after the other. */
export type Bytes = readonly number[];

export interface Vector {
  readonly index: number;
  /** Disassembly, by whoever recorded it. */
  readonly name: string;
  readonly bytes: readonly number[];
  readonly initial: readonly number[];
  /** All registers, changed or not. */
  readonly final: readonly number[];
  readonly initialMemory: Bytes;
  /** What is not among them was not changed. */
  readonly finalMemory: Bytes;
  /** Number of the interrupt that was taken; null if nothing is said of one. */
  readonly exception: number | null;
}

/** Registers by name, in order; those that are missing have the value that `otherwise` has. */
export function registerList(named: Readonly<Record<string, number>>, otherwise: readonly number[]): number[] {
  return REGISTERS.map((name, index) => named[name] ?? otherwise[index]);
}
