// SPDX-License-Identifier: MIT
//
// A kernel that is about to call relocate_kernel, without a kernel: page tables, transition tables, a GDT, a stack with the stub's
// five arguments and the page_list, laid out by hand on a PC without threads (reference §2.1 to §2.4). The stub runs on the engine
// until the peer's first instruction; that one has not run yet. The caller's code is one HLT behind the call.
import { EngineStop } from '../../kernel-worker/engines/engine.ts';
import type { MachineOptions } from '../../orchestrator/options.ts';
import { Request } from '../../shared/jump-lines.ts';
import { RELOCATE_KERNEL, SAVED_GDT_OFFSET } from '../../shared/kexec/relocate-kernel-code.ts';
import { CPU } from '../../shared/layout/cpu-state.ts';
import { PAGE_SIZE } from '../../shared/units.ts';
import { Pc } from '../i386/pc.ts';

export const PAGE = PAGE_SIZE;
export const PAGE_OFFSET = 0xc0000000;
/** Physical addresses of what the leaver has beside its data. */
export const AT = {
  code: 0x10000,
  tables: 0x20000,
  gdt: 0x30000,
  stack: 0x40000,
  control: 0x50000,
  swap: 0x51000,
  /** Behind the swap page: what a RET pops. */
  behindSwap: 0x52000,
  transition: 0x53000,
  list: 0x60000,
} as const;
/** From here on RAM is for pages of the test: windows and their sources. */
export const FREE_PAGE = 0x100;

const IND = { destination: 1, indirection: 2, done: 4, source: 8 } as const;
export const DONE = IND.done;
export const destination = (page: number): number => (page * PAGE) | IND.destination;
export const source = (page: number): number => (page * PAGE) | IND.source;
/** The word that goes on in indirection page `n` of the list. */
export const link = (n: number): number => (AT.list + n * PAGE) | IND.indirection;
export const HEAD = link(0);

const KERNEL_CS = 0x60;
const KERNEL_DS = 0x68;
const FS_SELECTOR = 0xd8;
const GS_SELECTOR = 0x33;
const GDT_LIMIT = 0xff;
const FLAT_CODE = 0xc09b;
const FLAT_DATA = 0xc093;
const USER_DATA = 0xc0f3;
const HLT = 0xf4;
const SLICE = 100_000;
const SLICES = 200;
/** Accessed and dirty already: the tables do not change on the way. */
const LARGE_PAGE = 0xe3;
const TABLE = 0x067;
const LEAF = 0x163;

/** The leaver's registers when it calls the stub. */
export const CALLER = {
  ebx: 0x1b1b1b1b,
  esi: 0x51515151,
  edi: 0x0d0d0d0d,
  ebp: 0x0b0b0b0b,
  eflags: 0x893,
  cr0: 0xe005003b | 0,
  cr2: 0xdeadb000 | 0,
} as const;

export type StubKind = keyof typeof RELOCATE_KERNEL;
export interface StubCall {
  readonly head?: number;
  readonly start: number;
  readonly hasPae?: boolean;
  readonly preserve?: boolean;
}
export type Came = 'to the peer' | 'back' | 'to an end';

export class StubPc {
  readonly pc: Pc;
  readonly pae: boolean;
  readonly kind: StubKind;

  constructor({
    pae = false,
    kind = 'repaired' as StubKind,
    ...options
  }: MachineOptions & { pae?: boolean; kind?: StubKind } = {}) {
    this.pc = new Pc({ memory: '8M', spare: '1M', ...options });
    this.pae = pae;
    this.kind = kind;
    this.makeTables();
    this.makeTransitionTables();
    this.makeGdt();
    this.pc.write(AT.code, [HLT]);
  }

  get memory() {
    return this.pc.parts.memory;
  }
  get end(): number {
    return this.memory.ramPages * PAGE;
  }
  get stub() {
    return RELOCATE_KERNEL[this.kind];
  }
  get cr4(): number {
    return this.pae ? 0x20 : 0x10;
  }

  // ---- what the kernel has prepared -------------------------------------------------------------------------------

  /** All of RAM at PAGE_OFFSET, in large pages. Nothing below: physical addresses mean nothing before paging is off. */
  private makeTables(): void {
    if (!this.pae) {
      const first = PAGE_OFFSET >>> 22;
      for (let i = 0; i * 0x400000 < this.end; i++) this.put(AT.tables + 4 * (first + i), (i * 0x400000) | LARGE_PAGE);
      return;
    }
    this.put(AT.tables + 8 * (PAGE_OFFSET >>> 30), (AT.tables + PAGE) | 1);
    for (let i = 0; i * 0x200000 < this.end; i++) this.put(AT.tables + PAGE + 8 * i, (i * 0x200000) | LARGE_PAGE);
  }

  /** machine_kexec_prepare: the control page at its two addresses (reference §2.1). */
  private makeTransitionTables(): void {
    const addresses = [PAGE_OFFSET + AT.control, AT.control];
    addresses.forEach((address, i) => {
      if (this.pae) {
        const pmd = AT.transition + PAGE * (1 + 2 * i);
        this.put(AT.transition + 8 * (address >>> 30), pmd | 1);
        this.put(pmd + 8 * ((address >>> 21) & 0x1ff), (pmd + PAGE) | TABLE);
        this.put(pmd + PAGE + 8 * ((address >>> 12) & 0x1ff), AT.control | LEAF);
      } else {
        const table = AT.transition + PAGE * (1 + i);
        this.put(AT.transition + 4 * (address >>> 22), table | TABLE);
        this.put(table + 4 * ((address >>> 12) & 0x3ff), AT.control | LEAF);
      }
    });
  }

