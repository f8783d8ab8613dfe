// SPDX-License-Identifier: MIT
// The bus: who answers at which of the 65,536 I/O ports, and at physical addresses above all memory. Claims are wiring, made
// once when the board is built; what the bus counts about ports that nobody claimed is machine state and lies in the 'bus'
// record (shared/layout/bus-state.ts). A width that a device does not handle is composed from the next smaller one, as a PC's
// bus does it (32 → 16 → 8).
import { assert } from '../shared/errors.ts';
import { BUS, BUS_PORTS, BUS_STATE } from '../shared/layout/bus-state.ts';
import { hex, PAGE_SIZE } from '../shared/units.ts';

/** Virtual time of one port access: an ISA bus cycle takes about a microsecond. */
export const PORT_TICKS = 1000;
/** Virtual time of one access to a device's memory: registers beside the CPU or on a fast bus, ten times as fast. */
export const MEMORY_TICKS = 100;
/** Devices' memory lies from here on, above all pages that a machine can have. */
export const DEVICE_MEMORY_START = 0xc0000000;

/**
 * What a device does at its ports, or at its memory, where `at` is the offset from the first address claimed. A byte handler
 * also serves wider accesses, byte by byte, each byte at its own place. An access that finds no handler of its width and none
 * to compose it from is unclaimed.
 */
export interface BusHandler {
  read8?(at: number): number;
  read16?(at: number): number;
  read32?(at: number): number;
  write8?(at: number, value: number): void;
  write16?(at: number, value: number): void;
  write32?(at: number, value: number): void;
}

interface Claim {
  readonly owner: string;
  readonly handler: BusHandler;
}

/** Physical addresses [first, end). */
interface MemoryClaim extends Claim {
  readonly first: number;
  readonly end: number;
}

const NOBODY: Claim = { owner: 'nobody', handler: {} };
const NO_DEVICE: MemoryClaim = { ...NOBODY, first: 0, end: 0 };

export class Bus {
  private readonly view: DataView;
  private readonly base: number;
  /** Index into `claims` for every port; 0 is nobody. */
  private readonly claimOf = new Uint8Array(0x10000);
  private readonly claims: Claim[] = [NOBODY];
  private readonly memoryClaims: MemoryClaim[] = [];

  constructor({ view, base }: { view: DataView; base: number }) {
    this.view = view;
    this.base = base;
  }

  /** Forgets what was counted; claims stay. */
  reset(): void {
    for (let offset = 0; offset < BUS_STATE.bytes; offset++) this.view.setUint8(this.base + offset, 0);
  }

  /** Gives the ports `first` to `last` to a device; two devices at one port are our own contradiction. */
  claimPorts(owner: string, first: number, last: number, handler: BusHandler): void {
    assert(first >= 0 && first <= last && last <= 0xffff, `${owner}: ports ${first} to ${last}`);
    assert(this.claims.length < 256, `${owner}: more than 255 claims`);
    const index = this.claims.push({ owner, handler }) - 1;
    for (let port = first; port <= last; port++) {
      assert(this.claimOf[port] === 0, `${owner}: port 0x${port.toString(16)} belongs to ${this.ownerOf(port)}`);
      this.claimOf[port] = index;
    }
  }

  /** The device at a port, or 'nobody'. */
  ownerOf(port: number): string {
    return this.claims[this.claimOf[port & 0xffff]!]!.owner;
  }

  read8(port: number): number {
    const handler = this.handlerAt(port);
    if (handler.read8) return handler.read8(port & 0xffff) & 0xff;
    this.count(BUS.UNCLAIMED_READS, BUS.PORT_READS, port);
    return 0xff;
  }

  read16(port: number): number {
    const handler = this.handlerAt(port);
    if (handler.read16) return handler.read16(port & 0xffff) & 0xffff;
    const low = this.read8(port);
    return low | (this.read8(port + 1) << 8);
  }

  /** Signed. */
  read32(port: number): number {
    const handler = this.handlerAt(port);
    if (handler.read32) return handler.read32(port & 0xffff) | 0;
    const low = this.read16(port);
    return low | (this.read16(port + 2) << 16);
  }

  write8(port: number, value: number): void {
    const handler = this.handlerAt(port);
    if (handler.write8) handler.write8(port & 0xffff, value & 0xff);
    else this.count(BUS.UNCLAIMED_WRITES, BUS.PORT_WRITES, port);
  }

