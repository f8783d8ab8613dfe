// SPDX-License-Identifier: MIT
//
// Paging (SDM vol. 3A chapter 4): 32-bit with PSE, and PAE with NX. A walk sets accessed and dirty bits as the CPU does, and tells
// the TLB which frames it read.
import type { PhysicalMemory } from '../../../shared/physical-memory.ts';
import type { Cpu } from './cpu.ts';
import { ANY_TABLE as TABLE_OF_ANY, DIRECTORY as TABLE_OF_TABLES, type Tlb } from './tlb.ts';

const ANY_TABLE = TABLE_OF_ANY;
const DIRECTORY = TABLE_OF_TABLES;
const CR0_WORD = 48;
const CR2_WORD = 49;
const CR3_WORD = 50;
const CR4_WORD = 51;
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

export class Paging {
  /** Physical address, page aligned, that the last successful `translate` found. */
  physPage = 0;
  private readonly cpu: Cpu;
  private readonly memory: PhysicalMemory;
  private readonly r: Int32Array;
  private readonly tlb: Tlb;

  constructor(cpu: Cpu, tlb: Tlb) {
    this.cpu = cpu;
    this.memory = cpu.memory;
    this.r = cpu.r;
    this.tlb = tlb;
  }

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
  lineA20(physAddr: number): number {
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
      this.mark(pdeAddr, pde, pde | PTE_A | (isWrite ? PTE_D : 0), DIRECTORY);
      this.physPage = this.lineA20((pde & 0xffc00000) | (linAddr & 0x3ff000));
      return true;
    }
    const pteAddr = this.lineA20((pde & -4096) | ((linAddr >>> 10) & 0xffc));
    const pte = memory.read32(pteAddr);
    if ((pte & PTE_P) === 0) return this.pageFault(linAddr, 0, access, user);
    if (!isAllowed(pde & pte, isWrite, user, wp)) return this.pageFault(linAddr, PF_P, access, user);
    this.mark(pdeAddr, pde, pde | PTE_A, DIRECTORY);
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
    this.tlb.watchFrameOf(pdpteAddr, ANY_TABLE);
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
    if (entry !== old && this.cpu.ownPages.has(physAddr >>> 12)) {
      const page = physAddr >>> 12;
      const isShared = this.memory.isShared(page);
      const before = isShared ? this.memory.epoch : 0;
      this.memory.write32(physAddr, entry);
      if (isShared) {
        this.tlb.adoptEpoch(before);
        this.tlb.forgetPage(page);
      }
    }
    this.tlb.watchFrameOf(physAddr, table);
  }

  private pageFault(linAddr: number, code: number, access: number, user: boolean): boolean {
    const nx = (this.r[EFER_WORD] & EFER_NXE) !== 0 && (this.r[CR4_WORD] & CR4_PAE) !== 0;
    this.r[CR2_WORD] = linAddr;
    this.cpu.raise(PAGE_FAULT, code | (access === 1 ? PF_W : 0) | (user ? PF_U : 0) | (access === 2 && nx ? PF_ID : 0));
    return false;
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
