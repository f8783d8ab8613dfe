// SPDX-License-Identifier: MIT
//
// Loads and stores above all memory, where devices may be. A device sees the time of the instruction; what it does may move deadlines
// and interrupt lines, which are looked at behind the instruction: it runs by itself (Mmu.defersDevices).
import { type Bus, MEMORY_TICKS } from '../../bus.ts';
import type { Cpu } from './cpu.ts';

export class DeviceMemory {
  private readonly cpu: Cpu;
  private readonly bus: Bus;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.bus = cpu.board.bus;
  }

  /** True if a device is in the physical page. */
  isAt(page: number): boolean {
    return this.bus.hasDevice(page);
  }

  /** 1, 2 or 4 bytes, signed for 4; ones where no device is. */
  load(physAddr: number, size: number): number {
    const value = this.bus.readMemory(physAddr, size);
    this.accessed(physAddr);
    return value;
  }

  store(physAddr: number, size: number, value: number): void {
    this.bus.writeMemory(physAddr, size, value);
    this.accessed(physAddr);
  }

  private accessed(physAddr: number): void {
    if (!this.isAt(physAddr >>> 12)) return;
    this.cpu.board.touchDeadlines();
    this.cpu.spendTicks(MEMORY_TICKS);
  }
}
