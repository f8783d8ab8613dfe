// SPDX-License-Identifier: MIT
//
// What is in a hibernation image beside plain ELF. The file is an ELF32 core file: ELF header, program headers, notes, padding
// to a page ("the head"), then the stored pages one after another. Every distinct frame that is not all zeros is stored once;
// the PT_LOADs say which physical pages it serves. The notes named KJUMP carry the rest; written by hibernation.ts.
//
// Checksums are CRC-32, in a tree: each run of stored pages has one in the note `runChecksums`; each section of the head has
// one in the note `checksums`; the last word of that note is taken over those words and all that follows them in the head. So
// one word covers every byte of the file, and what is damaged can be named.
import { field, recordLayout } from '../../shared/layout/fields.ts';

/** Raised by every change that an older reader would misread. */
export const FORMAT_VERSION = 1;

/** Stored pages that share one checksum, and are moved by one read or write: 1 MiB. */
export const RUN_PAGES = 256;

/** More than the head of the largest machine can take; keeps garbage from being read into memory. */
export const HEAD_BYTES_MAX = 64 * 1024 * 1024;
export const METADATA_BYTES_MAX = 1024 * 1024;

export const NOTE_NAME = 'KJUMP';

/** Types of the KJUMP notes. High, because tools take low numbers for their own whatever the name of the note. */
export const NoteType = {
  format: 0x4b4a0001,
  records: 0x4b4a0002,
  runChecksums: 0x4b4a0003,
  metadata: 0x4b4a0004,
  checksums: 0x4b4a0005,
} as const;

/** The parts of an image that a refusal can name. The first seven have a checksum each, in this order, in `checksums`. */
export const SECTIONS = [
  'ELF header',
  'program headers',
  'NT_PRSTATUS',
  'format',
  'records',
  'run checksums',
  'metadata',
] as const;
export type Section = (typeof SECTIONS)[number] | 'notes' | 'checksums' | 'pages' | 'file size';

/** Bytes of the note `checksums`: one word a section, and the word over all. */
export const CHECKSUMS_BYTES = (SECTIONS.length + 1) * 4;

/** Byte offsets in the note `format`. */
export const FORMAT = {
  version: 0,
  layoutVersion: 4,
  pageSize: 8,
  runPages: 12,
  ramPages: 16,
  hiddenPages: 20,
  frames: 24,
  maxKernels: 28,
  pages: 32,
  storedPages: 36,
} as const;

export const FORMAT_LAYOUT = recordLayout('format', 40, [
  field('version', FORMAT.version, 'u32', 'version of the image format'),
  field('layoutVersion', FORMAT.layoutVersion, 'u32', "version of the machine's own layout, that of the records"),
  field('pageSize', FORMAT.pageSize, 'u32', 'bytes of a page'),
  field('runPages', FORMAT.runPages, 'u32', 'stored pages that share a checksum'),
  field('ramPages', FORMAT.ramPages, 'u32', 'pages of RAM'),
  field('hiddenPages', FORMAT.hiddenPages, 'u32', 'pages above RAM that the machine has'),
  field('frames', FORMAT.frames, 'u32', 'frames of the pool'),
  field('maxKernels', FORMAT.maxKernels, 'u32', 'kernel slots'),
  field('pages', FORMAT.pages, 'u32', 'physical pages that the PT_LOADs cover: RAM, then the hidden pages ever used'),
  field('storedPages', FORMAT.storedPages, 'u32', 'pages stored in the file'),
]);
