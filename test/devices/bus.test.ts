// SPDX-License-Identifier: MIT
// The bus: composition of wide accesses, what happens at ports that nobody claimed, and memory of devices.
import { beforeEach, describe, expect, test } from 'vitest';
import { Bus, type BusHandler } from '../../kernel-worker/bus.ts';
import { BUS_STATE } from '../../shared/layout/bus-state.ts';
import { readField } from '../../shared/layout/fields.ts';
import { TestBoard } from './test-board.ts';

const view = new DataView(new ArrayBuffer(BUS_STATE.bytes));
const counted = (name: string) => readField(view, 0, BUS_STATE.fields.find((f) => f.name === name)!);
let bus: Bus;
let log: string[];

beforeEach(() => {
  bus = new Bus({ view, base: 0 });
  bus.reset();
  log = [];
});

function recorder(...widths: (8 | 16 | 32)[]): BusHandler {
  const handler: Record<string, unknown> = {};
  for (const width of widths) {
    handler[`read${width}`] = (port: number) => {
      log.push(`read${width} ${port}`);
      return port;
    };
    handler[`write${width}`] = (port: number, value: number) => log.push(`write${width} ${port} ${value}`);
  }
  return handler as BusHandler;
}

describe('a claimed port', () => {
  test('gets accesses of the widths that it handles as they are', () => {
    bus.claimPorts('a', 0x10, 0x13, recorder(8, 16, 32));
    expect(bus.read32(0x10)).toBe(0x10);
    bus.write16(0x12, 0x12345);
    bus.write8(0x13, 0x1ff);
    expect(log).toEqual(['read32 16', `write16 18 ${0x2345}`, 'write8 19 255']);
  });

  test('gets wider accesses in bytes, low byte first, each at its own port', () => {
    bus.claimPorts('a', 0x10, 0x13, recorder(8));
    expect(bus.read32(0x10)).toBe(0x13121110);
    bus.write32(0x10, 0x04030201);
    expect(log.slice(4)).toEqual(['write8 16 1', 'write8 17 2', 'write8 18 3', 'write8 19 4']);
  });

  test('gets a 32-bit access in 16-bit halves if it handles those', () => {
    bus.claimPorts('a', 0x10, 0x13, recorder(16));
    expect(bus.read32(0x10)).toBe(0x00120010);
    expect(log).toEqual(['read16 16', 'read16 18']);
  });

  test('shares a wide access with the owner of the next port', () => {
    bus.claimPorts('a', 0x10, 0x10, recorder(8));
    bus.claimPorts('b', 0x11, 0x11, { read8: () => 0xbb });
    expect(bus.read16(0x10)).toBe(0xbb10);
  });

  test('traps a width that it neither handles nor can be composed from', () => {
    bus.claimPorts('a', 0x10, 0x11, recorder(16));
    expect(bus.read8(0x10)).toBe(0xff);
    bus.write8(0x10, 1);
    expect(log).toEqual([]);
    expect([counted('unclaimedReads'), counted('unclaimedWrites')]).toEqual([1, 1]);
  });

  test('belongs to one device only', () => {
    bus.claimPorts('a', 0x10, 0x13, recorder(8));
    expect(() => bus.claimPorts('b', 0x13, 0x14, recorder(8))).toThrow(/b: port 0x13 belongs to a/);
    expect(bus.ownerOf(0x12)).toBe('a');
    expect(bus.ownerOf(0x15)).toBe('nobody');
  });
});

describe('an unclaimed port', () => {
  test('reads as ones of every width', () => {
    expect([bus.read8(0x500), bus.read16(0x500), bus.read32(0x500)]).toEqual([0xff, 0xffff, -1]);
  });

  test('is counted by the byte, in total and for itself', () => {
    bus.read8(0x500);
    bus.read16(0x500);
    bus.write8(0x501, 1);
    expect(counted('unclaimedReads')).toBe(3);
    expect(counted('unclaimedWrites')).toBe(1);
    expect((counted('ports') as number[]).slice(0, 3)).toEqual([0x500, 0x501, 0]);
    expect((counted('portReads') as number[]).slice(0, 2)).toEqual([2, 1]);
    expect((counted('portWrites') as number[]).slice(0, 2)).toEqual([0, 1]);
  });

  test('drives out the oldest of sixteen others, with a fresh count', () => {
    for (let port = 0x500; port < 0x511; port++) bus.read8(port);
    bus.read8(0x510);
    expect((counted('ports') as number[])[0]).toBe(0x510);
    expect((counted('portReads') as number[])[0]).toBe(2);
    expect(counted('distinct')).toBe(17);
    expect(counted('unclaimedReads')).toBe(18);
  });

  test('is anywhere in the 64 KiB, and the ports wrap around', () => {
    bus.claimPorts('a', 0, 0, { read8: () => 0x11 });
    expect(bus.read16(0xffff)).toBe(0x11ff);
  });
});

describe('memory of a device', () => {
  const at = 0xd0000000;

  test('is reached by the offset from its first address, in the widths that the device handles', () => {
    bus.claimMemory('a', at + 0x200, 0x100, recorder(8, 32));
    expect(bus.readMemory(at + 0x210, 4)).toBe(0x10);
    bus.writeMemory((at + 0x220) | 0, 4, -1);
    bus.writeMemory(at + 0x230, 2, 0x1234);
    expect(log).toEqual(['read32 16', 'write32 32 -1', `write8 48 ${0x34}`, `write8 49 ${0x12}`]);
  });

  test('reads as ones, and swallows stores, beside it and in widths that the device does not handle', () => {
    bus.claimMemory('a', at, 4, recorder(32));
    expect([1, 2, 4].map((size) => bus.readMemory(at + 4, size))).toEqual([0xff, 0xffff, -1]);
    expect(bus.readMemory(at, 1)).toBe(0xff);
    bus.writeMemory(at, 2, 1);
    expect(log).toEqual([]);
  });

  test('may share a page with another device, but no address', () => {
    bus.claimMemory('a', at, 0x200, recorder(8));
    bus.claimMemory('b', at + 0x200, 0x200, { read8: () => 0xbb });
    expect(bus.readMemory(at + 0x1ff, 2)).toBe(0xbbff);
    expect(() => bus.claimMemory('c', at + 0x3ff, 2, {})).toThrow(/c: 0xd00003ff belongs to b/);
    expect([0xcffff, 0xd0000, 0xd0001].map((page) => bus.hasDevice(page))).toEqual([false, true, false]);
  });
});

describe('the small ports of the board', () => {
  test('port 0x80 keeps the last byte and counts', () => {
    const board = new TestBoard();
    board.out8(0x80, 0x10, 0x20);
    expect(board.in8(0x80)).toBe(0x20);
    expect(board.view.getUint32(1600, true)).toBe(2);
  });

  test('port 0xF4 asks to exit with (value << 1) | 1, of any width', () => {
    const board = new TestBoard();
    expect([board.debugExit.requested, board.debugExit.status]).toEqual([false, 0]);
    board.out8(0xf4, 0);
    expect([board.debugExit.requested, board.debugExit.status]).toEqual([true, 1]);
    board.bus.write32(0xf4, 0x1000);
    expect(board.debugExit.status).toBe(0x2001);
    board.bus.write16(0xf4, 21);
    expect(board.debugExit.status).toBe(43);
  });
});
