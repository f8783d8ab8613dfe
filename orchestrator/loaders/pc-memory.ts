// SPDX-License-Identifier: MIT
//
// Memory as a PC's BIOS reports it: INT 15h AX=E820h (ACPI 6.5 §15.1), whose types the boot protocols have taken over.

export const MEMORY_AVAILABLE = 1;
export const MEMORY_RESERVED = 2;

const MIB = 1024 ** 2;
/** Conventional memory ends here, on any PC. */
export const CONVENTIONAL_END = 640 * 1024;

export interface MemoryRange {
  readonly start: number;
  readonly end: number;
  readonly type: number;
}

/** What a kernel with memory from `first` to `end` is told of it: what lies between 640 KiB and 1 MiB is not for it to use. */
export function memoryRanges(first: number, end: number): MemoryRange[] {
  const ranges = [
    { start: first, end: Math.min(end, CONVENTIONAL_END), type: MEMORY_AVAILABLE },
    { start: Math.max(first, CONVENTIONAL_END), end: Math.min(end, MIB), type: MEMORY_RESERVED },
    { start: Math.max(first, MIB), end, type: MEMORY_AVAILABLE },
  ];
  return ranges.filter((range) => range.end > range.start);
}
