// SPDX-License-Identifier: MIT
//
// Noticing that machine code has jumped to another kernel by itself. While paging is off, every block that is looked up is compared
// with the re-entry addresses of kernels that left by themselves; and when the page that switched paging off is left for another
// one, with the protocol's word on the stack, that is a jump too (design of relocate_kernel, reference §3.1: `call` with the re-entry
// at [ESP], or a plain kexec with zeros everywhere). Kernels that kjump parked have an opcode of ours at their re-entry instead.
import { Request } from '../../../shared/jump-lines.ts';
import type { KernelSlot } from '../../../shared/kernel-slot.ts';
import { areTogether } from '../../../shared/kexec/home-lists.ts';
import { SLOT } from '../../../shared/layout/kernel-slot.ts';
import { KernelState } from '../../../shared/lifecycle.ts';
import type { Cpu } from './cpu.ts';
import type { Helper } from './operands.ts';
import { OwnJump } from './own-jump.ts';

const ECX = 1;
const EDX = 2;
const EBX = 3;
const ESP = 4;
const EBP = 5;
const ESI = 6;
const EDI = 7;
const EIP = 8;
const CS_BASE = 17;
const CR0 = 48;
const PAGING_OFF_PAGE = 73;
const CR0_PE = 1;
const CR0_PG = -0x80000000;
const INVALID_OPCODE = 6;
const MOVED_TO = SLOT.movedTo;
const MOVED_FROM = SLOT.movedFrom;
const MOVED_PAGES = SLOT.movedPages;

export class HandOverWatch {
  /** The CPU has come to another kernel: EIP is its first instruction, which has not run. */
  arrived = false;
  private readonly cpu: Cpu;
  private slot: KernelSlot;
  private entries: number[] = [];
  /** What of all this took how long. */
  readonly ownJump: OwnJump;

  constructor(cpu: Cpu, slot: KernelSlot) {
    this.cpu = cpu;
    this.slot = slot;
    this.ownJump = new OwnJump(cpu, slot);
  }

  /** Slots change only while somebody else has the CPU. */
  refresh(): void {
    this.arrived = false;
    this.ownJump.refresh();
    const { slots } = this.cpu.board;
    // A kernel in another's place may have chosen the same address.
    this.entries = slots
      .filter((s) => s.index !== this.slot.index && s.state === KernelState.PARKED && s.get('selfParked') !== 0)
      .filter((s) => areTogether(slots, this.slot, s))
      .map((s) => s.get('reentry'));
  }

  /** True if one of them goes on somewhere in the page of this address: each block there must be looked up. */
  hasDoorNear(linAddr: number): boolean {
    for (const entry of this.entries) if (entry >>> 12 === linAddr >>> 12) return true;
    return false;
  }

  /** True if the instruction at this address, paging off, is no longer this kernel's. */
  isArrival(linAddr: number): boolean {
    // Both are asked: whoever arrives, nobody is leaving any more.
    const leaves = this.leavesControlPage(linAddr);
    if (leaves || this.entries.includes(linAddr)) this.arrived = true;
    return this.arrived;
  }

  private leavesControlPage(linAddr: number): boolean {
    const { r, memory } = this.cpu;
    const page = r[PAGING_OFF_PAGE] - 1;
    if (page < 0 || linAddr >>> 12 === page) return false;
    r[PAGING_OFF_PAGE] = 0;
    if ((r[CR0] & CR0_PE) === 0) return false;
    this.cpu.mmu.moves.settle();
    const word = memory.read32(r[ESP]);
    if (word >>> 12 === page) return true;
    return word === 0 && (r[EBX] | r[ECX] | r[EDX] | r[ESI] | r[EDI] | r[EBP]) === 0;
  }

  /** CR0.PG has changed: who switches it off may be about to leave. */
  pagingChanged(isOn: boolean): void {
    const { r } = this.cpu;
    this.ownJump.pagingChanged(isOn);
    r[PAGING_OFF_PAGE] = isOn ? 0 : (((r[CS_BASE] + r[EIP]) >>> 12) + 1) | 0;
    if (isOn) return;
    this.slot.set('pagingCr4', this.cpu.r[51]);
    this.slot.set('movedPages', 0);
  }

  /** A whole page was copied, paging off: a step of its own exchange of pages, if that is what it is at. */
  pageMoved(targetPage: number, sourcePage: number): void {
    // Thousands of times in a jump: not word by name.
    const { view } = this.cpu;
    const { base } = this.slot;
    view.setInt32(base + MOVED_TO, targetPage, true);
    view.setInt32(base + MOVED_FROM, sourcePage, true);
    view.setInt32(base + MOVED_PAGES, view.getInt32(base + MOVED_PAGES, true) + 1, true);
  }

  /** GDTR is about to change. A kernel that invalidates it is about to leave, and may come back without it. */
  gdtrChanges(base: number, limit: number, newLimit: number): void {
    if (newLimit !== 0) this.slot.set('gdtLimit', 0);
    else if (limit !== 0) {
      this.slot.set('gdtBase', base);
      this.slot.set('gdtLimit', limit);
    }
  }

  request(): void {
    this.ownJump.left();
    this.slot.set('request', Request.arrived);
  }
}

/** The opcode at the re-entry address of a kernel that kjump parked: whoever executes it calls that kernel. */
function handOver(cpu: Cpu): void {
  const { r, board } = cpu;
  const address = (r[CS_BASE] + r[EIP]) >>> 0;
  const isReentry =
    (r[CR0] & CR0_PG) === 0 &&
    board.slots.some((s) => s.state === KernelState.PARKED && s.address('reentry') === address);
  if (!isReentry) {
    cpu.raise(INVALID_OPCODE, -1);
    return;
  }
  cpu.handOver.arrived = true;
  cpu.nextEip = r[EIP];
  cpu.leaveRun();
}

export const HAND_OVER_HELPERS = { handOver } as const satisfies Record<string, Helper>;
