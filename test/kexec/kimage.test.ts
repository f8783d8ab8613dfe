// SPDX-License-Identifier: MIT
// The accessors of struct kimage against its field table.
import { expect, test } from 'vitest';
import { Kimage, type SegmentRange } from '../../shared/kexec/kimage.ts';
import { readField } from '../../shared/layout/fields.ts';
import { KIMAGE_BYTES, KIMAGE_LAYOUT } from '../../shared/layout/kimage.ts';

const BASE = 64;
const SEGMENTS: readonly SegmentRange[] = [
  { bufsz: 1, mem: 0xfff00000, memsz: 0x1000 },
  { bufsz: 0, mem: 0x2000, memsz: 0 },
];

function filled() {
  const view = new DataView(new ArrayBuffer(BASE + KIMAGE_BYTES + BASE));
  const image = new Kimage(view, BASE);
  image.head = 0x80001002;
  image.start = 0xdead0000;
  image.controlCodePage = 0x3000;
  image.swapPage = 0x4000;
  image.segments = SEGMENTS;
  image.crash = true;
  image.preserveContext = true;
  image.loaded = true;
  image.target = 3;
  return { view, image };
}

test('every accessor writes the field that the table names, and nothing outside the record', () => {
  const { view } = filled();
  const values = Object.fromEntries(KIMAGE_LAYOUT.fields.map((field) => [field.name, readField(view, BASE, field)]));
  expect(values).toEqual({
    head: 0x80001002,
    start: 0xdead0000,
    control_code_page: 0x3000,
    swap_page: 0x4000,
    nr_segments: 2,
    segment: [0, 1, 0xfff00000, 0x1000, 0, 0, 0x2000, 0, ...Array(56).fill(0)],
    bits: 3,
    loaded: 1,
    target: 4,
  });
  const outside = [...new Uint8Array(view.buffer, 0, BASE), ...new Uint8Array(view.buffer, BASE + KIMAGE_BYTES)];
  expect(outside.every((byte) => byte === 0)).toBe(true);
});

test('what was written is read back, also through another accessor and in a copy', () => {
  const { view, image } = filled();
  const copy = Kimage.detached();
  copy.copyFrom(image);
  for (const reader of [image, new Kimage(view, BASE), copy]) {
    expect(reader.head).toBe(0x80001002);
    expect(reader.start).toBe(0xdead0000);
    expect(reader.nrSegments).toBe(2);
    expect(reader.segments).toEqual(SEGMENTS);
    expect([reader.crash, reader.preserveContext, reader.loaded]).toEqual([true, true, true]);
    expect(reader.target).toBe(3);
  }
});

test('the two bits of one word are set and cleared one by one', () => {
  const { image } = filled();
  image.crash = false;
  expect([image.crash, image.preserveContext]).toEqual([false, true]);
  image.preserveContext = false;
  expect([image.crash, image.preserveContext]).toEqual([false, false]);
});

test('a cleared record is all zeros: nothing loaded, no target', () => {
  const { view, image } = filled();
  image.clear();
  expect(new Uint8Array(view.buffer).every((byte) => byte === 0)).toBe(true);
  expect(image.loaded).toBe(false);
  expect(image.target).toBe(-1);
  expect(image.segments).toEqual([]);
});
