// SPDX-License-Identifier: MIT
//
// The head of an image: everything before the stored pages. Written last, when the checksums of the runs are known; read first,
// and checked whole before anybody acts on a word of it. The reader accepts exactly what the writer writes: the program headers
// are made again from what was read and compared.
import { crc32 } from 'node:zlib';
import { CLOCK } from '../../shared/layout/clock.ts';
import { LAYOUT_VERSION } from '../../shared/layout/header.ts';
import type { MachineGeometry } from '../../shared/machine-memory.ts';
import { hex, PAGE_SIZE } from '../../shared/units.ts';
import {
  dataOffset,
  ELF_HEADER_BYTES,
  headersBytes,
  type Load,
  loadsBefore,
  loadsOf,
  putHeaders,
} from './elf32-core.ts';
import type { Refuse } from './image-errors.ts';
import {
  CHECKSUMS_BYTES,
  FORMAT,
  FORMAT_LAYOUT,
  FORMAT_VERSION,
  NOTE_NAME,
  NoteType,
  RUN_PAGES,
  SECTIONS,
  type Section,
} from './image-format.ts';
import { type FoundNote, findNotes, type Note, noteBytes, putNote } from './note.ts';
import { CORE_NAME, NT_PRSTATUS, prstatusNote } from './prstatus.ts';

/** What the head says. */
export interface Head {
  readonly formatVersion: number;
  readonly layoutVersion: number;
  readonly geometry: MachineGeometry;
  /** Physical pages covered: RAM, then the hidden pages that were ever used. */
  readonly pages: number;
  readonly storedPages: number;
  readonly loads: readonly Load[];
  /** CRC-32 of each run of `RUN_PAGES` stored pages. */
  readonly runChecksums: Uint32Array;
  /** The records of the machine, from its region `clock` on. */
  readonly records: Uint8Array;
  /** What the writer was given, as JSON. */
  readonly metadata: string;
}

// ---- writing ------------------------------------------------------------------------------------------------------

/** Bytes of the head, before its checksums are known. */
export function headBytes(head: Head): number {
  return dataOffset(head.loads.length, notesBytes(notesOf(head, 0)));
}

/** The head as it stands in the file. `cpu` is the offset of the CPU record in the records. */
export function encodeHead(head: Head, cpu: number): Uint8Array {
  const notes = notesOf(head, cpu);
  const bytes = new Uint8Array(dataOffset(head.loads.length, notesBytes(notes)));
  putHeaders(bytes, head.loads, notesBytes(notes));
  const starts: number[] = [];
  let at = headersBytes(head.loads.length);
  for (const note of notes) {
    starts.push(at);
    at = putNote(bytes, at, note);
  }
  const words = new DataView(bytes.buffer, at - CHECKSUMS_BYTES);
  sectionChecksums(bytes, starts).forEach((sum, index) => {
    words.setUint32(index * 4, sum, true);
  });
  words.setUint32(CHECKSUMS_BYTES - 4, wholeChecksum(bytes, starts[starts.length - 1], at), true);
  return bytes;
}

function notesOf(head: Head, cpu: number): Note[] {
  const format = new Uint8Array(FORMAT_LAYOUT.bytes);
  const values = new DataView(format.buffer);
  const { geometry } = head;
  for (const [offset, value] of [
    [FORMAT.version, head.formatVersion],
    [FORMAT.layoutVersion, head.layoutVersion],
    [FORMAT.pageSize, PAGE_SIZE],
    [FORMAT.runPages, RUN_PAGES],
    [FORMAT.ramPages, geometry.ramPages],
    [FORMAT.hiddenPages, geometry.hiddenPages],
    [FORMAT.frames, geometry.frames],
    [FORMAT.maxKernels, geometry.maxKernels],
    [FORMAT.pages, head.pages],
    [FORMAT.storedPages, head.storedPages],
  ]) {
    values.setUint32(offset, value, true);
  }
  const runs = new Uint8Array(head.runChecksums.length * 4);
  const runWords = new DataView(runs.buffer);
  head.runChecksums.forEach((sum, run) => {
    runWords.setUint32(run * 4, sum, true);
  });
  const records = new DataView(head.records.buffer, head.records.byteOffset);
  const pid = Math.max(records.getInt32(CLOCK.current, true), 0) + 1;
  const own = (type: number, desc: Uint8Array): Note => ({ name: NOTE_NAME, type, desc });
  return [
    prstatusNote(records, cpu, pid),
    own(NoteType.format, format),
    own(NoteType.records, head.records),
    own(NoteType.runChecksums, runs),
    own(NoteType.metadata, new TextEncoder().encode(head.metadata)),
    own(NoteType.checksums, new Uint8Array(CHECKSUMS_BYTES)),
  ];
}

function notesBytes(notes: readonly Note[]): number {
  return notes.reduce((sum, note) => sum + noteBytes(note), 0);
}

// ---- checksums ----------------------------------------------------------------------------------------------------

/** A checksum for each of SECTIONS: the two kinds of headers, then every note but the last. */
function sectionChecksums(head: Uint8Array, noteStarts: readonly number[]): number[] {
  const ends = [ELF_HEADER_BYTES, ...noteStarts];
  return ends.map((end, index) => crc32(head.subarray(ends[index - 1] ?? 0, end)));
}

/** The checksum over all: the note `checksums` from its start to its last word, then everything behind the notes. */
function wholeChecksum(head: Uint8Array, checksumsStart: number, notesEnd: number): number {
  return crc32(head.subarray(notesEnd), crc32(head.subarray(checksumsStart, notesEnd - 4)));
}

