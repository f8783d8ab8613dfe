// SPDX-License-Identifier: MIT
// The field tables: checked records, and the map of the device records region.
import { describe, expect, test } from 'vitest';
import { DEVICE_MAP, deviceOffset } from '../../shared/layout/device-map.ts';
import { type Field, field, fieldBytes, readField, recordLayout } from '../../shared/layout/fields.ts';
import { DEVICE_RECORD_BYTES } from '../../shared/machine-memory.ts';

describe('a record layout', () => {
  const byte = (name: string, offset: number): Field => field(name, offset, 'u8', '');

  test('keeps its fields and its size', () => {
    const layout = recordLayout('r', 16, [field('a', 0, 'f64', 'first'), field('b', 8, 'u16', 'second', 3)]);
    expect(layout.bytes).toBe(16);
    expect(layout.fields.map(fieldBytes)).toEqual([8, 6]);
  });

  test.each([
    ['a field that is not naturally aligned', [field('a', 4, 'f64', '')], /not aligned/],
    ['two fields over the same byte', [field('a', 0, 'u32', ''), byte('b', 3)], /overlaps a/],
    ['a field that ends past the record', [field('a', 8, 'u8', '', 9)], /past the record/],
    ['one name for two fields', [byte('a', 0), byte('a', 1)], /used twice/],
    ['a field without elements', [field('a', 0, 'u8', '', 0)], /count 0/],
  ])('refuses %s', (_what, fields, message) => {
    expect(() => recordLayout('r', 16, fields)).toThrow(message);
  });

  test('reads each type, little-endian, at its place', () => {
    const view = new DataView(new ArrayBuffer(64));
    view.setFloat64(8, Number.POSITIVE_INFINITY, true);
    view.setInt32(16, -2, true);
    view.setUint16(20, 0x1234, true);
    view.setUint8(22, 7);
    view.setUint8(23, 8);
    expect(readField(view, 8, field('t', 0, 'f64', ''))).toBe(Number.POSITIVE_INFINITY);
    expect(readField(view, 8, field('i', 8, 'i32', ''))).toBe(-2);
    expect(readField(view, 8, field('u', 8, 'u32', ''))).toBe(0xfffffffe);
    expect(readField(view, 8, field('h', 12, 'u16', ''))).toBe(0x1234);
    expect(readField(view, 8, field('l', 12, 'u8', ''))).toBe(0x34);
    expect(readField(view, 8, field('a', 14, 'u8', '', 2))).toEqual([7, 8]);
  });
});

describe('the device map', () => {
  test('gives every device bytes of its own, inside the region, on a 64-byte boundary', () => {
    let end = 0;
    for (const { name, layout, offset } of DEVICE_MAP) {
      expect(layout.name).toBe(name);
      expect(offset % 64).toBe(0);
      expect(offset).toBeGreaterThanOrEqual(end);
      end = offset + layout.bytes;
    }
    expect(end).toBeLessThanOrEqual(DEVICE_RECORD_BYTES);
  });

  test('is asked by name, and only for devices that it has', () => {
    expect(deviceOffset('bus')).toBe(0);
    expect(() => deviceOffset('floppy')).toThrow(/floppy/);
  });
});
