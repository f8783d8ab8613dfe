// SPDX-License-Identifier: MIT
//
// Translates hot blocks to WebAssembly, from the same micro-operations that the interpreter executes. Nothing can be seen of when that
// happens: translated code does what the blocks do, instruction for instruction, and is entered only while the budget covers the
// next block. A block is hot when it has been executed a fixed number of times; hot blocks wait for others, to be compiled together.
//
// Translated code hangs on blocks: it is good as long as the block is that it is entered by, and is forgotten with the cache.
import type { CodeCache } from '../code-cache.ts';
import type { Cpu } from '../cpu.ts';
import { tlbKey } from '../fast-tlb.ts';
import { HELPERS } from '../helper-table.ts';
import { Mode } from '../mode.ts';
import type { Helper } from '../operands.ts';
import type { Surroundings } from './block-code.ts';
import { beforeOf, isDeclined, isExit, offsetOf, settleRecord, wantsLoad, wantsStore } from './exits.ts';
import { statusFunction } from './flags-code.ts';
import { DRIVER_LOCALS, DRIVER_PARAMETERS, driverCode, Jumps, ONE_REGION } from './jumps.ts';
import { EXIT_LEFT, EXIT_WORD, FLAG_WORDS, PARAMETERS, WANTED_WORD } from './locals.ts';
import { collectRegion, ENTRY_BITS, type Region } from './region.ts';
import { regionFunction } from './region-code.ts';
import { I32 } from './wasm-code.ts';
import { encodeModule, type ModuleFunction, type ModuleImport } from './wasm-module.ts';

const EIP = 8;
const EFLAGS = 9;
const FLAGS = FLAG_WORDS;
const EXIT = EXIT_WORD;
const BATCH = 8;
const ANY_FRAME = -1;
const USER_BANK = 1 << 20;
const WASM_PAGE = 65536;
/** What the micro-operations are translated for: 32-bit code and data without limits. */
const NEEDED = Mode.code32 | Mode.stack32 | Mode.flatData | Mode.flatCode;
/** Header words of a block: how often it has yet to be executed, negative; and its translation, function << ENTRY_BITS | entry. */
const HEAT = 8;
const TRANSLATION = 9;
const NEVER = -0x80000000;

const TABLE_STEP = 1024;
type Driver = (left: number, translation: number, key: number) => number;

const IMPORTS = [{ name: 'helper', parameters: 5 }] as const;

export class Translator {
  /** Budget of the run under way, from which helpers learn how many instructions it has completed. */
  private limit = 0;
  /** Modules made: how often code was compiled. */
  modules = 0;
  private mustLeave = false;
  /** The interpreter must execute the instruction that translated code was left at. */
  isDeclined = false;
  /** The frame of the one region that runs. */
  private frame = ANY_FRAME;
  private readonly cpu: Cpu;
  readonly cache: CodeCache;
  private readonly helpers: readonly Helper[] = HELPERS;
  private readonly surroundings: Surroundings;
  private readonly host: WebAssembly.ModuleImports;
  private readonly memoryPages: number;
  /** Functions by number; 0 is none. */
  private readonly table = new WebAssembly.Table({ element: 'anyfunc', initial: TABLE_STEP });
  private count = 1;
  private readonly jumps: Jumps;
  private readonly driver: Driver;
  private hot: number[] = [];
  /**
   * Runs that a few hot blocks wait for others: a module costs much by itself, and some code does not live so long. Tests lower it: nothing
   * but speed depends on it.
   */
  patience = 16;
  /** Runs that have begun since the first of them became hot. */
  private waited = 0;

  constructor(cpu: Cpu, cache: CodeCache) {
    this.cpu = cpu;
    this.cache = cache;
    const { machine } = cpu.board;
    const { readAt, writeAt, entryMask } = cpu.mmu.tlb.fast;
    this.memoryPages = machine.buffer.byteLength / WASM_PAGE;
    this.surroundings = {
      cpuAt: machine.region('cpu').offset,
      readTlbAt: readAt,
      writeTlbAt: writeAt,
      entryMask,
      helper: 0,
      status: IMPORTS.length,
    };
    this.host = {
      memory: machine.memory,
      functions: this.table,
      helper: (number: number, operands: number, immediate: number, origin: number, left: number) =>
        this.callHelper(number, operands, immediate, origin, left),
    };
    this.jumps = new Jumps(cpu.board, cpu.slotIndex);
    const driver: ModuleFunction = {
      name: 'driver',
      parameters: DRIVER_PARAMETERS,
      locals: [[DRIVER_LOCALS, I32]],
      code: driverCode(cpu.board, cpu.mmu.tlb.fast, this.jumps.address, PARAMETERS).bytes,
    };
    this.driver = this.instantiate([], [driver]).driver as Driver;
  }

  private instantiate(imports: readonly ModuleImport[], functions: readonly ModuleFunction[]): WebAssembly.Exports {
    const module = new WebAssembly.Module(encodeModule(this.memoryPages, imports, functions));
    return new WebAssembly.Instance(module, { host: this.host }).exports;
  }

  /**
   * Runs translated code from EIP on, a block with a translation; gives what is left of the budget. Registers and lazy flags are in the
   * record, before and after.
   */
  run(block: number, left: number): number {
    const { cpu, cache } = this;
    const { code } = cache;
    const { mmu } = cpu;
    const translation = code[block + TRANSLATION];
    this.isDeclined = false;
    if (!cpu.paging) {
      this.frame = code[block + 1];
      left = this.driver(left, translation, ONE_REGION);
      this.frame = ANY_FRAME;
      return this.leave(left);
    }
    const isUser = cpu.cpl === 3;
    mmu.tlb.fast.fillFetch(cpu.r[EIP], isUser ? USER_BANK : 0, mmu.fetch);
    const key = tlbKey(isUser);
    this.jumps.add(cache.hostOf(block), key, code, block);
    return this.leave(this.driver(left, translation, key));
  }

