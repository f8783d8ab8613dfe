// SPDX-License-Identifier: MIT
//
// One decoded block as WebAssembly: each micro-operation does what its case in interpreter.ts does. An access to memory looks into
// the fast TLB. Whatever that does not serve leaves the translated code in front of the instruction, with everything as it was before
// it, and the interpreter takes the instruction: misses, faults, device memory, code that changes, breakpoints and tables are its
// business. Such a way out is a constant (exits.ts), and takes no room where the code is hot.
// That is possible because within an instruction nothing changes before the last access that may fail.
import type { CodeCache } from '../code-cache.ts';
import { UOP, UOP_NAMES, type UopName } from '../uops.ts';
import type { Exit, Wanted } from './exits.ts';
import { FlagsCode } from './flags-code.ts';
import {
  ENTRY,
  FLAG_A,
  FLAG_B,
  FLAG_OP,
  FLAG_RESULT,
  FLAG_WORDS,
  LEFT,
  LIN_ADDR,
  OTHER,
  PAGE_BASE,
  PRODUCT,
  REGISTERS,
  STORE_HOST,
  VALUE,
} from './locals.ts';
import { OperandCode, type Size, shiftOf } from './operand-code.ts';
import { jumpTarget, type RegionBlock } from './region.ts';
import { Op, type WasmCode } from './wasm-code.ts';

const ECX = 1;
const ESP = 4;
const EIP = 8;
const EFLAGS = 9;
const SEGMENTS = 12;
const T1 = 129;
const ZERO = 131;
const CF = 1;
const OF = 0x800;
const ATTR_RW = 2;
const ATTR_DC = 4;
const ATTR_CODE = 8;
const ATTR_P = 0x80;
const ATTR_NULL = 0x10000;
/** A present segment of writable data that grows upwards, as in cpu.ts. */
const PLAIN_MASK = ATTR_P | ATTR_NULL | ATTR_CODE | ATTR_DC | ATTR_RW;
const PLAIN = ATTR_P | ATTR_RW;
/** Entries of the fast TLB are eight bytes: linear page and key; host offset minus linear address. */
const ENTRY_SHIFT = 9;
const NEXT = UOP.NEXT;

/** Numbers and addresses that translated code of one thread is made with. */
export interface Surroundings {
  readonly cpuAt: number;
  readonly readTlbAt: number;
  readonly writeTlbAt: number;
  /** Mask for the byte offset of an entry of the fast TLB. */
  readonly entryMask: number;
  // Functions by number.
  readonly helper: number;
  readonly status: number;
}

/** Ways out of a block: what the function around it provides. */
export interface Ways {
  readonly code: WasmCode;
  readonly surroundings: Surroundings;
  /** What the tags of the fast TLB carry beside the page. */
  readonly tlbKey: number;
  /** Goes on at an offset from the page's beginning, inside the region or outside; flags as `flags` says. */
  goTo(offset: number, flags: FlagsCode): void;
  /** Goes on at the linear address in VALUE. */
  goToValue(block: RegionBlock, flags: FlagsCode): void;
  /** Leaves the function; with `isIf` if what is on the stack is not zero. */
  leaveBy(exit: Exit, isIf: boolean): void;
}

type Emit = (t: BlockCode, a: number, b: number, immediate: number) => void;

export class BlockCode {
  readonly code: WasmCode;
  readonly flags: FlagsCode;
  readonly operands: OperandCode;
  readonly ways: Ways;
  readonly block: RegionBlock;
  private readonly origin: Int32Array;
  private readonly words: Int32Array;
  /** The micro-operation under way. */
  private at = 0;
  /** The rest of the block is never reached. */
  private isOver = false;

  constructor(ways: Ways, cache: CodeCache, block: RegionBlock) {
    const { code, surroundings } = ways;
    this.ways = ways;
    this.code = code;
    this.block = block;
    this.words = cache.code;
    this.origin = cache.origin;
    this.flags = new FlagsCode(code, surroundings.cpuAt + EFLAGS * 4, surroundings.status);
    this.operands = new OperandCode(code);
  }

