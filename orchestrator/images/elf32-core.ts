// SPDX-License-Identifier: MIT
//
// The headers of an ELF32 core file of physical memory, as Linux's /proc/vmcore has them (fs/proc/vmcore.c; kexec-jump
// reference §6.5, §7.2): one PT_NOTE first, then PT_LOADs with p_align 0. The loads cover every physical page; what lies
// between p_filesz and p_memsz is zeros, so any ELF reader sees all of memory. Loads may name the same bytes of the file:
// that is how pages that share a frame are stored once.
//
// A fragmented machine can need more headers than e_phnum can count. Then e_phnum is PN_XNUM and sh_info of the only section
// header has the number (System V gABI ch. 4, "Extended section header"; Linux fs/binfmt_elf.c, fill_extnum_info).
import { PAGE_SHIFT, PAGE_SIZE, pageAddress } from '../../shared/units.ts';

/** One PT_LOAD, in pages: `pages` of memory, the first `storedPages` of them stored from page `stored` of the data on. */
export interface Load {
  readonly firstPage: number;
  readonly pages: number;
  readonly stored: number;
  readonly storedPages: number;
}

export const ELF_HEADER_BYTES = 52;
export const PROGRAM_HEADER_BYTES = 32;
const SECTION_HEADER_BYTES = 40;

/** Byte offsets in Elf32_Ehdr. */
export const EHDR = {
  ident: 0,
  type: 16,
  machine: 18,
  version: 20,
  phoff: 28,
  shoff: 32,
  ehsize: 40,
  phentsize: 42,
  phnum: 44,
  shentsize: 46,
  shnum: 48,
} as const;

/** Byte offsets in Elf32_Phdr. */
export const PHDR = { type: 0, offset: 4, vaddr: 8, paddr: 12, filesz: 16, memsz: 20, flags: 24, align: 28 } as const;

/** e_ident of a little-endian ELF32 file, version 1. */
export const ELF_IDENT = [0x7f, 0x45, 0x4c, 0x46, 1, 1, 1] as const;
export const ET_CORE = 4;
export const EM_386 = 3;
export const PT_LOAD = 1;
export const PT_NOTE = 4;
export const PN_XNUM = 0xffff;
const PF_RWX = 7;
const SH_INFO = 28;

/** Linux maps physical memory below 896 MiB at 3 GiB (arch/x86/include/asm/page_32_types.h); the rest has no address. */
export const LOWMEM_PAGES = 0x38000000 >>> PAGE_SHIFT;
const PAGE_OFFSET = 0xc0000000;
const NO_ADDRESS = 0xffffffff;

/** Bytes of ELF header, program headers and, if there must be one, section header: where the notes start. */
export function headersBytes(loads: number): number {
  const headers = loads + 1;
  const table = ELF_HEADER_BYTES + headers * PROGRAM_HEADER_BYTES;
  return headers >= PN_XNUM ? table + SECTION_HEADER_BYTES : table;
}

/** How many loads there are if the notes start there: the inverse of `headersBytes`; no natural number if none can be. */
export function loadsBefore(notesStart: number): number {
  const table = notesStart - ELF_HEADER_BYTES;
  const extended = table % PROGRAM_HEADER_BYTES === SECTION_HEADER_BYTES % PROGRAM_HEADER_BYTES;
  return (extended ? table - SECTION_HEADER_BYTES : table) / PROGRAM_HEADER_BYTES - 1;
}

/** Where the stored pages start: the first page boundary behind the notes. */
export function dataOffset(loads: number, notesBytes: number): number {
  return Math.ceil((headersBytes(loads) + notesBytes) / PAGE_SIZE) * PAGE_SIZE;
}

/** Writes ELF header, program headers and section header into zeroed bytes. */
export function putHeaders(target: Uint8Array, loads: readonly Load[], notesBytes: number): void {
  const view = new DataView(target.buffer, target.byteOffset);
  const headers = loads.length + 1;
  const extended = headers >= PN_XNUM;
  const sectionHeader = ELF_HEADER_BYTES + headers * PROGRAM_HEADER_BYTES;
  target.set(ELF_IDENT, EHDR.ident);
  view.setUint16(EHDR.type, ET_CORE, true);
  view.setUint16(EHDR.machine, EM_386, true);
  view.setUint32(EHDR.version, 1, true);
  view.setUint32(EHDR.phoff, ELF_HEADER_BYTES, true);
  view.setUint16(EHDR.ehsize, ELF_HEADER_BYTES, true);
  view.setUint16(EHDR.phentsize, PROGRAM_HEADER_BYTES, true);
  view.setUint16(EHDR.phnum, extended ? PN_XNUM : headers, true);
  if (extended) {
    view.setUint32(EHDR.shoff, sectionHeader, true);
    view.setUint16(EHDR.shentsize, SECTION_HEADER_BYTES, true);
    view.setUint16(EHDR.shnum, 1, true);
    view.setUint32(sectionHeader + SH_INFO, headers, true);
  }
  view.setUint32(ELF_HEADER_BYTES + PHDR.type, PT_NOTE, true);
  view.setUint32(ELF_HEADER_BYTES + PHDR.offset, headersBytes(loads.length), true);
  view.setUint32(ELF_HEADER_BYTES + PHDR.filesz, notesBytes, true);
  view.setUint32(ELF_HEADER_BYTES + PHDR.memsz, notesBytes, true);
  const data = dataOffset(loads.length, notesBytes);
  let at = ELF_HEADER_BYTES + PROGRAM_HEADER_BYTES;
  for (const { firstPage, pages, stored, storedPages } of loads) {
    const physAddr = pageAddress(firstPage);
    view.setUint32(at + PHDR.type, PT_LOAD, true);
    // A load without bytes has no place in the file, as makedumpfile writes it.
    view.setUint32(at + PHDR.offset, storedPages === 0 ? 0 : data + stored * PAGE_SIZE, true);
    view.setUint32(at + PHDR.vaddr, firstPage < LOWMEM_PAGES ? physAddr + PAGE_OFFSET : NO_ADDRESS, true);
    view.setUint32(at + PHDR.paddr, physAddr, true);
    view.setUint32(at + PHDR.filesz, storedPages * PAGE_SIZE, true);
    view.setUint32(at + PHDR.memsz, pages * PAGE_SIZE, true);
    view.setUint32(at + PHDR.flags, PF_RWX, true);
    at += PROGRAM_HEADER_BYTES;
  }
}

/**
 * The loads that the program headers of `head` describe, if these are exactly what `putHeaders` writes for them; else the
 * offset of the first byte that is not.
 */
export function loadsOf(head: Uint8Array, loads: number, notesBytes: number): Load[] | number {
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const data = dataOffset(loads, notesBytes);
  const found: Load[] = [];
  for (let i = 1; i <= loads; i++) {
    const at = ELF_HEADER_BYTES + i * PROGRAM_HEADER_BYTES;
    const storedPages = view.getUint32(at + PHDR.filesz, true) >>> PAGE_SHIFT;
    found.push({
      firstPage: view.getUint32(at + PHDR.paddr, true) >>> PAGE_SHIFT,
      pages: view.getUint32(at + PHDR.memsz, true) >>> PAGE_SHIFT,
      stored: storedPages === 0 ? 0 : Math.floor((view.getUint32(at + PHDR.offset, true) - data) / PAGE_SIZE),
      storedPages,
    });
  }
  const expected = new Uint8Array(headersBytes(loads));
  putHeaders(expected, found, notesBytes);
  if (Buffer.compare(expected, head.subarray(0, expected.length)) === 0) return found;
  return expected.findIndex((byte, offset) => byte !== head[offset]);
}
