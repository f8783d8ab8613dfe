// SPDX-License-Identifier: MIT
// What the virtio devices are for: block, console and entropy, by sentences of VIRTIO 1.2 §5.2 to §5.4, and their part in a jump.
import { beforeEach, describe, expect, test } from 'vitest';
import { EntropyGenerator } from '../../shared/entropy-generator.ts';
import { Errno } from '../../shared/errno.ts';
import { deviceOffset } from '../../shared/layout/device-map.ts';
import { MemoryStore, TestBoard } from './test-board.ts';
import { type Descriptor, TestDriver, WRITE } from './virtio-driver.ts';

const F_FLUSH = 1 << 9;
const LATENCY = 20_000;
const HEADER = 0x8000;
const STATUS = 0x8010;
const DATA = 0x9000;
const IN = 0;
const OUT = 1;
const FLUSH = 4;
const GET_ID = 8;
const OK = 0;
const IOERR = 1;
const UNSUPP = 2;

const reading = (at: number, length: number): Descriptor => ({ at, length });
const writing = (at: number, length: number): Descriptor => ({ at, length, flags: WRITE });

describe('the block device', () => {
  let board: TestBoard;
  let store: MemoryStore;
  let driver: TestDriver;

  beforeEach(() => {
    store = new MemoryStore(2048);
    board = new TestBoard(store);
    driver = new TestDriver(board, 'virtio-block0');
    driver.start({ features: F_FLUSH });
    store.log.length = 0;
  });

  /** A request with these buffers for its data, and its status byte. */
  function request(type: number, sector: number, data: readonly Descriptor[], on = driver): number {
    const { view } = on.board.ram;
    view.setUint32(HEADER, type, true);
    view.setUint32(HEADER + 4, 0xdeadbeef, true);
    view.setUint32(HEADER + 8, sector, true);
    view.setUint32(HEADER + 12, Math.floor(sector / 2 ** 32), true);
    view.setUint8(STATUS, 0xff);
    on.give(0, [reading(HEADER, 16), ...data, writing(STATUS, 1)]);
    on.board.pass(LATENCY);
    return view.getUint8(STATUS);
  }

  const bytes = (at: number, length: number) => [...board.ram.bytes.subarray(at, at + length)];

  test('tells its capacity and how many buffers a request may have', () => {
    expect(driver.read('deviceID')).toBe(2);
    expect([driver.config(0, 4), driver.config(4, 4), driver.config(12, 4)]).toEqual([2048, 0, 126]);
    expect([driver.config(0, 2), driver.config(1, 1), driver.config(20, 4)]).toEqual([2048, 8, 0]);
  });

  test('reads sectors into the buffers, wherever these are cut, and says how many bytes it wrote', () => {
    expect(request(IN, 5, [writing(DATA, 100), writing(DATA + 0x800, 0), writing(DATA + 0x1000, 924)])).toBe(OK);
    expect(bytes(DATA, 100)).toEqual(Array(100).fill(5));
    expect(bytes(DATA + 0x1000, 924)).toEqual([...Array(412).fill(5), ...Array(512).fill(6)]);
    expect(driver.used(0)).toEqual([[0, 1025]]);
    expect(store.log).toEqual(['read 5+2']);
  });

  test('writes what the buffers hold, wherever these are cut', () => {
    board.ram.bytes.fill(0xa1, DATA, DATA + 500);
    board.ram.bytes.fill(0xa2, DATA + 0x1000, DATA + 0x1000 + 524);
    expect(request(OUT, 7, [reading(DATA, 500), reading(DATA + 0x1000, 524)])).toBe(OK);
    const written = [...Array(500).fill(0xa1), ...Array(524).fill(0xa2)];
    expect([...store.bytes.subarray(7 * 512, 9 * 512)]).toEqual(written);
    expect([...store.bytes.subarray(9 * 512, 9 * 512 + 2)]).toEqual([9, 9]);
    expect([driver.used(0), store.log]).toEqual([[[0, 1]], ['write 7+2']]);
  });

  test('takes the header and the status wherever the driver puts them', () => {
    board.ram.view.setUint32(HEADER, IN, true);
    board.ram.view.setUint32(HEADER + 8, 3, true);
    driver.give(0, [reading(HEADER, 5), reading(HEADER + 5, 11), writing(DATA, 513)]);
    board.pass(LATENCY);
    expect(bytes(DATA, 513)).toEqual([...Array(512).fill(3), OK]);
  });

  test('moves more than it takes at a time', () => {
    const parts = Array.from({ length: 5 }, () => writing(DATA, 28 * 512));
    expect(request(IN, 100, parts)).toBe(OK);
    expect(store.log).toEqual(['read 100+128', 'read 228+12']);
    expect(bytes(DATA + 27 * 512, 1)).toEqual([(100 + 139) & 0xff]);
  });

  test('does what is available at one time, with one interrupt', () => {
    for (const [sector, first] of [
      [1, 0],
      [2, 3],
    ] as const) {
      const header = HEADER + 0x100 * first;
      board.ram.view.setUint32(header + 8, sector, true);
      const data = [reading(header, 16), writing(DATA + 512 * sector, 512), writing(STATUS, 1)];
      driver.give(0, data, { first, notify: first === 0 });
    }
    board.pass(LATENCY);
    expect([driver.used(0), driver.read('interruptStatus')]).toEqual([
      [
        [0, 513],
        [3, 513],
      ],
      1,
    ]);
    expect([bytes(DATA + 512, 1), bytes(DATA + 1024, 1)]).toEqual([[1], [2]]);
  });

  test.each([
    ['past its end', IN, 2047, 1024],
    ['far past its end', OUT, 2 ** 40, 512],
    ['beyond 2^63', IN, 2 ** 63, 512],
    ['of less than a sector', IN, 0, 511],
    ['of no whole sectors', OUT, 0, 1000],
  ])('answers a request %s with IOERR, and moves nothing', (_what, type, sector, length) => {
    board.ram.bytes.fill(0x77, DATA, DATA + 1024);
    expect(request(type, sector, [type === IN ? writing(DATA, length) : reading(DATA, length)])).toBe(IOERR);
    expect([store.log, bytes(DATA, 1024)]).toEqual([[], Array(1024).fill(0x77)]);
  });

  test('answers IOERR for what the host refuses, and UNSUPP for what it does not know', () => {
    store.failWith = Errno.ENOSPC;
    expect([request(IN, 0, [writing(DATA, 512)]), request(OUT, 0, [reading(DATA, 512)])]).toEqual([IOERR, IOERR]);
    expect(request(FLUSH, 0, [])).toBe(IOERR);
    expect([request(2, 0, []), request(11, 0, [reading(DATA, 16)])]).toEqual([UNSUPP, UNSUPP]);
    expect(driver.read('status')).toBe(0x0f);
  });

  test('tells its name, cut to the room there is', () => {
    board.ram.bytes.fill(0xff, DATA, DATA + 32);
    expect(request(GET_ID, 0, [writing(DATA, 20)])).toBe(OK);
    expect(String.fromCharCode(...bytes(DATA, 20))).toBe(`test-disk${'\0'.repeat(11)}`);
    expect(request(GET_ID, 0, [writing(DATA + 0x100, 4)])).toBe(OK);
    expect(String.fromCharCode(...bytes(DATA + 0x100, 5))).toBe('test\0');
  });

  test('flushes when asked; behind each write for a driver that cannot ask', () => {
    request(OUT, 1, [reading(DATA, 512)]);
    expect(store.log).toEqual(['write 1']);
    request(FLUSH, 0, []);
    expect(store.log).toEqual(['write 1', 'flush']);
    driver.start({ features: 0 });
    request(OUT, 2, [reading(DATA, 512)]);
    expect(store.log.slice(2)).toEqual(['write 2', 'flush']);
  });

  test('of a request that has no room for a header or a status makes nothing', () => {
    driver.give(0, [reading(HEADER, 15), writing(STATUS, 1)]);
    board.pass(LATENCY);
    expect(driver.read('status') & 0x40).toBe(0x40);
    driver.start();
    driver.give(0, [reading(HEADER, 16)]);
    board.pass(LATENCY);
    expect([driver.read('status') & 0x40, driver.used(0)]).toEqual([0x40, []]);
  });

  test('tells of another capacity when the machine goes on with another file', () => {
    expect(driver.config(0, 4)).toBe(2048);
    const other = new TestBoard(new MemoryStore(4096));
    other.bytes.set(board.bytes);
    other.ram.bytes.set(board.ram.bytes);
    const there = new TestDriver(other, 'virtio-block0');
    expect([there.read('configGeneration'), there.read('interruptStatus')]).toEqual([0, 0]);
    expect(request(IN, 4000, [writing(DATA, 512)], there)).toBe(OK);
    expect([there.read('configGeneration'), there.read('interruptStatus') & 2]).toEqual([1, 2]);
    expect(there.config(0, 4)).toBe(4096);
    expect(there.read('configGeneration')).toBe(1);
  });

  test('says nothing of its size while the file is gone: requests fail', () => {
    expect(driver.config(0, 4)).toBe(2048);
    const gone = new TestBoard(new MemoryStore(0));
    gone.bytes.set(board.bytes);
    gone.ram.bytes.set(board.ram.bytes);
    const there = new TestDriver(gone, 'virtio-block0');
    expect(request(IN, 0, [writing(DATA, 512)], there)).toBe(IOERR);
    expect([there.config(0, 4), there.read('configGeneration')]).toEqual([2048, 0]);
  });

  test('freezes with nothing in flight and everything written durable, and wants its own flush all the same', () => {
    const disk = board.virtio['virtio-block0'];
    request(OUT, 1, [reading(DATA, 512)]);
    board.ram.view.setUint32(HEADER + 8, 2, true);
    driver.give(0, [reading(HEADER, 16), reading(DATA, 512), writing(STATUS, 1)], { first: 3 });
    expect(disk.busyReason()).toBe('a request is in flight');
    expect(disk.pm.freeze!()).toBe(Errno.OK);
    expect([store.log, disk.busyReason()]).toEqual([['write 1', 'write 2', 'flush'], null]);
    expect(disk.pm.freeze!()).toBe(Errno.OK);
    expect(store.log).toHaveLength(4);
    store.failWith = Errno.EIO;
    expect(disk.pm.freeze!()).toBe(Errno.EIO);
  });

  test('refuses to freeze on a request that makes no sense', () => {
    driver.give(0, [writing(STATUS, 1)]);
    expect(board.virtio['virtio-block0'].pm.freeze!()).toBe(Errno.EIO);
    expect(board.virtio['virtio-block0'].pm.freeze!()).toBe(Errno.OK);
  });

  test('shuts down durable and without queues: nothing is stored into the memory of the next system', () => {
    request(OUT, 1, [reading(DATA, 512)]);
    driver.give(0, [reading(HEADER, 16), writing(DATA, 512), writing(STATUS, 1)]);
    board.virtio['virtio-block0'].pm.shutdown!();
    const before = Uint8Array.from(board.ram.bytes);
    driver.write('queueNotify', 0);
    board.pass(1e9);
    expect([store.log, driver.read('status')]).toEqual([['write 1', 'flush'], 0]);
    expect(Buffer.compare(board.ram.bytes, before)).toBe(0);
  });

  test('left frozen by a system that is parked, knows nothing of its queues; left by one that went by itself, all', () => {
    const { pm } = board.virtio['virtio-block0'];
    pm.inherit!();
    expect([driver.read('status'), request(IN, 1, [writing(DATA, 512)])]).toEqual([0x0f, OK]);
    pm.freeze!();
    pm.freezeNoirq!();
    pm.inherit!();
    expect([driver.read('status'), driver.read('interruptStatus')]).toEqual([0, 0]);
    expect(request(IN, 1, [writing(DATA, 512)])).toBe(0xff);
    expect(driver.start()).toBe(0x0f);
    expect(request(IN, 1, [writing(DATA, 512)])).toBe(OK);
  });
});

