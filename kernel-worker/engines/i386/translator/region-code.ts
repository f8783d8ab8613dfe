// SPDX-License-Identifier: MIT
//
// A region as one function: (instructions left, block to begin with) → instructions left. It begins by taking registers and lazy flags
// out of the CPU record, and ends by putting them there, with EIP where to go on. Jumps within the region stay in it as long as the
// budget covers the whole block that they lead to.
import { assert } from '../../../../shared/errors.ts';
import { BLOCK_HEADER, type CodeCache } from '../code-cache.ts';
import { tlbKey } from '../fast-tlb.ts';
import { Mode } from '../mode.ts';
import { UOP_NAMES } from '../uops.ts';
import { BlockCode, type Surroundings, type Ways } from './block-code.ts';
import { type Exit, encodeExit } from './exits.ts';
import type { FlagsCode } from './flags-code.ts';
import {
  EXIT_CODE,
  EXIT_OFFSET,
  EXIT_ON,
  EXIT_WORD,
  FLAG_OP,
  FLAG_WORDS,
  LEFT,
  LIN_ADDR,
  LOCAL_COUNT,
  NEXT_BLOCK,
  PAGE_BASE,
  PARAMETERS,
  REGISTERS,
  VALUE,
  WANTED_WORD,
} from './locals.ts';
import type { Region, RegionBlock } from './region.ts';
import { blocksOf, type Item, isLoop, structure } from './structure.ts';
import { I32, I64, Op, WasmCode } from './wasm-code.ts';
import type { ModuleFunction } from './wasm-module.ts';

const EIP = 8;
const ZERO = 131;
/** Micro-operations that overwrite all status flags, and those that neither read nor write them, nor can end in the middle. */
const KILLS_FLAGS = namesMatching(/^(ADD|OR|AND|SUB|XOR|CMP|TEST|NEG)(32|16|8)$|^IMUL32$/);
const KILLS_FLAGS_BY_COUNT = namesMatching(/^(SHL|SHR|SAR)32$/);
const PASSES_FLAGS = namesMatching(/^(MOV(ZX|SX)?|XCHG|EA|NOT)[0-9_]+$|^(CDQ|CWDE|CBW|CWD)$/);

function namesMatching(pattern: RegExp): ReadonlySet<number> {
  return new Set(UOP_NAMES.flatMap((name, number) => (pattern.test(name) ? [number] : [])));
}

class RegionCode implements Ways {
  readonly code = new WasmCode();
  readonly surroundings: Surroundings;
  readonly tlbKey: number;
  private readonly cache: CodeCache;
  private readonly region: Region;
  private readonly byOffset: ReadonlyMap<number, RegionBlock>;
  /** Where a jump to a block goes, at the place that is being written. */
  private readonly labels = new Map<number, number>();
  private exit = 0;
  private exitByCode = 0;

  constructor(cache: CodeCache, region: Region, surroundings: Surroundings) {
    this.cache = cache;
    this.region = region;
    this.surroundings = surroundings;
    this.tlbKey = tlbKey((region.mode & Mode.user) !== 0);
    this.byOffset = new Map(region.blocks.map((block) => [block.start, block]));
  }

  private recordAt(word: number): number {
    return this.surroundings.cpuAt + word * 4;
  }

  emit(): WasmCode {
    const { code, region } = this;
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
    code.const(0).load32(this.recordAt(EIP)).const(-4096).op(Op.and).set(PAGE_BASE);
    const items = structure(
      region.blocks.map(({ id }) => id),
      (id) => region.blocks[id].successors,
      region.entries,
    );
    const out = code.block();
    this.exit = code.block();
    this.exitByCode = code.block();
    this.sequence(items, [...region.entries], false);
    code.end();
    code.const(0).get(EXIT_CODE).store32(this.recordAt(EXIT_WORD));
    code.const(0).get(LIN_ADDR).store32(this.recordAt(WANTED_WORD));
    code.const(0).set(EXIT_OFFSET).br(out).end();
    code.const(0).const(EXIT_ON).store32(this.recordAt(EXIT_WORD));
    code.end();
    for (let n = 0; n < 8; n++)
      code
        .const(0)
        .get(REGISTERS + n)
        .store32(this.recordAt(n));
    for (let n = 0; n < 5; n++)
      code
        .const(0)
        .get(FLAG_OP + n)
        .store32(this.recordAt(FLAG_WORDS + n));
    code.const(0).get(PAGE_BASE).get(EXIT_OFFSET).op(Op.add).store32(this.recordAt(EIP));
    return code.get(LEFT).endFunction();
  }

  // ---- structure --------------------------------------------------------------------------------------------------