  write16(port: number, value: number): void {
    const handler = this.handlerAt(port);
    if (handler.write16) {
      handler.write16(port & 0xffff, value & 0xffff);
      return;
    }
    this.write8(port, value);
    this.write8(port + 1, value >>> 8);
  }

  write32(port: number, value: number): void {
    const handler = this.handlerAt(port);
    if (handler.write32) {
      handler.write32(port & 0xffff, value | 0);
      return;
    }
    this.write16(port, value);
    this.write16(port + 2, value >>> 16);
  }

  // ---- memory of devices --------------------------------------------------------------------------------------------

  /**
   * Gives physical addresses to a device. Several devices may share a page, but no address. The engine asks for them where no
   * memory is; they are never cached.
   */
  claimMemory(owner: string, firstAddress: number, bytes: number, handler: BusHandler): void {
    const first = firstAddress >>> 0;
    const end = first + bytes;
    assert(
      first >= DEVICE_MEMORY_START && bytes > 0 && end <= 0x100000000,
      `${owner}: ${bytes} bytes at ${hex(first)}`,
    );
    const other = this.memoryClaims.find((claim) => first < claim.end && claim.first < end);
    assert(other === undefined, `${owner}: ${hex(first)} belongs to ${other?.owner}`);
    this.memoryClaims.push({ owner, handler, first, end });
  }

  /** True if a device has any address of the page with this index. */
  hasDevice(pageIndex: number): boolean {
    const first = pageIndex * PAGE_SIZE;
    for (const claim of this.memoryClaims) if (first < claim.end && claim.first < first + PAGE_SIZE) return true;
    return false;
  }

  /** `size` is 1, 2 or 4 bytes; signed for 4. Where no device is, memory reads as ones. */
  readMemory(physAddr: number, size: number): number {
    const { handler, first } = this.claimAt(physAddr);
    const at = (physAddr >>> 0) - first;
    if (size === 4 && handler.read32) return handler.read32(at) | 0;
    if (size === 2 && handler.read16) return handler.read16(at) & 0xffff;
    if (size === 1) return handler.read8 ? handler.read8(at) & 0xff : 0xff;
    const half = size >>> 1;
    const low = this.readMemory(physAddr, half);
    return low | (this.readMemory(physAddr + half, half) << (8 * half));
  }

  writeMemory(physAddr: number, size: number, value: number): void {
    const { handler, first } = this.claimAt(physAddr);
    const at = (physAddr >>> 0) - first;
    if (size === 4 && handler.write32) handler.write32(at, value | 0);
    else if (size === 2 && handler.write16) handler.write16(at, value & 0xffff);
    else if (size === 1) handler.write8?.(at, value & 0xff);
    else {
      const half = size >>> 1;
      this.writeMemory(physAddr, half, value);
      this.writeMemory(physAddr + half, half, value >>> (8 * half));
    }
  }

  private claimAt(physAddr: number): MemoryClaim {
    const address = physAddr >>> 0;
    for (const claim of this.memoryClaims) if (address >= claim.first && address < claim.end) return claim;
    return NO_DEVICE;
  }

  // ---- ports ------------------------------------------------------------------------------------------------------

  private handlerAt(port: number): BusHandler {
    return this.claims[this.claimOf[port & 0xffff]!]!.handler;
  }

  /** Counts one byte at an unclaimed port, in total and in the ring of ports. */
  private count(totalOffset: number, perPortOffset: number, anyPort: number): void {
    const port = anyPort & 0xffff;
    const { view, base } = this;
    this.increment(base + totalOffset);
    const distinct = view.getUint32(base + BUS.DISTINCT, true);
    const used = Math.min(distinct, BUS_PORTS);
    let slot = 0;
    while (slot < used && view.getUint16(base + BUS.PORTS + slot * 2, true) !== port) slot++;
    if (slot === used) {
      slot = distinct % BUS_PORTS;
      view.setUint32(base + BUS.DISTINCT, distinct + 1, true);
      view.setUint16(base + BUS.PORTS + slot * 2, port, true);
      view.setUint32(base + BUS.PORT_READS + slot * 4, 0, true);
      view.setUint32(base + BUS.PORT_WRITES + slot * 4, 0, true);
    }
    this.increment(base + perPortOffset + slot * 4);
  }

  private increment(offset: number): void {
    this.view.setUint32(offset, this.view.getUint32(offset, true) + 1, true);
  }
}