describe('the console', () => {
  const TICKS = 1000;
  let board: TestBoard;
  let driver: TestDriver;

  beforeEach(() => {
    board = new TestBoard();
    driver = new TestDriver(board, 'virtio-console');
    driver.start({ queues: 2 });
  });

  const sent = () => String.fromCharCode(...board.sent.map(({ byte }) => byte));
  const ask = (length: number, first = 0) => driver.give(0, [writing(DATA + 0x100 * first, length)], { first });
  const received = (first: number, length: number) =>
    String.fromCharCode(...board.ram.bytes.subarray(DATA + 0x100 * first, DATA + 0x100 * first + length));
  const type = (text: string) => board.virtioConsole.send(new TextEncoder().encode(text));

  function transmit(text: string): void {
    board.ram.bytes.set(new TextEncoder().encode(text), HEADER);
    driver.give(1, [reading(HEADER, 2), reading(HEADER + 2, text.length - 2)]);
    board.pass(TICKS);
  }

  test('transmits what the driver gives it, of any length', () => {
    expect(driver.read('deviceID')).toBe(3);
    transmit(`hello ${'x'.repeat(600)}`);
    expect([sent(), driver.used(1), driver.read('interruptStatus')]).toEqual([`hello ${'x'.repeat(600)}`, [[0, 0]], 1]);
  });

  test('has spoken last once its driver has transmitted, until that resets it', () => {
    expect(board.virtioConsole.spokeLast).toBe(false);
    transmit('login:');
    expect(board.virtioConsole.spokeLast).toBe(true);
    type('lost');
    driver.start({ queues: 2 });
    expect([board.virtioConsole.spokeLast, board.virtioConsole.wireRoom]).toEqual([false, 160]);
    ask(10);
    board.pass(TICKS);
    expect(driver.used(0)).toEqual([]);
  });

  test('receives what was typed as far as there are buffers, and the rest when there are more', () => {
    ask(4);
    ask(3, 1);
    board.pass(TICKS);
    expect([driver.used(0), driver.read('interruptStatus')]).toEqual([[], 0]);
    type('abcdefghij');
    board.pass(TICKS);
    expect(driver.used(0)).toEqual([
      [0, 4],
      [1, 3],
    ]);
    expect([received(0, 4), received(1, 3), driver.read('interruptStatus')]).toEqual(['abcd', 'efg', 1]);
    ask(100, 2);
    board.pass(TICKS);
    expect([driver.used(0)[2], received(2, 3), board.virtioConsole.wireRoom]).toEqual([[2, 3], 'hij', 160]);
  });

  test('keeps what was typed in its bytes', () => {
    type('kept');
    const copy = board.rebuild();
    const other = new TestDriver(copy, 'virtio-console');
    other.give(0, [writing(DATA, 100)]);
    copy.pass(TICKS);
    expect([other.used(0), String.fromCharCode(...copy.ram.bytes.subarray(DATA, DATA + 4))]).toEqual([
      [[0, 4]],
      'kept',
    ]);
  });
});