// ---- reading ------------------------------------------------------------------------------------------------------

/** True if a note of ours is among them, so that the file is or was an image. */
export function hasOwnNote(notes: readonly FoundNote[]): boolean {
  return notes.some(({ name, type }) => name === NOTE_NAME && type >= NoteType.format && type <= NoteType.checksums);
}

/**
 * What a head says, given its bytes up to the first stored page and where its notes are. Every checksum, every size and every
 * header is checked here, apart from what needs the machine or the rest of the file.
 */
export function decodeHead(head: Uint8Array, notesStart: number, notesBytes: number, refuse: Refuse): Head {
  const { notes, whole } = findNotes(head.subarray(notesStart, notesStart + notesBytes));
  const format = notes.find(({ name, type }) => name === NOTE_NAME && type === NoteType.format);
  if (format === undefined || format.desc.length < 4) refuse('notes', 'there is no note of the format');
  // Before all else: another version may have other notes.
  const version = word(format.desc, FORMAT.version);
  if (version !== FORMAT_VERSION) refuse('format', 'version of the format', FORMAT_VERSION, version);
  checkNotes(notes, whole, refuse);
  checkSums(head, notesStart, notes, refuse);

  const [, formatNote, records, runs, metadata] = notes.map(({ desc }) => desc);
  const field = (offset: number): number => word(formatNote, offset);
  if (field(FORMAT.layoutVersion) !== LAYOUT_VERSION) {
    refuse('format', "version of the machine's layout", LAYOUT_VERSION, field(FORMAT.layoutVersion));
  }
  if (field(FORMAT.pageSize) !== PAGE_SIZE) refuse('format', 'page size', PAGE_SIZE, field(FORMAT.pageSize));
  if (field(FORMAT.runPages) !== RUN_PAGES) refuse('format', 'pages of a run', RUN_PAGES, field(FORMAT.runPages));
  const storedPages = field(FORMAT.storedPages);
  const runCount = Math.ceil(storedPages / RUN_PAGES);
  if (runs.length !== runCount * 4) refuse('run checksums', 'bytes', runCount * 4, runs.length);
  return {
    formatVersion: FORMAT_VERSION,
    layoutVersion: LAYOUT_VERSION,
    geometry: {
      ramPages: field(FORMAT.ramPages),
      hiddenPages: field(FORMAT.hiddenPages),
      frames: field(FORMAT.frames),
      maxKernels: field(FORMAT.maxKernels),
    },
    pages: field(FORMAT.pages),
    storedPages,
    loads: decodeLoads(head, notesStart, notesBytes, refuse),
    runChecksums: Uint32Array.from({ length: runCount }, (_, run) => word(runs, run * 4)),
    records,
    metadata: new TextDecoder().decode(metadata),
  };
}

const NOTE_ORDER = [
  [CORE_NAME, NT_PRSTATUS],
  [NOTE_NAME, NoteType.format],
  [NOTE_NAME, NoteType.records],
  [NOTE_NAME, NoteType.runChecksums],
  [NOTE_NAME, NoteType.metadata],
  [NOTE_NAME, NoteType.checksums],
] as const;

function checkNotes(notes: readonly FoundNote[], whole: boolean, refuse: Refuse): void {
  NOTE_ORDER.forEach(([name, type], index) => {
    const found = notes[index];
    if (found?.name === name && found.type === type) return;
    const text = found === undefined ? 'nothing' : `${found.name} ${hex(found.type)}`;
    refuse('notes', `note ${index}`, `${name} ${hex(type)}`, text);
  });
  if (!whole || notes.length !== NOTE_ORDER.length) refuse('notes', 'there is more behind the last note');
  const sums = notes[notes.length - 1].desc;
  if (sums.length !== CHECKSUMS_BYTES) refuse('checksums', 'bytes', CHECKSUMS_BYTES, sums.length);
  const fields = notes[1].desc;
  if (fields.length !== FORMAT_LAYOUT.bytes) refuse('format', 'bytes', FORMAT_LAYOUT.bytes, fields.length);
}

function checkSums(head: Uint8Array, notesStart: number, notes: readonly FoundNote[], refuse: Refuse): void {
  const starts = notes.map(({ start }) => notesStart + start);
  const last = notes[notes.length - 1];
  const compare = (section: Section, offset: number, actual: number): void => {
    const expected = word(last.desc, offset);
    if (expected !== actual) refuse(section, 'checksum', hex(expected), hex(actual));
  };
  // The word over all first: the others can be believed then.
  compare('checksums', CHECKSUMS_BYTES - 4, wholeChecksum(head, starts[starts.length - 1], notesStart + last.end));
  sectionChecksums(head, starts).forEach((actual, index) => {
    compare(SECTIONS[index], index * 4, actual);
  });
}

function decodeLoads(head: Uint8Array, notesStart: number, notesBytes: number, refuse: Refuse): Load[] {
  const count = loadsBefore(notesStart);
  if (!Number.isInteger(count) || headersBytes(count) !== notesStart) {
    refuse('program headers', `the notes start at ${notesStart}, where no table of headers ends`);
  }
  const loads = loadsOf(head, count, notesBytes);
  if (typeof loads !== 'number') return loads;
  return refuse(loads < ELF_HEADER_BYTES ? 'ELF header' : 'program headers', `byte ${hex(loads)} is not as it must be`);
}

function word(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(offset, true);
}
