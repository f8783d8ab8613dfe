// SPDX-License-Identifier: MIT
// The ATA channel and its disk, by sentences of ATA/ATAPI-5 (T13/1321D).
import { beforeEach, describe, expect, test } from 'vitest';
import { Errno } from '../../shared/errno.ts';
import { MemoryStore, TestBoard } from './test-board.ts';

const DATA = 0x1f0;
const ERROR = 0x1f1;
const FEATURES = 0x1f1;
const COUNT = 0x1f2;
const LBA_LOW = 0x1f3;
const LBA_MID = 0x1f4;
const LBA_HIGH = 0x1f5;
const DEVICE = 0x1f6;
const STATUS = 0x1f7;
const COMMAND = 0x1f7;
const CONTROL = 0x3f6;
const ALTERNATE_STATUS = 0x3f6;
const READY = 0x50;
const READY_DRQ = 0x58;
const READY_ERR = 0x51;
const MEDIUM_TICKS = 100_000;

let board: TestBoard;
let store: MemoryStore;

beforeEach(() => {
  store = new MemoryStore(2048);
  board = new TestBoard(store);
});

const line = () => (board.view.getUint8(256 + 32 + 8) >> 6) & 1;
const status = () => board.in8(ALTERNATE_STATUS);
const error = () => board.in8(ERROR);

/** Writes the registers and the command, and does not wait. */
function command(code: number, { lba = 0, count = 1, features = 0, device = 0xe0 } = {}): void {
  board.out8(DEVICE, device | (lba >>> 24));
  board.out8(FEATURES, features);
  board.out8(COUNT, count);
  board.out8(LBA_LOW, lba & 0xff);
  board.out8(LBA_MID, (lba >> 8) & 0xff);
  board.out8(LBA_HIGH, (lba >> 16) & 0xff);
  board.out8(COMMAND, code);
}

function run(code: number, registers: Parameters<typeof command>[1] = {}): number {
  command(code, registers);
  board.pass(MEDIUM_TICKS);
  return status();
}

const readSector = () => Array.from({ length: 256 }, () => board.bus.read16(DATA));
const writeSector = (word: number) => {
  for (let index = 0; index < 256; index++) board.bus.write16(DATA, word);
};
const wordOf = (lba: number) => (lba & 0xff) * 0x101;

describe('after a reset', () => {
  const signature = () => [ERROR, COUNT, LBA_LOW, LBA_MID, LBA_HIGH, DEVICE].map((port) => board.in8(port));

  test('the disk is ready and shows the signature of an ATA device', () => {
    expect([status(), ...signature()]).toEqual([READY, 1, 1, 1, 0, 0, 0]);
  });

  test('by SRST, BSY is 1 until some time after SRST falls, and a transfer is forgotten', () => {
    run(0x20, { lba: 5 });
    board.out8(CONTROL, 0x04);
    board.pass(1e9);
    expect([status(), line()]).toEqual([0x80, 0]);
    board.out8(CONTROL, 0x00);
    expect(status()).toBe(0x80);
    board.pass(2_000_000);
    expect([status(), ...signature(), line()]).toEqual([READY, 1, 1, 1, 0, 0, 0, 0]);
    expect(board.bus.read16(DATA)).toBe(0xffff);
  });

  test('EXECUTE DEVICE DIAGNOSTIC shows it too and interrupts, whichever device is selected', () => {
    run(0x90, { device: 0xb0 });
    expect([...signature(), line()]).toEqual([1, 1, 1, 0, 0, 0, 1]);
  });
});

