// SPDX-License-Identifier: MIT
// The I/O port bus: who answers at which of the 65,536 ports. Claims are wiring, made once when the board is built; what
// the bus counts about ports that nobody claimed is machine state and lies in the 'bus' record (shared/layout/bus-state.ts).
// A width that a device does not handle is composed from the next smaller one, as a PC's bus does it (32 → 16 → 8).
import { assert } from '../shared/errors.ts';
import { BUS, BUS_PORTS, BUS_STATE } from '../shared/layout/bus-state.ts';

/** Virtual time of one port access: an ISA bus cycle takes about a microsecond. */
export const PORT_TICKS = 1000;

/**
 * What a device does at its ports. A byte handler also serves wider accesses, byte by byte, each byte at its own port. An
 * access that finds no handler of its width and none to compose it from is unclaimed.
 */
export interface PortHandler {
  read8?(port: number): number;
  read16?(port: number): number;
  read32?(port: number): number;
  write8?(port: number, value: number): void;
  write16?(port: number, value: number): void;
  write32?(port: number, value: number): void;
}

interface Claim {
  readonly owner: string;
  readonly handler: PortHandler;
}

const NOBODY: Claim = { owner: 'nobody', handler: {} };

export class Bus {
  private readonly view: DataView;
  private readonly base: number;
  /** Index into `claims` for every port; 0 is nobody. */
  private readonly claimOf = new Uint8Array(0x10000);
  private readonly claims: Claim[] = [NOBODY];

  constructor({ view, base }: { view: DataView; base: number }) {
    this.view = view;
    this.base = base;
  }

  /** Forgets what was counted; claims stay. */
  reset(): void {
    for (let offset = 0; offset < BUS_STATE.bytes; offset++) this.view.setUint8(this.base + offset, 0);
  }

  /** Gives the ports `first` to `last` to a device; two devices at one port are our own contradiction. */
  claimPorts(owner: string, first: number, last: number, handler: PortHandler): void {
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

  private handlerAt(port: number): PortHandler {
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
