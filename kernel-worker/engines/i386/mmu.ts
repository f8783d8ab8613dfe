// SPDX-License-Identifier: MIT
//
// Linear memory: paging (SDM vol. 3A chapter 4: 32-bit with PSE, and PAE with NX), the TLB, and loads and stores that miss it.
//
// The TLB holds host offsets of pages, one array for reads, one for stores, one for fetches, each indexed by linear page number
// plus a bank: 0 supervisor, 1 user, 2 never filled (alignment checks on: every access takes the slow path). 0 is a miss.
//
// The TLB cannot be noticed by a guest, and so a capture need not carry it: it is empty after every load of CR3, and a store to
// a frame that translations were read from empties it. Such frames, frames that hold decoded code, and pages with a data
// breakpoint get no store entry; shared frames and pages outside the kernel's windows neither.
import type { PhysicalMemory } from '../../../shared/physical-memory.ts';
import type { Cpu } from './cpu.ts';

const BANK = 1 << 20;
const NO_BANK = 2 * BANK;
const VALID_MAX = 1 << 16;

const EIP_WORD = 8;
const CS_BASE_WORD = 17;
const CR0_WORD = 48;
const CR2_WORD = 49;
const CR3_WORD = 50;
const CR4_WORD = 51;
const DR0_WORD = 52;
const DR7_WORD = 59;
const A20_WORD = 62;
const EFER_WORD = 67;
const CR0_PG = -0x80000000;
const CR0_WP = 0x10000;
const CR4_PSE = 0x10;
const CR4_PAE = 0x20;
const EFER_NXE = 0x800;

const PTE_P = 1;
const PTE_W = 2;
const PTE_U = 4;
const PTE_A = 0x20;
const PTE_D = 0x40;
const PTE_PS = 0x80;
/** Bits 21 to 13 of a 4 MiB page's entry are reserved: physical addresses have 32 bits here. */
const PDE_4M_RESERVED = 0x3fe000;
const PDE_2M_RESERVED = 0x1fe000;
const PDPTE_RESERVED = 0x1e6;

/** Error code of #PF (SDM vol. 3A §4.7). */
const PF_P = 1;
const PF_W = 2;
const PF_U = 4;
const PF_RSVD = 8;
const PF_ID = 16;

const PAGE_FAULT = 14;
const ALIGNMENT_CHECK = 17;

/** Copies of pages between two questions for frames that the pool could not spare. */
const ALIAS_PAUSE = 256;

const NOTHING = -1;

/** What a frame with translations is if not a table of the last level for one region: a store to it may change any of them. */
const ANY_TABLE = -1;
/** A store of more bytes is not looked at entry by entry. */
const FEW_ENTRIES = 16;

export const Access = { read: 0, write: 1, fetch: 2 } as const;