  emit(first: number): void {
    const { words, block } = this;
    for (this.at = first; this.at < block.end && !this.isOver; this.at += 4) {
      const { at } = this;
      const operation = words[at];
      EMIT[UOP_NAMES[operation]]!(this, words[at + 1], words[at + 2], words[at + 3]);
    }
  }

  recordAt(word: number): number {
    return this.ways.surroundings.cpuAt + word * 4;
  }

  // ---- ways out ---------------------------------------------------------------------------------------------------

  /** Where the instruction under way begins in the page, and how many of the block come before it. */
  private get instruction(): { offset: number; before: number } {
    const word = this.origin[this.at >>> 2];
    return { offset: this.block.start + (word & 0xffff), before: word >>> 20 };
  }

  /**
   * The interpreter takes the instruction under way; with `isIf` if what is on the stack is not zero. `wanted`: an access at LIN_ADDR
   * that was not served.
   */
  decline(isIf: boolean, wanted: Wanted = 'nothing'): void {
    const exit = { ...this.instruction, isDeclined: true, wanted, ...this.flags.state };
    this.ways.leaveBy(exit, isIf);
  }

  /** The jump of this micro-operation is taken; `count` instructions of the block are done. */
  take(count: number): void {
    this.code.get(LEFT).const(count).op(Op.sub).set(LEFT);
    this.ways.goTo(jumpTarget(this.words, this.at, this.block.start), this.flags);
  }

  takeIf(count: number): void {
    this.code.if();
    this.take(count);
    this.code.end();
  }

  jumpTo(word: number, count: number): void {
    const { code } = this;
    code.get(LEFT).const(count).op(Op.sub).set(LEFT);
    this.operands.word(word);
    code.set(VALUE);
    this.ways.goToValue(this.block, this.flags);
  }

  // ---- memory -----------------------------------------------------------------------------------------------------

  /** Takes the linear address on the stack and pushes the host offset of `size` bytes there, for loads or stores. */
  host(size: Size, isStore: boolean): void {
    const { code, ways } = this;
    const { surroundings, tlbKey } = ways;
    const tlbAt = isStore ? surroundings.writeTlbAt : surroundings.readTlbAt;
    code.tee(LIN_ADDR).const(ENTRY_SHIFT).op(Op.shrU).const(surroundings.entryMask).op(Op.and).tee(ENTRY).load32(tlbAt);
    code.get(LIN_ADDR);
    // An access that ends in the next page has no entry: that page's lies elsewhere.
    if (size > 1) code.const(size - 1).op(Op.add);
    code.const(-4096).op(Op.and).const(tlbKey).op(Op.or, Op.ne);
    this.decline(true, isStore ? 'store' : 'load');
    code
      .get(LIN_ADDR)
      .get(ENTRY)
      .load32(tlbAt + 4)
      .op(Op.add);
  }

  load(size: Size): void {
    const { code } = this;
    if (size === 4) code.load32();
    else if (size === 2) code.load16();
    else code.load8();
  }
  store(size: Size): void {
    const { code } = this;
    if (size === 4) code.store32();
    else if (size === 2) code.store16();
    else code.store8();
  }

  /** T1 becomes linear: in a segment of data without limits; others are looked at by the interpreter. */
  segment(segment: number, size: number): void {
    const { code } = this;
    const at = this.recordAt(SEGMENTS + segment * 4);
    const offset = this.operands.local(T1);
    code
      .const(0)
      .load32(at + 8)
      .const(-1)
      .op(Op.eq);
    code
      .const(0)
      .load32(at + 12)
      .const(PLAIN_MASK)
      .op(Op.and)
      .const(PLAIN)
      .op(Op.eq, Op.and);
    code.get(offset).const(-size).op(Op.leU, Op.and, Op.eqz);
    this.decline(true);
    code
      .get(offset)
      .const(0)
      .load32(at + 4)
      .op(Op.add)
      .set(offset);
  }

