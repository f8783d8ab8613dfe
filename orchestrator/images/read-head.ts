// SPDX-License-Identifier: MIT
//
// Finds the head of an image in a file and reads it. Until a note of ours is found, the file is not an image; from then on it
// is a damaged one. Nothing that a file says is used as an offset or a size before it was compared with the file's length.
import type { FileHandle } from 'node:fs/promises';
import { PAGE_SIZE } from '../../shared/units.ts';
import {
  EHDR,
  ELF_HEADER_BYTES,
  ELF_IDENT,
  EM_386,
  ET_CORE,
  PHDR,
  PROGRAM_HEADER_BYTES,
  PT_NOTE,
} from './elf32-core.ts';
import type { Refuse } from './image-errors.ts';
import { HEAD_BYTES_MAX } from './image-format.ts';
import { decodeHead, type Head, hasOwnNote } from './image-head.ts';
import { findNotes } from './note.ts';
import { readExactly } from './page-runs.ts';

/** The head, checked as `decodeHead` does. */
export async function readHead(file: FileHandle, damaged: Refuse, notOurs: Refuse): Promise<Head> {
  const stat = await file.stat();
  if (!stat.isFile()) notOurs('file size', 'it is not a regular file');
  const first = new Uint8Array(ELF_HEADER_BYTES + PROGRAM_HEADER_BYTES);
  if (stat.size < first.length) notOurs('ELF header', 'bytes of the file', `at least ${first.length}`, stat.size);
  await readExactly(file, first, 0, damaged);
  const view = new DataView(first.buffer);
  if (ELF_IDENT.some((byte, index) => first[EHDR.ident + index] !== byte)) {
    notOurs('ELF header', 'it is not a little-endian ELF32 file');
  }
  const type = view.getUint16(EHDR.type, true);
  if (type !== ET_CORE) notOurs('ELF header', 'e_type', ET_CORE, type);
  const machine = view.getUint16(EHDR.machine, true);
  if (machine !== EM_386) notOurs('ELF header', 'e_machine', EM_386, machine);

  const header = view.getUint32(ELF_HEADER_BYTES + PHDR.type, true);
  if (header !== PT_NOTE) notOurs('program headers', 'type of the first', PT_NOTE, header);
  const notesStart = view.getUint32(ELF_HEADER_BYTES + PHDR.offset, true);
  const notesBytes = view.getUint32(ELF_HEADER_BYTES + PHDR.filesz, true);
  const end = Math.ceil((notesStart + notesBytes) / PAGE_SIZE) * PAGE_SIZE;
  if (end > HEAD_BYTES_MAX) notOurs('program headers', 'end of the notes', `at most ${HEAD_BYTES_MAX}`, end);
  // The notes of a file that was cut off are still read, so that it is known for what it is.
  const head = new Uint8Array(Math.min(end, stat.size));
  await readExactly(file, head, 0, damaged);
  const { notes } = findNotes(head.subarray(notesStart, notesStart + notesBytes));
  if (!hasOwnNote(notes)) notOurs('notes', 'none of them is named KJUMP');
  if (head.length < end) damaged('file size', 'bytes', `at least ${end}`, stat.size);
  return decodeHead(head, notesStart, notesBytes, damaged);
}