describe('the protocol', () => {
  test('a command is BSY until it is done, then interrupts; reading STATUS answers, the alternate does not', () => {
    command(0xe5);
    expect([status(), line()]).toEqual([0xd0, 0]);
    board.pass(MEDIUM_TICKS);
    expect([status(), line(), board.in8(COUNT)]).toEqual([READY, 1, 0xff]);
    expect([board.in8(STATUS), line()]).toEqual([READY, 0]);
  });

  test('writing a command answers the interrupt of the last one', () => {
    run(0xe5);
    expect(line()).toBe(1);
    board.out8(COMMAND, 0xe5);
    expect(line()).toBe(0);
  });

  test('nIEN keeps the line low; the interrupt stays pending in the disk', () => {
    board.out8(CONTROL, 0x02);
    run(0xe5);
    expect(line()).toBe(0);
    board.out8(CONTROL, 0x00);
    expect(line()).toBe(1);
  });

  test('registers and commands written during BSY and DRQ are ignored', () => {
    command(0x20, { lba: 3 });
    board.out8(LBA_LOW, 9);
    board.out8(COMMAND, 0xe5);
    board.pass(MEDIUM_TICKS);
    board.out8(COMMAND, 0xe5);
    expect([board.in8(LBA_LOW), status(), board.bus.read16(DATA)]).toEqual([3, READY_DRQ, wordOf(3)]);
  });

  test('works without anybody running deadlines: a program that polls sees the time that passes', () => {
    command(0x20, { lba: 7 });
    board.tick += MEDIUM_TICKS;
    expect(status()).toBe(READY_DRQ);
  });

  test('an unknown command is aborted', () => {
    for (const code of [0x00, 0x08, 0xa1, 0xb0, 0xc8, 0xca, 0xf8]) {
      expect([run(code), error(), line()]).toEqual([READY_ERR, 0x04, 1]);
    }
    expect(run(0xe5)).toBe(READY);
    expect(error()).toBe(0);
  });

  test('device 0 answers for the absent device 1, with status 0, and takes no command for it', () => {
    run(0xe5);
    board.out8(DEVICE, 0xb0);
    expect([status(), board.in8(STATUS), line()]).toEqual([0, 0, 0]);
    board.out8(COMMAND, 0xec);
    board.pass(MEDIUM_TICKS);
    board.out8(DEVICE, 0xa0);
    expect([status(), line()]).toEqual([READY, 1]);
  });

  test('with no disk the bus floats and nothing ever happens', () => {
    board = new TestBoard(null);
    expect(run(0xec)).toBe(0xff);
    expect([board.in8(STATUS), board.in8(LBA_LOW), board.bus.read16(DATA), line()]).toEqual([0xff, 0xff, 0xffff, 0]);
    const before = board.snapshot();
    board.out8(COMMAND, 0x20);
    board.pass(1e9);
    expect(board.snapshot()).toEqual(before);
  });
});