  // ---- helpers ----------------------------------------------------------------------------------------------------

  /** Calls a helper with registers and flags in the record; takes both from there again. */
  callHelper(helper: number, operands: number, immediate: number): void {
    const { code, ways } = this;
    // Behind it nothing of the block follows: these are long, and the interpreter's.
    if (this.words[this.at + 4] === NEXT) {
      this.decline(false);
      this.isOver = true;
      return;
    }
    const { offset } = this.instruction;
    this.flags.settle();
    for (let n = 0; n < 8; n++)
      code
        .const(0)
        .get(REGISTERS + n)
        .store32(this.recordAt(n));
    code.const(0).get(this.operands.local(T1)).store32(this.recordAt(T1));
    for (let n = 0; n < 5; n++)
      code
        .const(0)
        .get(FLAG_OP + n)
        .store32(this.recordAt(FLAG_WORDS + n));
    code.const(0).get(PAGE_BASE).const(offset).op(Op.add).store32(this.recordAt(EIP));
    code
      .const(helper)
      .const(operands)
      .const(immediate)
      .const(this.origin[this.at >>> 2])
      .get(LEFT);
    code.call(ways.surroundings.helper).tee(VALUE).if();
    // It is left: the record is right as it stands.
    code.get(LEFT).const(1).op(Op.add).get(VALUE).op(Op.sub, Op.return).end();
    for (let n = 0; n < 8; n++)
      code
        .const(0)
        .load32(this.recordAt(n))
        .set(REGISTERS + n);
    for (let n = 0; n < 5; n++)
      code
        .const(0)
        .load32(this.recordAt(FLAG_WORDS + n))
        .set(FLAG_OP + n);
    this.flags.now('settled', 0);
  }
}

// ---- families -------------------------------------------------------------------------------------------------------

const SIZES: readonly (readonly [string, Size])[] = [
  ['32', 4],
  ['16', 2],
  ['8', 1],
];

/** Puts destination and source into FLAG_A and FLAG_B, shifted up. */
function flagOperands({ code, operands }: BlockCode, a: number, b: number, immediate: number, size: Size): void {
  operands.top(a, 0, size);
  operands.top(b, immediate, size);
  code.set(FLAG_B).set(FLAG_A);
}

/** ADD, SUB and CMP; with `withCarry` ADC and SBB. */
const sum =
  (operation: number, size: Size, withCarry: boolean, isKept: boolean): Emit =>
  (t, a, b, immediate) => {
    const { code, flags, operands } = t;
    if (withCarry) {
      flags.carry();
      code.const(shiftOf(size)).op(Op.shl).set(ENTRY);
    }
    flagOperands(t, a, b, immediate, size);
    code.get(FLAG_A).get(FLAG_B).op(operation);
    if (withCarry) code.get(ENTRY).op(operation);
    code.set(FLAG_RESULT);
    if (isKept) operands.setTop(a, size, FLAG_RESULT);
    const isAdd = operation === Op.add;
    flags.now(withCarry ? (isAdd ? 'adc' : 'sbb') : isAdd ? 'add' : 'sub', shiftOf(size));
  };

/** AND, OR, XOR and TEST. */
const logic =
  (operation: number, size: Size, isKept: boolean): Emit =>
  ({ code, flags, operands }, a, b, immediate) => {
    operands.top(a, 0, size);
    operands.top(b, immediate, size);
    code.op(operation).set(FLAG_RESULT);
    if (isKept) operands.setTop(a, size, FLAG_RESULT);
    flags.now('logic', shiftOf(size));
  };