  private makeGdt(): void {
    const flat = (selector: number, attributes: number): void => {
      this.put(AT.gdt + (selector & ~7), 0xffff);
      this.put(AT.gdt + (selector & ~7) + 4, ((attributes << 8) | 0xf0000) & ~0x100);
    };
    flat(KERNEL_CS, FLAT_CODE);
    flat(KERNEL_DS, FLAT_DATA);
    flat(FS_SELECTOR, FLAT_DATA);
    flat(GS_SELECTOR, USER_DATA);
  }

  put(physAddr: number, value: number): void {
    this.memory.write32(physAddr, value);
  }

  /** Writes a list: one array an indirection page, links and DONE included. */
  writeList(...pages: readonly (readonly number[])[]): void {
    pages.forEach((words, n) => {
      words.forEach((word, i) => {
        this.put(AT.list + n * PAGE + 4 * i, word);
      });
    });
  }

  // ---- the call ---------------------------------------------------------------------------------------------------

  /** machine_kexec from its step 5 on: the stub into the control page, its arguments on the stack, tables dropped, called. */
  call({ head = HEAD, start, hasPae = true, preserve = true }: StubCall): Came {
    const { pc, stub } = this;
    pc.write(AT.control, stub.bytes);
    if (this.kind === 'repaired') {
      this.put(AT.control + SAVED_GDT_OFFSET, GDT_LIMIT | (((PAGE_OFFSET + AT.gdt) & 0xffff) << 16));
      this.put(AT.control + SAVED_GDT_OFFSET + 4, (PAGE_OFFSET + AT.gdt) >>> 16);
    }
    const [listAt, esp] = [this.listAt, this.callerEsp];
    [AT.control, PAGE_OFFSET + AT.control, AT.transition, AT.swap].forEach((word, i) => {
      this.put(listAt - PAGE_OFFSET + 4 * i, word);
    });
    [PAGE_OFFSET + AT.code, head, listAt, start, Number(hasPae), Number(preserve)].forEach((word, i) => {
      this.put(esp - PAGE_OFFSET + 4 * i, word);
    });
    this.setCpu(esp);
    return this.run();
  }

  /** Where the page_list is, and ESP at the stub's first instruction: virtual addresses. */
  get listAt(): number {
    return PAGE_OFFSET + AT.stack + PAGE - 16;
  }
  get callerEsp(): number {
    return this.listAt - 24;
  }

  private setCpu(esp: number): void {
    const { pc } = this;
    pc.flat((PAGE_OFFSET + AT.control) | 0);
    for (const [name, value] of Object.entries(CALLER)) pc.r[CPU[name as keyof typeof CALLER] / 4] = value;
    for (let n = 0; n < 4; n++) pc.segment(n, n === 1 ? KERNEL_CS : KERNEL_DS, 0, -1, n === 1 ? FLAT_CODE : FLAT_DATA);
    pc.segment(4, FS_SELECTOR, 0, -1, FLAT_DATA);
    pc.segment(5, GS_SELECTOR, 0, -1, USER_DATA);
    pc.r[CPU.esp / 4] = esp;
    pc.r[CPU.cr3 / 4] = AT.tables;
    pc.r[CPU.cr4 / 4] = this.cr4;
    pc.r.fill(0, CPU.gdtr / 4, CPU.gdtr / 4 + 2);
    pc.r.fill(0, CPU.idtr / 4, CPU.idtr / 4 + 2);
    pc.engine.invalidate();
  }

  /** Until the peer's first instruction, the caller's HLT, or the end. */
  run(): Came {
    const { pc } = this;
    pc.slot.set('request', Request.none);
    pc.engine.invalidate();
    for (let slice = 0; slice < SLICES; slice++) {
      const stop = pc.run(SLICE);
      if (stop === EngineStop.stopped) return 'to an end';
      if (stop === EngineStop.request && pc.slot.get('request') === Request.arrived) return 'to the peer';
      if (stop === EngineStop.deadlock && this.register('eip') === PAGE_OFFSET + AT.code + 1) return 'back';
      if (stop === EngineStop.deadlock) throw new Error(`it halts at ${this.register('eip').toString(16)}`);
    }
    throw new Error(`it is still on its way, at ${this.register('eip').toString(16)}`);
  }

  // ---- looking ----------------------------------------------------------------------------------------------------

  /** A word of the CPU record, unsigned. */
  register(name: keyof typeof CPU): number {
    return this.pc.r[CPU[name] / 4] >>> 0;
  }
  word(physAddr: number): number {
    return this.memory.read32(physAddr) >>> 0;
  }
  page(index: number): Uint8Array {
    return this.memory.read(index * PAGE, PAGE);
  }
  /** All of RAM. */
  ram(): Uint8Array {
    return this.memory.read(0, this.end);
  }
}

/** Indices of the bytes that differ. */
export function changedBytes(before: Uint8Array, after: Uint8Array): number[] {
  const found: number[] = [];
  for (let page = 0; page < before.length; page += PAGE) {
    if (Buffer.compare(before.subarray(page, page + PAGE), after.subarray(page, page + PAGE)) === 0) continue;
    for (let i = page; i < page + PAGE; i++) if (before[i] !== after[i]) found.push(i);
  }
  return found;
}
