// SPDX-License-Identifier: MIT
//
// Physical memory as a kernel written in TypeScript sees it: RAM only, and stores only inside its windows. A store outside is
// not done; it stops the kernel by a WindowViolation that the engine turns into the report in its slot.
import { crc32 } from 'node:zlib';
import type { GuestMemory } from '../../../shared/guest.ts';
import type { PageWindow } from '../../../shared/kernel-slot.ts';
import { WindowGuard } from '../../../shared/kexec/windows.ts';
import type { PhysicalMemory } from '../../../shared/physical-memory.ts';
import { hex, PAGE_SHIFT, PAGE_SIZE } from '../../../shared/units.ts';

/** Thrown through the guest's code; what counts is the note the engine finds in `violation`. */
export class WindowViolation extends Error {
  override readonly name = 'WindowViolation';
  readonly physAddr: number;

  constructor(physAddr: number, length: number) {
    super(`a store of ${length} bytes at ${hex(physAddr)} is outside the kernel's windows`);
    this.physAddr = physAddr;
  }
}

/** Scratch of this thread, used within one call. */
const float = new DataView(new ArrayBuffer(8));
const floatBytes = new Uint8Array(float.buffer);
const scratchPage = new Uint8Array(PAGE_SIZE);

export class WindowedMemory implements GuestMemory {
  private readonly memory: PhysicalMemory;
  private readonly guard: WindowGuard;
  private readonly ramBytes: number;
  /** The first violation: a guest that catches the exception is stopped all the same. */
  violation: WindowViolation | null = null;

  constructor(memory: PhysicalMemory, windows: readonly PageWindow[]) {
    this.memory = memory;
    this.guard = new WindowGuard(windows);
    this.ramBytes = memory.ramPages * PAGE_SIZE;
  }

  read8(physAddr: number): number {
    return physAddr >>> 0 < this.ramBytes ? this.memory.read8(physAddr) : 0xff;
  }
  read16(physAddr: number): number {
    return (physAddr >>> 0) + 2 <= this.ramBytes
      ? this.memory.read16(physAddr)
      : this.read8(physAddr) | (this.read8(physAddr + 1) << 8);
  }
  read32(physAddr: number): number {
    if ((physAddr >>> 0) + 4 <= this.ramBytes) return this.memory.read32(physAddr);
    return this.read16(physAddr) | (this.read16(physAddr + 2) << 16);
  }
  write8(physAddr: number, value: number): void {
    this.check(physAddr, 1);
    this.memory.write8(physAddr, value);
  }
  write16(physAddr: number, value: number): void {
    this.check(physAddr, 2);
    this.memory.write16(physAddr, value);
  }
  write32(physAddr: number, value: number): void {
    this.check(physAddr, 4);
    this.memory.write32(physAddr, value);
  }

  readFloat64(physAddr: number): number {
    float.setInt32(0, this.read32(physAddr), true);
    float.setInt32(4, this.read32(physAddr + 4), true);
    return float.getFloat64(0, true);
  }
  writeFloat64(physAddr: number, value: number): void {
    this.check(physAddr, 8);
    float.setFloat64(0, value, true);
    this.memory.write(physAddr, floatBytes);
  }

  read(physAddr: number, length: number): Uint8Array {
    const start = physAddr >>> 0;
    const bytes = new Uint8Array(length).fill(0xff);
    const inRam = Math.max(0, Math.min(length, this.ramBytes - start));
    this.memory.readInto(start, bytes.subarray(0, inRam));
    return bytes;
  }
  write(physAddr: number, bytes: Uint8Array): void {
    this.check(physAddr, bytes.length);
    this.memory.write(physAddr, bytes);
  }
  fill(physAddr: number, length: number, value: number): void {
    this.check(physAddr, length);
    scratchPage.fill(value);
    for (let done = 0; done < length; ) {
      const size = Math.min(PAGE_SIZE - ((physAddr + done) & (PAGE_SIZE - 1)), length - done);
      this.memory.write(physAddr + done, scratchPage.subarray(0, size));
      done += size;
    }
  }

  crc32(physAddr: number, length: number): number {
    let value = 0;
    for (let done = 0; done < length; ) {
      const size = Math.min(PAGE_SIZE, length - done);
      const part = scratchPage.subarray(0, size);
      this.memory.readInto(physAddr + done, part);
      value = crc32(part, value);
      done += size;
    }
    return value;
  }

  private check(physAddr: number, length: number): void {
    const first = physAddr >>> PAGE_SHIFT;
    const last = Math.floor(((physAddr >>> 0) + Math.max(length, 1) - 1) / PAGE_SIZE);
    for (let page = first; page <= last; page++) {
      if (this.guard.allows(page)) continue;
      const violation = new WindowViolation(page === first ? physAddr : page * PAGE_SIZE, length);
      this.violation ??= violation;
      throw violation;
    }
  }
}
