// SPDX-License-Identifier: MIT
//
// Decoded blocks, keyed by frame: they survive switches of kernels and of address spaces, because frames do. A block is straight
// code within one page that ends at a jump; conditional jumps leave it sideways. A frame that blocks were decoded from has an odd
// generation in the shared table; every store to it, by any thread through any mapping, makes that even and so the blocks stale.
//
// A block in `code`: [instructions, frame, generation, second frame or −1, its generation, offset in page, mode, next in its bucket,
// how often it may yet be executed before it is hot (negative), its translation, 0, 0], then micro-operations. `origin` has one word a micro-operation: number of its instruction in the block << 20 | length << 16 |
// distance from the first instruction.
import type { Cpu } from './cpu.ts';
import { Emitter } from './emitter.ts';
import { type ByteSource, Instruction } from './instruction.ts';
import { Mode } from './mode.ts';

export const BLOCK_HEADER = 12;
const CODE_WORDS = 1 << 22;
const BLOCK_MAX = 64;
/** Words that the longest block can take: its instructions, a few micro-operations each. */
const ROOM = BLOCK_HEADER + (BLOCK_MAX + 1) * 40;
const BUCKETS = 1 << 15;
const QUICK = 1 << 13;
const PAGE = 4096;
const USER_BANK = 1 << 20;
const CS_BASE = 17;
const CS_LIMIT = 18;
const CR2 = 49;
const GENERAL_PROTECTION = 13;
/** Nearer than this to the limit of CS, instructions are decoded one by one and checked. */
const LIMIT_MARGIN = 2 * PAGE;