  /**
   * Items one behind the other, each at the end of a block that jumps to it leave. `entries` is how it is come here; in a loop jumps to
   * them lead to its beginning.
   */
  private sequence(items: readonly Item[], entries: readonly number[], isInLoop: boolean): void {
    const { code } = this;
    const labels = items.map(() => 0);
    for (let k = items.length - 1; k >= 0; k--) labels[k] = code.block();
    const itemOf = new Map<number, number>();
    items.forEach((item, k) => {
      for (const block of blocksOf(item)) itemOf.set(block, k);
    });
    if (needsChoice(items, entries)) {
      const table = this.region.blocks.map(({ id }) => labels[entries.includes(id) ? itemOf.get(id)! : 0]);
      code.get(NEXT_BLOCK).brTable(table, labels[0]);
    }
    const before = new Map(this.labels);
    items.forEach((item, k) => {
      for (const block of isLoop(item) ? item.entries : [item.block]) {
        if (!isInLoop || !entries.includes(block)) this.labels.set(block, labels[k]);
      }
    });
    for (const item of items) {
      code.end();
      if (isLoop(item)) this.loop(item.items, item.entries);
      else this.block(this.region.blocks[item.block]);
    }
    for (const block of itemOf.keys()) {
      const label = before.get(block);
      if (label === undefined) this.labels.delete(block);
      else this.labels.set(block, label);
    }
  }

  private loop(items: readonly Item[], entries: readonly number[]): void {
    const { code } = this;
    const before = entries.map((block) => this.labels.get(block));
    const label = code.loop();
    for (const block of entries) this.labels.set(block, label);
    this.sequence(items, entries, true);
    code.op(Op.unreachable).end();
    code.op(Op.unreachable);
    entries.forEach((block, i) => {
      const outer = before[i];
      if (outer === undefined) this.labels.delete(block);
      else this.labels.set(block, outer);
    });
  }

  private block(block: RegionBlock): void {
    new BlockCode(this, this.cache, block).emit(block.at + BLOCK_HEADER);
  }

  // ---- ways out of a block ----------------------------------------------------------------------------------------

  goTo(offset: number, flags: FlagsCode): void {
    const { code } = this;
    const target = this.byOffset.get(offset);
    if (target === undefined) {
      flags.settle();
      code.const(offset).set(EXIT_OFFSET).br(this.exit);
      return;
    }
    this.goToBlock(target, flags);
  }

  private goToBlock(target: RegionBlock, flags: FlagsCode): void {
    const { code } = this;
    const { start: offset } = target;
    const exit = { offset, before: 0, isDeclined: false, wanted: 'nothing', ...flags.state } as const;
    code.get(LEFT).const(target.count).op(Op.ltS);
    this.leaveBy(exit, true);
    if (this.readsFlags(target)) flags.settle();
    code.const(target.id).set(NEXT_BLOCK);
    const label = this.labels.get(target.id);
    assert(label !== undefined, `no way from one block of a region to block ${target.id}`);
    code.br(label);
  }

  goToValue(_from: RegionBlock, flags: FlagsCode): void {
    const { code, region } = this;
    code.get(VALUE).get(PAGE_BASE).op(Op.sub).set(EXIT_OFFSET);
    for (const id of region.returnSites) {
      const target = region.blocks[id];
      code.get(EXIT_OFFSET).const(target.start).op(Op.eq).if();
      this.goToBlock(target, flags);
      code.end();
    }
    flags.settle();
    code.br(this.exit);
  }

  leaveBy(exit: Exit, isIf: boolean): void {
    const { code, exitByCode } = this;
    code.const(encodeExit(exit)).set(EXIT_CODE);
    if (isIf) code.brIf(exitByCode);
    else code.br(exitByCode);
  }

  /** True if the status flags that a block begins with are looked at, or if it may be left before they are overwritten. */
  private readsFlags({ at, end }: RegionBlock): boolean {
    const { code } = this.cache;
    for (let uop = at + BLOCK_HEADER; uop < end; uop += 4) {
      const operation = code[uop];
      if (KILLS_FLAGS.has(operation)) return false;
      if (KILLS_FLAGS_BY_COUNT.has(operation) && code[uop + 2] === ZERO && (code[uop + 3] & 31) !== 0) return false;
      if (!PASSES_FLAGS.has(operation)) return true;
    }
    return true;
  }
}

/** True if it takes a number to know where to begin. */
function needsChoice(items: readonly Item[], entries: readonly number[]): boolean {
  return entries.length > 1 || !blocksOf(items[0]).includes(entries[0]);
}

/** The function of a region, exported under a name. */
export function regionFunction(
  name: string,
  cache: CodeCache,
  region: Region,
  surroundings: Surroundings,
): ModuleFunction {
  const code = new RegionCode(cache, region, surroundings).emit();
  return {
    name,
    parameters: PARAMETERS,
    locals: [
      [LOCAL_COUNT - PARAMETERS, I32],
      [1, I64],
    ],
    code: code.bytes,
  };
}
