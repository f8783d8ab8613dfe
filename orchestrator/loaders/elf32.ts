// SPDX-License-Identifier: MIT
//
// ELF32 executables for the i386: every PT_LOAD goes to its physical address (TIS ELF 1.2, book I; kexec-tools' ELF loader
// takes p_paddr too).
import { KjumpError } from '../../shared/errors.ts';
import { EngineKind } from '../../shared/layout/kernel-slot.ts';
import { FLAT_ENTRY, type LoadOptions, type Program, type ProgramSegment } from './program.ts';
import { wholePages } from './whole-pages.ts';

const EHDR_BYTES = 52;
const PHDR_BYTES = 32;
const ELFCLASS32 = 1;
const ELFDATA2LSB = 1;
const ET_EXEC = 2;
const ET_DYN = 3;
const EM_386 = 3;
const PT_LOAD = 1;

/** A PT_LOAD: its bytes at p_paddr, and the address it is linked for. */
export interface ElfPiece extends ProgramSegment {
  readonly virtAddr: number;
}

export interface Elf32 {
  /** e_entry. */
  readonly entry: number;
  readonly pieces: readonly ElfPiece[];
}

export function isElf(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/** Throws `NOT_A_KERNEL`, naming the header field that is wrong. */
export function loadElf32(bytes: Uint8Array, name: string, options: LoadOptions): Program {
  const { entry, pieces } = readElf32(bytes, name);
  return {
    entry: options.entry ?? entry,
    entryState: FLAT_ENTRY,
    segments: wholePages(pieces),
    engine: EngineKind.i386,
    name,
  };
}

/** The parts of the file that are loaded. Throws `NOT_A_KERNEL`, naming the header field that is wrong. */
export function readElf32(bytes: Uint8Array, name: string): Elf32 {
  const refuse = (why: string): never => {
    throw new KjumpError('NOT_A_KERNEL', `${name} is no ELF kernel that can be loaded`, {
      why,
      fix: 'link it as a static 32-bit i386 executable',
    });
  };
  if (bytes.length < EHDR_BYTES) refuse('the file ends within the ELF header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[4] !== ELFCLASS32) refuse(`e_ident[EI_CLASS] is ${bytes[4]}, not ELFCLASS32`);
  if (bytes[5] !== ELFDATA2LSB) refuse(`e_ident[EI_DATA] is ${bytes[5]}, not ELFDATA2LSB`);
  const type = view.getUint16(16, true);
  if (type !== ET_EXEC && type !== ET_DYN) refuse(`e_type is ${type}, neither ET_EXEC nor ET_DYN`);
  const machine = view.getUint16(18, true);
  if (machine !== EM_386) refuse(`e_machine is ${machine}, not EM_386`);
  const phoff = view.getUint32(28, true);
  const phentsize = view.getUint16(42, true);
  const phnum = view.getUint16(44, true);
  if (phentsize !== PHDR_BYTES) refuse(`e_phentsize is ${phentsize}, not ${PHDR_BYTES}`);
  if (phoff + phnum * PHDR_BYTES > bytes.length) refuse('the program headers lie behind the end of the file');
  const pieces: ElfPiece[] = [];
  for (let i = 0; i < phnum; i++) {
    const at = phoff + i * PHDR_BYTES;
    const memsz = view.getUint32(at + 20, true);
    if (view.getUint32(at, true) !== PT_LOAD || memsz === 0) continue;
    const offset = view.getUint32(at + 4, true);
    const filesz = view.getUint32(at + 16, true);
    const virtAddr = view.getUint32(at + 8, true);
    const physAddr = view.getUint32(at + 12, true);
    if (filesz > memsz) refuse(`segment ${i}: p_filesz ${filesz} is larger than p_memsz ${memsz}`);
    if (offset + filesz > bytes.length) refuse(`segment ${i} lies behind the end of the file`);
    if (physAddr + memsz > 0xffffffff) refuse(`segment ${i} ends above 4 GiB`);
    pieces.push({ physAddr, virtAddr, bytes: bytes.subarray(offset, offset + filesz), length: memsz });
  }
  if (pieces.length === 0) refuse('it has no PT_LOAD segment');
  return { entry: view.getUint32(24, true), pieces };
}
