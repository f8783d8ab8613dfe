// SPDX-License-Identifier: MIT
//
// What instructions have in common that take operands from the stack or from memory: the six operations, comparisons, and what an
// empty register does to them (SDM vol. 1 §8.5.1.1).
import type { Cpu } from '../cpu.ts';
import { add, divide, multiply } from './arithmetic.ts';
import { compare, UNORDERED } from './compare.ts';
import type { Env, Real } from './float80.ts';
import type { Fpu } from './stack.ts';

const ZF = 0x40;
const PF = 4;
const CF = 1;
const C0 = 0x100;
const C2 = 0x400;
const C3 = 0x4000;
const STATUS_FLAGS = 0x8d5;

/** The operation that bits 5 to 3 of ModRM name: FADD, FMUL, −, −, FSUB, FSUBR, FDIV, FDIVR. */
function operate(env: Env, operation: number, a: Real, b: Real, out: Real): void {
  switch (operation) {
    case 0:
      add(env, a, b, 0, out);
      return;
    case 1:
      multiply(env, a, b, out);
      return;
    case 4:
      add(env, a, b, 1, out);
      return;
    case 5:
      add(env, b, a, 1, out);
      return;
    case 6:
      divide(env, a, b, out);
      return;
    default:
      divide(env, b, a, out);
  }
}

/** ST(0) operation `fpu.b`, into ST(0). */
export function operateWithMemory(fpu: Fpu, operation: number): void {
  if (fpu.isEmpty(0)) {
    fpu.stackFault(false);
    fpu.out.setIndefinite();
  } else {
    fpu.read(0, fpu.a);
    operate(fpu.env, operation, fpu.a, fpu.b, fpu.out);
  }
  if (fpu.settle()) fpu.write(0, fpu.out);
}

/**
 * ST(0) operation ST(i), into ST(`destination`); then a pop. Also where the destination is ST(i): the mnemonics of FSUB and FSUBR
 * change places there, the encodings do not.
 */
export function operateOnStack(fpu: Fpu, operation: number, i: number, destination: number, pops: boolean): void {
  if (fpu.isEmpty(0) || fpu.isEmpty(i)) {
    fpu.stackFault(false);
    fpu.out.setIndefinite();
  } else {
    fpu.read(0, fpu.a);
    fpu.read(i, fpu.b);
    operate(fpu.env, operation, fpu.a, fpu.b, fpu.out);
  }
  if (!fpu.settle()) return;
  fpu.write(destination, fpu.out);
  if (pops) fpu.pop();
}

/** Compares ST(0) with `fpu.b`, unless either is empty, and pops so many. */
export function compareTop(fpu: Fpu, isEmpty: boolean, quiet: boolean, pops: number): void {
  const conditions = relation(fpu, isEmpty, quiet);
  const isDone = fpu.settle();
  fpu.setConditions(conditions);
  if (!isDone) return;
  for (let n = 0; n < pops; n++) fpu.pop();
}

function relation(fpu: Fpu, isEmpty: boolean, quiet: boolean): number {
  if (isEmpty) {
    fpu.stackFault(false);
    return UNORDERED;
  }
  fpu.read(0, fpu.a);
  return compare(fpu.env, fpu.a, fpu.b, quiet);
}

/** FCOM and FUCOM with ST(i). */
export function compareStack(fpu: Fpu, i: number, quiet: boolean, pops: number): void {
  const isEmpty = fpu.isEmpty(0) || fpu.isEmpty(i);
  if (!isEmpty) fpu.read(i, fpu.b);
  compareTop(fpu, isEmpty, quiet, pops);
}

/** FCOMI and FUCOMI: the relation goes to ZF, PF and CF; OF, SF and AF are cleared. */
export function compareToFlags(cpu: Cpu, fpu: Fpu, i: number, quiet: boolean, pops: boolean): void {
  const isEmpty = fpu.isEmpty(0) || fpu.isEmpty(i);
  if (!isEmpty) fpu.read(i, fpu.b);
  const conditions = relation(fpu, isEmpty, quiet);
  // C1 stays as it is, but for a stack fault.
  if (!isEmpty) fpu.env.up = fpu.c1;
  const isDone = fpu.settle();
  cpu.flags.change(
    ((conditions & C3) !== 0 ? ZF : 0) | ((conditions & C2) !== 0 ? PF : 0) | ((conditions & C0) !== 0 ? CF : 0),
    STATUS_FLAGS,
  );
  if (isDone && pops) fpu.pop();
}

/** Pushes `x`; onto a register in use, a stack overflow and, if that is masked, the indefinite. */
export function pushResult(fpu: Fpu, x: Real): void {
  if (!fpu.isEmpty(7)) {
    fpu.stackFault(true);
    x.setIndefinite();
  }
  if (fpu.settle()) fpu.push(x);
}
