// SPDX-License-Identifier: MIT
//
// ELF notes (System V gABI ch. 5, "Note Section"; kexec-jump reference §7.2): three words namesz, descsz, type, then the name
// with its NUL and the desc, each padded to four bytes.

export interface Note {
  readonly name: string;
  readonly type: number;
  readonly desc: Uint8Array;
}

/** A note found in a segment: [start, end) are its bytes there, padding included. */
export interface FoundNote extends Note {
  readonly start: number;
  readonly end: number;
}

const HEADER_BYTES = 12;
const NAME_MAX = 64;
const padded = (bytes: number): number => Math.ceil(bytes / 4) * 4;

/** Bytes the note takes in its segment. */
export function noteBytes({ name, desc }: Note): number {
  return HEADER_BYTES + padded(name.length + 1) + padded(desc.length);
}

/** Writes the note at `at` into zeroed bytes. Returns where it ends. */
export function putNote(target: Uint8Array, at: number, note: Note): number {
  const view = new DataView(target.buffer, target.byteOffset);
  view.setUint32(at, note.name.length + 1, true);
  view.setUint32(at + 4, note.desc.length, true);
  view.setUint32(at + 8, note.type, true);
  const name = at + HEADER_BYTES;
  for (let i = 0; i < note.name.length; i++) target[name + i] = note.name.charCodeAt(i);
  target.set(note.desc, name + padded(note.name.length + 1));
  return at + noteBytes(note);
}

/** The notes of a segment, up to its end or to the first thing that is not one (`whole` is false then). Never throws. */
export function findNotes(segment: Uint8Array): { notes: FoundNote[]; whole: boolean } {
  const view = new DataView(segment.buffer, segment.byteOffset, segment.length);
  const notes: FoundNote[] = [];
  let start = 0;
  while (start + HEADER_BYTES <= segment.length) {
    const nameBytes = view.getUint32(start, true);
    const descBytes = view.getUint32(start + 4, true);
    const desc = start + HEADER_BYTES + padded(nameBytes);
    const end = desc + padded(descBytes);
    if (nameBytes === 0 || nameBytes > NAME_MAX || end > segment.length) break;
    const name = start + HEADER_BYTES;
    notes.push({
      name: String.fromCharCode(...segment.subarray(name, name + nameBytes - 1)),
      type: view.getUint32(start + 8, true),
      desc: segment.subarray(desc, desc + descBytes),
      start,
      end,
    });
    start = end;
  }
  return { notes, whole: start === segment.length };
}