const step =
  (source: 'inc' | 'dec', size: Size): Emit =>
  ({ code, flags, operands }, a) => {
    flags.keepCarry();
    operands.top(a, 0, size);
    code
      .const(1 << shiftOf(size))
      .op(source === 'inc' ? Op.add : Op.sub)
      .set(FLAG_RESULT);
    operands.setTop(a, size, FLAG_RESULT);
    flags.now(source, shiftOf(size));
  };

const negate =
  (size: Size): Emit =>
  ({ code, flags, operands }, a) => {
    operands.top(a, 0, size);
    code.set(FLAG_B).const(0).tee(FLAG_A).get(FLAG_B).op(Op.sub).set(FLAG_RESULT);
    operands.setTop(a, size, FLAG_RESULT);
    flags.now('sub', shiftOf(size));
  };

const move =
  (size: Size): Emit =>
  ({ code, operands }, a, b, immediate) => {
    operands.value(b, size);
    if (immediate !== 0) code.const(immediate).op(Op.add);
    operands.set(a, size);
  };

const extend =
  (from: Size, to: Size, isSigned: boolean): Emit =>
  ({ code, operands }, a, b) => {
    operands.value(b, from);
    if (isSigned) code.op(from === 1 ? Op.extend8 : Op.extend16);
    operands.set(a, to);
  };

const exchange =
  (size: Size): Emit =>
  ({ code, operands }, a, b) => {
    operands.value(a, size);
    code.set(ENTRY);
    operands.value(b, size);
    operands.set(a, size);
    code.get(ENTRY);
    operands.set(b, size);
  };

const load =
  (size: Size, isForStore: boolean): Emit =>
  (t, a, b, immediate) => {
    const { code, operands } = t;
    operands.word(b, immediate);
    t.host(size, isForStore);
    if (isForStore) code.tee(STORE_HOST);
    t.load(size);
    operands.set(a, size);
  };

const store =
  (size: Size): Emit =>
  (t, a, b, immediate) => {
    t.operands.word(b, immediate);
    t.host(size, true);
    t.operands.value(a, size);
    t.store(size);
  };

const storeBack =
  (size: Size): Emit =>
  (t, a) => {
    t.code.get(STORE_HOST);
    t.operands.value(a, size);
    t.store(size);
  };

/** SHL, SHR and SAR: a count of zero changes nothing. CF is the last bit shifted out, OF as the interpreter has it. */
const shift =
  (operation: number): Emit =>
  (t, a, b, immediate) => {
    const { code, flags } = t;
    if (b === ZERO) {
      const count = immediate & 31;
      if (count === 0) return;
      code.const(count).set(ENTRY);
      shiftBy(t, operation, a);
      flags.now('result', 0);
      return;
    }
    flags.settle();
    t.operands.word(b, immediate);
    code.const(31).op(Op.and).tee(ENTRY).if();
    shiftBy(t, operation, a);
    flags.now('result', 0);
    flags.settle();
    code.end();
    flags.now('settled', 0);
  };

/** By the count in ENTRY, 1 to 31. */
function shiftBy({ code, operands }: BlockCode, operation: number, a: number): void {
  operands.word(a);
  code.tee(VALUE).get(ENTRY).op(operation).set(FLAG_RESULT);
  code.get(VALUE);
  if (operation === Op.shl) code.const(32).get(ENTRY).op(Op.sub, Op.shrU);
  else code.get(ENTRY).const(1).op(Op.sub, operation);
  code.const(CF).op(Op.and).set(FLAG_B);
  if (operation === Op.shl) {
    code.get(FLAG_B).get(FLAG_B).get(FLAG_RESULT).const(31).op(Op.shrU, Op.xor).const(11).op(Op.shl, Op.or).set(FLAG_B);
  } else if (operation === Op.shrU) {
    code
      .get(FLAG_B)
      .get(VALUE)
      .const(20)
      .op(Op.shrU)
      .const(OF)
      .op(Op.and)
      .const(0)
      .get(ENTRY)
      .const(1)
      .op(Op.eq, Op.select);
    code.op(Op.or).set(FLAG_B);
  }
  operands.setTop(a, 4, FLAG_RESULT);
}

