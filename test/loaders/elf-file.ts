// SPDX-License-Identifier: MIT
//
// ELF32 executables made by hand, for the loaders to read (TIS ELF 1.2, book I).

export const EHDR_BYTES = 52;
export const PHDR_BYTES = 32;

export interface Load {
  readonly paddr: number;
  readonly bytes: readonly number[];
  readonly memsz?: number;
}

/** Where the kernels of these tests are linked: 3 GiB above where they are loaded. */
export const VIRTUAL_OFFSET = 0xc0000000;

/** A static i386 executable with these PT_LOADs; their bytes follow the headers. */
export function elf(loads: readonly Load[], entry = 0x100000): Uint8Array {
  const dataStart = EHDR_BYTES + PHDR_BYTES * loads.length;
  const file = new Uint8Array(dataStart + loads.reduce((sum, { bytes }) => sum + bytes.length, 0));
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  view.setUint16(16, 2, true); // e_type ET_EXEC
  view.setUint16(18, 3, true); // e_machine EM_386
  view.setUint32(24, entry, true);
  view.setUint32(28, EHDR_BYTES, true); // e_phoff
  view.setUint16(42, PHDR_BYTES, true);
  view.setUint16(44, loads.length, true);
  let at = dataStart;
  loads.forEach(({ paddr, bytes, memsz }, i) => {
    const header = EHDR_BYTES + PHDR_BYTES * i;
    view.setUint32(header, 1, true); // p_type PT_LOAD
    view.setUint32(header + 4, at, true); // p_offset
    view.setUint32(header + 8, VIRTUAL_OFFSET + paddr, true); // p_vaddr
    view.setUint32(header + 12, paddr, true);
    view.setUint32(header + 16, bytes.length, true); // p_filesz
    view.setUint32(header + 20, memsz ?? bytes.length, true);
    file.set(bytes, at);
    at += bytes.length;
  });
  return file;
}
