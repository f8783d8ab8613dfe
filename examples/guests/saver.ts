// SPDX-License-Identifier: MIT
//
// B, the kernel that saves another one. It runs in a window of A's memory, writes everything outside the window to the disk
// (the raw view: what A had in the window lies outside of it now) and powers the machine off. Pages of zeros are left out.
import type { Guest } from '../../shared/guest.ts';
import { HEADER, MAGIC, PAGE, RAM_END, RUNS_MAX, SECTOR, WINDOW } from './dump.ts';

const ENOSPC = 28;

export function step(k: Guest): void {
  const errno = save(k);
  k.console.write(`${k.name}: ${errno === 0 ? 'the dump is on the disk' : `error ${errno}`}\n`);
  // If there is no dump, A had better go on.
  if (errno === 0) k.powerOff();
  else k.kexec.jump();
}

function save(k: Guest): number {
  // No header (this kernel's memory is still zeros) while the pages are written: a dump that is cut short is none.
  const cleared = k.disk.write(0, PAGE / SECTOR, k.base) || k.disk.flush();
  if (cleared !== 0) return cleared;
  let sector = PAGE / SECTOR;
  let runs = 0;
  for (const { physAddr, bytes } of usedMemory(k)) {
    if (runs === RUNS_MAX) return ENOSPC;
    const errno = k.disk.write(sector, bytes / SECTOR, physAddr);
    if (errno !== 0) return errno;
    const run = k.base + HEADER.firstRun + HEADER.runBytes * runs++;
    k.memory.write32(run, physAddr);
    k.memory.write32(run + 4, bytes);
    k.memory.write32(run + 8, k.memory.crc32(physAddr, bytes));
    sector += bytes / SECTOR;
  }
  k.memory.write32(k.base + HEADER.magic, MAGIC);
  k.memory.write32(k.base + HEADER.backEntry, k.kexec.backEntry);
  k.memory.write32(k.base + HEADER.runs, runs);
  // And one again only when all of them are on the disk.
  return k.disk.flush() || k.disk.write(0, PAGE / SECTOR, k.base) || k.disk.flush();
}

/** Runs of pages outside the window that hold anything but zeros. */
function* usedMemory(k: Guest): Generator<{ physAddr: number; bytes: number }> {
  for (let physAddr = 0; physAddr < RAM_END; physAddr += PAGE) {
    let end = physAddr;
    while (end < RAM_END && isOutside(end) && !isZero(k.memory.read(end, PAGE))) end += PAGE;
    if (end === physAddr) continue;
    yield { physAddr, bytes: end - physAddr };
    physAddr = end;
  }
}

const isOutside = (physAddr: number): boolean => physAddr < WINDOW.start || physAddr >= WINDOW.end;
const isZero = (page: Uint8Array): boolean => page.every((byte) => byte === 0);
