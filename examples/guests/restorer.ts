// SPDX-License-Identifier: MIT
//
// C, the kernel that brings another one back. It reads the dump from the disk, loads it as an image of two segments, all of
// A's memory below and above the window, with A's re-entry address for its entry (kexec -l --entry), and jumps there for good
// (kexec -e). What A had in the window it fetches itself, with its first instructions.
import { crc32 } from 'node:zlib';
import type { Guest } from '../../shared/guest.ts';
import { HEADER, MAGIC, PAGE, RAM_END, SECTOR, WINDOW } from './dump.ts';

const EIO = 5;
const ENOEXEC = 8;

export function step(k: Guest): void {
  const errno = load(k);
  k.console.write(`${k.name}: ${errno === 0 ? 'the dump is loaded' : `error ${errno}`}\n`);
  if (errno === 0) k.kexec.jump();
  else k.powerOff(errno);
}

function load(k: Guest): number {
  const header = k.base;
  const buffer = k.base + PAGE;
  if (k.disk.read(0, PAGE / SECTOR, header) !== 0) return EIO;
  if (k.memory.read32(header + HEADER.magic) !== MAGIC) return ENOEXEC;

  const below = { physAddr: 0, bytes: new Uint8Array(WINDOW.start) };
  const above = { physAddr: WINDOW.end, bytes: new Uint8Array(RAM_END - WINDOW.end) };
  let sector = PAGE / SECTOR;
  for (let i = 0; i < k.memory.read32(header + HEADER.runs); i++) {
    const run = header + HEADER.firstRun + HEADER.runBytes * i;
    const physAddr = k.memory.read32(run);
    const segment = physAddr < WINDOW.start ? below : above;
    const start = physAddr - segment.physAddr;
    const bytes = segment.bytes.subarray(start, start + k.memory.read32(run + 4));
    for (let done = 0; done < bytes.length; done += PAGE, sector += PAGE / SECTOR) {
      if (k.disk.read(sector, PAGE / SECTOR, buffer) !== 0) return EIO;
      bytes.set(k.memory.read(buffer, PAGE), done);
    }
    if (crc32(bytes) !== k.memory.read32(run + 8) >>> 0) return ENOEXEC;
  }
  const entry = k.memory.read32(header + HEADER.backEntry);
  return k.kexec.load({ entry, segments: [below, above], preserve: false });
}