describe('READ SECTOR(S)', () => {
  test('interrupts with DRQ for each sector, and not after the last', () => {
    command(0x20, { lba: 10, count: 2 });
    for (const lba of [10, 11]) {
      expect(status() & 0x80).toBe(0x80);
      board.pass(MEDIUM_TICKS);
      expect([line(), board.in8(STATUS), line()]).toEqual([1, READY_DRQ, 0]);
      expect(readSector()).toEqual(Array(256).fill(wordOf(lba)));
    }
    board.pass(MEDIUM_TICKS);
    expect([line(), status()]).toEqual([0, READY]);
    expect([board.in8(LBA_LOW), board.in8(COUNT)]).toEqual([11, 0]);
  });

  test('of count 0 is 256 sectors', () => {
    board.out8(CONTROL, 0x02);
    command(0x21, { lba: 0, count: 0 });
    for (let lba = 0; lba < 256; lba++) {
      board.pass(MEDIUM_TICKS);
      expect(readSector()[255]).toBe(wordOf(lba));
    }
    board.pass(MEDIUM_TICKS);
    expect(status()).toBe(READY);
  });

  test('takes 32-bit reads as two words', () => {
    store.bytes.set([1, 2, 3, 4], 512);
    run(0x20, { lba: 1 });
    expect(board.bus.read32(DATA)).toBe(0x04030201);
  });

  test('past the end is IDNF at the first sector that is not there', () => {
    expect(run(0x20, { lba: 2048 })).toBe(READY_ERR);
    expect(error()).toBe(0x10);
    expect(run(0x20, { lba: 2047, count: 2 })).toBe(READY_DRQ);
    readSector();
    board.pass(MEDIUM_TICKS);
    expect([status(), error(), line()]).toEqual([READY_ERR, 0x10, 1]);
    expect([board.in8(LBA_LOW), board.in8(LBA_MID), board.in8(COUNT)]).toEqual([0, 8, 1]);
  });

  test('by cylinder, head and sector follows the translation', () => {
    command(0x91, { count: 8, device: 0xa0 | 3 });
    board.pass(MEDIUM_TICKS);
    // Cylinder 2, head 3, sector 5 of 4 heads and 8 sectors.
    board.out8(COUNT, 5);
    board.out8(LBA_LOW, 5);
    board.out8(LBA_MID, 2);
    board.out8(LBA_HIGH, 0);
    board.out8(DEVICE, 0xa3);
    board.out8(COMMAND, 0x20);
    for (let lba = (2 * 4 + 3) * 8 + 4; lba < (2 * 4 + 3) * 8 + 9; lba++) {
      board.pass(MEDIUM_TICKS);
      expect(readSector()[0]).toBe(wordOf(lba));
    }
    expect([LBA_LOW, LBA_MID, LBA_HIGH, DEVICE].map((port) => board.in8(port))).toEqual([1, 3, 0, 0xa0]);
  });

  test.each([
    ['sector 0', 0, 0, 0xa0],
    ['a sector past the track', 64, 0, 0xa0],
    ['a cylinder past the disk', 1, 3, 0xa0],
  ])('of %s is IDNF', (_what, sector, cylinder, device) => {
    expect(run(0x20, { lba: sector | (cylinder << 8), device })).toBe(READY_ERR);
    expect(error()).toBe(0x10);
  });

  test('that the host refuses is UNC', () => {
    store.failWith = Errno.EIO;
    expect([run(0x20), error(), line()]).toEqual([READY_ERR, 0x40, 1]);
  });
});

describe('WRITE SECTOR(S)', () => {
  test('asks for the first sector by DRQ alone, interrupts after each one', () => {
    command(0x30, { lba: 4, count: 2 });
    board.pass(4000);
    expect([status(), line()]).toEqual([READY_DRQ, 0]);
    writeSector(0x1111);
    expect([status() & 0x80, store.log]).toEqual([0x80, []]);
    board.pass(MEDIUM_TICKS);
    expect([line(), board.in8(STATUS), store.log]).toEqual([1, READY_DRQ, ['write 4']]);
    writeSector(0x2222);
    board.pass(MEDIUM_TICKS);
    expect([line(), board.in8(STATUS), store.log]).toEqual([1, READY, ['write 4', 'write 5']]);
    expect(store.bytes[4 * 512 + 511]).toBe(0x11);
    expect(store.bytes[5 * 512]).toBe(0x22);
  });

  test('takes 32-bit writes as two words', () => {
    run(0x30, { lba: 4 });
    for (let index = 0; index < 128; index++) board.bus.write32(DATA, 0x44332211);
    board.pass(MEDIUM_TICKS);
    expect([...store.bytes.subarray(4 * 512, 4 * 512 + 4)]).toEqual([0x11, 0x22, 0x33, 0x44]);
  });

  test.each([Errno.ENOSPC, Errno.EIO])('that the host refuses with errno %i is ABRT', (errno) => {
    run(0x30);
    store.failWith = errno;
    writeSector(1);
    board.pass(MEDIUM_TICKS);
    expect([status(), error(), line()]).toEqual([READY_ERR, 0x04, 1]);
  });

  test('past the end is IDNF, with nothing written', () => {
    expect(run(0x30, { lba: 5000 })).toBe(READY_ERR);
    expect([error(), store.log]).toEqual([0x10, []]);
  });
});

