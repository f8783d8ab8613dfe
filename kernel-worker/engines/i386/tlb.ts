// SPDX-License-Identifier: MIT
//
// The TLB: host offsets of pages, one array for reads, one for stores, one for fetches, each indexed by linear page number plus a
// bank: 0 supervisor, 1 user, 2 never filled (alignment checks on: every access takes the slow path). 0 is a miss.
//
// It cannot be noticed by a guest, and so a capture need not carry it: it holds nothing but what a walk of the tables would find now. A
// load of CR3 takes away what the new tables say otherwise, or may say; a store to a frame that translations were read from takes
// back what they said. Such frames, frames that hold decoded code, and pages with a data breakpoint get no store entry; shared frames
// and pages outside the kernel's windows neither.
import type { PhysicalMemory } from '../../../shared/physical-memory.ts';
import type { Cpu } from './cpu.ts';
import { FastTlb } from './fast-tlb.ts';

const BANK = 1 << 20;
const NO_BANK = 2 * BANK;
const VALID_MAX = 1 << 16;
const EIP_WORD = 8;
const CS_BASE_WORD = 17;
const CR4_WORD = 51;
const CR4_PSE = 0x10;
const CR4_PAE = 0x20;
const NOTHING = -1;
/** What a frame with translations is if not a table of the last level for one region: a directory of 32-bit paging, or anything. */
export const DIRECTORY = -2;
export const ANY_TABLE = -1;
/** Regions of 4 MiB that a directory has entries for, and bits of those. */
const REGIONS = 1024;
const PDE_P = 1;
const PDE_PS = 0x80;
const GONE = 1;
const KEPT = 2;
/** A store of more bytes is not looked at entry by entry. */
const FEW_ENTRIES = 16;

