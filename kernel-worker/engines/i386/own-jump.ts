// SPDX-License-Identifier: MIT
//
// Times a jump that machine code makes by itself, as far as it can be seen from outside: its own work, that is freezing and thawing of
// tasks and devices, reaches from the last time it went to a program to where paging goes off, and from where paging is on again to
// the next program; its relocation lies between. What is still ahead of it on its way back is in its slot; the times here are the wall's,
// for reports, and a new thread begins without.
import {
  Direction,
  LINE,
  OWN_WORK_INDEX,
  pagesOfCopies,
  WAY_BACK_PAGES,
  WAY_BACK_WORK,
} from '../../../shared/jump-lines.ts';
import type { KernelSlot } from '../../../shared/kernel-slot.ts';
import { TraceType } from '../../../shared/trace-ring.ts';
import type { Cpu } from './cpu.ts';

const NEVER = 0;

export class OwnJump {
  private readonly cpu: Cpu;
  private readonly slot: KernelSlot;
  private sliceWall = NEVER;
  /** Beginning of the slice in which it last went to a program: to ask the wall every time would cost more than going there. */
  private programWall = NEVER;
  private pagingOffWall = NEVER;
  private pagingOffTick = 0;
  /** Where the part of the way back that is under way began. */
  private backWall = NEVER;
  private awaitsProgram = false;

  constructor(cpu: Cpu, slot: KernelSlot) {
    this.cpu = cpu;
    this.slot = slot;
  }

  /** The kernel has just got the CPU. */
  refresh(): void {
    this.sliceWall = this.cpu.board.wallNow();
    this.backWall = this.sliceWall;
    this.programWall = NEVER;
    this.pagingOffWall = NEVER;
    this.awaitsProgram = (this.slot.get('wayBack') & WAY_BACK_WORK) !== 0;
  }

  sliceBegins(): void {
    this.sliceWall = this.cpu.board.wallNow();
  }

  /** The CPU is about to run a program of the kernel, or still does. */
  inProgram(): void {
    this.programWall = this.sliceWall;
    if (this.awaitsProgram) this.workDone();
  }

  pagingChanged(isOn: boolean): void {
    const { cpu, slot } = this;
    const { board } = cpu;
    cpu.syncTime();
    const now = board.wallNow();
    this.pagingOffWall = isOn ? NEVER : now;
    this.pagingOffTick = board.clock.nowTick();
    const ahead = slot.get('wayBack');
    if (!isOn || (ahead & WAY_BACK_PAGES) === 0) return;
    slot.set('wayBack', ahead & ~WAY_BACK_PAGES);
    const pages = pagesOfCopies(slot.get('movedPages'));
    board.trace(TraceType.phase, slot.index, now, now - this.backWall, LINE.relocate, Direction.up, 0, pages);
    this.backWall = now;
  }

  /** It has left: who switched paging off on the way has a way back of its own. */
  left(): void {
    const { slot, pagingOffWall, programWall } = this;
    const { board } = this.cpu;
    const relocates = pagingOffWall !== NEVER;
    const works = relocates && programWall !== NEVER;
    slot.set('wayBack', (relocates ? WAY_BACK_PAGES : 0) | (works ? WAY_BACK_WORK : 0));
    if (works) {
      const us = pagingOffWall - programWall;
      const { pagingOffTick } = this;
      board.traceAt(pagingOffTick, TraceType.phase, slot.index, pagingOffWall, us, OWN_WORK_INDEX, Direction.down);
    }
    if (!relocates) return;
    const now = board.wallNow();
    board.trace(TraceType.phase, slot.index, now, now - pagingOffWall, LINE.relocate, Direction.down);
  }

  private workDone(): void {
    const { cpu, slot } = this;
    const { board } = cpu;
    cpu.syncTime();
    this.awaitsProgram = false;
    slot.set('wayBack', 0);
    const now = board.wallNow();
    board.trace(TraceType.phase, slot.index, now, now - this.backWall, OWN_WORK_INDEX, Direction.up);
  }
}