describe('READ and WRITE MULTIPLE', () => {
  test('are aborted until SET MULTIPLE MODE, which takes powers of two up to 16', () => {
    expect([run(0xc4), error()]).toEqual([READY_ERR, 0x04]);
    for (const count of [3, 32]) expect([run(0xc6, { count }), error()]).toEqual([READY_ERR, 0x04]);
    for (const count of [1, 2, 16, 4]) expect(run(0xc6, { count })).toBe(READY);
    expect(run(0xc4)).toBe(READY_DRQ);
  });

  test('interrupt once a block, and the last block is what remains', () => {
    run(0xc6, { count: 4 });
    command(0xc4, { lba: 20, count: 6 });
    for (const block of [
      [20, 21, 22, 23],
      [24, 25],
    ]) {
      board.pass(MEDIUM_TICKS);
      expect([line(), board.in8(STATUS)]).toEqual([1, READY_DRQ]);
      for (const lba of block) expect(readSector()).toEqual(Array(256).fill(wordOf(lba)));
      expect(line()).toBe(0);
    }
    expect(status()).toBe(READY);
  });

  test('write block by block', () => {
    run(0xc6, { count: 2 });
    run(0xc5, { lba: 30, count: 3 });
    writeSector(0x3030);
    expect(status()).toBe(READY_DRQ);
    writeSector(0x3131);
    expect(status() & 0x80).toBe(0x80);
    board.pass(MEDIUM_TICKS);
    expect([line(), board.in8(STATUS)]).toEqual([1, READY_DRQ]);
    writeSector(0x3232);
    board.pass(MEDIUM_TICKS);
    expect([line(), board.in8(STATUS)]).toEqual([1, READY]);
    expect([30, 31, 32].map((lba) => store.bytes[lba * 512])).toEqual([0x30, 0x31, 0x32]);
  });
});

describe('other commands', () => {
  test('IDENTIFY DEVICE tells capacity, geometry, model, and what FLUSH CACHE and the write cache do', () => {
    run(0xc6, { count: 8 });
    expect(run(0xec)).toBe(READY_DRQ);
    const words = readSector();
    expect(status()).toBe(READY);
    expect([words[0], words[1], words[3], words[6]]).toEqual([0x0040, 2, 16, 63]);
    expect(words[60]! + words[61]! * 65536).toBe(2048);
    expect(words[57]! + words[58]! * 65536).toBe(2 * 16 * 63);
    expect([words[47]! & 0xff, words[59], words[49]! & 0x0200]).toEqual([16, 0x0108, 0x0200]);
    expect([words[83]! & 0xd000, words[85]! & 0x20]).toEqual([0x5000, 0x20]);
    const model = words.slice(27, 47).flatMap((word) => [word >> 8, word & 0xff]);
    expect(String.fromCharCode(...model).trimEnd()).toBe('KJUMP DISK');
  });

  test('FLUSH CACHE makes what was written durable', () => {
    run(0x30);
    writeSector(1);
    board.pass(MEDIUM_TICKS);
    expect(run(0xe7)).toBe(READY);
    expect(store.log).toEqual(['write 0', 'flush']);
    store.failWith = Errno.EIO;
    expect([run(0xe7), error()]).toEqual([READY_ERR, 0x04]);
  });

  test('with the write cache off every write is durable when it ends', () => {
    expect(run(0xef, { features: 0x82 })).toBe(READY);
    run(0x30, { lba: 1 });
    writeSector(1);
    board.pass(MEDIUM_TICKS);
    expect(store.log).toEqual(['flush', 'write 1', 'flush']);
    expect(run(0xef, { features: 0x02 })).toBe(READY);
  });

  test('SET FEATURES takes PIO transfer modes and aborts what it does not know', () => {
    for (const count of [0x00, 0x01, 0x08, 0x0a]) expect(run(0xef, { features: 0x03, count })).toBe(READY);
    for (const count of [0x0c, 0x22, 0x45]) expect(run(0xef, { features: 0x03, count })).toBe(READY_ERR);
    expect([run(0xef, { features: 0x99 }), error()]).toEqual([READY_ERR, 0x04]);
  });

  test('READ VERIFY reads and moves nothing', () => {
    expect(run(0x40, { lba: 2040, count: 8 })).toBe(READY);
    expect(store.log).toHaveLength(8);
    expect(run(0x40, { lba: 2040, count: 9 })).toBe(READY_ERR);
    expect(error()).toBe(0x10);
  });

  test('RECALIBRATE, SEEK and the power commands succeed', () => {
    for (const code of [0x10, 0x1f, 0x70, 0xe0, 0xe1, 0xe2, 0xe3]) expect(run(code)).toBe(READY);
  });
});