describe('the entropy device', () => {
  const TICKS = 1000;

  function numbers(board: TestBoard, length: number): number[] {
    const driver = new TestDriver(board, 'virtio-entropy');
    driver.start();
    driver.give(0, [writing(DATA, length)]);
    board.pass(TICKS);
    expect(driver.used(0)).toEqual([[0, Math.min(4096, length)]]);
    return [...board.ram.bytes.subarray(DATA, DATA + length)];
  }

  test('gives the sequence of its seed, which no reset by a driver begins again', () => {
    const one = new TestBoard();
    const first = numbers(one, 32);
    const second = numbers(one, 32);
    expect(second).not.toEqual(first);
    const other = new TestBoard();
    expect([numbers(other, 32), numbers(other, 32)]).toEqual([first, second]);
  });

  test('fills 4 KiB of a buffer at most', () => {
    const bytes = numbers(new TestBoard(), 5000);
    expect(bytes.slice(4096).every((byte) => byte === 0)).toBe(true);
    const counts = new Map<number, number>();
    for (const byte of bytes.slice(0, 4096)) counts.set(byte, (counts.get(byte) ?? 0) + 1);
    expect(counts.size).toBe(256);
    expect(Math.max(...counts.values())).toBeLessThan(40);
  });

  test('gives another sequence to a system that inherits it, and to one whose bytes were seeded anew', () => {
    const board = new TestBoard();
    const copies = [board.rebuild(), board.rebuild(), board.rebuild(), board.rebuild()];
    const generator = (copy: TestBoard) => new EntropyGenerator(copy.view, deviceOffset('virtio-entropy') + 96);
    copies[0].virtio['virtio-entropy'].pm.inherit!();
    generator(copies[1]).stir(1);
    generator(copies[2]).stir(2 ** 40);
    generator(copies[3]).seed(8);
    const sequences = [board, ...copies].map((each) => numbers(each, 16).join());
    expect(new Set(sequences).size).toBe(5);
  });
});

describe('the generator', () => {
  const state = () => new DataView(new ArrayBuffer(16));

  test('follows xoshiro128**', () => {
    const view = state();
    for (let i = 0; i < 4; i++) view.setUint32(4 * i, i + 1, true);
    const bytes = new Uint8Array(24);
    new EntropyGenerator(view, 0).fill(bytes);
    const words = Array.from({ length: 6 }, (_, i) => new DataView(bytes.buffer).getUint32(4 * i, true));
    expect(words).toEqual([11520, 0, 5927040, 70819200, 2031721883, 1637235492]);
  });

  test('has no state without numbers', () => {
    for (const seed of [0, 1, 2 ** 32 - 1, 2 ** 53 - 1]) {
      const view = state();
      new EntropyGenerator(view, 0).seed(seed);
      expect([0, 4, 8, 12].some((at) => view.getUint32(at, true) !== 0)).toBe(true);
    }
  });
});
