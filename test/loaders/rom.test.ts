// SPDX-License-Identifier: MIT
//
// ROMs of a PC: what counts as one, where it lies and where the processor begins.
import { describe, expect, test } from 'vitest';
import { isRom, loadRom } from '../../orchestrator/loaders/rom.ts';

/** A ROM that begins with a far jump to this place. */
function rom(kib: number, segment: number, offset: number): Uint8Array {
  const bytes = new Uint8Array(kib * 1024).fill(0xff);
  bytes.set([0xea, offset, offset >> 8, segment, segment >> 8], bytes.length - 16);
  return bytes;
}

describe('a ROM', () => {
  test('has 64 or 128 KiB and a far jump into itself at its reset vector', () => {
    expect(isRom(rom(64, 0xf000, 0xe05b))).toBe(true);
    expect(isRom(rom(128, 0xe000, 0))).toBe(true);
    expect(isRom(rom(128, 0xf000, 0xffef))).toBe(true);
    expect(isRom(rom(64, 0xe000, 0))).toBe(false);
    expect(isRom(rom(64, 0xf000, 0xfff0))).toBe(false);
    expect(isRom(rom(32, 0xf000, 0xe05b))).toBe(false);
    expect(isRom(new Uint8Array(65536))).toBe(false);
    expect(isRom(new Uint8Array(0))).toBe(false);
  });

  test('is found within a larger buffer', () => {
    const outer = new Uint8Array(100 + 65536);
    outer.set(rom(64, 0xf000, 0xe05b), 100);
    expect(isRom(outer.subarray(100))).toBe(true);
  });

  test('ends at 1 MiB and is entered at F000:FFF0 in real mode', () => {
    const { entry, entryState, segments } = loadRom(rom(128, 0xe000, 0), 'bios', { base: 0 });
    expect(entry).toBe(0xffff0);
    expect(entryState).toEqual({ mode: 'real', registers: {} });
    expect(segments.map(({ physAddr, length }) => [physAddr, length])).toEqual([[0xe0000, 0x20000]]);
  });
});
