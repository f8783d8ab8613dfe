// SPDX-License-Identifier: MIT
//
// A small driver for the primary ATA disk, by polling (ATA/ATAPI-4 §9.5 PIO data-in, §9.6 PIO data-out). Every port access
// takes virtual time, so a busy disk gets ready while it is polled.
import { Errno } from '../../../shared/errno.ts';
import type { GuestDisk, GuestMemory, GuestPorts } from '../../../shared/guest.ts';

const DATA = 0x1f0;
const SECTOR_COUNT = 0x1f2;
const LBA_LOW = 0x1f3;
const LBA_MID = 0x1f4;
const LBA_HIGH = 0x1f5;
const DEVICE = 0x1f6;
const STATUS = 0x1f7;
const COMMAND = 0x1f7;

const BSY = 0x80;
const DRQ = 0x08;
const ERR = 0x01;
const LBA_MODE = 0xe0;

const READ_SECTORS = 0x20;
const WRITE_SECTORS = 0x30;
const FLUSH_CACHE = 0xe7;
const IDENTIFY_DEVICE = 0xec;

const SECTOR_BYTES = 512;
const SECTORS_A_COMMAND = 128;
/** Polls before the disk is given up: a second of virtual time. */
const PATIENCE = 1_000_000;

export class PolledDisk implements GuestDisk {
  private readonly ports: GuestPorts;
  private readonly memory: GuestMemory;
  private readonly buffer = new Uint8Array(SECTOR_BYTES);
  private readonly words = new Uint32Array(this.buffer.buffer);

  constructor(ports: GuestPorts, memory: GuestMemory) {
    this.ports = ports;
    this.memory = memory;
  }

  get sectors(): number {
    this.ports.out8(DEVICE, LBA_MODE);
    const status = this.ports.in8(STATUS);
    if (status === 0 || status === 0xff) return 0;
    this.ports.out8(COMMAND, IDENTIFY_DEVICE);
    if (this.waitFor(DRQ) !== 0) return 0;
    this.takeSector();
    // Words 60 and 61: addressable sectors with LBA28.
    return this.words[30];
  }

  read(lba: number, count: number, physAddr: number): number {
    return this.inCommands(READ_SECTORS, lba, count, (done) => {
      this.takeSector();
      this.memory.write(physAddr + done * SECTOR_BYTES, this.buffer);
    });
  }

  write(lba: number, count: number, physAddr: number): number {
    return this.inCommands(WRITE_SECTORS, lba, count, (done) => {
      this.buffer.set(this.memory.read(physAddr + done * SECTOR_BYTES, SECTOR_BYTES));
      for (let i = 0; i < this.words.length; i++) this.ports.out32(DATA, this.words[i]);
    });
  }

  flush(): number {
    this.ports.out8(DEVICE, LBA_MODE);
    this.ports.out8(COMMAND, FLUSH_CACHE);
    return this.waitFor(0);
  }

  private inCommands(command: number, lba: number, count: number, sector: (done: number) => void): number {
    for (let done = 0; done < count; ) {
      const size = Math.min(SECTORS_A_COMMAND, count - done);
      this.issue(command, lba + done, size);
      for (let i = 0; i < size; i++, done++) {
        const errno = this.waitFor(DRQ);
        if (errno !== 0) return errno;
        sector(done);
      }
      const errno = this.waitFor(0);
      if (errno !== 0) return errno;
    }
    return 0;
  }

  private issue(command: number, lba: number, count: number): void {
    this.ports.out8(DEVICE, LBA_MODE | ((lba >>> 24) & 0x0f));
    this.ports.out8(SECTOR_COUNT, count);
    this.ports.out8(LBA_LOW, lba & 0xff);
    this.ports.out8(LBA_MID, (lba >>> 8) & 0xff);
    this.ports.out8(LBA_HIGH, (lba >>> 16) & 0xff);
    this.ports.out8(COMMAND, command);
  }

  /** Waits until BSY is clear and the bit is set: 0, EIO or ETIMEDOUT. */
  private waitFor(bit: number): number {
    for (let i = 0; i < PATIENCE; i++) {
      const status = this.ports.in8(STATUS);
      if ((status & BSY) !== 0) continue;
      if ((status & ERR) !== 0) return Errno.EIO;
      if ((status & bit) === bit) return 0;
    }
    return Errno.ETIMEDOUT;
  }

  private takeSector(): void {
    for (let i = 0; i < this.words.length; i++) this.words[i] = this.ports.in32(DATA);
  }
}
