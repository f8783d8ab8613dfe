// SPDX-License-Identifier: MIT
//
// Vectors as JSON, one list a file: what SingleStepTests/8086 describes in its README. Queues and cycles are left out: they are
// of the bus, not of the instruction.
import { registerList, type Vector } from './vector.ts';

interface JsonState {
  readonly regs: Readonly<Record<string, number>>;
  readonly ram: readonly (readonly [number, number])[];
}

interface JsonVector {
  readonly name: string;
  readonly bytes: readonly number[];
  readonly initial: JsonState;
  readonly final: JsonState;
  readonly exception?: { readonly number: number };
  readonly idx?: number;
}

export function parseJsonVectors(text: string): Vector[] {
  const list = JSON.parse(text) as readonly JsonVector[];
  if (!Array.isArray(list)) throw new Error('it is no list of vectors');
  return list.map(({ name, bytes, initial, final, exception, idx }, position) => {
    const registers = registerList(initial.regs, []);
    return {
      index: idx ?? position,
      name,
      bytes,
      initial: registers,
      final: registerList(final.regs, registers),
      initialMemory: initial.ram.flat(),
      finalMemory: final.ram.flat(),
      exception: exception?.number ?? null,
    };
  });
}
