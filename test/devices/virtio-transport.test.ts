// SPDX-License-Identifier: MIT
// The virtio-mmio register file and the split virtqueue, by sentences of VIRTIO 1.2 §2 and §4.2, with the entropy device behind them.
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { TestBoard } from './test-board.ts';
import {
  type Descriptor,
  F_EVENT_IDX,
  F_INDIRECT_DESC,
  INDIRECT,
  INDIRECT_TABLE,
  NEXT,
  REGISTER,
  type RegisterName,
  TestDriver,
  WRITE,
} from './virtio-driver.ts';

const ADDRESS = 0xd0000600;
const IRQ = 11;
const NEEDS_RESET = 0x40;
const FEATURES_OK = 0x08;
const LATENCY = 1000;
const BUFFER = 0x8000;

let board: TestBoard;
let driver: TestDriver;

beforeEach(() => {
  board = new TestBoard();
  board.initializePics();
  driver = new TestDriver(board, 'virtio-entropy');
});

const buffer = (length: number, at = BUFFER): Descriptor => ({ at, length, flags: WRITE });
const line = () => (board.view.getUint8(256 + 32 + 8) >> (IRQ - 8)) & 1;
const isInterrupted = () => [driver.read('interruptStatus'), line()];

describe('the register file', () => {
  test('says what it is', () => {
    const names = ['magicValue', 'version', 'deviceID', 'queueNumMax', 'configGeneration'] as const;
    expect(names.map((name) => driver.read(name))).toEqual([0x74726976, 2, 4, 8, 0]);
    expect([driver.read('shmLenLow'), driver.read('shmLenLow', 4)]).toEqual([-1, -1]);
  });

  test('offers VERSION_1, indirect descriptors and event indices, and nothing beyond 64 bits', () => {
    const words = [0, 1, 2, 0xffffffff].map((select) => {
      driver.write('deviceFeaturesSel', select);
      return driver.read('deviceFeatures');
    });
    expect(words).toEqual([F_INDIRECT_DESC | F_EVENT_IDX, 1, 0, 0]);
  });

  test('takes 32-bit aligned accesses only, below the configuration space', () => {
    const { bus } = board;
    expect([bus.readMemory(ADDRESS, 1), bus.readMemory(ADDRESS, 2), bus.readMemory(ADDRESS + 2, 4)]).toEqual([0, 0, 0]);
    bus.writeMemory(ADDRESS + REGISTER.status, 1, 1);
    bus.writeMemory(ADDRESS + REGISTER.status, 2, 1);
    expect(driver.read('status')).toBe(0);
  });

  test('keeps FEATURES_OK clear for a driver without VERSION_1, or with a feature that was not offered', () => {
    expect(driver.negotiate(0, 0) & FEATURES_OK).toBe(0);
    expect(driver.negotiate(1, 1) & FEATURES_OK).toBe(0);
    expect(driver.negotiate(0, 3) & FEATURES_OK).toBe(0);
    expect(driver.negotiate(F_EVENT_IDX, 1) & FEATURES_OK).toBe(FEATURES_OK);
    // Without FEATURES_OK there is no DRIVER_OK.
    driver.negotiate(1, 1);
    driver.write('status', 0x07);
    expect(driver.read('status')).toBe(3);
  });

  test('takes no features behind FEATURES_OK, and no change of a queue that is ready', () => {
    driver.start();
    const before = board.snapshot();
    driver.write('driverFeatures', -1);
    driver.write('queueNum', 4);
    driver.write('queueDescLow', 0x4000);
    driver.write('queueDriverLow', 0x4000);
    expect(board.snapshot()).toEqual(before);
    driver.write('queueReady', 0);
    driver.write('queueNum', 4);
    expect(board.snapshot()).not.toEqual(before);
  });

  test('of a queue that the device does not have reads as zeros and takes nothing', () => {
    driver.write('queueSel', 1);
    const before = board.snapshot();
    for (const name of ['queueNum', 'queueReady', 'queueDescLow', 'queueDriverLow', 'queueDeviceLow'] as const) {
      driver.write(name, 1);
    }
    driver.write('queueNotify', 1);
    driver.write('queueNotify', 0xffffffff);
    expect([driver.read('queueNumMax'), driver.read('queueReady')]).toEqual([0, 0]);
    expect(board.snapshot()).toEqual(before);
  });

  test('of a place without a device says so, and takes nothing', () => {
    driver = new TestDriver(board, 'virtio-block1');
    const before = board.snapshot();
    expect(driver.start()).toBe(0);
    expect(['magicValue', 'version', 'deviceID'].map((name) => driver.read(name as RegisterName))).toEqual([
      0x74726976, 2, 0,
    ]);
    expect([driver.read('deviceFeatures'), board.snapshot()]).toEqual([0, before]);
  });

  test('is as it was after a reset by the driver, whatever was going on', () => {
    driver.start({ features: F_EVENT_IDX });
    driver.give(0, [buffer(8)]);
    board.pass(LATENCY);
    driver.give(0, [buffer(8)]);
    driver.write('status', 0);
    const registers = ['status', 'interruptStatus', 'queueReady'] as const;
    expect([...registers.map((name) => driver.read(name)), line()]).toEqual([0, 0, 0, 0]);
    board.pass(1e9);
    expect(driver.used(0)).toHaveLength(1);
  });
});