/** ROL and ROR change CF and OF only. */
const rotate =
  (operation: number): Emit =>
  (t, a, b, immediate) => {
    const { code, flags, operands } = t;
    if (b === ZERO && (immediate & 31) === 0) return;
    if (b === ZERO && flags.isKnown) {
      operands.word(a);
      code.const(immediate & 31);
      rotateBy(t, operation, a);
      flags.replaceCarryAndOverflow();
      return;
    }
    flags.settle();
    flags.now('settled', 0);
    operands.word(b, immediate);
    code.const(31).op(Op.and).tee(ENTRY).if();
    code.const(0);
    flags.eflags();
    code.const(~(CF | OF)).op(Op.and);
    operands.word(a);
    code.get(ENTRY);
    rotateBy(t, operation, a);
    code.op(Op.or).store32(t.recordAt(EFLAGS));
    flags.now('record', 0);
    flags.settle();
    code.end();
    flags.now('settled', 0);
  };

/** Takes the value and the count, not zero, and pushes CF and OF in their places. */
function rotateBy({ code, operands }: BlockCode, operation: number, a: number): void {
  code.op(operation).tee(OTHER).set(operands.local(a));
  if (operation === Op.rotl) {
    code.get(OTHER).const(CF).op(Op.and);
    code.get(OTHER).get(OTHER).const(31).op(Op.shrU, Op.xor).const(1).op(Op.and).const(11).op(Op.shl, Op.or);
  } else {
    code.get(OTHER).const(31).op(Op.shrU);
    code.get(OTHER).get(OTHER).const(1).op(Op.shl, Op.xor).const(20).op(Op.shrU).const(OF).op(Op.and, Op.or);
  }
}

const multiply: Emit = ({ code, flags, operands }, a, b, immediate) => {
  operands.word(b & 0xff);
  code.op(Op.extendS);
  operands.word((b >>> 8) & 0xff, immediate);
  code.op(Op.extendS, Op.mul64).tee(PRODUCT).op(Op.wrap).tee(FLAG_RESULT).set(operands.local(a));
  code
    .const(CF | OF)
    .const(0)
    .get(FLAG_RESULT)
    .op(Op.extendS)
    .get(PRODUCT)
    .op(Op.ne64, Op.select)
    .set(FLAG_B);
  flags.now('result', 0);
};

/** LOOPNE, LOOPE, LOOP, JECXZ of 32-bit code; the counter is ECX or CX. */
const loop: Emit = (t, a, b) => {
  const { code, flags, operands } = t;
  const kind = b & 3;
  const size = (b & 4) !== 0 ? 4 : 2;
  const counter = size === 4 ? ECX : ECX * 2;
  if (kind !== 3) {
    operands.value(counter, size);
    code.const(1).op(Op.sub);
    operands.set(counter, size);
  }
  operands.value(counter, size);
  code.op(Op.eqz);
  if (kind !== 3) code.op(Op.eqz);
  if (kind < 2) {
    flags.condition(4 + (1 - kind));
    code.op(Op.and);
  }
  t.takeIf(a);
};

