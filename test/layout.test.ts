// SPDX-License-Identifier: MIT
// The map of the machine's memory, the tables that describe its records, and the sizes people write.
import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KjumpError } from '../shared/errors.ts';
import { field, fieldBytes, type RecordLayout, readField, recordLayout } from '../shared/layout/fields.ts';
import { HEADER } from '../shared/layout/header.ts';
import { LIVE_BYTES, LIVE_KERNEL, LIVE_KERNEL_BASE, LIVE_KERNEL_WORDS } from '../shared/layout/live-words.ts';
import { type MachineGeometry, MachineMemory } from '../shared/machine-memory.ts';
import { formatSize, parseSize } from '../shared/units.ts';

const GEOMETRY: MachineGeometry = { ramPages: 100, hiddenPages: 33, frames: 200, maxKernels: 5 };
/** Regions that a capture copies as one block. */
const RECORDS = ['clock', 'cpu', 'devices', 'slots', 'inputs', 'hidden-owners'];

const geometries = fc.record({
  ramPages: fc.integer({ min: 16, max: 600 }),
  hiddenPages: fc.nat(600),
  frames: fc.integer({ min: 601, max: 1300 }),
  maxKernels: fc.integer({ min: 1, max: 64 }),
});

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof KjumpError) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('the map of the memory', () => {
  test('regions lie in order, aligned, without overlap, inside the buffer', () => {
    fc.assert(
      fc.property(geometries, (geometry) => {
        const { regions, buffer } = MachineMemory.create(geometry);
        let end = 0;
        for (const { name, offset, bytes } of regions) {
          expect(offset, name).toBeGreaterThanOrEqual(end);
          expect(offset % (name === 'hidden-owners' ? 8 : 4096), name).toBe(0);
          end = offset + bytes;
        }
        expect(end).toBeLessThanOrEqual(buffer.byteLength);
      }),
      { seed: 2008, numRuns: 40 },
    );
  });

  test('the records lie side by side, with nothing of the threads between them', () => {
    const { regions } = MachineMemory.create(GEOMETRY);
    const first = regions.findIndex(({ name }) => name === 'clock');
    expect(regions.slice(first, first + RECORDS.length).map(({ name }) => name)).toEqual(RECORDS);
  });

  test('whoever attaches finds the map that the creator made', () => {
    fc.assert(
      fc.property(geometries, (geometry) => {
        const machine = MachineMemory.create(geometry);
        const attached = MachineMemory.attach(machine.memory);
        expect(attached.geometry).toEqual(geometry);
        expect(attached.regions).toEqual(machine.regions);
        machine.words('page-table')[geometry.ramPages - 1] = 7;
        expect(attached.words('page-table')[geometry.ramPages - 1]).toBe(7);
      }),
      { seed: 2008, numRuns: 20 },
    );
  });

  test('a buffer that is no machine, or one of another version, is not attached to', () => {
    const { memory, view } = MachineMemory.create(GEOMETRY);
    view.setUint32(HEADER.version, 99, true);
    expect(() => MachineMemory.attach(memory)).toThrow('another version');
    view.setUint32(HEADER.magic, 1, true);
    expect(() => MachineMemory.attach(memory)).toThrow('no magic');
  });

  test('the map prints a line a region', () => {
    const machine = MachineMemory.create(GEOMETRY);
    const lines = machine.toString().split('\n');
    expect(lines).toHaveLength(machine.regions.length);
    expect(lines[0]).toMatch(/^00000000 +4K {2}header +magic/);
  });

  test('the live words have room for every kernel', () => {
    const bytes = 4 * (LIVE_KERNEL_BASE + 64 * LIVE_KERNEL_WORDS);
    expect(bytes).toBeLessThanOrEqual(LIVE_BYTES);
    expect(Math.max(...Object.values(LIVE_KERNEL))).toBeLessThan(LIVE_KERNEL_WORDS);
  });

  test.each<[string, Partial<MachineGeometry>]>([
    ['too little memory', { ramPages: 15 }],
    ['half a page', { ramPages: 16.5 }],
    ['no number', { ramPages: Number.NaN }],
    ['a negative number', { hiddenPages: -1 }],
    ['an infinite number', { frames: Number.POSITIVE_INFINITY }],
    ['no kernel', { maxKernels: 0 }],
    ['more kernels than doorbells', { maxKernels: 65 }],
    ['no frame beside the zeros for the last page', { frames: 100 }],
    ['more pages than a capture can list', { hiddenPages: 640 * 1024 }],
    ['more than two gigabytes', { frames: 2 ** 19 }],
  ])('a geometry of %s is refused', (_, change) => {
    expect(codeOf(() => MachineMemory.create({ ...GEOMETRY, ...change }))).toBe('BAD_SIZE');
  });

  test('the smallest geometry is accepted', () => {
    expect(codeOf(() => MachineMemory.create({ ramPages: 16, hiddenPages: 0, frames: 17, maxKernels: 1 }))).toBe(
      'accepted',
    );
  });

  test('the largest capture fits its root frame', () => {
    const pages = 640 * 1024;
    const machine = MachineMemory.create({ ramPages: 16, hiddenPages: pages - 16, frames: 17, maxKernels: 64 });
    const recordBytes = machine.region('page-table').offset - machine.region('clock').offset;
    expect(8 + pages / 1024 + Math.ceil(recordBytes / 4096)).toBeLessThanOrEqual(1024);
  });
});