  /** Where translated code was left by an exit, the record gets what that says. */
  private leave(left: number): number {
    const { r } = this.cpu;
    const exit = r[EXIT];
    if (!isExit(exit)) return left;
    r[EIP] += offsetOf(exit);
    settleRecord(r, exit);
    this.isDeclined = isDeclined(exit) && !this.serve(exit, r[WANTED_WORD]);
    return left - beforeOf(exit);
  }

  /**
   * True if the access that an exit wants, if any, is in the fast TLB now and was not: translated code may go on, from that very
   * instruction, which loads at most once and stores at most once. It runs next, so what the lookup changes (accessed and dirty bits) is
   * its own doing; a fault that is found on the way is forgotten, for the instruction will find it again.
   */
  private serve(exit: number, linAddr: number): boolean {
    const { cpu } = this;
    const { mmu } = cpu;
    if (wantsStore(exit)) mmu.pageForWrite(linAddr);
    else if (wantsLoad(exit)) mmu.pageForRead(linAddr);
    else return false;
    this.mustLeave = false;
    if (cpu.fault !== 0) {
      cpu.fault = 0;
      cpu.violation = -1;
      return false;
    }
    const { fast } = mmu.tlb;
    return wantsStore(exit) ? fast.fillWrite(linAddr, mmu.bank, mmu.write) : fast.fillRead(linAddr, mmu.bank, mmu.read);
  }

  /** A run of the interpreter begins. */
  begin(limit: number): void {
    this.limit = limit;
    this.mustLeave = false;
    if (this.hot.length > 0 && ++this.waited >= this.patience) this.compile();
  }

  /** A block has become hot. */
  request(block: number): void {
    const { code } = this.cache;
    code[block + HEAT] = NEVER;
    const isSingle = (code[block + 6] & Mode.single) !== 0;
    if (this.cpu.board.options.interpret || isSingle || (code[block + 6] & NEEDED) !== NEEDED || code[block + 3] >= 0)
      return;
    this.hot.push(block);
    if (this.hot.length >= BATCH) this.compile();
  }

  /** Compiles what waits. */
  compile(): void {
    const { hot, cache, surroundings } = this;
    if (hot.length === 0) return;
    this.hot = [];
    this.waited = 0;
    const { code } = cache;
    const functions: ModuleFunction[] = [
      { name: '', parameters: 5, locals: [], code: statusFunction(surroundings.cpuAt + EFLAGS * 4).bytes },
    ];
    const regions: Region[] = [];
    for (const block of hot) {
      // It may have become part of another's region, or stale.
      if (code[block + TRANSLATION] !== 0 || !cache.isGood(block)) continue;
      const region = collectRegion(cache, block);
      if (region.blocks.length === 0) continue;
      functions.push(regionFunction(String(regions.length), cache, region, surroundings));
      const first = (this.count + regions.length) << ENTRY_BITS;
      regions.push(region);
      for (const id of region.entries) {
        const { at } = region.blocks[id];
        if (code[at + TRANSLATION] === 0) code[at + TRANSLATION] = first + id;
      }
    }
    if (regions.length === 0) return;
    const exports = this.instantiate(IMPORTS, functions);
    while (this.count + regions.length > this.table.length) this.table.grow(TABLE_STEP);
    for (let n = 0; n < regions.length; n++) this.table.set(this.count++, exports[String(n)]);
    this.modules++;
  }

  /** The cache has forgotten every block. */
  clear(): void {
    this.hot = [];
    this.count = 1;
    this.jumps.clear();
  }

  /** The code that runs may have been decoded from this frame. */
  mayBeIn(frame: number): boolean {
    return this.frame === ANY_FRAME || this.frame === frame;
  }

  /** The instruction under way has changed what comes behind it. */
  leaveAfterInstruction(): void {
    this.mustLeave = true;
  }

  // ---- called by translated code ----------------------------------------------------------------------------------

  /**
   * Executes a helper as the interpreter does, EIP at its instruction. 0: translated code goes on behind it. Otherwise the record says
   * where to go on, and one less is how many instructions of the block are done.
   */
  private callHelper(number: number, operands: number, immediate: number, origin: number, left: number): number {
    const { cpu } = this;
    const { r, flags } = cpu;
    const before = origin >>> 20;
    const next = (r[EIP] + ((origin >>> 16) & 15)) | 0;
    cpu.nextEip = next;
    cpu.retired = this.limit - left + before;
    flags.op = r[FLAGS];
    flags.shift = r[FLAGS + 1];
    flags.a = r[FLAGS + 2];
    flags.b = r[FLAGS + 3];
    flags.result = r[FLAGS + 4];
    this.helpers[number](cpu, operands, immediate);
    r[FLAGS] = flags.op;
    r[FLAGS + 1] = flags.shift;
    r[FLAGS + 2] = flags.a;
    r[FLAGS + 3] = flags.b;
    r[FLAGS + 4] = flags.result;
    if (cpu.fault === 0 && cpu.leave === 0 && !this.mustLeave) return 0;
    this.mustLeave = false;
    r[EXIT] = EXIT_LEFT;
    if (cpu.fault !== 0) {
      // EIP as the helper left it: behind a task switch the fault is one of the new task.
      cpu.leave = 1;
      return before + 1;
    }
    r[EIP] = cpu.nextEip;
    return before + 2;
  }
}