const EMIT: Partial<Record<UopName, Emit>> = {
  JMP: (t, a) => t.take(a),
  JMPR: (t, a, b) => t.jumpTo(b, a),
  LOOP: loop,
  SHL32: shift(Op.shl),
  SHR32: shift(Op.shrU),
  SAR32: shift(Op.shrS),
  ROL32: rotate(Op.rotl),
  ROR32: rotate(Op.rotr),
  IMUL32: multiply,
  MOVZX8_32: extend(1, 4, false),
  MOVZX16_32: extend(2, 4, false),
  MOVSX8_32: extend(1, 4, true),
  MOVSX16_32: extend(2, 4, true),
  MOVZX8_16: extend(1, 2, false),
  MOVSX8_16: extend(1, 2, true),
  EA32: ({ code, operands }, a, b, immediate) => {
    const [base, index, scale] = [b & 0xff, (b >>> 8) & 0xff, b >>> 16];
    operands.word(base);
    if (index !== ZERO) {
      operands.word(index);
      if (scale !== 0) code.const(scale).op(Op.shl);
      code.op(Op.add);
    }
    if (immediate !== 0) code.const(immediate).op(Op.add);
    operands.set(a, 4);
  },
  EA16: ({ code, operands }, a, b, immediate) => {
    operands.word(b & 0xff);
    operands.word((b >>> 8) & 0xff, immediate);
    code.op(Op.add).const(0xffff).op(Op.and);
    operands.set(a, 4);
  },
  CDQ: ({ code, operands }) => {
    operands.word(0);
    code.const(31).op(Op.shrS);
    operands.set(2, 4);
  },
  CWDE: extend(2, 4, true),
  CBW: extend(1, 2, true),
  CWD: ({ code, operands }) => {
    operands.word(0);
    code.op(Op.extend16).const(31).op(Op.shrS);
    operands.set(4, 2);
  },
  SETCC: ({ flags, operands }, a, b) => {
    flags.condition(b);
    operands.set(a, 1);
  },
  CMOV32: conditionalMove(4),
  CMOV16: conditionalMove(2),
  PUSH32: (t, a, _, immediate) => push(t, () => t.operands.word(a, immediate)),
  PUSHIP: (t, _a, _b, immediate) =>
    push(t, () =>
      t.code
        .get(PAGE_BASE)
        .const(t.block.start + immediate)
        .op(Op.add),
    ),
  POP32: (t, a) => {
    const { code, operands } = t;
    operands.word(ESP);
    t.host(4, false);
    code.load32(0).set(VALUE);
    operands.word(ESP, 4);
    operands.set(ESP, 4);
    code.get(VALUE);
    operands.set(a, 4);
  },
  SEG: (t, a, b) => t.segment(a, b),
  HELPER: (t, a, b, immediate) => t.callHelper(a, b, immediate),
};

for (let condition = 0; condition < 16; condition++) {
  EMIT[UOP_NAMES[UOP.JO + condition]] = (t, a) => {
    t.flags.condition(condition);
    t.takeIf(a);
  };
}
for (const [suffix, size] of SIZES) {
  const families: Readonly<Record<string, Emit>> = {
    MOV: move(size),
    ADD: sum(Op.add, size, false, true),
    ADC: sum(Op.add, size, true, true),
    SUB: sum(Op.sub, size, false, true),
    SBB: sum(Op.sub, size, true, true),
    CMP: sum(Op.sub, size, false, false),
    AND: logic(Op.and, size, true),
    OR: logic(Op.or, size, true),
    XOR: logic(Op.xor, size, true),
    TEST: logic(Op.and, size, false),
    INC: step('inc', size),
    DEC: step('dec', size),
    NEG: negate(size),
    NOT: ({ code, operands }, a) => {
      operands.value(a, size);
      code.const(-1).op(Op.xor);
      operands.set(a, size);
    },
    XCHG: exchange(size),
    LD: load(size, false),
    LDW: load(size, true),
    ST: store(size),
    STW: storeBack(size),
  };
  for (const [name, emit] of Object.entries(families)) EMIT[`${name}${suffix}` as UopName] = emit;
}

function conditionalMove(size: Size): Emit {
  return ({ code, flags, operands }, a, b, condition) => {
    operands.value(b, size);
    operands.value(a, size);
    flags.condition(condition);
    code.op(Op.select);
    operands.set(a, size);
  };
}

/** Stores below the stack pointer, which moves if that did not fail. */
function push(t: BlockCode, value: () => void): void {
  const { code, operands } = t;
  operands.word(ESP, -4);
  t.host(4, true);
  value();
  code.store32(0);
  operands.word(ESP, -4);
  operands.set(ESP, 4);
}
