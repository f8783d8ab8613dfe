// SPDX-License-Identifier: MIT
//
// Boot sectors: what counts as one, where it goes, and in which state it is entered (BIOS Boot Specification 1.01).
import { describe, expect, test } from 'vitest';
import { isBootSector, loadBootSector } from '../../orchestrator/loaders/boot-sector.ts';

function sectors(count: number): Uint8Array {
  const file = new Uint8Array(count * 512).fill(0x90);
  file.set([0x55, 0xaa], 510);
  return file;
}

describe('a boot sector', () => {
  test('is a file of whole sectors whose first ends in 55 AA', () => {
    expect(isBootSector(sectors(1))).toBe(true);
    expect(isBootSector(sectors(3))).toBe(true);
    expect(isBootSector(sectors(1).fill(0, 511))).toBe(false);
    expect(isBootSector(sectors(2).subarray(0, 1023))).toBe(false);
    expect(isBootSector(new Uint8Array(0))).toBe(false);
  });

  test('is entered at 0000:7C00 in real mode with the number of the first hard disk in DL', () => {
    const { entry, entryState } = loadBootSector(sectors(1), 'boot', { base: 0 });
    expect(entry).toBe(0x7c00);
    expect(entryState).toMatchObject({ mode: 'real', registers: { edx: 0x80 } });
    expect(loadBootSector(sectors(1), 'boot', { base: 0, entry: 0x7c3e }).entry).toBe(0x7c3e);
  });

  test('lies with the sectors behind it at 0x7c00, in whole pages', () => {
    const { segments } = loadBootSector(sectors(3), 'boot', { base: 0 });
    expect(segments.map(({ physAddr, length }) => [physAddr, length])).toEqual([[0x7000, 0x2000]]);
    const { bytes } = segments[0];
    expect([bytes[0xbff], bytes[0xc00], bytes[0xc00 + 510], bytes[0xc00 + 1535], bytes[0xc00 + 1536]]).toEqual([
      0, 0x90, 0x55, 0x90, 0,
    ]);
  });

  test('may have as many sectors as fit below 640 KiB, and not one more', () => {
    const most = (0xa0000 - 0x7c00) / 512;
    expect(loadBootSector(sectors(most), 'boot', { base: 0 }).segments[0].length).toBe(0xa0000 - 0x7000);
    expect(() => loadBootSector(sectors(most + 1), 'boot', { base: 0 })).toThrow(
      expect.objectContaining({ code: 'NOT_A_KERNEL', why: expect.stringContaining('640K') }),
    );
  });
});
