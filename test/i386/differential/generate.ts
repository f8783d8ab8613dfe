// SPDX-License-Identifier: MIT
//
// Makes cases from a seed: a mode, registers, data, and one to eight random instructions. The same seed, the same case.
import { randomFrom } from '../../campaigns/random.ts';
import { CODE, CODE_BYTES, DATA, KIND, type MachineCase, PAGE_BYTES, PATCH_BYTES } from './batch-layout.ts';
import { emptyFpu, type FpuStart, randomFloats, randomFpu } from './fpu-state.ts';
import * as arithmetic from './instructions/arithmetic.ts';
import * as control from './instructions/control.ts';
import * as moves from './instructions/moves.ts';
import * as stack from './instructions/stack.ts';
import * as system from './instructions/system.ts';
import * as x87 from './instructions/x87.ts';
import { EFLAGS_VM, MODES, type Mode, segmentOf } from './modes.ts';
import { type Boundary, Sequence, SP, type Start } from './sequence.ts';

export interface Case extends MachineCase {
  readonly seed: number;
  readonly mode: Mode;
  /** Where each instruction begins, and the end; `undefined…` is what may differ if execution stops there. */
  readonly boundaries: readonly Boundary[];
}

/** Cases about the x87, in percent. */
const FLOATING_PERCENT = 20;

/** Upper half of ESP in the runner. */
const RUNNER_ESP = 0xe50000;

type Generator = (s: Sequence) => void;

const SIMPLE: readonly (readonly [number, Generator])[] = [
  [12, arithmetic.alu],
  [4, arithmetic.test],
  [4, arithmetic.incDec],
  [3, arithmetic.negNot],
  [4, arithmetic.multiply],
  [3, arithmetic.multiplyTo],
  [5, arithmetic.divide],
  [8, arithmetic.shift],
  [4, arithmetic.doubleShift],
  [5, arithmetic.bitTest],
  [2, arithmetic.bitScan],
  [4, arithmetic.decimal],
  [3, arithmetic.exchangeAdd],
  [1, arithmetic.compareExchange8],
  [6, moves.move],
  [3, moves.extend],
  [3, moves.conditionalMove],
  [3, moves.setByCondition],
  [3, moves.exchange],
  [2, moves.loadAddress],
  [1, moves.swapBytes],
  [2, moves.widen],
  [1, moves.translate],
  [3, moves.flagBits],
  [1, moves.nothing],
  [6, moves.string],
  [4, stack.push],
  [2, stack.pushSegment],
  [4, stack.pop],
  [2, stack.pushPopAll],
  [2, stack.pushFlags],
  [2, stack.popFlags],
  [3, stack.enterLeave],
  [5, stack.loadSegment],
  [2, stack.storeSegment],
  [2, control.far],
  [2, control.softwareInterrupt],
  [1, control.bound],
  [4, system.descriptors],
  [2, system.storeTables],
  [1, system.privileged],
  [1, system.ports],
];

const FLOATING: readonly (readonly [number, Generator])[] = [
  [8, x87.arithmetic],
  [6, x87.push],
  [6, x87.store],
  [3, x87.compare],
  [4, x87.unary],
  [1, x87.conditionalMove],
  [4, x87.control],
];

function choose(s: Sequence, from: readonly (readonly [number, Generator])[]): void {
  let choice = s.below(from.reduce((sum, [weight]) => sum + weight, 0));
  for (const [weight, generator] of from) {
    if (choice < weight) {
      generator(s);
      return;
    }
    choice -= weight;
  }
}

function simple(s: Sequence): void {
  choose(s, s.floating && s.chance(80) ? FLOATING : SIMPLE);
}

function body(s: Sequence): void {
  for (let count = 1 + s.below(2); count > 0; count--) simple(s);
}

function oneOrBlock(s: Sequence): void {
  const choice = s.below(100);
  if (choice < 6) control.jump(s, body);
  else if (choice < 9) control.call(s, body);
  else simple(s);
}

/** What to make instead of what the seed says. */
export interface Wishes {
  readonly mode?: string;
  readonly floating?: boolean;
}

