// SPDX-License-Identifier: MIT
//
// Executes decoded blocks, micro-operation by micro-operation. One loop, one dense switch: the numbers are those of uops.ts, as
// literals because only literals become a jump table (a test compares them with the names behind them).
//
// Lazy flags live in locals here (`fop`, `fshift`, `fa`, `fb`, `fr`; see flags.ts) and go to `cpu.flags` around helpers. Operands
// are indices into the record: `r` words, `r16` halfwords, `r8` bytes. An access to memory tries the TLB first; what misses goes
// through the MMU, which may post a fault: the micro-operations of the instruction before that point changed nothing.
import { BLOCK_HEADER, type CodeCache } from './code-cache.ts';
import type { Cpu } from './cpu.ts';
import { conditionOf, lazyCarry, statusFlags } from './flags.ts';
import { HELPERS } from './helper-table.ts';
import type { Helper } from './operands.ts';
import { Translator } from './translator/translator.ts';
import { UOP } from './uops.ts';

const HEADER = BLOCK_HEADER;
const PAGE_MASK = -4096;
const ECX = 1;
const ESP = 4;
const EIP = 8;
const EFLAGS = 9;
const CS_BASE = 17;
const T1 = 129;
const CF = 1;
const AF = 0x10;
const ZF = 0x40;
const OF = 0x800;
const RF = 0x10000;
const LEAVE_RUN = 1;
const LEAVE_BLOCK = 2;
const STATUS = 0x8d5;
const ADD = 1;
const SUB = 2;
const RESULT = 3;
const MIN = -0x80000000;
const USER_BANK = 1 << 20;
const LEAVE_UOP = UOP.NEXT;
/** Header words of a block, and those of the record that have the lazy flags of translated code (translator/locals.ts). */
const HEAT = 8;
const TRANSLATION = 9;
const FLAGS = 132;

export class Interpreter {
  private readonly cpu: Cpu;
  private readonly cache: CodeCache;
  private readonly helpers: readonly Helper[] = HELPERS;
  readonly translator: Translator;
  /** Where the helper or store under way is: for `leaveAfterInstruction`. */
  private at = 0;
  private block = 0;

  constructor(cpu: Cpu, cache: CodeCache) {
    this.cpu = cpu;
    this.cache = cache;
    this.translator = new Translator(cpu, cache);
    cpu.leaveAfterInstruction = () => this.leaveAfterInstruction();
    cpu.leaveCodeOf = (frame) => {
      // Translated code is not at any block of ours.
      const isThere = this.at === 0 ? this.translator.mayBeIn(frame) : cache.isOf(this.block, frame);
      if (isThere) this.leaveAfterInstruction();
    };
    cache.onCleared = () => this.translator.clear();
  }

  /**
   * Whatever follows the instruction under way in its block must not run as decoded: its micro-operations are overwritten, and so
   * are the links of this instruction. The block is dead or at its end, or will be decoded again.
   */
  private leaveAfterInstruction(): void {
    const { code, origin } = this.cache;
    let { at } = this;
    if (at === 0) {
      this.translator.leaveAfterInstruction();
      return;
    }
    this.cache.retire(this.block);
    const current = origin[at >>> 2] >>> 20;
    for (let last = false; !last; at += 4) {
      const number = origin[at >>> 2] >>> 20;
      const operation = code[at];
      last = operation <= LEAVE_UOP;
      if (number !== current) {
        code[at] = UOP.JMP;
        code[at + 1] = number;
        code[at + 2] = -1;
        code[at + 3] = origin[at >>> 2] & 0xffff;
        return;
      }
      // A link that is never taken and never made.
      if (operation === UOP.JMP || (operation >= UOP.JO && operation <= UOP.JG)) code[at + 2] = -1;
    }
  }

  /** Paging is off, and a kernel that left by itself waits in this page for jumps to it: every block must be looked up. */
  private isAtDoor(eip: number): boolean {
    const { cpu } = this;
    return !cpu.paging && cpu.handOver.hasDoorNear((cpu.r[CS_BASE] + eip) | 0);
  }

  /** A block is left: the run goes on if no more than that was asked for. */
  private endBlock(left: number): void {
    const { cpu } = this;
    if (cpu.leave !== LEAVE_BLOCK || left <= 0) return;
    cpu.leave = 0;
    // Of IRET or POPF: it matters where breakpoints are on only, and there the run is left.
    cpu.r[EFLAGS] &= ~RF;
  }

