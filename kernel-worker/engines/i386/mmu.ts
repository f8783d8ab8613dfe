// SPDX-License-Identifier: MIT
//
// Linear memory: pages as host offsets, loads and stores. What is in the TLB is loaded or stored to at once; everything else comes
// through translation, windows, copy-on-write, and what was derived from the bytes of the page. Above all memory devices may lie:
// an access to one is never cached, and happens in a run of one instruction only (`defersDevices`).
import type { PhysicalMemory } from '../../../shared/physical-memory.ts';
import type { Breakpoints } from './breakpoints.ts';
import type { Cpu } from './cpu.ts';
import type { DecodedFrames } from './decoded-frames.ts';
import { DeviceMemory } from './device-memory.ts';
import { PageMoves } from './page-moves.ts';
import { Paging } from './paging.ts';
import { Tlb } from './tlb.ts';

const BANK = 1 << 20;
const NO_BANK = 2 * BANK;
const ALIGNMENT_CHECK = 17;
const CR0 = 48;
const CR3 = 50;
const CR4 = 51;
const A20_MASKED = 62;
const CR0_PG = -0x80000000;
const CR4_PAE = 0x20;
/** Copies of pages between two questions for frames that the pool could not spare. */
const ALIAS_PAUSE = 256;

export class Mmu {
  readonly tlb: Tlb;
  /** The arrays of the TLB. */
  readonly read: Int32Array;
  readonly write: Int32Array;
  readonly fetch: Int32Array;
  /** Bank of the current privilege: added to the linear page number. */
  bank = 0;
  /**
   * An access to a device posts DEVICE_WANTED and does nothing: the engine lets the instructions before it be done with, and
   * executes this one by itself. So devices see the time of the instruction, and what they change is seen behind it.
   */
  defersDevices = false;
  private readonly cpu: Cpu;
  private readonly devices: DeviceMemory;
  private readonly memory: PhysicalMemory;
  private readonly view: DataView;
  private readonly u8: Uint8Array;
  private readonly framesBase: number;
  private readonly pageCount: number;
  private readonly decoded: DecodedFrames;
  private readonly paging: Paging;
  /** Copies of whole pages that are put off until anybody looks. */
  readonly moves: PageMoves;
  private readonly breakpoints: Breakpoints;
  /** Copies that are done without asking for a frame again: there was none, and to be sure of that takes a count of all. */
  private aliasPause = 0;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.devices = new DeviceMemory(cpu);
    this.memory = cpu.memory;
    this.view = cpu.view;
    this.u8 = cpu.u8;
    this.framesBase = cpu.memory.frames.base;
    this.pageCount = cpu.memory.pageCount;
    this.decoded = cpu.decoded;
    this.tlb = new Tlb(cpu);
    this.read = this.tlb.read;
    this.write = this.tlb.write;
    this.fetch = this.tlb.fetch;
    this.paging = new Paging(cpu, this.tlb);
    this.moves = new PageMoves(this.memory, this.tlb, (frame) => this.frameChanged(frame));
    this.breakpoints = cpu.breakpoints;
  }

  /** Linear addresses may mean other pages from now on. */
  flush(): void {
    this.tlb.flush();
  }

  /** CR3 is loaded. */
  changeTables(cr3: number): void {
    const { r } = this.cpu;
    const before = r[CR3];
    r[CR3] = cr3;
    const is32 = (r[CR0] & CR0_PG) !== 0 && (r[CR4] & CR4_PAE) === 0 && r[A20_MASKED] === 0;
    if (is32) this.tlb.changeDirectory(before & -4096, cr3 & -4096);
    else this.tlb.flush();
  }

  // ---- pages as host offsets --------------------------------------------------------------------------------------

  /** Host offset of the page for reads at the current privilege; 0 with a fault posted, or −1 where no memory is, but perhaps a device. */
  pageForRead(linAddr: number): number {
    const index = (linAddr >>> 12) + this.bank;
    const hit = this.read[index];
    if (hit !== 0) return hit;
    if (this.moves.isPending) this.moves.settle();
    if (!this.paging.translate(linAddr, 0, this.isUser())) return 0;
    const page = this.paging.physPage >>> 12;
    if (page >= this.pageCount) return this.elsewhere(page);
    const host = this.framesBase + this.memory.frameOf(page) * 4096;
    if (this.bank < NO_BANK && !this.breakpoints.isWatched(linAddr >>> 12)) {
      this.tlb.note(index, page);
      this.read[index] = host;
    }
    return host;
  }

  /** Host offset of the page for stores; 0 with a fault posted, or −1 where no memory is. Its frame is its own then. */
  pageForWrite(linAddr: number): number {
    const index = (linAddr >>> 12) + this.bank;
    const hit = this.write[index];
    if (hit !== 0) return hit;
    if (this.moves.isPending) this.moves.settle();
    if (index === this.tlb.noticedIndex) return this.tlb.noticedHost;
    if (!this.paging.translate(linAddr, 1, this.isUser())) return 0;
    return this.ownPage(linAddr, index);
  }

  private ownPage(linAddr: number, index: number): number {
    const page = this.paging.physPage >>> 12;
    const { cpu, memory } = this;
    if (!memory.inUse(page)) return this.elsewhere(page);
    if (!cpu.ownPages.has(page)) {
      cpu.violateWindow(this.paging.physPage | (linAddr & 0xfff));
      return 0;
    }
    if (memory.isShared(page)) this.ownFrame(page);
    const frame = memory.frameOf(page);
    const host = this.framesBase + frame * 4096;
    if (
      this.tlb.walked[frame] === 0 &&
      !this.decoded.has(frame) &&
      this.bank < NO_BANK &&
      !this.breakpoints.isWatched(linAddr >>> 12)
    ) {
      this.tlb.note(index, page);
      this.write[index] = host;
      this.read[index] = host;
    } else {
      this.tlb.noticedIndex = index;
      this.tlb.noticedHost = host;
    }
    return host;
  }

  /**
   * A page has moved from this frame to another one. That is not known to hold translations: those that were read from the old one
   * end here. The code under way may have been decoded from it; other code is looked up again before it runs.
   */
  private frameChanged(frameBefore: number): void {
    if (this.tlb.wasReadFrom(frameBefore)) this.tlb.forgetTranslations();
    this.cpu.leaveCodeOf(frameBefore);
  }

  /** The page moves to a frame of its own, if it has none: what was cached of the old one goes. */
  private ownFrame(page: number): void {
    const { memory, tlb } = this;
    const before = memory.epoch;
    const frameBefore = memory.frameOf(page);
    if (memory.ownFrame(page) === frameBefore) return;
    tlb.adoptEpoch(before);
    tlb.forgetPage(page);
    this.frameChanged(frameBefore);
  }

  /** A device is about to store to the page. Code that was decoded from it gets stale by the store itself. */
  deviceStores(page: number): void {
    this.ownFrame(page);
    if (this.tlb.walked[this.memory.frameOf(page)] !== 0) this.tlb.forgetTranslations();
  }

  /** Host offset of the page for fetches; 0 with a fault posted, −1 where no memory is. */
  pageForFetch(linAddr: number): number {
    const bank = this.isUser() ? BANK : 0;
    const index = (linAddr >>> 12) + bank;
    const hit = this.fetch[index];
    if (hit !== 0) return hit;
    if (this.moves.isPending) this.moves.settle();
    if (!this.paging.translate(linAddr, 2, bank !== 0)) return 0;
    const page = this.paging.physPage >>> 12;
    if (page >= this.pageCount) return -1;
    const host = this.framesBase + this.memory.frameOf(page) * 4096;
    this.tlb.note(index, page);
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
    if (this.breakpoints.onData) this.breakpoints.match(linAddr, 1, false);
    return host < 0 ? this.loadElsewhere(linAddr, 1) : this.u8[host | (linAddr & 0xfff)];
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
    if (this.breakpoints.onData) this.breakpoints.match(linAddr, 2, false);
    return host < 0 ? this.loadElsewhere(linAddr, 2) : this.view.getUint16(host | (linAddr & 0xfff), true);
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
    if (this.breakpoints.onData) this.breakpoints.match(linAddr, 4, false);
    return host < 0 ? this.loadElsewhere(linAddr, 4) : this.view.getInt32(host | (linAddr & 0xfff), true);
  }

  private loadAcross(linAddr: number, size: number): number {
    const first = this.pageForRead(linAddr);
    if (first === 0) return 0;
    const next = (linAddr & -4096) + 4096;
    const second = this.pageForRead(next | 0);
    if (second === 0) return 0;
    if (this.breakpoints.onData) this.breakpoints.match(linAddr, size, false);
    let value = 0;
    for (let i = 0; i < size; i++) {
      const at = (linAddr & 0xfff) + i;
      const host = at < 4096 ? first : second;
      value |= (host < 0 ? this.load8((linAddr + i) | 0) : this.u8[host | (at & 0xfff)]) << (8 * i);
    }
    return value;
  }

  store8(linAddr: number, value: number): void {
    const host = this.pageForWrite(linAddr);
    if (host === 0) return;
    this.aboutToStore(linAddr, host, 1);
    if (host > 0) this.u8[host | (linAddr & 0xfff)] = value;
    else this.storeElsewhere(linAddr, 1, value);
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
    else this.storeElsewhere(linAddr, 2, value);
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
    else this.storeElsewhere(linAddr, 4, value);
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
      else this.store8((linAddr + i) | 0, value >>> (8 * i));
    }
  }

  // ---- where no memory is -----------------------------------------------------------------------------------------

  /** −1, or 0 with DEVICE_WANTED posted if a device is in this page and must wait. */
  private elsewhere(page: number): number {
    if (!this.defersDevices || !this.devices.isAt(page)) return -1;
    this.cpu.wantDevice();
    return 0;
  }

  /** The address was translated just now. */
  private loadElsewhere(linAddr: number, size: number): number {
    return this.devices.load(this.paging.physPage | (linAddr & 0xfff), size);
  }

  private storeElsewhere(linAddr: number, size: number, value: number): void {
    this.devices.store(this.paging.physPage | (linAddr & 0xfff), size, value);
  }

  /** True if `size` bytes could be stored now; otherwise the fault is posted. At most two pages. */
  probeWrite(linAddr: number, size: number): boolean {
    if (size > 1 && !this.isAligned(linAddr, size === 2 ? 1 : 3)) return false;
    if (this.pageForWrite(linAddr) === 0) return false;
    return (linAddr & 0xfff) + size <= 4096 || this.pageForWrite(((linAddr & -4096) + 4096) | 0) !== 0;
  }

  /**
   * A store of `size` bytes from `linAddr` upwards, to a page whose host offset came from `pageForWrite`, is about to happen: what was derived from the bytes there (decoded
   * code, translations) goes, and breakpoints are noted.
   */
  aboutToStore(linAddr: number, host: number, size: number): void {
    if (host < 0) return;
    if (this.breakpoints.onData) this.breakpoints.match(linAddr, size, true);
    const frame = (host - this.framesBase) >>> 12;
    const table = this.tlb.walked[frame];
    if (table !== 0) this.tlb.tableStored(table, linAddr & 0xfff, size);
    if (this.decoded.has(frame) && this.decoded.store(frame, linAddr & 0xfff, size)) this.cpu.leaveAfterInstruction();
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
   * to. False if a fault was posted, or if the bytes must be copied: no frame to spare, or no memory there. A copy onto itself changes nothing.
   */
  aliasPage(targetLin: number, sourceLin: number): boolean {
    const { cpu, memory, tlb } = this;
    if (this.breakpoints.onData || this.bank === NO_BANK) return false;
    const source = this.physPageFor(sourceLin, 0, this.read);
    if (source < 0) return false;
    const target = this.physPageFor(targetLin, 1, this.write);
    if (target < 0 || !cpu.ownPages.has(target)) return false;
    if (source >= memory.ramPages && memory.hiddenOwners[source - memory.ramPages] === 0) return false;
    if (!cpu.paging) {
      this.moves.move(target, source);
      return true;
    }
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
    tlb.bumpEpochOnce();
    tlb.forbidStores(source);
    tlb.forgetPage(target);
    this.frameChanged(frameBefore);
    return true;
  }

  /** Physical page at a linear address, −1 if there is none or with #PF posted. `tlb` holds those that need no look. */
  private physPageFor(linAddr: number, access: number, tlb: Int32Array): number {
    let page: number;
    if (!this.cpu.paging) page = this.paging.lineA20(linAddr) >>> 12;
    else {
      const index = (linAddr >>> 12) + this.bank;
      if (tlb[index] !== 0) return this.tlb.page[index] - 1;
      if (!this.paging.translate(linAddr, access, this.isUser())) return -1;
      page = this.paging.physPage >>> 12;
    }
    return page < this.pageCount ? page : -1;
  }
}