export function makeCase(seed: number, wishes: Wishes = {}): Case {
  const below = randomFrom(Math.imul(seed + 1, 0x9e3779b1));
  for (let i = 0; i < 4; i++) below(2);
  const chosen = MODES[below(MODES.length)]!;
  const mode = MODES.find(({ name }) => name === wishes.mode) ?? chosen;
  for (;;) {
    const start = randomStart(mode, below);
    const anyway = below(100) < FLOATING_PERCENT;
    const floating = wishes.floating ?? anyway;
    const fpu = floating ? randomFpu(below) : emptyFpu();
    const s = new Sequence(mode, below, start);
    s.floating = floating;
    s.depth = fpu.depth;
    const wanted = 1 + below(8);
    for (let tries = 0; s.boundaries.length < wanted && tries < 20; tries++) oneOrBlock(s);
    if (s.bytes.length > CODE_BYTES - 2) continue;
    s.mark('end');
    return finish(seed, s, start, fpu);
  }
}

function finish(seed: number, s: Sequence, start: Start & { codeAddress: number }, fpu: FpuStart): Case {
  const { below, mode } = s;
  const code = new Uint8Array(CODE_BYTES).fill(0xcc);
  code.set(s.bytes);
  // UD2 ends the sequence: unlike INT3 it is the same to virtual-8086 mode whatever IOPL is.
  code.set([0x0f, 0x0b], s.bytes.length);
  return {
    ...start,
    seed,
    mode,
    boundaries: s.boundaries,
    kind: mode.kind,
    cr0: mode.cr0 | (s.floating && below(20) === 0 ? 2 * (1 + below(7)) : 0),
    cr4: 0,
    code,
    fpu: fpu.image,
    patchOffset: 0x400,
    patch: s.floating ? randomFloats(below) : randomBytes(below),
  };
}

function randomBytes(below: (n: number) => number): Uint8Array {
  const odd = [0, 1, 0x7f, 0x80, 0xff];
  return Uint8Array.from({ length: PATCH_BYTES }, () => (below(4) === 0 ? odd[below(5)]! : below(256)));
}

function randomStart(mode: Mode, below: (n: number) => number): Start & { codeAddress: number } {
  const pick = <T>(choices: readonly T[]): T => choices[below(choices.length)]!;
  const data = (): number => pick(mode.data);
  const segments = [data(), mode.code, pick(mode.stack), data(), data(), data()];
  const base = segmentOf(mode, segments[3]!)!.base;
  const general = Array.from({ length: 8 }, () => {
    if (below(2) === 0) return (DATA + 0x400 + below(0x100) - base) >>> 0;
    return pick([
      0,
      1,
      0xffffffff,
      0x80000000,
      0x7fffffff,
      below(0x100),
      ((below(0x10000) << 16) | below(0x10000)) >>> 0,
    ]);
  });
  general[SP] = (DATA + 0xc00 + 4 * below(0x60) - segmentOf(mode, segments[2]!)!.base) >>> 0;
  // IRET to a stack segment of 16 bits loads only SP: what is above remains of the runner's own ESP.
  if (mode.kind === KIND.outer && (segments[2]! & 0xfffc) === 0x70) general[SP]! += RUNNER_ESP;
  const codeAddress = CODE + 0x100 + below(0xe00 - CODE_BYTES);
  let eflags = 2 | (((below(0x10000) << 16) | below(0x10000)) & 0x200ed5);
  if (mode.ring3 && !mode.native && below(3) === 0) eflags |= 0x3000;
  if (mode.native) eflags |= 0x200;
  if (mode.kind !== KIND.outer) eflags |= below(4) << 12;
  if (mode.virtual8086) eflags |= EFLAGS_VM;
  const codeBase = mode.bits === 16 ? CODE : 0;
  return { general, segments, eip: codeAddress - codeBase, eflags, codeAddress };
}

/** What the data page holds before each case of a batch, apart from its own bytes. */
export function makeDataPage(seed: number): Uint8Array {
  const below = randomFrom(seed * 2 + 1);
  return Uint8Array.from({ length: PAGE_BYTES }, () => below(256));
}
