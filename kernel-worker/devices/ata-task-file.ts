// SPDX-License-Identifier: MIT
// The command block registers of the disk and what an address in them means: LBA28, or cylinder, head and sector under
// the current translation (ATA/ATAPI-5 §6.2, §7). Bytes in shared/layout/ata-state.ts; every field is a named accessor,
// so that commands read like the standard.
import { DISK } from '../../shared/layout/ata-state.ts';
import { addressableSectors, cylindersOf, DEFAULT_HEADS, DEFAULT_SECTORS_PER_TRACK } from './ata-identify.ts';

const DEVICE_HEAD = 0x0f;
const DEVICE_DEV = 0x10;
const DEVICE_LBA = 0x40;
const DIAGNOSTIC_PASSED = 0x01;

/** Register numbers 1-6 as offsets: the same for reading and writing but for 1, which reads ERROR and writes FEATURES. */
const READ_OFFSETS = [
  DISK.ERROR,
  DISK.ERROR,
  DISK.SECTOR_COUNT,
  DISK.LBA_LOW,
  DISK.LBA_MID,
  DISK.LBA_HIGH,
  DISK.DEVICE,
] as const;

export class AtaTaskFile {
  private readonly view: DataView;
  private readonly base: number;
  private readonly medium: { readonly sectors: number };

  constructor(view: DataView, base: number, medium: { readonly sectors: number }) {
    this.view = view;
    this.base = base;
    this.medium = medium;
  }

  /** Sectors that LBA28 can reach. Asked for only when an address matters: it may have to open a file. */
  get sectors(): number {
    return addressableSectors(this.medium.sectors);
  }

  reset(): void {
    this.setTranslation(DEFAULT_HEADS, DEFAULT_SECTORS_PER_TRACK);
    this.set(DISK.WRITE_CACHE, 1);
    this.writeSignature();
  }

  get(offset: number): number {
    return this.view.getUint8(this.base + offset);
  }

  set(offset: number, value: number): void {
    this.view.setUint8(this.base + offset, value);
  }

  readRegister(register: number): number {
    return this.get(READ_OFFSETS[register]!);
  }

  writeRegister(register: number, value: number): void {
    this.set(register === 1 ? DISK.FEATURES : READ_OFFSETS[register]!, value);
  }

  get deviceOneSelected(): boolean {
    return (this.get(DISK.DEVICE) & DEVICE_DEV) !== 0;
  }

  get remaining(): number {
    return this.view.getUint16(this.base + DISK.REMAINING, true);
  }

  set remaining(sectors: number) {
    this.view.setUint16(this.base + DISK.REMAINING, sectors, true);
  }

  get lba(): number {
    return this.view.getUint32(this.base + DISK.LBA, true);
  }

  /** Takes count and address of a transfer from the registers; false if they name no sector of this disk. */
  beginTransfer(): boolean {
    this.remaining = this.get(DISK.SECTOR_COUNT) || 256;
    this.set(DISK.BLOCK_LEFT, 0);
    const lba = this.addressedSector();
    if (lba < 0 || lba >= this.sectors) return false;
    this.view.setUint32(this.base + DISK.LBA, lba, true);
    return true;
  }

  /**
   * One sector of the transfer is done; true if it was the last. Count and address registers follow the sector on its
   * way, so that after an error they tell which it was.
   */
  countSector(): boolean {
    this.remaining -= 1;
    this.set(DISK.SECTOR_COUNT, this.remaining & 0xff);
    this.set(DISK.BLOCK_LEFT, Math.max(0, this.get(DISK.BLOCK_LEFT) - 1));
    if (this.remaining > 0) this.setAddress(this.lba + 1);
    return this.remaining === 0;
  }

  setTranslation(heads: number, sectorsPerTrack: number): void {
    this.set(DISK.HEADS, heads);
    this.set(DISK.SECTORS_PER_TRACK, sectorsPerTrack);
  }

  /** INITIALIZE DEVICE PARAMETERS: sectors per track from the count, heads from the device register. */
  setTranslationFromRegisters(): void {
    this.setTranslation((this.get(DISK.DEVICE) & DEVICE_HEAD) + 1, this.get(DISK.SECTOR_COUNT));
  }

  /** What a reset and EXECUTE DEVICE DIAGNOSTIC leave behind: "an ATA device, and well" (§9.12). */
  writeSignature(): void {
    this.set(DISK.ERROR, DIAGNOSTIC_PASSED);
    this.set(DISK.SECTOR_COUNT, 1);
    this.set(DISK.LBA_LOW, 1);
    this.set(DISK.LBA_MID, 0);
    this.set(DISK.LBA_HIGH, 0);
    this.set(DISK.DEVICE, 0);
  }

  /** -1 for an address that no geometry has; sectors of a track count from 1. */
  private addressedSector(): number {
    const low = this.get(DISK.LBA_LOW);
    const cylinder = this.get(DISK.LBA_MID) | (this.get(DISK.LBA_HIGH) << 8);
    const head = this.get(DISK.DEVICE) & DEVICE_HEAD;
    if (this.get(DISK.DEVICE) & DEVICE_LBA) return low | (cylinder << 8) | (head << 24);
    const heads = this.get(DISK.HEADS);
    const sectorsPerTrack = this.get(DISK.SECTORS_PER_TRACK);
    const cylinders = cylindersOf(this.sectors, heads, sectorsPerTrack);
    if (low === 0 || low > sectorsPerTrack || head >= heads || cylinder >= cylinders) return -1;
    return (cylinder * heads + head) * sectorsPerTrack + low - 1;
  }

  private setAddress(lba: number): void {
    this.view.setUint32(this.base + DISK.LBA, lba, true);
    let low = lba & 0xff;
    let cylinder = (lba >>> 8) & 0xffff;
    let head = lba >>> 24;
    if (!(this.get(DISK.DEVICE) & DEVICE_LBA)) {
      const heads = this.get(DISK.HEADS);
      const sectorsPerTrack = this.get(DISK.SECTORS_PER_TRACK);
      const track = Math.floor(lba / sectorsPerTrack);
      low = (lba % sectorsPerTrack) + 1;
      head = track % heads;
      cylinder = Math.floor(track / heads);
    }
    this.set(DISK.LBA_LOW, low);
    this.set(DISK.LBA_MID, cylinder & 0xff);
    this.set(DISK.LBA_HIGH, (cylinder >>> 8) & 0xff);
    this.set(DISK.DEVICE, (this.get(DISK.DEVICE) & ~DEVICE_HEAD) | (head & DEVICE_HEAD));
  }
}