describe('the tables of the records', async () => {
  const folder = new URL('../shared/layout/', import.meta.url);
  const modules = await Promise.all(
    readdirSync(folder)
      .filter((name) => name.endsWith('.ts'))
      .map((name) => import(new URL(name, folder).href) as Promise<Record<string, unknown>>),
  );
  const isTable = (value: unknown): value is RecordLayout =>
    typeof value === 'object' && value !== null && 'fields' in value && 'bytes' in value;
  const tables = modules.flatMap((module) => Object.values(module)).filter(isTable);

  test('are many', () => {
    expect(tables.length).toBeGreaterThan(3);
  });

  test.each(tables.map((table) => [table.name, table] as const))(
    '%s reads every field of zeros as zero',
    (_, table) => {
      const view = new DataView(new ArrayBuffer(table.bytes));
      for (const f of table.fields) expect([readField(view, 0, f)].flat()).toEqual(new Array(f.count).fill(0));
      expect(recordLayout(table.name, table.bytes, table.fields)).toEqual(table);
    },
  );

  test.each<[string, Parameters<typeof recordLayout>[2]]>([
    ['not aligned for f64', [field('a', 4, 'f64', '')]],
    ['not aligned for u16', [field('a', 1, 'u16', '')]],
    ['overlaps a', [field('a', 0, 'u8', '', 5), field('b', 4, 'u32', '')]],
    ['used twice', [field('a', 0, 'u8', ''), field('a', 4, 'u8', '')]],
    ['past the record', [field('a', 8, 'u32', '', 3)]],
    ['count 0', [field('a', 0, 'u8', '', 0)]],
  ])('a table is asserted: %s', (message, fields) => {
    expect(() => recordLayout('record', 16, fields)).toThrow(message);
  });

  test('a field reads back what lies at its offset, by type and count', () => {
    const view = new DataView(new ArrayBuffer(32));
    view.setUint16(4, 0xfffe, true);
    view.setUint16(6, 7, true);
    view.setInt32(8, -2, true);
    view.setFloat64(16, Number.POSITIVE_INFINITY, true);
    const words = field('words', 2, 'u16', '', 2);
    expect(fieldBytes(words)).toBe(4);
    expect(readField(view, 2, words)).toEqual([0xfffe, 7]);
    expect(readField(view, 0, field('a', 8, 'i32', ''))).toBe(-2);
    expect(readField(view, 0, field('a', 8, 'u32', ''))).toBe(0xfffffffe);
    expect(readField(view, 8, field('a', 8, 'f64', ''))).toBe(Number.POSITIVE_INFINITY);
    expect(readField(view, 0, field('a', 5, 'u8', ''))).toBe(0xff);
  });
});

describe('sizes', () => {
  test.each([
    ['64M', 64 * 1024 ** 2],
    ['512k', 512 * 1024],
    ['1G', 1024 ** 3],
    ['1.5M', 1536 * 1024],
    ['4KiB', 4096],
    ['4KB', 4096],
    ['100B', 100],
    ['0x100000', 0x100000],
    ['0x1B', 0x1b],
    [' 16 M ', 16 * 1024 ** 2],
    ['0', 0],
    [4096, 4096],
  ])('%s is %d bytes', (size, bytes) => {
    expect(parseSize(size)).toBe(bytes);
  });

  test.each(['', 'M', '64X', '-1', '1.3K', '5iB', '1e3', '0x', '1 2', 'NaN', '99999999999G', -4096, 0.5, Number.NaN])(
    '%j is refused as a size, and named',
    (size) => {
      expect(codeOf(() => parseSize(size))).toBe('BAD_SIZE');
      expect(() => parseSize(size, 'memory')).toThrow(`memory '${size}' is not a size`);
    },
  );

  test('a size is written as it may be read again', () => {
    expect([0, 100, 4096, 1536 * 1024, 64 * 1024 ** 2, 1024 ** 3].map(formatSize)).toEqual([
      '0',
      '100',
      '4K',
      '1536K',
      '64M',
      '1G',
    ]);
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(1, 1024, 1024 ** 2), (count, unit) => {
        expect(parseSize(formatSize(count * unit))).toBe(count * unit);
      }),
      { seed: 2008, numRuns: 100 },
    );
  });
});