describe('the freeze', () => {
  test('completes a command in flight and says so by no longer being busy', () => {
    run(0x30, { lba: 6 });
    writeSector(0x6666);
    expect(board.disk.busyReason()).toMatch(/0x30 is in flight/);
    expect(board.disk.pm.freeze!()).toBe(Errno.OK);
    expect([board.disk.busyReason(), store.log]).toEqual([null, ['write 6', 'flush']]);
    expect(status()).toBe(READY);
  });

  test('leaves a transfer in the middle of its data, which goes on there', () => {
    run(0x20, { lba: 6, count: 2 });
    board.bus.read16(DATA);
    const before = board.snapshot();
    expect(board.disk.pm.freeze!()).toBe(Errno.OK);
    expect(board.disk.busyReason()).toBeNull();
    expect(board.snapshot()).toEqual(before);
    expect(readSector().slice(0, 255)).toEqual(Array(255).fill(wordOf(6)));
  });

  test('syncs what the guest wrote and did not flush, without changing the bytes', () => {
    run(0x30);
    writeSector(1);
    board.pass(MEDIUM_TICKS);
    const before = board.snapshot();
    expect(board.disk.pm.freeze!()).toBe(Errno.OK);
    expect([store.log, board.snapshot()]).toEqual([['write 0', 'flush'], before]);
    run(0xe7);
    board.disk.pm.freeze!();
    expect(store.log.slice(2)).toEqual(['flush']);
  });

  test('refuses with EIO if the host cannot', () => {
    run(0x30);
    writeSector(1);
    board.pass(MEDIUM_TICKS);
    store.failWith = Errno.EIO;
    expect(board.disk.pm.freeze!()).toBe(Errno.EIO);
  });

  test('does not wait for a reset that the guest holds', () => {
    board.out8(CONTROL, 0x04);
    expect([board.disk.busyReason(), board.disk.pm.freeze!()]).toEqual([null, Errno.OK]);
    expect(status()).toBe(0x80);
  });

  test('of the channel sets nIEN and keeps a pending interrupt for the restore', () => {
    run(0xe5);
    const before = board.snapshot();
    board.ide.pm.freezeNoirq!();
    expect(board.snapshot()).not.toEqual(before);
    board.ide.pm.restoreNoirq!();
    expect(board.snapshot()).toEqual(before);
    expect(line()).toBe(1);
  });
});

describe('the second channel', () => {
  const SECOND = 0x170;

  test('has a disk, an interrupt and a device control register of its own', () => {
    const second = new MemoryStore(16);
    board = new TestBoard(store, second);
    board.out8(SECOND + 6, 0xe0);
    board.out8(SECOND + 2, 1);
    board.out8(SECOND + 3, 9);
    board.out8(SECOND + 7, 0x20);
    board.pass(MEDIUM_TICKS);
    const line15 = () => (board.view.getUint8(256 + 32 + 8) >> 7) & 1;
    expect([line15(), line(), board.in8(0x376), status()]).toEqual([1, 0, READY_DRQ, READY]);
    expect(Array.from({ length: 256 }, () => board.bus.read16(SECOND))).toEqual(Array(256).fill(wordOf(9)));
    expect([second.log, store.log]).toEqual([['read 9'], []]);
    expect([board.in8(SECOND + 7), line15()]).toEqual([READY, 0]);
    board.out8(0x376, 0x04);
    expect([board.in8(0x376), status()]).toEqual([0x80, READY]);
  });

  test('floats with no disk', () => {
    expect([board.in8(SECOND + 7), board.in8(0x376), board.in8(SECOND + 2)]).toEqual([0xff, 0xff, 0xff]);
  });
});
