// SPDX-License-Identifier: MIT
// How a record is described: a table of named fields at fixed byte offsets. Code reads and writes the bytes through the
// offsets; inspection, comparison of captures and the layout hash go through the table, so a field that is not in its
// table does not exist for the user. Who writes the bytes is told at the top of each record's own file.
import { assert } from '../errors.ts';

export type FieldType = 'u8' | 'u16' | 'u32' | 'i32' | 'f64';

export interface Field {
  readonly name: string;
  /** Bytes from the start of the record. */
  readonly offset: number;
  readonly type: FieldType;
  /** Number of consecutive elements; 1 for a plain field. */
  readonly count: number;
  readonly doc: string;
}

export interface RecordLayout {
  readonly name: string;
  readonly bytes: number;
  readonly fields: readonly Field[];
}

const TYPE_BYTES: Readonly<Record<FieldType, number>> = { u8: 1, u16: 2, u32: 4, i32: 4, f64: 8 };

/** Bytes one field takes, all its elements together. */
export function fieldBytes(field: Field): number {
  return TYPE_BYTES[field.type] * field.count;
}

export function field(name: string, offset: number, type: FieldType, doc: string, count = 1): Field {
  return { name, offset, type, count, doc };
}

/**
 * A checked record of `bytes` bytes. A table that contradicts itself is our own mistake, so it is asserted: every field
 * naturally aligned (f64 to 8 bytes), inside the record, sharing no byte and no name with another.
 */
export function recordLayout(name: string, bytes: number, fields: readonly Field[]): RecordLayout {
  const names = new Set<string>();
  let end = 0;
  let previous = '(start)';
  for (const f of [...fields].sort((a, b) => a.offset - b.offset)) {
    const place = `${name}.${f.name} at ${f.offset}`;
    assert(Number.isInteger(f.count) && f.count > 0, `${place}: count ${f.count}`);
    assert(Number.isInteger(f.offset) && f.offset % TYPE_BYTES[f.type] === 0, `${place}: not aligned for ${f.type}`);
    assert(f.offset >= end, `${place}: overlaps ${previous}`);
    assert(!names.has(f.name), `${place}: the name is used twice`);
    names.add(f.name);
    end = f.offset + fieldBytes(f);
    previous = f.name;
    assert(end <= bytes, `${place}: ends at ${end}, past the record's ${bytes} bytes`);
  }
  return { name, bytes, fields };
}

/** Bytes up to the end of the last field: all of a record that is ever not zero. */
export function describedBytes(layout: RecordLayout): number {
  return Math.max(...layout.fields.map((f) => f.offset + fieldBytes(f)));
}

/** The value of a field of the record at `base`: a number, or an array of `count` numbers if count > 1. */
export function readField(view: DataView, base: number, f: Field): number | number[] {
  const at = base + f.offset;
  if (f.count === 1) return readElement(view, at, f.type);
  return Array.from({ length: f.count }, (_, index) => readElement(view, at + index * TYPE_BYTES[f.type], f.type));
}

/** Every field of the record at `base`, by name. */
export function fieldsOf(view: DataView, base: number, { fields }: RecordLayout): Record<string, number | number[]> {
  return Object.fromEntries(fields.map((f) => [f.name, readField(view, base, f)]));
}

function readElement(view: DataView, at: number, type: FieldType): number {
  switch (type) {
    case 'u8':
      return view.getUint8(at);
    case 'u16':
      return view.getUint16(at, true);
    case 'u32':
      return view.getUint32(at, true);
    case 'i32':
      return view.getInt32(at, true);
    case 'f64':
      return view.getFloat64(at, true);
  }
}
