// SPDX-License-Identifier: MIT
// A reader of ELF32 core files that knows the System V gABI and nothing of kjump: what a foreign tool would see.
const u16 = (file: Buffer, at: number): number => file.readUInt16LE(at);
const u32 = (file: Buffer, at: number): number => file.readUInt32LE(at);

export interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly vaddr: number;
  readonly paddr: number;
  readonly filesz: number;
  readonly memsz: number;
  readonly align: number;
}

export function segmentsOf(file: Buffer): Segment[] {
  const table = u32(file, 28);
  const size = u16(file, 42);
  let count = u16(file, 44);
  if (count === 0xffff) count = u32(file, u32(file, 32) + 28);
  return Array.from({ length: count }, (_, index) => {
    const at = table + index * size;
    const [type, offset, vaddr, paddr, filesz, memsz, , align] = Array.from({ length: 8 }, (_, i) =>
      u32(file, at + i * 4),
    );
    return { type, offset, vaddr, paddr, filesz, memsz, align };
  });
}

/** Physical memory as the PT_LOADs have it: zeros between filesz and memsz, and a list of what no load covers. */
export function memoryOf(file: Buffer, bytes: number): { memory: Buffer; uncovered: number[] } {
  const memory = Buffer.alloc(bytes);
  const covered = new Uint8Array(bytes / 4096);
  for (const { type, offset, paddr, filesz, memsz } of segmentsOf(file)) {
    if (type !== 1) continue;
    file.copy(memory, paddr, offset, offset + filesz);
    covered.fill(1, paddr / 4096, (paddr + memsz) / 4096);
  }
  return { memory, uncovered: [...covered.keys()].filter((page) => covered[page] === 0) };
}