export class Mmu {
  readonly read = new Int32Array(2 * BANK + BANK);
  readonly write = new Int32Array(2 * BANK + BANK);
  readonly fetch = new Int32Array(2 * BANK + BANK);
  /** Bank of the current privilege: added to the linear page number. */
  bank = 0;
  /** Physical address, page aligned, that the last successful `translate` found. */
  physPage = 0;
  private readonly cpu: Cpu;
  private readonly memory: PhysicalMemory;
  private readonly view: DataView;
  private readonly u8: Uint8Array;
  private readonly r: Int32Array;
  private readonly framesBase: number;
  private readonly pageCount: number;
  /** Physical page + 1 of every entry in the list of valid ones, 0 for the others. */
  private readonly page = new Int32Array(2 * BANK);
  /** For every physical page: 0, no entry; n + 1, entry n alone; −1, several, or it is not known which. */
  private readonly entryOf: Int32Array;
  private readonly valid = new Int32Array(VALID_MAX);
  private validCount = 0;
  /**
   * For frames that translations in the TLB were read from: n + 1 for the page table of linear region n (4 MiB, with PAE 2 MiB),
   * ANY_TABLE for others; 0 for all other frames.
   */
  private readonly walked: Int32Array;
  private readonly walkedList: number[] = [];
  /** DR7 has data breakpoints: their pages stay out of the TLB. */
  private watching = false;
  /** Copies that are done without asking for a frame again: there was none, and to be sure of that takes a count of all. */
  private aliasPause = 0;
  /** The last page that was stored to and has no store entry, so that stores to it are noticed: its index, and where it is. */
  private noticedIndex = NOTHING;
  private noticedHost = 0;
  /** Epoch of the mappings that the TLB was filled under. */
  private epoch = -1;
  /** This run has made void what others cached. */
  private bumped = false;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.memory = cpu.memory;
    this.view = cpu.view;
    this.u8 = cpu.u8;
    this.r = cpu.r;
    this.framesBase = cpu.memory.frames.base;
    this.pageCount = cpu.memory.pageCount;
    this.walked = new Int32Array(cpu.memory.frames.count);
    this.entryOf = new Int32Array(cpu.memory.pageCount);
  }

  // ---- the TLB ----------------------------------------------------------------------------------------------------

  flush(): void {
    const { read, write, fetch, valid, page, entryOf, walked, walkedList } = this;
    for (let i = 0; i < this.validCount; i++) {
      const index = valid[i];
      entryOf[page[index] - 1] = 0;
      page[index] = 0;
      read[index] = 0;
      write[index] = 0;
      fetch[index] = 0;
    }
    this.validCount = 0;
    this.noticedIndex = NOTHING;
    for (let i = 0; i < walkedList.length; i++) walked[walkedList[i]] = 0;
    walkedList.length = 0;
    this.cpu.dropFetches();
  }

  /** A table changes. The code under way is translated anew too, as it would be after a capture. */
  private forgetTranslations(): void {
    this.flush();
    this.cpu.leaveAfterInstruction();
  }

  /** `size` bytes change in a table that translations were read from: what they said is forgotten, and no more if that is known. */
  private tableStored(table: number, within: number, size: number): void {
    if (table === ANY_TABLE || size > FEW_ENTRIES) {
      this.forgetTranslations();
      return;
    }
    const isPae = (this.r[CR4_WORD] & CR4_PAE) !== 0;
    const shift = isPae ? 3 : 2;
    const firstPage = (table - 1) << (isPae ? 9 : 10);
    const last = (within + size - 1) >>> shift;
    for (let entry = within >>> shift; entry <= last; entry++) this.forgetLinPage(firstPage + entry);
  }

  private forgetLinPage(linPage: number): void {
    const { fetch, page, entryOf } = this;
    if ((this.noticedIndex & (BANK - 1)) === linPage) this.noticedIndex = NOTHING;
    for (let index = linPage; index < NO_BANK; index += BANK) {
      if (page[index] === 0) continue;
      if (fetch[index] !== 0) this.cpu.dropFetches();
      if (entryOf[page[index] - 1] === index + 1) entryOf[page[index] - 1] = 0;
      fetch[index] = 0;
      this.read[index] = 0;
      this.write[index] = 0;
    }
    // The code under way may lie there, or end there.
    const codePage = (this.r[CS_BASE_WORD] + this.r[EIP_WORD]) >>> 12;
    if (linPage === codePage || linPage === ((codePage + 1) & (BANK - 1))) this.cpu.leaveAfterInstruction();
  }

  /** INVLPG: our entries are all as good as gone after the store that made it needful. */
  flushPage(_linAddr: number): void {}

  /** Somebody shared or moved frames: nothing cached is true any more. */
  checkEpoch(): void {
    this.bumped = false;
    const epoch = this.memory.epoch;
    if (epoch === this.epoch) return;
    this.epoch = epoch;
    this.flush();
  }

  /** A step of our own bumped the epoch, and cleared up after itself. */
  private adoptEpoch(before: number): void {
    if (before === this.epoch) this.epoch = this.memory.epoch;
  }

  /**
   * Frames move within this run. While it lasts nobody else caches mappings: what others hold is older than the first move, and
   * one bump makes all of it void.
   */
  private bumpEpochOnce(): void {
    if (this.bumped) return;
    this.bumped = true;
    const before = this.memory.epoch;
    this.memory.bumpEpoch();
    this.adoptEpoch(before);
  }

  /** An entry is about to be filled with a physical page. */
  private note(index: number, physPageIndex: number): void {
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
  private forbidStores(physPageIndex: number): void {
    const { write } = this;
    const entry = this.entryOf[physPageIndex];
    this.noticedIndex = NOTHING;
    // An entry that means another page by now loses it too, and gets it back at its next store.
    if (entry > 0) write[entry - 1] = 0;
    else if (entry < 0) this.forbidStoresTo(this.framesBase + this.memory.frameOf(physPageIndex) * 4096);
  }

  /** The same for a frame, by its host offset. */
  private forbidStoresTo(host: number): void {
    const { valid, write } = this;
    for (let i = 0; i < this.validCount; i++) if (write[valid[i]] === host) write[valid[i]] = 0;
  }

  /** The frame holds decoded code from now on: nobody, in this thread or another, may store to it unnoticed. */
  codeAppeared(frame: number): void {
    this.forbidStoresTo(this.framesBase + frame * 4096);
    const before = this.memory.epoch;
    this.memory.bumpEpoch();
    this.adoptEpoch(before);
  }

  /** The physical page has moved to another frame: entries that name the old one go. */
  private forgetPage(physPageIndex: number): void {
    const { valid, entryOf } = this;
    const entry = entryOf[physPageIndex];
    this.noticedIndex = NOTHING;
    entryOf[physPageIndex] = 0;
    if (entry > 0) this.forgetEntry(entry - 1, physPageIndex);
    else if (entry < 0) for (let i = 0; i < this.validCount; i++) this.forgetEntry(valid[i], physPageIndex);
  }

  private forgetEntry(index: number, physPageIndex: number): void {
    if (this.page[index] !== physPageIndex + 1) return;
    if (this.fetch[index] !== 0) this.cpu.dropFetches();
    this.read[index] = 0;
    this.write[index] = 0;
    this.fetch[index] = 0;
  }

  /** DR7 was written, or an entry of DR0 to DR3. */
  watchpointsChanged(): void {
    const dr7 = this.r[DR7_WORD];
    this.watching = false;
    for (let n = 0; n < 4; n++) {
      const enabled = ((dr7 >>> (2 * n)) & 3) !== 0;
      const kind = (dr7 >>> (16 + 4 * n)) & 3;
      if (enabled && kind !== 0) this.watching = true;
    }
    this.flush();
  }

  private isWatched(linPage: number): boolean {
    if (!this.watching) return false;
    for (let n = 0; n < 4; n++) {
      const address = this.r[DR0_WORD + n];
      if (address >>> 12 === linPage || (address + 7) >>> 12 === linPage) return true;
    }
    return false;
  }

  /** Notes data breakpoints that [linAddr, linAddr + size) touches (SDM vol. 3B §17.2.5). */
  private matchWatchpoints(linAddr: number, size: number, isWrite: boolean): void {
    const dr7 = this.r[DR7_WORD];
    for (let n = 0; n < 4; n++) {
      const kind = (dr7 >>> (16 + 4 * n)) & 3;
      if (((dr7 >>> (2 * n)) & 3) === 0 || kind === 0 || kind === 2 || (kind === 1 && !isWrite)) continue;
      const length = [1, 2, 8, 4][(dr7 >>> (18 + 4 * n)) & 3];
      const address = (this.r[DR0_WORD + n] & ~(length - 1)) >>> 0;
      const from = linAddr >>> 0;
      if (from < address + length && address < from + size) this.cpu.trapAfterInstruction(1 << n);
    }
  }

  // ---- translation ------------------------------------------------------------------------------------------------

  /**
   * Translates a linear address for an access: true, and the page in `physPage`; false with #PF posted. Sets accessed and dirty
   * bits. `user` is the privilege of the access, which for descriptor tables is not the CPL.
   */
  translate(linAddr: number, access: number, user: boolean): boolean {
    if ((this.r[CR0_WORD] & CR0_PG) === 0) {
      this.physPage = this.lineA20(linAddr & -4096);
      return true;
    }
    return (this.r[CR4_WORD] & CR4_PAE) === 0
      ? this.walk32(linAddr, access, user)
      : this.walkPae(linAddr, access, user);
  }

  /** A20M# holds address line 20 low, also for the walk of page tables. */
  private lineA20(physAddr: number): number {
    return this.r[A20_WORD] === 0 ? physAddr : physAddr & ~0x100000;
  }

  private walk32(linAddr: number, access: number, user: boolean): boolean {
    const { memory } = this;
    const pdeAddr = this.lineA20((this.r[CR3_WORD] & -4096) | ((linAddr >>> 20) & 0xffc));
    const pde = memory.read32(pdeAddr);
    if ((pde & PTE_P) === 0) return this.pageFault(linAddr, 0, access, user);
    const wp = (this.r[CR0_WORD] & CR0_WP) !== 0;
    const isWrite = access === 1;
    if ((pde & PTE_PS) !== 0 && (this.r[CR4_WORD] & CR4_PSE) !== 0) {
      if ((pde & PDE_4M_RESERVED) !== 0) return this.pageFault(linAddr, PF_P | PF_RSVD, access, user);
      if (!isAllowed(pde, isWrite, user, wp)) return this.pageFault(linAddr, PF_P, access, user);
      this.mark(pdeAddr, pde, pde | PTE_A | (isWrite ? PTE_D : 0), ANY_TABLE);
      this.physPage = this.lineA20((pde & 0xffc00000) | (linAddr & 0x3ff000));
      return true;
    }
    const pteAddr = this.lineA20((pde & -4096) | ((linAddr >>> 10) & 0xffc));
    const pte = memory.read32(pteAddr);
    if ((pte & PTE_P) === 0) return this.pageFault(linAddr, 0, access, user);
    if (!isAllowed(pde & pte, isWrite, user, wp)) return this.pageFault(linAddr, PF_P, access, user);
    this.mark(pdeAddr, pde, pde | PTE_A, ANY_TABLE);
    this.mark(pteAddr, pte, pte | PTE_A | (isWrite ? PTE_D : 0), (linAddr >>> 22) + 1);
    this.physPage = this.lineA20(pte & -4096);
    return true;
  }

  private walkPae(linAddr: number, access: number, user: boolean): boolean {
    const { memory } = this;
    const pdpteAddr = this.lineA20((this.r[CR3_WORD] & -32) | ((linAddr >>> 27) & 0x18));
    const pdpte = memory.read32(pdpteAddr);
    if ((pdpte & PTE_P) === 0) return this.pageFault(linAddr, 0, access, user);
    if ((pdpte & PDPTE_RESERVED) !== 0 || memory.read32(pdpteAddr + 4) !== 0) {
      return this.pageFault(linAddr, PF_P | PF_RSVD, access, user);
    }
    this.watchFrameOf(pdpteAddr, ANY_TABLE);
    const nxe = (this.r[EFER_WORD] & EFER_NXE) !== 0;
    const pdeAddr = this.lineA20((pdpte & -4096) | ((linAddr >>> 18) & 0xff8));
    const pde = memory.read32(pdeAddr);
    const pdeHigh = memory.read32(pdeAddr + 4);
    if ((pde & PTE_P) === 0) return this.pageFault(linAddr, 0, access, user);
    if (isHighReserved(pdeHigh, nxe)) return this.pageFault(linAddr, PF_P | PF_RSVD, access, user);
    const wp = (this.r[CR0_WORD] & CR0_WP) !== 0;
    const isWrite = access === 1;
    if ((pde & PTE_PS) !== 0) {
      if ((pde & PDE_2M_RESERVED) !== 0) return this.pageFault(linAddr, PF_P | PF_RSVD, access, user);
      if (!isAllowed(pde, isWrite, user, wp) || (access === 2 && pdeHigh < 0)) {
        return this.pageFault(linAddr, PF_P, access, user);
      }
      this.mark(pdeAddr, pde, pde | PTE_A | (isWrite ? PTE_D : 0), ANY_TABLE);
      this.physPage = this.lineA20((pde & 0xffe00000) | (linAddr & 0x1ff000));
      return true;
    }
    const pteAddr = this.lineA20((pde & -4096) | ((linAddr >>> 9) & 0xff8));
    const pte = memory.read32(pteAddr);
    const pteHigh = memory.read32(pteAddr + 4);
    if ((pte & PTE_P) === 0) return this.pageFault(linAddr, 0, access, user);
    if (isHighReserved(pteHigh, nxe)) return this.pageFault(linAddr, PF_P | PF_RSVD, access, user);
    if (!isAllowed(pde & pte, isWrite, user, wp) || (access === 2 && (pdeHigh | pteHigh) < 0)) {
      return this.pageFault(linAddr, PF_P, access, user);
    }
    this.mark(pdeAddr, pde, pde | PTE_A, ANY_TABLE);
    this.mark(pteAddr, pte, pte | PTE_A | (isWrite ? PTE_D : 0), (linAddr >>> 21) + 1);
    this.physPage = this.lineA20(pte & -4096);
    return true;
  }

  /** Sets accessed and dirty bits, and sees to it that a store to this table is noticed. */
  private mark(physAddr: number, old: number, entry: number, table: number): void {
    if (entry !== old && this.cpu.mayStore(physAddr >>> 12)) {
      const page = physAddr >>> 12;
      const isShared = this.memory.isShared(page);
      const before = isShared ? this.memory.epoch : 0;
      this.memory.write32(physAddr, entry);
      if (isShared) {
        this.adoptEpoch(before);
        this.forgetPage(page);
      }
    }
    this.watchFrameOf(physAddr, table);
  }

  private watchFrameOf(physAddr: number, table: number): void {
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

  private pageFault(linAddr: number, code: number, access: number, user: boolean): boolean {
    const nx = (this.r[EFER_WORD] & EFER_NXE) !== 0 && (this.r[CR4_WORD] & CR4_PAE) !== 0;
    this.r[CR2_WORD] = linAddr;
    this.cpu.raise(PAGE_FAULT, code | (access === 1 ? PF_W : 0) | (user ? PF_U : 0) | (access === 2 && nx ? PF_ID : 0));
    return false;
  }

  // ---- pages as host offsets --------------------------------------------------------------------------------------

  /** Host offset of the page for reads at the current privilege; 0 with a fault posted, or −1 where no memory is. */
  pageForRead(linAddr: number): number {
    const index = (linAddr >>> 12) + this.bank;
    const hit = this.read[index];
    if (hit !== 0) return hit;
    if (!this.translate(linAddr, 0, this.isUser())) return 0;
    const page = this.physPage >>> 12;
    if (page >= this.pageCount) return -1;
    const host = this.framesBase + this.memory.frameOf(page) * 4096;
    if (this.bank < NO_BANK && !this.isWatched(linAddr >>> 12)) {
      this.note(index, page);
      this.read[index] = host;
    }
    return host;
  }

  /** Host offset of the page for stores; 0 with a fault posted, or −1 where stores are swallowed. Frames are its own then. */
  pageForWrite(linAddr: number): number {
    const index = (linAddr >>> 12) + this.bank;
    const hit = this.write[index];
    if (hit !== 0) return hit;
    if (index === this.noticedIndex) return this.noticedHost;
    if (!this.translate(linAddr, 1, this.isUser())) return 0;
    return this.ownPage(linAddr, index);
  }

  private ownPage(linAddr: number, index: number): number {
    const page = this.physPage >>> 12;
    const { cpu, memory } = this;
    if (!memory.inUse(page)) return -1;
    if (!cpu.mayStore(page)) {
      cpu.violateWindow(this.physPage | (linAddr & 0xfff));
      return 0;
    }
    if (memory.isShared(page)) {
      const before = memory.epoch;
      const frameBefore = memory.frameOf(page);
      if (memory.ownFrame(page) !== frameBefore) {
        this.adoptEpoch(before);
        this.forgetPage(page);
        // Its new frame is not known to hold translations; those that were read from the old one end here.
        if (this.walked[frameBefore] !== 0) this.forgetTranslations();
        cpu.frameChanged(frameBefore);
      }
    }
    const frame = memory.frameOf(page);
    const host = this.framesBase + frame * 4096;
    if (this.walked[frame] === 0 && !cpu.holdsCode(frame) && this.bank < NO_BANK && !this.isWatched(linAddr >>> 12)) {
      this.note(index, page);
      this.write[index] = host;
      this.read[index] = host;
    } else {
      this.noticedIndex = index;
      this.noticedHost = host;
    }
    return host;
  }

  /** Host offset of the page for fetches; 0 with a fault posted, −1 where no memory is. */
  pageForFetch(linAddr: number): number {
    const bank = this.isUser() ? BANK : 0;
    const index = (linAddr >>> 12) + bank;
    const hit = this.fetch[index];
    if (hit !== 0) return hit;
    if (!this.translate(linAddr, 2, bank !== 0)) return 0;
    const page = this.physPage >>> 12;
    if (page >= this.pageCount) return -1;
    const host = this.framesBase + this.memory.frameOf(page) * 4096;
    this.note(index, page);
    this.fetch[index] = host;
    return host;
  }

  private isUser(): boolean {
    return this.cpu.cpl === 3;
  }

  // ---- loads and stores -------------------------------------------------------------------------------------------
  // What is in the TLB may be loaded, or stored to, at once: nothing watches it, and nothing is derived from its bytes.

  /** Zero-extended; `cpu.fault` tells whether it failed. */
  load8(linAddr: number): number {
    const host = this.pageForRead(linAddr);
    if (host === 0) return 0;
    if (this.watching) this.matchWatchpoints(linAddr, 1, false);
    return host < 0 ? 0xff : this.u8[host | (linAddr & 0xfff)];
  }

  load16(linAddr: number): number {
    const hit = this.read[(linAddr >>> 12) + this.bank];
    if (hit !== 0 && (linAddr & 0xfff) <= 0xffe) return this.view.getUint16(hit | (linAddr & 0xfff), true);
    return this.load16Missed(linAddr);
  }

  private load16Missed(linAddr: number): number {
    if (!this.isAligned(linAddr, 1)) return 0;
    if ((linAddr & 0xfff) > 0xffe) return this.loadAcross(linAddr, 2);
    const host = this.pageForRead(linAddr);
    if (host === 0) return 0;
    if (this.watching) this.matchWatchpoints(linAddr, 2, false);
    return host < 0 ? 0xffff : this.view.getUint16(host | (linAddr & 0xfff), true);
  }

  /** Signed. */
  load32(linAddr: number): number {
    const hit = this.read[(linAddr >>> 12) + this.bank];
    if (hit !== 0 && (linAddr & 0xfff) <= 0xffc) return this.view.getInt32(hit | (linAddr & 0xfff), true);
    return this.load32Missed(linAddr);
  }

  private load32Missed(linAddr: number): number {
    if (!this.isAligned(linAddr, 3)) return 0;
    if ((linAddr & 0xfff) > 0xffc) return this.loadAcross(linAddr, 4);
    const host = this.pageForRead(linAddr);
    if (host === 0) return 0;
    if (this.watching) this.matchWatchpoints(linAddr, 4, false);
    return host < 0 ? -1 : this.view.getInt32(host | (linAddr & 0xfff), true);
  }

  private loadAcross(linAddr: number, size: number): number {
    const first = this.pageForRead(linAddr);
    if (first === 0) return 0;
    const next = (linAddr & -4096) + 4096;
    const second = this.pageForRead(next | 0);
    if (second === 0) return 0;
    if (this.watching) this.matchWatchpoints(linAddr, size, false);
    let value = 0;
    for (let i = 0; i < size; i++) {
      const at = (linAddr & 0xfff) + i;
      const host = at < 4096 ? first : second;
      value |= (host < 0 ? 0xff : this.u8[host | (at & 0xfff)]) << (8 * i);
    }
    return value;
  }

  store8(linAddr: number, value: number): void {
    const host = this.pageForWrite(linAddr);
    if (host === 0) return;
    this.aboutToStore(linAddr, host, 1);
    if (host > 0) this.u8[host | (linAddr & 0xfff)] = value;
  }

  store16(linAddr: number, value: number): void {
    if (!this.isAligned(linAddr, 1)) return;
    if ((linAddr & 0xfff) > 0xffe) {
      this.storeAcross(linAddr, value, 2);
      return;
    }
    const host = this.pageForWrite(linAddr);
    if (host === 0) return;
    this.aboutToStore(linAddr, host, 2);
    if (host > 0) this.view.setUint16(host | (linAddr & 0xfff), value, true);
  }

  store32(linAddr: number, value: number): void {
    const hit = this.write[(linAddr >>> 12) + this.bank];
    if (hit !== 0 && (linAddr & 0xfff) <= 0xffc) this.view.setInt32(hit | (linAddr & 0xfff), value, true);
    else this.store32Missed(linAddr, value);
  }

  private store32Missed(linAddr: number, value: number): void {
    if (!this.isAligned(linAddr, 3)) return;
    if ((linAddr & 0xfff) > 0xffc) {
      this.storeAcross(linAddr, value, 4);
      return;
    }
    const host = this.pageForWrite(linAddr);
    if (host === 0) return;
    this.aboutToStore(linAddr, host, 4);
    if (host > 0) this.view.setInt32(host | (linAddr & 0xfff), value, true);
  }

  private storeAcross(linAddr: number, value: number, size: number): void {
    const first = this.pageForWrite(linAddr);
    if (first === 0) return;
    const next = ((linAddr & -4096) + 4096) | 0;
    const second = this.pageForWrite(next);
    if (second === 0) return;
    // The second page may have been the first one's other mapping, and have moved it.
    const firstNow = this.pageForWrite(linAddr);
    this.aboutToStore(linAddr, firstNow, 4096 - (linAddr & 0xfff));
    this.aboutToStore(next, second, size - (4096 - (linAddr & 0xfff)));
    for (let i = 0; i < size; i++) {
      const at = (linAddr & 0xfff) + i;
      const host = at < 4096 ? firstNow : second;
      if (host > 0) this.u8[host | (at & 0xfff)] = value >>> (8 * i);
    }
  }

  /** True if `size` bytes could be stored now; otherwise the fault is posted. At most two pages. */
  probeWrite(linAddr: number, size: number): boolean {
    if (size > 1 && !this.isAligned(linAddr, size === 2 ? 1 : 3)) return false;
    if (this.pageForWrite(linAddr) === 0) return false;
    return (linAddr & 0xfff) + size <= 4096 || this.pageForWrite(((linAddr & -4096) + 4096) | 0) !== 0;
  }

  /** The same for loads. */
  probeRead(linAddr: number, size: number): boolean {
    if (this.pageForRead(linAddr) === 0) return false;
    return (linAddr & 0xfff) + size <= 4096 || this.pageForRead(((linAddr & -4096) + 4096) | 0) !== 0;
  }

  /**
   * A store of `size` bytes from `linAddr` upwards, to a page whose host offset came from `pageForWrite`, is about to happen: what was derived from the bytes there (decoded
   * code, translations) goes, and breakpoints are noted.
   */
  aboutToStore(linAddr: number, host: number, size: number): void {
    if (host < 0) return;
    if (this.watching) this.matchWatchpoints(linAddr, size, true);
    const frame = (host - this.framesBase) >>> 12;
    const table = this.walked[frame];
    if (table !== 0) this.tableStored(table, linAddr & 0xfff, size);
    if (this.cpu.holdsCode(frame)) this.cpu.codeStored(frame, linAddr & 0xfff, size);
  }

  /** #AC where alignment checks are on (SDM vol. 3A §6.15, interrupt 17); `mask` is size − 1. */
  private isAligned(linAddr: number, mask: number): boolean {
    if (this.bank !== NO_BANK || (linAddr & mask) === 0) return true;
    this.cpu.raise(ALIGNMENT_CHECK, 0);
    return false;
  }

  // ---- accesses of the CPU itself: descriptor tables, TSS ----------------------------------------------------------

  /** Runs `access` with supervisor privilege, whatever the CPL (SDM vol. 3A §4.6: implicit supervisor-mode access). */
  asSupervisor<T>(access: () => T): T {
    const { cpu, bank } = this;
    const { cpl } = cpu;
    cpu.cpl = 0;
    this.bank = 0;
    const result = access();
    cpu.cpl = cpl;
    this.bank = bank;
    return result;
  }

  /** The bank follows from privilege and alignment checks. */
  setBank(cpl: number, checksAlignment: boolean): void {
    this.bank = checksAlignment ? NO_BANK : cpl === 3 ? BANK : 0;
  }

  // ---- copies of whole pages --------------------------------------------------------------------------------------

  /**
   * Makes the page at one linear address a copy of that at another, both aligned, by sharing its frame until one of them is stored
   * to. False if a fault was posted, or if the bytes must be copied: no frame to spare, no memory there, or a copy onto itself.
   */
  aliasPage(targetLin: number, sourceLin: number): boolean {
    const { cpu, memory } = this;
    if (this.watching || this.bank === NO_BANK) return false;
    const source = this.physPageFor(sourceLin, 0, this.read);
    if (source < 0) return false;
    const target = this.physPageFor(targetLin, 1, this.write);
    if (target < 0 || target === source || !cpu.mayStore(target)) return false;
    if (source >= memory.ramPages && memory.hiddenOwners[source - memory.ramPages] === 0) return false;
    const frame = memory.frameOf(source);
    const frameBefore = memory.frameOf(target);
    if (frame === frameBefore) return true;
    if (this.aliasPause > 0) {
      this.aliasPause--;
      return false;
    }
    if (!memory.aliasOne(target, source)) {
      this.aliasPause = ALIAS_PAUSE;
      return false;
    }
    this.bumpEpochOnce();
    this.forbidStores(source);
    this.forgetPage(target);
    if (this.walked[frameBefore] !== 0) this.forgetTranslations();
    cpu.frameChanged(frameBefore);
    return true;
  }

  /** Physical page at a linear address, −1 if there is none or with #PF posted. `tlb` holds those that need no look. */
  private physPageFor(linAddr: number, access: number, tlb: Int32Array): number {
    const index = (linAddr >>> 12) + this.bank;
    if (tlb[index] !== 0) return this.page[index] - 1;
    if (!this.translate(linAddr, access, this.isUser())) return -1;
    const page = this.physPage >>> 12;
    return page < this.pageCount ? page : -1;
  }
}

function isAllowed(rights: number, isWrite: boolean, user: boolean, wp: boolean): boolean {
  if (user) return (rights & PTE_U) !== 0 && (!isWrite || (rights & PTE_W) !== 0);
  return !isWrite || !wp || (rights & PTE_W) !== 0;
}

/** Bits 63 to 32 of a PAE entry: no physical address is wider than 32 bits here, and XD is reserved without EFER.NXE. */
function isHighReserved(high: number, nxe: boolean): boolean {
  return (high & 0x7fffffff) !== 0 || (high < 0 && !nxe);
}