export class CodeCache implements ByteSource {
  readonly code = new Int32Array(CODE_WORDS);
  readonly origin = new Int32Array(CODE_WORDS >>> 2);
  private readonly cpu: Cpu;
  private readonly u8: Uint8Array;
  private readonly generations: Int32Array;
  private readonly framesBase: number;
  private readonly emitter: Emitter;
  private readonly instruction = new Instruction();
  private next = 4;
  private readonly buckets = new Int32Array(BUCKETS);
  /** Blocks within one page that were found lately, by where their code is: [host offset, mode, block, 0]. */
  private readonly quick = new Int32Array(QUICK * 4);
  /**
   * Executions after which a block is worth a translation: one takes as long as some thousands of interpreted instructions, and most
   * code of a boot is run less often. Tests lower it: nothing but speed depends on it.
   */
  hotAfter = 5_000;
  // The instruction being fetched: where it starts, and the host offsets of its two pages.
  private fetchAt = 0;
  private firstHost = 0;
  private secondHost = 0;
  private secondPage = 0;
  private crosses = false;
  private isFirst = false;
  private originWord = 0;
  /** Hook of who has hung something on blocks: they are forgotten. */
  onCleared: () => void = () => {};
  /** Blocks decoded, in all: how often the cache was of no use. */
  decoded = 0;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.u8 = cpu.u8;
    this.generations = cpu.decoded.generations;
    this.framesBase = cpu.memory.frames.base;
    this.emitter = new Emitter(this);
  }

  /**
   * The block that starts at `eip`, of at most `left` instructions; 0 with a fault posted, or at another kernel's door. `single`: one instruction only.
   */
  find(eip: number, left: number, single: boolean): number {
    const { cpu, code } = this;
    const linAddr = (cpu.r[CS_BASE] + eip) | 0;
    const { mode } = cpu;
    if (!cpu.paging && cpu.handOver.isArrival(linAddr)) return 0;
    const limit = cpu.r[CS_LIMIT];
    const nearLimit = limit !== -1 && (limit >>> 0) - (eip >>> 0) < LIMIT_MARGIN;
    if (!single && !nearLimit) {
      const block = this.findQuickly(linAddr, mode);
      if (block !== 0 && code[block] <= left) return block;
    }
    if (nearLimit && eip >>> 0 > limit >>> 0) {
      cpu.raise(GENERAL_PROTECTION, 0);
      return 0;
    }
    const isSingle = single || nearLimit;
    let block = this.lookUp(linAddr, isSingle ? mode | Mode.single : mode);
    if (block === 0) return 0;
    if (code[block] > left) {
      block = this.lookUp(linAddr, mode | Mode.single);
      return block;
    }
    if (nearLimit && !this.isWithin(block, eip, limit)) return 0;
    if (!isSingle && code[block + 3] < 0 && code[block + 1] !== 0) this.remember(block);
    return block;
  }

  /** A block that was found lately where a linear address leads, or 0. */
  private findQuickly(linAddr: number, mode: number): number {
    const { code, quick, generations } = this;
    const page = this.cpu.mmu.fetch[(linAddr >>> 12) + ((mode & Mode.user) !== 0 ? USER_BANK : 0)];
    const host = page | (linAddr & (PAGE - 1));
    const slot = quickSlot(host);
    if (page === 0 || quick[slot] !== host || quick[slot + 1] !== mode) return 0;
    const block = quick[slot + 2];
    return generations[code[block + 1]] === code[block + 2] ? block : 0;
  }

  /** A block that was decoded in this frame, and is good, or 0. */
  blockAt(frame: number, offset: number, mode: number): number {
    const { code } = this;
    let block = this.buckets[hash(frame, offset)];
    for (; block !== 0; block = code[block + 7]) {
      const isIt = code[block + 1] === frame && code[block + 5] === offset && code[block + 6] === mode;
      if (isIt && this.isGood(block)) break;
    }
    return block;
  }

  /** What it was decoded from has not changed. */
  isGood(block: number): boolean {
    const { code, generations } = this;
    return (
      generations[code[block + 1]] === code[block + 2] &&
      (code[block + 3] < 0 || generations[code[block + 3]] === code[block + 4])
    );
  }

  private remember(block: number): void {
    const { code, quick } = this;
    const host = this.hostOf(block);
    const slot = quickSlot(host);
    quick[slot] = host;
    quick[slot + 1] = code[block + 6];
    quick[slot + 2] = block;
  }

  /** Host offset of a block's code. */
  hostOf(block: number): number {
    const { code } = this;
    return this.framesBase + code[block + 1] * PAGE + code[block + 5];
  }

  /** An instruction that ends behind the limit of CS faults (SDM vol. 3A §5.3). */
  private isWithin(block: number, eip: number, limit: number): boolean {
    const length = (this.origin[(block + BLOCK_HEADER) >>> 2] >>> 16) & 15;
    if ((eip >>> 0) + length - 1 <= limit >>> 0) return true;
    this.cpu.raise(GENERAL_PROTECTION, 0);
    return false;
  }

  private lookUp(linAddr: number, mode: number): number {
    const { cpu, code, buckets } = this;
    const host = cpu.mmu.pageForFetch(linAddr);
    if (host === 0) return 0;
    if (host < 0) return this.decode(linAddr, mode, -1, 0);
    const frame = (host - this.framesBase) >>> 12;
    const offset = linAddr & (PAGE - 1);
    const bucket = hash(frame, offset);
    let before = 0;
    for (let block = buckets[bucket]; block !== 0; block = code[block + 7]) {
      if (code[block + 1] !== frame || code[block + 5] !== offset || code[block + 6] !== mode) {
        before = block;
        continue;
      }
      if (!this.isGood(block)) {
        // Nor will it ever be again.
        if (before === 0) buckets[bucket] = code[block + 7];
        else code[before + 7] = code[block + 7];
        continue;
      }
      before = block;
      if (code[block + 3] < 0) return block;
      // The rest of its instruction may be in another frame by now.
      const second = cpu.mmu.pageForFetch(((linAddr & -PAGE) + PAGE) | 0);
      if (second === 0) return 0;
      if (second > 0 && (second - this.framesBase) >>> 12 === code[block + 3]) return block;
    }
    return this.decode(linAddr, mode, frame, host);
  }

  // ---- decoding ---------------------------------------------------------------------------------------------------

  private decode(linAddr: number, mode: number, frame: number, host: number): number {
    if (this.next + ROOM > CODE_WORDS) this.clear();
    const { cpu, code, instruction } = this;
    this.decoded++;
    const block = this.next;
    this.next += BLOCK_HEADER;
    this.firstHost = host;
    const page = linAddr & -PAGE;
    this.secondPage = (page + PAGE) | 0;
    let at = linAddr & (PAGE - 1);
    const start = at;
    let count = 0;
    let ended = false;
    let secondFrame = -1;
    while (!ended) {
      this.fetchAt = at;
      this.crosses = false;
      this.secondHost = 0;
      this.isFirst = count === 0;
      instruction.decode(this, (mode & Mode.code32) !== 0);
      if (this.crosses && count > 0) {
        // It begins the next block.
        this.crosses = false;
        break;
      }
      if (this.crosses && this.secondHost === 0) {
        // The fetch of its second page faults.
        this.next = block;
        cpu.mmu.pageForFetch(this.secondPage);
        if (cpu.fault !== 0) return 0;
      }
      if (instruction.tooLong) {
        if (count > 0) break;
        this.next = block;
        cpu.raise(GENERAL_PROTECTION, 0);
        return 0;
      }
      at += instruction.length;
      this.originWord = (count << 20) | (instruction.length << 16) | (at - instruction.length - start);
      count++;
      ended = this.emitter.emit(instruction, mode, at - start, count);
      if (this.crosses) {
        secondFrame = this.secondHost > 0 ? (this.secondHost - this.framesBase) >>> 12 : -1;
        break;
      }
      if (count === BLOCK_MAX || at >= PAGE || (mode & Mode.single) !== 0) break;
    }
    if (!ended) this.emitter.fallThrough();
    code[block] = count;
    code[block + 8] = -this.hotAfter;
    code[block + 9] = 0;
    code[block + 3] = secondFrame;
    code[block + 5] = start;
    code[block + 6] = mode;
    if (secondFrame >= 0) code[block + 4] = this.holdCode(secondFrame, 0, at - PAGE);
    // Code where no memory is, or whose second half is nowhere, is decoded each time.
    const isCached = frame >= 0 && (!this.crosses || secondFrame >= 0);
    code[block + 1] = isCached ? frame : 0;
    code[block + 2] = isCached ? this.holdCode(frame, start, Math.min(at, PAGE)) : -1;
    if (isCached) {
      const bucket = hash(frame, start);
      code[block + 7] = this.buckets[bucket];
      this.buckets[bucket] = block;
    }
    return block;
  }

  /** [start, end) of a frame is decoded code: from here on every store to it is noticed. Gives its generation. */
  private holdCode(frame: number, start: number, end: number): number {
    const { decoded, mmu } = this.cpu;
    if (decoded.add(frame, start, end)) mmu.tlb.codeAppeared(frame);
    return this.generations[frame];
  }

  /** Byte of the instruction that is decoded now. A second page that cannot be fetched gives zeros, and is found out later. */
  byte(index: number): number {
    const at = this.fetchAt + index;
    if (at < PAGE) return this.firstHost > 0 ? this.u8[this.firstHost + at] : 0xff;
    if (!this.crosses) {
      this.crosses = true;
      // Only for the block's first instruction: no page is touched that execution may never reach.
      this.secondHost = this.isFirst ? this.fetchSecond() : 0;
    }
    if (this.secondHost < 0) return 0xff;
    return this.secondHost === 0 ? 0 : this.u8[this.secondHost + at - PAGE];
  }

  private fetchSecond(): number {
    const { cpu } = this;
    const cr2 = cpu.r[CR2];
    const host = cpu.mmu.pageForFetch(this.secondPage);
    // Whether the instruction faults is decided when it is known to be the first of its block.
    cpu.fault = 0;
    cpu.r[CR2] = cr2;
    return host;
  }

  put(operation: number, a: number, b: number, immediate: number): void {
    const { code } = this;
    const at = this.next;
    code[at] = operation;
    code[at + 1] = a;
    code[at + 2] = b;
    code[at + 3] = immediate;
    this.origin[at >>> 2] = this.originWord;
    this.next = at + 4;
  }

  /**
   * Lets the jump at `linkAt` in the block `from` go straight to the block `to` from now on. Both lie in one frame at one linear page,
   * so whenever the first may run, so may the second.
   */
  link(linkAt: number, from: number, to: number): void {
    const { code } = this;
    if (code[to + 3] >= 0 || code[to + 1] === 0 || code[to + 1] !== code[from + 1]) return;
    if (code[to + 6] !== code[from + 6] || code[linkAt + 2] !== 0) return;
    code[linkAt + 2] = to;
  }

  /** True if bytes of the block lie in the frame. */
  isOf(block: number, frame: number): boolean {
    return this.code[block + 1] === frame || this.code[block + 3] === frame;
  }

  /** The block ends early from now on, which is right but slow: the next search decodes it anew. */
  retire(block: number): void {
    this.code[block + 2] = -1;
  }

  /** Forgets every block. */
  private clear(): void {
    this.next = 4;
    this.buckets.fill(0);
    this.quick.fill(0);
    this.onCleared();
  }
}

const quickSlot = (host: number): number => ((host ^ (host >>> 12)) & (QUICK - 1)) << 2;

function hash(frame: number, offset: number): number {
  return (Math.imul(frame, 0x9e3779b1) ^ Math.imul(offset, 0x85ebca6b)) >>> 17;
}