describe('a queue', () => {
  test('is served some time after the notification, and not before', () => {
    driver.start();
    driver.give(0, [buffer(8)]);
    board.pass(LATENCY - 1);
    expect([driver.used(0), isInterrupted()]).toEqual([[], [0, 0]]);
    board.pass(1);
    expect([driver.used(0), isInterrupted()]).toEqual([[[0, 8]], [1, 1]]);
    driver.write('interruptACK', 1);
    expect(isInterrupted()).toEqual([0, 0]);
  });

  test('is not touched before DRIVER_OK, however often it is notified (§3.1.1)', () => {
    driver.negotiate(0);
    driver.placeQueue(0);
    driver.give(0, [buffer(8)]);
    board.pass(1e9);
    expect(driver.used(0)).toEqual([]);
    driver.write('status', 0x0f);
    driver.write('queueNotify', 0);
    board.pass(LATENCY);
    expect(driver.used(0)).toEqual([[0, 8]]);
  });

  test('goes round its rings, and its indices round 2^16', () => {
    driver.start();
    let given = 0;
    for (let round = 0; round < 0x10000 / 8 + 3; round++) {
      for (let i = 0; i < 8; i++) driver.give(0, [buffer(i + 1)], { first: i, notify: i === 7 });
      board.pass(LATENCY);
      given += 8;
    }
    expect(board.ram.view.getUint16(driver.usedRing(0) + 2, true)).toBe(given & 0xffff);
    expect(driver.used(0).slice(-8)).toEqual(Array.from({ length: 8 }, (_, i) => [i, i + 1]));
    expect(driver.read('status')).toBe(0x0f);
  });

  test('interrupts for what was used, unless the driver does not want it', () => {
    driver.start();
    driver.write('queueNotify', 0);
    board.pass(LATENCY);
    expect(isInterrupted()).toEqual([0, 0]);
    driver.setAvailFlags(0, 1);
    driver.give(0, [buffer(8)]);
    board.pass(LATENCY);
    expect([driver.used(0).length, ...isInterrupted()]).toEqual([1, 0, 0]);
  });

  test('with event indices interrupts as the index passes used_event, and asks to be told of the next chain', () => {
    driver.start({ features: F_EVENT_IDX });
    driver.setUsedEvent(0, 2);
    for (let count = 1; count <= 4; count++) {
      driver.give(0, [buffer(8)]);
      board.pass(LATENCY);
      expect([driver.availEvent(0), driver.read('interruptStatus')]).toEqual([count, count === 3 ? 1 : 0]);
      driver.write('interruptACK', 1);
    }
    driver.setUsedEvent(0, 5);
    for (let i = 0; i < 3; i++) driver.give(0, [buffer(8)], { first: i, notify: i === 2 });
    board.pass(LATENCY);
    expect(driver.read('interruptStatus')).toBe(1);
  });

  test('takes a chain in an indirect table, alone or behind other descriptors (§2.7.5.3)', () => {
    driver.start({ features: F_INDIRECT_DESC });
    driver.describe([{ ...buffer(4), flags: WRITE | NEXT, next: 2 }, buffer(99), buffer(6)], 0, INDIRECT_TABLE);
    driver.give(0, [{ at: INDIRECT_TABLE, length: 48, flags: INDIRECT }]);
    board.pass(LATENCY);
    driver.give(0, [buffer(3), { at: INDIRECT_TABLE, length: 48, flags: INDIRECT }], { first: 1 });
    board.pass(LATENCY);
    expect(driver.used(0)).toEqual([
      [0, 10],
      [1, 13],
    ]);
  });
});

