// SPDX-License-Identifier: MIT
// The way of devices into guest-physical memory (DMA): RAM only, and for stores only the windows of the kernel that has the machine,
// whose driver gave the addresses. Stores break copy-on-write and make decoded code stale like a store of the CPU; an engine that
// caches mappings is told before. A20M# is a pin of the CPU: devices see every address line.
import type { PageWindow } from '../shared/kernel-slot.ts';
import { WindowGuard } from '../shared/kexec/windows.ts';
import type { PhysicalMemory } from '../shared/physical-memory.ts';
import { PAGE_SIZE } from '../shared/units.ts';
import type { DeviceMemory } from './devices/device.ts';

export class BusMaster implements DeviceMemory {
  private readonly memory: PhysicalMemory;
  private readonly windows: () => readonly PageWindow[];
  private readonly strayed: (device: string, physAddr: number) => void;
  private readonly ramBytes: number;
  private readonly pair = new Uint8Array(2);
  private readonly pairView = new DataView(this.pair.buffer);
  private readonly quad = new Uint8Array(4);
  private readonly quadView = new DataView(this.quad.buffer);
  /** The engine's: a store to the page comes now. */
  beforeStore: (pageIndex: number) => void = () => {};

  /** `strayed` hears of the first address of a store that is not allowed, which is not done. */
  constructor(
    memory: PhysicalMemory,
    windows: () => readonly PageWindow[],
    strayed: (device: string, physAddr: number) => void,
  ) {
    this.memory = memory;
    this.windows = windows;
    this.strayed = strayed;
    this.ramBytes = memory.ramPages * PAGE_SIZE;
  }

  holds(physAddr: number, length: number): boolean {
    return physAddr + length <= this.ramBytes;
  }

  mayStore(device: string, physAddr: number, length: number): boolean {
    const guard = new WindowGuard(this.windows());
    for (let page = Math.floor(physAddr / PAGE_SIZE); page * PAGE_SIZE < physAddr + length; page++) {
      if (guard.allows(page)) continue;
      this.strayed(device, Math.max(physAddr, page * PAGE_SIZE));
      return false;
    }
    return true;
  }

  read16(physAddr: number): number {
    return this.memory.read16(physAddr);
  }

  read32(physAddr: number): number {
    return this.memory.read32(physAddr);
  }

  readInto(physAddr: number, target: Uint8Array): void {
    this.memory.readInto(physAddr, target);
  }

  write16(physAddr: number, value: number): void {
    this.pairView.setUint16(0, value, true);
    this.write(physAddr, this.pair);
  }

  write32(physAddr: number, value: number): void {
    this.quadView.setInt32(0, value, true);
    this.write(physAddr, this.quad);
  }

  write(physAddr: number, bytes: Uint8Array): void {
    const last = Math.floor((physAddr + bytes.length - 1) / PAGE_SIZE);
    for (let page = Math.floor(physAddr / PAGE_SIZE); page <= last; page++) this.beforeStore(page);
    this.memory.write(physAddr, bytes);
  }
}
