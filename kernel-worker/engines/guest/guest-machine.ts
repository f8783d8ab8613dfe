// SPDX-License-Identifier: MIT
//
// The `k` of a kernel written in TypeScript: memory, CPU, ports, console, disk, timer, kexec and pages, all over the bytes. It
// keeps nothing of its own and is made again whenever somebody else may have changed the machine.
import type { Guest } from '../../../shared/guest.ts';
import { generationText } from '../../../shared/identity.ts';
import { Request } from '../../../shared/jump-lines.ts';
import type { KernelSlot } from '../../../shared/kernel-slot.ts';
import { type BitmapPages, bitmapPagesOf } from '../../../shared/kexec/bitmap-pages.ts';
import { kernelBase, windowAround } from '../../../shared/kexec/typescript-image.ts';
import { PAGE_SIZE } from '../../../shared/units.ts';
import type { Board } from '../../board.ts';
import { PORT_TICKS } from '../../bus.ts';
import { PolledDisk } from './guest-disk.ts';
import { SlotKexec } from './guest-kexec.ts';
import { WindowedMemory } from './guest-memory.ts';
import { PitTimer } from './guest-timer.ts';

const encoder = new TextEncoder();

export class GuestMachine implements Guest {
  readonly name: string;
  readonly base: number;
  readonly end: number;
  readonly memory: WindowedMemory;
  readonly cpu: Board['cpu'];
  readonly ports: Guest['ports'];
  readonly console: Guest['console'];
  readonly disk: PolledDisk;
  readonly timer: PitTimer;
  readonly kexec: SlotKexec;
  readonly pages: BitmapPages;
  private readonly board: Board;
  private readonly slot: KernelSlot;

  constructor(board: Board, slot: KernelSlot) {
    this.board = board;
    this.slot = slot;
    this.name = slot.name;
    const entry = slot.address('entry');
    const window = windowAround(slot.windows, entry);
    this.base = kernelBase(entry, window.endPage - window.firstPage);
    this.end = window.endPage * PAGE_SIZE;
    this.memory = new WindowedMemory(board.memory, slot.windows);
    this.cpu = board.cpu;
    this.ports = timedPorts(board);
    this.console = { write: (text) => board.writeConsole(slot, encoder.encode(text)) };
    this.disk = new PolledDisk(this.ports, this.memory);
    this.timer = new PitTimer(this.ports, board.cpu);
    this.pages = bitmapPagesOf(board.memory, slot);
    this.kexec = new SlotKexec(board, slot, this.pages);
  }

  get now(): number {
    return this.board.clock.nowTick();
  }

  get generationId(): string {
    return generationText(this.slot.generationId);
  }

  get outsideSeconds(): number {
    return this.board.clock.outsideSeconds;
  }

  spend(ticks: number): void {
    const spent = Math.max(0, Math.floor(ticks));
    this.slot.ticksRun += spent;
    this.board.passTime(spent);
  }

  halt(): void {
    this.slot.set('waiting', 1);
  }

  powerOff(status = 0): void {
    this.slot.set('exitStatus', status);
    this.slot.set('request', Request.powerOff);
  }
}

function timedPorts(board: Board): Guest['ports'] {
  const { bus } = board;
  const timed = <T>(value: T): T => {
    // The access may have set or cleared a deadline; the time it takes may reach it.
    board.touchDeadlines();
    board.passTime(PORT_TICKS);
    return value;
  };
  return {
    in8: (port) => timed(bus.read8(port)),
    in16: (port) => timed(bus.read16(port)),
    in32: (port) => timed(bus.read32(port)),
    out8: (port, value) => timed(bus.write8(port, value)),
    out16: (port, value) => timed(bus.write16(port, value)),
    out32: (port, value) => timed(bus.write32(port, value)),
  };
}