export class Tlb {
  readonly read = new Int32Array(3 * BANK);
  readonly write = new Int32Array(3 * BANK);
  readonly fetch = new Int32Array(3 * BANK);
  /** Physical page + 1 of every entry in the list of valid ones, 0 for the others. */
  readonly page = new Int32Array(2 * BANK);
  /**
   * For frames that translations in the TLB were read from: n + 1 for the page table of linear region n (4 MiB, with PAE 2 MiB),
   * DIRECTORY or ANY_TABLE for others; 0 for all other frames.
   */
  readonly walked: Int32Array;
  /** The last page that was stored to and has no store entry, so that stores to it are noticed: its index, and where it is. */
  noticedIndex = NOTHING;
  noticedHost = 0;
  /** Some of it for translated code: loses entries whenever `read`, `write` or `fetch` does. */
  readonly fast: FastTlb;
  private readonly cpu: Cpu;
  private readonly memory: PhysicalMemory;
  private readonly r: Int32Array;
  private readonly framesBase: number;
  private readonly pageCount: number;
  /** For every physical page: 0, no entry; n + 1, entry n alone; −1, several, or it is not known which. */
  private readonly entryOf: Int32Array;
  private readonly valid = new Int32Array(VALID_MAX);
  private validCount = 0;
  private readonly walkedList: number[] = [];
  /** What becomes of the entries of a region. */
  private readonly fates = new Uint8Array(REGIONS);
  /** Epoch of the mappings that the TLB was filled under. */
  private epoch = -1;
  /** This run has made void what others cached. */
  private bumped = false;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.memory = cpu.memory;
    this.r = cpu.r;
    this.framesBase = cpu.memory.frames.base;
    this.pageCount = cpu.memory.pageCount;
    this.walked = new Int32Array(cpu.memory.frames.count);
    this.fast = new FastTlb(cpu.board.machine, cpu.slotIndex);
    this.entryOf = new Int32Array(cpu.memory.pageCount);
  }

  flush(): void {
    const { valid, page, entryOf } = this;
    for (let i = 0; i < this.validCount; i++) {
      const index = valid[i];
      entryOf[page[index] - 1] = 0;
      page[index] = 0;
      this.empty(index);
    }
    this.validCount = 0;
    this.noticedIndex = NOTHING;
    this.forgetWalked();
  }

  /** An entry says nothing any more, also to translated code. */
  private empty(index: number): void {
    this.read[index] = 0;
    this.write[index] = 0;
    this.fetch[index] = 0;
    this.fast.forget(index);
  }

  private forgetWalked(): void {
    const { walked, walkedList } = this;
    for (let i = 0; i < walkedList.length; i++) walked[walkedList[i]] = 0;
    walkedList.length = 0;
  }

  /**
   * CR3 changes from one directory of 32-bit paging to another. Where both have the same entry, accessed bit included, a walk would come
   * to the same end and change nothing: what is known of such a region stays.
   */
  changeDirectory(before: number, after: number): void {
    const { memory, fates, valid } = this;
    const last = (this.pageCount - 1) * 4096;
    if (before >>> 0 > last || after >>> 0 > last) {
      this.flush();
      return;
    }
    fates.fill(0);
    for (let i = 0; i < this.validCount; i++) {
      const region = (valid[i] >>> 10) & (REGIONS - 1);
      if (fates[region] !== 0) continue;
      fates[region] = memory.read32(before + region * 4) === memory.read32(after + region * 4) ? KEPT : GONE;
    }
    this.dropGone();
    this.forgetWalked();
    this.watchFrameOf(after, DIRECTORY);
    // Without CR4.PSE the bit of large pages means nothing.
    const large = (this.r[CR4_WORD] & CR4_PSE) !== 0 ? PDE_PS : 0;
    for (let region = 0; region < REGIONS; region++) {
      const pde = fates[region] === KEPT ? memory.read32(after + region * 4) : 0;
      if ((pde & PDE_P) !== 0 && (pde & large) === 0) this.watchFrameOf(pde & -4096, region + 1);
    }
  }

  /** Entries of regions whose fate is GONE go. */
  private dropGone(): void {
    const { valid, page, entryOf, fates } = this;
    let kept = 0;
    for (let i = 0; i < this.validCount; i++) {
      const index = valid[i];
      if (fates[(index >>> 10) & (REGIONS - 1)] !== GONE) {
        valid[kept++] = index;
        continue;
      }
      if (entryOf[page[index] - 1] === index + 1) entryOf[page[index] - 1] = 0;
      page[index] = 0;
      this.empty(index);
    }
    this.validCount = kept;
    this.noticedIndex = NOTHING;
  }

  /** True if translations in the TLB came from this frame. Mostly there are few such frames, or none. */
  wasReadFrom(frame: number): boolean {
    return this.walkedList.length > 0 && this.walked[frame] !== 0;
  }

  /** A table changes. The code under way is translated anew too, as it would be after a capture. */
  forgetTranslations(): void {
    this.flush();
    this.cpu.leaveAfterInstruction();
  }

  /** `size` bytes change in a table that translations were read from: what they said is forgotten, and no more if that is known. */
  tableStored(table: number, within: number, size: number): void {
    if (table === ANY_TABLE || size > FEW_ENTRIES) {
      this.forgetTranslations();
      return;
    }
    if (table === DIRECTORY) {
      this.forgetRegions(within >>> 2, (within + size - 1) >>> 2);
      return;
    }
    const isPae = (this.r[CR4_WORD] & CR4_PAE) !== 0;
    const shift = isPae ? 3 : 2;
    const firstPage = (table - 1) << (isPae ? 9 : 10);
    const last = (within + size - 1) >>> shift;
    for (let entry = within >>> shift; entry <= last; entry++) this.forgetLinPage(firstPage + entry);
  }

  private forgetRegions(first: number, last: number): void {
    const { fates } = this;
    fates.fill(0);
    fates.fill(GONE, first, last + 1);
    this.dropGone();
    // The code under way may lie there.
    this.cpu.leaveAfterInstruction();
  }

  private forgetLinPage(linPage: number): void {
    const { page, entryOf } = this;
    if ((this.noticedIndex & (BANK - 1)) === linPage) this.noticedIndex = NOTHING;
    for (let index = linPage; index < NO_BANK; index += BANK) {
      if (page[index] === 0) continue;
      if (entryOf[page[index] - 1] === index + 1) entryOf[page[index] - 1] = 0;
      this.empty(index);
    }
    // The code under way may lie there, or end there.
    const codePage = (this.r[CS_BASE_WORD] + this.r[EIP_WORD]) >>> 12;
    if (linPage === codePage || linPage === ((codePage + 1) & (BANK - 1))) this.cpu.leaveAfterInstruction();
  }

  /** Somebody shared or moved frames: nothing cached is true any more. */
  checkEpoch(): void {
    this.bumped = false;
    const epoch = this.memory.epoch;
    if (epoch === this.epoch) return;
    this.epoch = epoch;
    this.flush();
  }

  /** A step of our own bumped the epoch, and cleared up after itself. */
  adoptEpoch(before: number): void {
    if (before === this.epoch) this.epoch = this.memory.epoch;
  }

  /**
   * Frames move within this run. While it lasts nobody else caches mappings: what others hold is older than the first move, and
   * one bump makes all of it void.
   */
  bumpEpochOnce(): void {
    if (this.bumped) return;
    this.bumped = true;
    const before = this.memory.epoch;
    this.memory.bumpEpoch();
    this.adoptEpoch(before);
  }

  /** An entry is about to be filled with a physical page. */
  note(index: number, physPageIndex: number): void {
    if (this.page[index] === 0) {
      if (this.validCount === VALID_MAX) this.flush();
      this.valid[this.validCount++] = index;
    }
    this.page[index] = physPageIndex + 1;
    const { entryOf } = this;
    const entry = entryOf[physPageIndex];
    if (entry === 0) entryOf[physPageIndex] = index + 1;
    else if (entry !== index + 1) entryOf[physPageIndex] = -1;
  }

  /** Takes the store permission of every linear page that maps this page. */
  forbidStores(physPageIndex: number): void {
    const { write, fast } = this;
    const entry = this.entryOf[physPageIndex];
    this.noticedIndex = NOTHING;
    // An entry that means another page by now loses it too, and gets it back at its next store.
    if (entry > 0) {
      write[entry - 1] = 0;
      fast.forbidStores(entry - 1);
    } else if (entry < 0) this.forbidStoresTo(this.framesBase + this.memory.frameOf(physPageIndex) * 4096);
  }

  /** The same for a frame, by its host offset. */
  private forbidStoresTo(host: number): void {
    const { valid, write, fast } = this;
    for (let i = 0; i < this.validCount; i++) {
      if (write[valid[i]] !== host) continue;
      write[valid[i]] = 0;
      fast.forbidStores(valid[i]);
    }
  }

  /** The frame holds decoded code from now on: nobody, in this thread or another, may store to it unnoticed. */
  codeAppeared(frame: number): void {
    this.forbidStoresTo(this.framesBase + frame * 4096);
    const before = this.memory.epoch;
    this.memory.bumpEpoch();
    this.adoptEpoch(before);
  }

  /** The physical page has moved to another frame: entries that name the old one go. */
  forgetPage(physPageIndex: number): void {
    const { valid, entryOf } = this;
    const entry = entryOf[physPageIndex];
    this.noticedIndex = NOTHING;
    entryOf[physPageIndex] = 0;
    if (entry > 0) this.forgetEntry(entry - 1, physPageIndex);
    else if (entry < 0) for (let i = 0; i < this.validCount; i++) this.forgetEntry(valid[i], physPageIndex);
  }

  private forgetEntry(index: number, physPageIndex: number): void {
    if (this.page[index] !== physPageIndex + 1) return;
    this.empty(index);
  }

  /** Translations come from this table from now on: stores to it must be noticed. */
  watchFrameOf(physAddr: number, table: number): void {
    const page = physAddr >>> 12;
    if (page >= this.pageCount) return;
    const frame = this.memory.frameOf(page);
    const before = this.walked[frame];
    if (before === table) return;
    this.walked[frame] = before === 0 ? table : ANY_TABLE;
    if (before !== 0) return;
    this.walkedList.push(frame);
    this.forbidStores(page);
  }
}