  /**
   * Runs until `limit` instructions are done, a fault is posted, or an instruction asked to leave. Gives the number of instructions
   * completed; EIP is where to go on, or the faulting instruction. `single`: instruction by instruction, as traps need it.
   */
  run(limit: number, single: boolean): number {
    const { cpu, cache, helpers, translator } = this;
    const { code, origin } = cache;
    const { r, r16, r8, view, u8, mmu, flags } = cpu;
    const { read: tlbRead, write: tlbWrite } = mmu;
    let bank = mmu.bank;
    let left = limit;
    let fop = flags.op;
    let fshift = flags.shift;
    let fa = flags.a;
    let fb = flags.b;
    let fr = flags.result;
    let eip = r[EIP];
    let linkAt = 0;
    /** Where the LDW of this instruction loaded from: host offset, or 0 and the linear address. */
    let storeHost = 0;
    let storeLinAddr = 0;
    /** The interpreter's turn: translated code has left an instruction to it. */
    let isDeclined = false;
    cpu.leave = 0;
    translator.begin(limit);

    while (left > 0 && cpu.leave === 0) {
      r[EIP] = eip;
      const block = cache.find(eip, left, single);
      if (block === 0) break;
      if (linkAt > 0) {
        cache.link(linkAt, this.block, block);
        linkAt = 0;
      }
      const translation = code[block + TRANSLATION];
      if (translation !== 0 && !isDeclined && bank <= USER_BANK && !this.isAtDoor(eip)) {
        r[FLAGS] = fop;
        r[FLAGS + 1] = fshift;
        r[FLAGS + 2] = fa;
        r[FLAGS + 3] = fb;
        r[FLAGS + 4] = fr;
        left = translator.run(block, left);
        eip = r[EIP];
        fop = r[FLAGS];
        fshift = r[FLAGS + 1];
        fa = r[FLAGS + 2];
        fb = r[FLAGS + 3];
        fr = r[FLAGS + 4];
        isDeclined = translator.isDeclined;
        bank = mmu.bank;
        this.endBlock(left);
        continue;
      }
      isDeclined = false;
      if (translation === 0 && ++code[block + HEAT] === 0) translator.request(block);
      this.block = block;
      let blockEip = eip;
      let pc = block + HEADER;

      exec: for (;;) {
        const operation = code[pc];
        const a = code[pc + 1];
        const b = code[pc + 2];
        const immediate = code[pc + 3];
        pc += 4;
        // Left by `break taken`: a branch is taken. Left at the end of the switch: a fault is posted, or the block is left.
        // biome-ignore lint/suspicious/noConfusingLabels: a branch that is taken leaves the switch, and only that
        taken: {
          switch (operation) {
            case 0: // JMP
              break taken;
            case 1: // JMP16
              eip = (blockEip + immediate) & 0xffff;
              left -= a;
              break exec;
            case 2: // JMPR
              eip = r[b];
              left -= a;
              break exec;
            case 3: // NEXT
              eip = cpu.nextEip;
              left -= a;
              break exec;
            case 4: // JO
              if ((currentFlags(r, fop, fshift, fa, fb, fr) & OF) !== 0) break taken;
              continue;
            case 5: // JNO
              if ((currentFlags(r, fop, fshift, fa, fb, fr) & OF) === 0) break taken;
              continue;
            case 6: // JB
              if ((fop === 0 ? r[EFLAGS] & CF : lazyCarry(fop, fa, fb, fr)) !== 0) break taken;
              continue;
            case 7: // JAE
              if ((fop === 0 ? r[EFLAGS] & CF : lazyCarry(fop, fa, fb, fr)) === 0) break taken;
              continue;
            case 8: // JE
              if (fop === 0 ? (r[EFLAGS] & ZF) !== 0 : fr === 0) break taken;
              continue;
            case 9: // JNE
              if (fop === 0 ? (r[EFLAGS] & ZF) === 0 : fr !== 0) break taken;
              continue;
            case 10: // JBE
              if (fop === 0 ? (r[EFLAGS] & (CF | ZF)) !== 0 : fr === 0 || lazyCarry(fop, fa, fb, fr) !== 0) break taken;
              continue;
            case 11: // JA
              if (fop === 0 ? (r[EFLAGS] & (CF | ZF)) === 0 : fr !== 0 && lazyCarry(fop, fa, fb, fr) === 0) break taken;
              continue;
            case 12: // JS
              if (fop === 0 ? (r[EFLAGS] & 0x80) !== 0 : fr < 0) break taken;
              continue;
            case 13: // JNS
              if (fop === 0 ? (r[EFLAGS] & 0x80) === 0 : fr >= 0) break taken;
              continue;
            case 14: // JP
              if ((currentFlags(r, fop, fshift, fa, fb, fr) & 4) !== 0) break taken;
              continue;
            case 15: // JNP
              if ((currentFlags(r, fop, fshift, fa, fb, fr) & 4) === 0) break taken;
              continue;
            case 16: // JL
              if (fop === SUB ? (fr ^ ((fa ^ fb) & (fa ^ fr))) < 0 : isLess(r, fop, fshift, fa, fb, fr)) break taken;
              continue;
            case 17: // JGE
              if (fop === SUB ? (fr ^ ((fa ^ fb) & (fa ^ fr))) >= 0 : !isLess(r, fop, fshift, fa, fb, fr)) break taken;
              continue;
            case 18: // JLE
              if (
                fop === SUB
                  ? fr === 0 || (fr ^ ((fa ^ fb) & (fa ^ fr))) < 0
                  : conditionOf(14, currentFlags(r, fop, fshift, fa, fb, fr))
              )
                break taken;
              continue;
            case 19: // JG
              if (
                fop === SUB
                  ? fr !== 0 && (fr ^ ((fa ^ fb) & (fa ^ fr))) >= 0
                  : conditionOf(15, currentFlags(r, fop, fshift, fa, fb, fr))
              )
                break taken;
              continue;
            case 20: // JCC16
              if (!conditionOf(b, currentFlags(r, fop, fshift, fa, fb, fr))) continue;
              eip = (blockEip + immediate) & 0xffff;
              left -= a;
              break exec;
            case 21: {
              // LOOP
              const wide = (b & 4) !== 0;
              const kind = b & 3;
              if (kind !== 3) {
                if (wide) r[ECX] = (r[ECX] - 1) | 0;
                else r16[2] -= 1;
              }
              const isZero = (wide ? r[ECX] : r16[2]) === 0;
              let isTaken = kind === 3 ? isZero : !isZero;
              if (kind < 2) {
                const zf = (currentFlags(r, fop, fshift, fa, fb, fr) & ZF) !== 0;
                isTaken = isTaken && zf === (kind === 1);
              }
              if (!isTaken) continue;
              eip = (blockEip + immediate) | 0;
              if ((b & 8) !== 0) eip &= 0xffff;
              left -= a;
              break exec;
            }

            case 22: // MOV32
              r[a] = (r[b] + immediate) | 0;
              continue;
            case 23: // MOV16
              r16[a] = r16[b] + immediate;
              continue;
            case 24: // MOV8
              r8[a] = r8[b] + immediate;
              continue;

            case 25: // ADD32
              fa = r[a];
              fb = (r[b] + immediate) | 0;
              fr = (fa + fb) | 0;
              r[a] = fr;
              fop = ADD;
              fshift = 0;
              continue;
            case 26: // ADD16
              fa = r16[a] << 16;
              fb = (r16[b] + immediate) << 16;
              fr = (fa + fb) | 0;
              r16[a] = fr >>> 16;
              fop = ADD;
              fshift = 16;
              continue;
            case 27: // ADD8
              fa = r8[a] << 24;
              fb = (r8[b] + immediate) << 24;
              fr = (fa + fb) | 0;
              r8[a] = fr >>> 24;
              fop = ADD;
              fshift = 24;
              continue;
            case 28: // OR32
              fr = r[a] | (r[b] + immediate);
              r[a] = fr;
              fop = RESULT;
              fb = 0;
              fshift = 0;
              continue;
            case 29: // OR16
              fr = (r16[a] | (r16[b] + immediate)) << 16;
              r16[a] = fr >>> 16;
              fop = RESULT;
              fb = 0;
              fshift = 16;
              continue;
            case 30: // OR8
              fr = (r8[a] | (r8[b] + immediate)) << 24;
              r8[a] = fr >>> 24;
              fop = RESULT;
              fb = 0;
              fshift = 24;
              continue;
            case 31: {
              // ADC32
              const carry = fop === 0 ? r[EFLAGS] & CF : lazyCarry(fop, fa, fb, fr);
              fa = r[a];
              fb = (r[b] + immediate) | 0;
              fr = (fa + fb + carry) | 0;
              r[a] = fr;
              fop = ADD;
              fshift = 0;
              continue;
            }
            case 32: {
              // ADC16
              const carry = fop === 0 ? r[EFLAGS] & CF : lazyCarry(fop, fa, fb, fr);
              fa = r16[a] << 16;
              fb = (r16[b] + immediate) << 16;
              fr = (fa + fb + (carry << 16)) | 0;
              r16[a] = fr >>> 16;
              fop = ADD;
              fshift = 16;
              continue;
            }
            case 33: {
              // ADC8
              const carry = fop === 0 ? r[EFLAGS] & CF : lazyCarry(fop, fa, fb, fr);
              fa = r8[a] << 24;
              fb = (r8[b] + immediate) << 24;
              fr = (fa + fb + (carry << 24)) | 0;
              r8[a] = fr >>> 24;
              fop = ADD;
              fshift = 24;
              continue;
            }
            case 34: {
              // SBB32
              const borrow = fop === 0 ? r[EFLAGS] & CF : lazyCarry(fop, fa, fb, fr);
              fa = r[a];
              fb = (r[b] + immediate) | 0;
              fr = (fa - fb - borrow) | 0;
              r[a] = fr;
              fop = SUB;
              fshift = 0;
              continue;
            }
            case 35: {
              // SBB16
              const borrow = fop === 0 ? r[EFLAGS] & CF : lazyCarry(fop, fa, fb, fr);
              fa = r16[a] << 16;
              fb = (r16[b] + immediate) << 16;
              fr = (fa - fb - (borrow << 16)) | 0;
              r16[a] = fr >>> 16;
              fop = SUB;
              fshift = 16;
              continue;
            }
            case 36: {
              // SBB8
              const borrow = fop === 0 ? r[EFLAGS] & CF : lazyCarry(fop, fa, fb, fr);
              fa = r8[a] << 24;
              fb = (r8[b] + immediate) << 24;
              fr = (fa - fb - (borrow << 24)) | 0;
              r8[a] = fr >>> 24;
              fop = SUB;
              fshift = 24;
              continue;
            }
            case 37: // AND32
              fr = r[a] & (r[b] + immediate);
              r[a] = fr;
              fop = RESULT;
              fb = 0;
              fshift = 0;
              continue;
            case 38: // AND16
              fr = (r16[a] & (r16[b] + immediate)) << 16;
              r16[a] = fr >>> 16;
              fop = RESULT;
              fb = 0;
              fshift = 16;
              continue;
            case 39: // AND8
              fr = (r8[a] & (r8[b] + immediate)) << 24;
              r8[a] = fr >>> 24;
              fop = RESULT;
              fb = 0;
              fshift = 24;
              continue;
            case 40: // SUB32
              fa = r[a];
              fb = (r[b] + immediate) | 0;
              fr = (fa - fb) | 0;
              r[a] = fr;
              fop = SUB;
              fshift = 0;
              continue;
            case 41: // SUB16
              fa = r16[a] << 16;
              fb = (r16[b] + immediate) << 16;
              fr = (fa - fb) | 0;
              r16[a] = fr >>> 16;
              fop = SUB;
              fshift = 16;
              continue;
            case 42: // SUB8
              fa = r8[a] << 24;
              fb = (r8[b] + immediate) << 24;
              fr = (fa - fb) | 0;
              r8[a] = fr >>> 24;
              fop = SUB;
              fshift = 24;
              continue;
            case 43: // XOR32
              fr = r[a] ^ (r[b] + immediate);
              r[a] = fr;
              fop = RESULT;
              fb = 0;
              fshift = 0;
              continue;
            case 44: // XOR16
              fr = (r16[a] ^ (r16[b] + immediate)) << 16;
              r16[a] = fr >>> 16;
              fop = RESULT;
              fb = 0;
              fshift = 16;
              continue;
            case 45: // XOR8
              fr = (r8[a] ^ (r8[b] + immediate)) << 24;
              r8[a] = fr >>> 24;
              fop = RESULT;
              fb = 0;
              fshift = 24;
              continue;
            case 46: // CMP32
              fa = r[a];
              fb = (r[b] + immediate) | 0;
              fr = (fa - fb) | 0;
              fop = SUB;
              fshift = 0;
              continue;
            case 47: // CMP16
              fa = r16[a] << 16;
              fb = (r16[b] + immediate) << 16;
              fr = (fa - fb) | 0;
              fop = SUB;
              fshift = 16;
              continue;
            case 48: // CMP8
              fa = r8[a] << 24;
              fb = (r8[b] + immediate) << 24;
              fr = (fa - fb) | 0;
              fop = SUB;
              fshift = 24;
              continue;
            case 49: // TEST32
              fr = r[a] & (r[b] + immediate);
              fop = RESULT;
              fb = 0;
              fshift = 0;
              continue;
            case 50: // TEST16
              fr = (r16[a] & (r16[b] + immediate)) << 16;
              fop = RESULT;
              fb = 0;
              fshift = 16;
              continue;
            case 51: // TEST8
              fr = (r8[a] & (r8[b] + immediate)) << 24;
              fop = RESULT;
              fb = 0;
              fshift = 24;
              continue;

            case 52: {
              // INC32
              const carry = fop === 0 ? r[EFLAGS] & CF : lazyCarry(fop, fa, fb, fr);
              fr = (r[a] + 1) | 0;
              r[a] = fr;
              fb = carry | (fr === MIN ? OF : 0) | ((fr & 15) === 0 ? AF : 0);
              fop = RESULT;
              fshift = 0;
              continue;
            }
            case 53: {
              // INC16
              const carry = fop === 0 ? r[EFLAGS] & CF : lazyCarry(fop, fa, fb, fr);
              fr = (r16[a] + 1) << 16;
              r16[a] = fr >>> 16;
              fb = carry | (fr === MIN ? OF : 0) | ((fr & 0xf0000) === 0 ? AF : 0);
              fop = RESULT;
              fshift = 16;
              continue;
            }
            case 54: {
              // INC8
              const carry = fop === 0 ? r[EFLAGS] & CF : lazyCarry(fop, fa, fb, fr);
              fr = (r8[a] + 1) << 24;
              r8[a] = fr >>> 24;
              fb = carry | (fr === MIN ? OF : 0) | ((fr & 0xf000000) === 0 ? AF : 0);
              fop = RESULT;
              fshift = 24;
              continue;
            }
            case 55: {
              // DEC32
              const carry = fop === 0 ? r[EFLAGS] & CF : lazyCarry(fop, fa, fb, fr);
              fr = (r[a] - 1) | 0;
              r[a] = fr;
              fb = carry | (fr === 0x7fffffff ? OF : 0) | ((fr & 15) === 15 ? AF : 0);
              fop = RESULT;
              fshift = 0;
              continue;
            }
            case 56: {
              // DEC16
              const carry = fop === 0 ? r[EFLAGS] & CF : lazyCarry(fop, fa, fb, fr);
              fr = (r16[a] - 1) << 16;
              r16[a] = fr >>> 16;
              fb = carry | (fr === 0x7fff0000 ? OF : 0) | ((fr & 0xf0000) === 0xf0000 ? AF : 0);
              fop = RESULT;
              fshift = 16;
              continue;
            }
            case 57: {
              // DEC8
              const carry = fop === 0 ? r[EFLAGS] & CF : lazyCarry(fop, fa, fb, fr);
              fr = (r8[a] - 1) << 24;
              r8[a] = fr >>> 24;
              fb = carry | (fr === 0x7f000000 ? OF : 0) | ((fr & 0xf000000) === 0xf000000 ? AF : 0);
              fop = RESULT;
              fshift = 24;
              continue;
            }
            case 58: // NEG32
              fa = 0;
              fb = r[a];
              fr = -fb | 0;
              r[a] = fr;
              fop = SUB;
              fshift = 0;
              continue;
            case 59: // NEG16
              fa = 0;
              fb = r16[a] << 16;
              fr = -fb | 0;
              r16[a] = fr >>> 16;
              fop = SUB;
              fshift = 16;
              continue;
            case 60: // NEG8
              fa = 0;
              fb = r8[a] << 24;
              fr = -fb | 0;
              r8[a] = fr >>> 24;
              fop = SUB;
              fshift = 24;
              continue;
            case 61: // NOT32
              r[a] = ~r[a];
              continue;
            case 62: // NOT16
              r16[a] = ~r16[a];
              continue;
            case 63: // NOT8
              r8[a] = ~r8[a];
              continue;

            case 64: // MOVZX8_32
              r[a] = r8[b];
              continue;
            case 65: // MOVZX16_32
              r[a] = r16[b];
              continue;
            case 66: // MOVSX8_32
              r[a] = (r8[b] << 24) >> 24;
              continue;
            case 67: // MOVSX16_32
              r[a] = (r16[b] << 16) >> 16;
              continue;
            case 68: // MOVZX8_16
              r16[a] = r8[b];
              continue;
            case 69: // MOVSX8_16
              r16[a] = (r8[b] << 24) >> 24;
              continue;
            case 70: {
              // XCHG32
              const value = r[a];
              r[a] = r[b];
              r[b] = value;
              continue;
            }
            case 71: {
              // XCHG16
              const value = r16[a];
              r16[a] = r16[b];
              r16[b] = value;
              continue;
            }
            case 72: {
              // XCHG8
              const value = r8[a];
              r8[a] = r8[b];
              r8[b] = value;
              continue;
            }
            case 73: // EA32
              r[a] = (r[b & 0xff] + (r[(b >>> 8) & 0xff] << (b >>> 16)) + immediate) | 0;
              continue;
            case 74: // EA16
              r[a] = (r[b & 0xff] + r[(b >>> 8) & 0xff] + immediate) & 0xffff;
              continue;

            case 75: {
              // SHL32
              const count = (r[b] + immediate) & 31;
              if (count === 0) continue;
              const value = r[a];
              fr = value << count;
              r[a] = fr;
              fb = (value >>> (32 - count)) & CF;
              // OF for a count of 1: whether the sign changed; a P6 does the same with the last bit shifted for others.
              fb |= (fb ^ (fr >>> 31)) << 11;
              fop = RESULT;
              fshift = 0;
              continue;
            }
            case 76: {
              // SHR32
              const count = (r[b] + immediate) & 31;
              if (count === 0) continue;
              const value = r[a];
              fr = (value >>> count) | 0;
              r[a] = fr;
              fb = ((value >>> (count - 1)) & CF) | (count === 1 ? (value >>> 20) & OF : 0);
              fop = RESULT;
              fshift = 0;
              continue;
            }
            case 77: {
              // SAR32
              const count = (r[b] + immediate) & 31;
              if (count === 0) continue;
              const value = r[a];
              fr = value >> count;
              r[a] = fr;
              fb = (value >> (count - 1)) & CF;
              fop = RESULT;
              fshift = 0;
              continue;
            }
            case 78: {
              // ROL32
              const count = (r[b] + immediate) & 31;
              if (count === 0) continue;
              const value = r[a];
              const result = (value << count) | (value >>> (32 - count));
              r[a] = result;
              r[EFLAGS] =
                (currentFlags(r, fop, fshift, fa, fb, fr) & ~(CF | OF)) |
                (result & CF) |
                (((result ^ (result >>> 31)) & 1) << 11);
              fop = 0;
              continue;
            }
            case 79: {
              // ROR32
              const count = (r[b] + immediate) & 31;
              if (count === 0) continue;
              const value = r[a];
              const result = (value >>> count) | (value << (32 - count));
              r[a] = result;
              r[EFLAGS] =
                (currentFlags(r, fop, fshift, fa, fb, fr) & ~(CF | OF)) |
                (result >>> 31) |
                (((result ^ (result << 1)) >>> 20) & OF);
              fop = 0;
              continue;
            }
            case 80: {
              // IMUL32
              const x = r[b & 0xff];
              const y = (r[(b >>> 8) & 0xff] + immediate) | 0;
              fr = Math.imul(x, y);
              r[a] = fr;
              // A double holds the product well enough to tell whether it fits: it is off by less than 2^11 above 2^53.
              const exact = x * y;
              fb = exact === fr ? 0 : CF | OF;
              fop = RESULT;
              fshift = 0;
              continue;
            }
            case 81: // CDQ
              r[2] = r[0] >> 31;
              continue;
            case 82: // CWDE
              r[0] = (r16[0] << 16) >> 16;
              continue;
            case 83: // CBW
              r16[0] = (r8[0] << 24) >> 24;
              continue;
            case 84: // CWD
              r16[4] = (r16[0] << 16) >> 31;
              continue;
            case 85: // SETCC
              r8[a] = conditionOf(b, currentFlags(r, fop, fshift, fa, fb, fr)) ? 1 : 0;
              continue;
            case 86: // CMOV32
              if (conditionOf(immediate, currentFlags(r, fop, fshift, fa, fb, fr))) r[a] = r[b];
              continue;
            case 87: // CMOV16
              if (conditionOf(immediate, currentFlags(r, fop, fshift, fa, fb, fr))) r16[a] = r16[b];
              continue;

            case 88: {
              // LD32
              const linAddr = (r[b] + immediate) | 0;
              const host = tlbRead[(linAddr >>> 12) + bank];
              const within = linAddr & 0xfff;
              if (host !== 0 && within <= 0xffc) {
                r[a] = view.getInt32(host | within, true);
                continue;
              }
              this.at = pc - 4;
              const value = mmu.load32(linAddr);
              if (cpu.fault !== 0) break;
              r[a] = value;
              continue;
            }
            case 89: {
              // LD16
              const linAddr = (r[b] + immediate) | 0;
              const host = tlbRead[(linAddr >>> 12) + bank];
              const within = linAddr & 0xfff;
              if (host !== 0 && within <= 0xffe) {
                r16[a] = view.getUint16(host | within, true);
                continue;
              }
              this.at = pc - 4;
              const value = mmu.load16(linAddr);
              if (cpu.fault !== 0) break;
              r16[a] = value;
              continue;
            }
            case 90: {
              // LD8
              const linAddr = (r[b] + immediate) | 0;
              const host = tlbRead[(linAddr >>> 12) + bank];
              if (host !== 0) {
                r8[a] = u8[host | (linAddr & 0xfff)];
                continue;
              }
              this.at = pc - 4;
              const value = mmu.load8(linAddr);
              if (cpu.fault !== 0) break;
              r8[a] = value;
              continue;
            }
            case 91: {
              // LDW32
              const linAddr = (r[b] + immediate) | 0;
              const host = tlbWrite[(linAddr >>> 12) + bank];
              const within = linAddr & 0xfff;
              if (host !== 0 && within <= 0xffc) {
                storeHost = host | within;
                r[a] = view.getInt32(storeHost, true);
                continue;
              }
              this.at = pc - 4;
              if (!mmu.probeWrite(linAddr, 4)) break;
              const value = mmu.load32(linAddr);
              if (cpu.fault !== 0) break;
              storeHost = 0;
              storeLinAddr = linAddr;
              r[a] = value;
              continue;
            }
            case 92: {
              // LDW16
              const linAddr = (r[b] + immediate) | 0;
              const host = tlbWrite[(linAddr >>> 12) + bank];
              const within = linAddr & 0xfff;
              if (host !== 0 && within <= 0xffe) {
                storeHost = host | within;
                r16[a] = view.getUint16(storeHost, true);
                continue;
              }
              this.at = pc - 4;
              if (!mmu.probeWrite(linAddr, 2)) break;
              const value = mmu.load16(linAddr);
              if (cpu.fault !== 0) break;
              storeHost = 0;
              storeLinAddr = linAddr;
              r16[a] = value;
              continue;
            }
            case 93: {
              // LDW8
              const linAddr = (r[b] + immediate) | 0;
              const host = tlbWrite[(linAddr >>> 12) + bank];
              if (host !== 0) {
                storeHost = host | (linAddr & 0xfff);
                r8[a] = u8[storeHost];
                continue;
              }
              this.at = pc - 4;
              if (!mmu.probeWrite(linAddr, 1)) break;
              const value = mmu.load8(linAddr);
              if (cpu.fault !== 0) break;
              storeHost = 0;
              storeLinAddr = linAddr;
              r8[a] = value;
              continue;
            }
            case 94: // STW32
              if (storeHost !== 0) view.setInt32(storeHost, r[a], true);
              else {
                this.at = pc - 4;
                mmu.store32(storeLinAddr, r[a]);
              }
              continue;
            case 95: // STW16
              if (storeHost !== 0) view.setInt16(storeHost, r16[a], true);
              else {
                this.at = pc - 4;
                mmu.store16(storeLinAddr, r16[a]);
              }
              continue;
            case 96: // STW8
              if (storeHost !== 0) u8[storeHost] = r8[a];
              else {
                this.at = pc - 4;
                mmu.store8(storeLinAddr, r8[a]);
              }
              continue;
            case 97: {
              // ST32
              const linAddr = (r[b] + immediate) | 0;
              const host = tlbWrite[(linAddr >>> 12) + bank];
              const within = linAddr & 0xfff;
              if (host !== 0 && within <= 0xffc) {
                view.setInt32(host | within, r[a], true);
                continue;
              }
              this.at = pc - 4;
              mmu.store32(linAddr, r[a]);
              if (cpu.fault !== 0) break;
              continue;
            }
            case 98: {
              // ST16
              const linAddr = (r[b] + immediate) | 0;
              const host = tlbWrite[(linAddr >>> 12) + bank];
              const within = linAddr & 0xfff;
              if (host !== 0 && within <= 0xffe) {
                view.setInt16(host | within, r16[a], true);
                continue;
              }
              this.at = pc - 4;
              mmu.store16(linAddr, r16[a]);
              if (cpu.fault !== 0) break;
              continue;
            }
            case 99: {
              // ST8
              const linAddr = (r[b] + immediate) | 0;
              const host = tlbWrite[(linAddr >>> 12) + bank];
              if (host !== 0) {
                u8[host | (linAddr & 0xfff)] = r8[a];
                continue;
              }
              this.at = pc - 4;
              mmu.store8(linAddr, r8[a]);
              if (cpu.fault !== 0) break;
              continue;
            }
            case 100: {
              // PUSH32
              const linAddr = (r[ESP] - 4) | 0;
              const host = tlbWrite[(linAddr >>> 12) + bank];
              const within = linAddr & 0xfff;
              if (host !== 0 && within <= 0xffc) view.setInt32(host | within, r[a] + immediate, true);
              else {
                this.at = pc - 4;
                mmu.store32(linAddr, (r[a] + immediate) | 0);
                if (cpu.fault !== 0) break;
              }
              r[ESP] = linAddr;
              continue;
            }
            case 101: {
              // POP32
              const linAddr = r[ESP];
              const host = tlbRead[(linAddr >>> 12) + bank];
              const within = linAddr & 0xfff;
              if (host !== 0 && within <= 0xffc) {
                r[ESP] = (linAddr + 4) | 0;
                r[a] = view.getInt32(host | within, true);
                continue;
              }
              this.at = pc - 4;
              const value = mmu.load32(linAddr);
              if (cpu.fault !== 0) break;
              r[ESP] = (linAddr + 4) | 0;
              r[a] = value;
              continue;
            }
            case 102: {
              // PUSHIP
              const linAddr = (r[ESP] - 4) | 0;
              const host = tlbWrite[(linAddr >>> 12) + bank];
              const within = linAddr & 0xfff;
              if (host !== 0 && within <= 0xffc) view.setInt32(host | within, blockEip + immediate, true);
              else {
                this.at = pc - 4;
                mmu.store32(linAddr, (blockEip + immediate) | 0);
                if (cpu.fault !== 0) break;
              }
              r[ESP] = linAddr;
              continue;
            }
            case 103: {
              // SEG
              const linAddr = cpu.linear(a, r[T1], b, immediate !== 0);
              if (cpu.fault !== 0) break;
              r[T1] = linAddr;
              continue;
            }
            case 104: {
              // HELPER
              const word = origin[(pc - 4) >>> 2];
              const start = (blockEip + (word & 0xffff)) | 0;
              r[EIP] = start;
              cpu.nextEip = (start + ((word >>> 16) & 15)) | 0;
              cpu.retired = limit - left + (word >>> 20);
              this.at = pc - 4;
              flags.op = fop;
              flags.shift = fshift;
              flags.a = fa;
              flags.b = fb;
              flags.result = fr;
              helpers[a](cpu, b, immediate);
              fop = flags.op;
              fshift = flags.shift;
              fa = flags.a;
              fb = flags.b;
              fr = flags.result;
              if (cpu.fault !== 0) {
                // EIP as the helper left it: behind a task switch the fault is one of the new task.
                eip = r[EIP];
                left -= word >>> 20;
                cpu.leave = LEAVE_RUN;
                break exec;
              }
              if (cpu.leave === 0) continue;
              eip = cpu.nextEip;
              left -= (word >>> 20) + 1;
              break exec;
            }
            default:
              cpu.unreachable(`micro-operation ${operation}`);
          }
          // A fault: the instruction under way never happened.
          const word = origin[(pc - 4) >>> 2];
          eip = (blockEip + (word & 0xffff)) | 0;
          left -= word >>> 20;
          cpu.leave = LEAVE_RUN;
          break exec;
        }

        // A direct branch. Within the page it is linked to its target: valid as long as this very block is.
        left -= a;
        eip = (blockEip + immediate) | 0;
        if (b > 0 && code[b] <= left && code[b + TRANSLATION] === 0 && ++code[b + HEAT] !== 0) {
          blockEip = eip;
          this.block = b;
          pc = b + HEADER;
          continue;
        }
        if (b > 0 && code[b + HEAT] === 0) code[b + HEAT]--;
        linkAt = b === 0 && ((eip ^ blockEip) & PAGE_MASK) === 0 ? pc - 4 : 0;
        break;
      }
      this.at = 0;
      bank = mmu.bank;
      this.endBlock(left);
    }

    r[EIP] = eip;
    flags.op = fop;
    flags.shift = fshift;
    flags.a = fa;
    flags.b = fb;
    flags.result = fr;
    return limit - left;
  }
}

/** EFLAGS with the lazy flags in it, or EFLAGS as it stands. */
function currentFlags(r: Int32Array, fop: number, fshift: number, fa: number, fb: number, fr: number): number {
  return fop === 0 ? r[EFLAGS] : (r[EFLAGS] & ~STATUS) | statusFlags(fop, fshift, fa, fb, fr);
}

function isLess(r: Int32Array, fop: number, fshift: number, fa: number, fb: number, fr: number): boolean {
  return conditionOf(12, currentFlags(r, fop, fshift, fa, fb, fr));
}
