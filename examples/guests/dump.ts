// SPDX-License-Identifier: MIT
//
// What the three kernels of the hibernation example agree on: how memory is divided, and how a memory image lies on the disk.
// A is a kernel that uses 8 of 16 MiB (Linux: mem=8M), since kexec_load takes no more than half of RAM. B runs in a window in
// the middle of A, and so does C.
//
// On the disk: a page of header, then the pages of each run, in their order.

export const RAM_END = 0x800000;
export const WINDOW = { start: 0x100000, end: 0x180000 };

export const PAGE = 4096;
export const SECTOR = 512;

/** Words of the header: magic, A's re-entry address, number of runs; then address, bytes and CRC-32 of each run. */
export const HEADER = { magic: 0, backEntry: 4, runs: 8, firstRun: 12, runBytes: 12 };
export const RUNS_MAX = 340;
export const MAGIC = 0x504d5544; // 'DUMP'