const RAM_END = 64 * 1024;

describe('a mistake of the driver', () => {
  /** Served without an error of ours: the device needs a reset, says so by a change of the configuration, and rests. */
  function expectNeedsReset(): void {
    board.pass(LATENCY);
    expect([driver.read('status'), driver.used(0), ...isInterrupted()]).toEqual([0x0f | NEEDS_RESET, [], 2, 1]);
    driver.write('queueNotify', 0);
    board.pass(1e9);
    expect(driver.used(0)).toEqual([]);
    expect(driver.start()).toBe(0x0f);
    driver.give(0, [buffer(8)]);
    board.pass(LATENCY);
    expect(driver.used(0)).toEqual([[0, 8]]);
  }

  test.each<[string, readonly Descriptor[]]>([
    ['a buffer that ends above memory', [buffer(9, RAM_END - 8)]],
    ['a buffer that begins above memory', [buffer(1, RAM_END)]],
    ['a buffer above 4 GiB', [buffer(8, 2 ** 32 + BUFFER)]],
    ['a buffer near 2^64', [buffer(8, 2 ** 64 - 2 ** 12)]],
    ['a buffer to read behind one to write', [buffer(8), { at: BUFFER, length: 8 }]],
    ['an indirect table that was not negotiated', [{ at: INDIRECT_TABLE, length: 16, flags: INDIRECT }]],
    ['a chain without anything to write', [{ at: BUFFER, length: 8 }]],
  ])('%s needs a reset', (_what, buffers) => {
    driver.start();
    driver.give(0, buffers);
    expectNeedsReset();
  });

  test.each<[string, readonly Descriptor[], Partial<Descriptor>]>([
    ['of a length that is no multiple of 16', [buffer(8)], { length: 24 }],
    ['of length 0', [buffer(8)], { length: 0 }],
    ['that has a next', [buffer(8)], { flags: INDIRECT | NEXT }],
    ['in an indirect table', [{ at: INDIRECT_TABLE, length: 16, flags: INDIRECT }], {}],
    ['above memory', [buffer(8)], { at: RAM_END }],
    ['whose chain leaves it', [{ ...buffer(8), flags: WRITE | NEXT, next: 1 }], {}],
    ['in a circle', [{ ...buffer(8), flags: WRITE | NEXT, next: 0 }], {}],
  ])('an indirect table %s needs a reset', (_what, table, other) => {
    driver.start({ features: F_INDIRECT_DESC });
    driver.describe(table, 0, INDIRECT_TABLE);
    driver.give(0, [{ at: INDIRECT_TABLE, length: 16, flags: INDIRECT, ...other }]);
    expectNeedsReset();
  });

  test('a chain in a circle needs a reset', () => {
    driver.start();
    driver.describe([{ ...buffer(1), flags: WRITE | NEXT, next: 0 }]);
    driver.makeAvailable(0, 0);
    driver.write('queueNotify', 0);
    expectNeedsReset();
  });

  test('a descriptor that is not in the table needs a reset, as head or as next', () => {
    driver.start();
    driver.makeAvailable(0, 8);
    driver.write('queueNotify', 0);
    expectNeedsReset();
    driver.start();
    driver.describe([{ ...buffer(1), flags: WRITE | NEXT, next: 8 }]);
    driver.makeAvailable(0, 0);
    driver.write('queueNotify', 0);
    expectNeedsReset();
  });

  test('an available index ahead by more than the queue needs a reset', () => {
    driver.start();
    driver.describe([buffer(8)]);
    driver.setAvailIndex(0, 9);
    driver.write('queueNotify', 0);
    expectNeedsReset();
  });

  test.each<[string, RegisterName, number]>([
    ['size 0', 'queueNum', 0],
    ['a size that is no power of two', 'queueNum', 6],
    ['a size above the largest', 'queueNum', 16],
    ['a size of 2^16', 'queueNum', 0x10000],
    ['descriptors that are not aligned', 'queueDescLow', 8],
    ['an available ring that is not aligned', 'queueDriverLow', 0x801],
    ['a used ring that is not aligned', 'queueDeviceLow', 0xa02],
    ['descriptors that end above memory', 'queueDescLow', RAM_END - 64],
    ['a used ring that ends above memory', 'queueDeviceLow', RAM_END - 16],
    ['a place above 4 GiB', 'queueDescHigh', 1],
  ])('a queue of %s is not ready and needs a reset', (_what, register, value) => {
    driver.start();
    driver.write('queueReady', 0);
    driver.write(register, value);
    driver.write('queueReady', 1);
    expect([driver.read('queueReady'), driver.read('status') & NEEDS_RESET]).toEqual([0, NEEDS_RESET]);
  });

  test('what was used before it stays used', () => {
    driver.start();
    driver.give(0, [buffer(8)], { notify: false });
    driver.give(0, [buffer(8, RAM_END)], { first: 1 });
    board.pass(LATENCY);
    expect([driver.used(0), driver.read('status')]).toEqual([[[0, 8]], 0x0f | NEEDS_RESET]);
  });

  test('nothing is stored outside the windows of the kernel: neither a buffer nor the used ring', () => {
    driver.start();
    board.ram.forbidden = [BUFFER + 4, BUFFER + 8];
    const before = Uint8Array.from(board.ram.bytes.subarray(BUFFER, BUFFER + 16));
    driver.give(0, [buffer(8)]);
    board.pass(LATENCY);
    expect(board.ram.strays).toEqual([`virtio-entropy ${BUFFER + 4}`]);
    expect([driver.used(0), board.ram.bytes.subarray(BUFFER, BUFFER + 16)]).toEqual([[], before]);

    driver.start();
    board.ram.forbidden = [driver.usedRing(0), driver.usedRing(0) + 4];
    driver.give(0, [buffer(8)]);
    board.pass(LATENCY);
    expect(board.ram.strays).toHaveLength(2);
    expect([driver.used(0), driver.read('status')]).toEqual([[], 0x0f | NEEDS_RESET]);
  });

  test('of whatever kind is never an error of ours', () => {
    const register = fc.constantFrom(...(Object.keys(REGISTER) as RegisterName[]));
    const value = fc.oneof(fc.nat({ max: 0x80 }), fc.nat({ max: 0xffff }), fc.nat({ max: 0xffffffff }));
    const garbage = fc.uint8Array({ minLength: 64, maxLength: 64 });
    fc.assert(
      fc.property(
        fc.constantFrom('virtio-entropy' as const, 'virtio-console' as const, 'virtio-block0' as const),
        fc.array(fc.record({ register, value, garbage, at: fc.nat({ max: 0x1000 / 64 - 1 }) }), { maxLength: 60 }),
        (name, steps) => {
          const one = new TestBoard();
          const bad = new TestDriver(one, name);
          bad.start({ features: F_INDIRECT_DESC | F_EVENT_IDX, queues: 2 });
          for (const { register: target, value: word, garbage: bytes, at } of steps) {
            one.ram.bytes.set(bytes, at * 64);
            bad.write(target, word);
            bad.makeAvailable(0, word & 7);
            bad.write('queueNotify', word & 1);
            one.pass(20_000);
          }
          expect(one.ram.strays).toEqual([]);
        },
      ),
      { seed: 2008, numRuns: 400 },
    );
  });
});

test('a capture between any two accesses goes on identically', () => {
  driver.start({ features: F_EVENT_IDX });
  for (let step = 0; step < 12; step++) {
    driver.give(0, [buffer(8 + step)], { first: step % 8 });
    board.pass(step * 130);
    const copy = board.rebuild();
    const other = new TestDriver(copy, 'virtio-entropy');
    for (const [one, at] of [
      [driver, board],
      [other, copy],
    ] as const) {
      one.give(0, [buffer(100)], { first: (step + 1) % 8 });
      at.pass(LATENCY);
      at.pass(LATENCY);
    }
    expect(Buffer.compare(copy.bytes, board.bytes)).toBe(0);
    expect(Buffer.compare(copy.ram.bytes, board.ram.bytes)).toBe(0);
  }
});
