// SPDX-License-Identifier: MIT
//
// ELF32 executables for the i386: every PT_LOAD goes to its physical address (TIS ELF 1.2, book I; kexec-tools' ELF loader
// takes p_paddr too). A kernel may start anywhere within a page; segments are widened to whole pages and joined where they
// share one, as kexec_load wants them.
import { KjumpError } from '../../shared/errors.ts';
import { EngineKind } from '../../shared/layout/kernel-slot.ts';
import { PAGE_SIZE, pagesIn } from '../../shared/units.ts';
import type { LoadOptions, Program, ProgramSegment } from './program.ts';

const EHDR_BYTES = 52;
const PHDR_BYTES = 32;
const ELFCLASS32 = 1;
const ELFDATA2LSB = 1;
const ET_EXEC = 2;
const ET_DYN = 3;
const EM_386 = 3;
const PT_LOAD = 1;

/** Throws `NOT_A_KERNEL`, naming the header field that is wrong. */
export function loadElf32(bytes: Uint8Array, name: string, options: LoadOptions): Program {
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
  const pieces: ProgramSegment[] = [];
  for (let i = 0; i < phnum; i++) {
    const at = phoff + i * PHDR_BYTES;
    const memsz = view.getUint32(at + 20, true);
    if (view.getUint32(at, true) !== PT_LOAD || memsz === 0) continue;
    const offset = view.getUint32(at + 4, true);
    const filesz = view.getUint32(at + 16, true);
    const physAddr = view.getUint32(at + 12, true);
    if (filesz > memsz) refuse(`segment ${i}: p_filesz ${filesz} is larger than p_memsz ${memsz}`);
    if (offset + filesz > bytes.length) refuse(`segment ${i} lies behind the end of the file`);
    if (physAddr + memsz > 0xffffffff) refuse(`segment ${i} ends above 4 GiB`);
    pieces.push({ physAddr, bytes: bytes.subarray(offset, offset + filesz), length: memsz });
  }
  if (pieces.length === 0) refuse('it has no PT_LOAD segment');
  const entry = options.entry ?? view.getUint32(24, true);
  return { entry, segments: wholePages(pieces), engine: EngineKind.i386, name };
}

/** Page-aligned segments that cover the pieces; pieces that meet in a page, or touch, become one. */
function wholePages(pieces: readonly ProgramSegment[]): ProgramSegment[] {
  const ranges: { first: number; end: number }[] = [];
  for (const { physAddr, length } of [...pieces].sort((a, b) => a.physAddr - b.physAddr)) {
    const first = Math.floor(physAddr / PAGE_SIZE);
    const end = pagesIn(physAddr + length);
    const last = ranges.at(-1);
    if (last !== undefined && first <= last.end) last.end = Math.max(last.end, end);
    else ranges.push({ first, end });
  }
  return ranges.map(({ first, end }) => {
    const start = first * PAGE_SIZE;
    const length = (end - first) * PAGE_SIZE;
    const bytes = new Uint8Array(length);
    for (const piece of pieces) {
      if (piece.physAddr >= start && piece.physAddr < start + length) bytes.set(piece.bytes, piece.physAddr - start);
    }
    return { physAddr: start, bytes, length };
  });
}
