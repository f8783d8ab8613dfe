// SPDX-License-Identifier: MIT
// The 256 words that IDENTIFY DEVICE answers with (ATA/ATAPI-5 §8.12), and the geometry they tell. A pure function of the
// capacity and of what the guest has set: the disk keeps no copy.

/** Largest block of READ/WRITE MULTIPLE, in sectors. */
export const MAX_MULTIPLE = 16;
export const DEFAULT_HEADS = 16;
export const DEFAULT_SECTORS_PER_TRACK = 63;

const MAX_CYLINDERS = 16_383;
const LBA28_SECTORS = 0x0fff_ffff;
const CAPABILITY_LBA = 0x0200;
const WRITE_CACHE = 0x0020;
/** FLUSH CACHE supported; bit 14 says that the word is valid. */
const FLUSH_CACHE = 0x5000;

export interface DiskSettings {
  readonly sectors: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
  readonly multiple: number;
  readonly writeCache: boolean;
}

/** Cylinders of a disk under a translation, as many as fit, at most 16383 (ATA/ATAPI-5 §6.2). */
export function cylindersOf(sectors: number, heads: number, sectorsPerTrack: number): number {
  return Math.min(MAX_CYLINDERS, Math.floor(sectors / (heads * sectorsPerTrack)));
}

/** Sectors that LBA28 can reach. */
export function addressableSectors(sectors: number): number {
  return Math.min(sectors, LBA28_SECTORS);
}

/** Writes the IDENTIFY DEVICE data into `target` (512 bytes, little-endian words). */
export function writeIdentify(target: Uint8Array, disk: DiskSettings): void {
  target.fill(0);
  const word = (index: number, value: number): void => {
    target[index * 2] = value & 0xff;
    target[index * 2 + 1] = (value >>> 8) & 0xff;
  };
  const long = (index: number, value: number): void => {
    word(index, value & 0xffff);
    word(index + 1, value >>> 16);
  };
  const sectors = addressableSectors(disk.sectors);
  const cylinders = cylindersOf(sectors, disk.heads, disk.sectorsPerTrack);
  word(0, 0x0040); // not removable
  word(1, cylindersOf(sectors, DEFAULT_HEADS, DEFAULT_SECTORS_PER_TRACK));
  word(3, DEFAULT_HEADS);
  word(6, DEFAULT_SECTORS_PER_TRACK);
  text(target, 10, 20, 'KJ0001');
  text(target, 23, 8, '1.0');
  text(target, 27, 40, 'KJUMP DISK');
  word(47, 0x8000 | MAX_MULTIPLE);
  word(48, 1); // 32-bit transfers at the data port
  word(49, CAPABILITY_LBA);
  word(50, 0x4000);
  word(51, 0x0200); // PIO mode 2
  word(53, 0x0001); // words 54-58 are valid
  word(54, cylinders);
  word(55, disk.heads);
  word(56, disk.sectorsPerTrack);
  long(57, cylinders * disk.heads * disk.sectorsPerTrack);
  word(59, disk.multiple ? 0x0100 | disk.multiple : 0);
  long(60, sectors);
  word(80, 0x003e); // ATA-1 to ATA/ATAPI-5
  word(82, WRITE_CACHE);
  word(83, FLUSH_CACHE);
  word(84, 0x4000);
  word(85, disk.writeCache ? WRITE_CACHE : 0);
  word(86, FLUSH_CACHE & 0x3fff);
  word(87, 0x4000);
}

/** ATA strings: two characters a word, the first in the high byte, padded with spaces. */
function text(target: Uint8Array, firstWord: number, length: number, value: string): void {
  for (let index = 0; index < length; index++) {
    target[(firstWord * 2 + index) ^ 1] = index < value.length ? value.charCodeAt(index) : 0x20;
  }
}
