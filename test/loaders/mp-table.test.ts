// SPDX-License-Identifier: MIT
// The tables that firmware leaves for kernels without ACPI, read as the MultiProcessor Specification 1.4 says, chapter 4.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadProgram } from '../../orchestrator/loaders/load-program.ts';
import { buildMpTable, withMpTable } from '../../orchestrator/loaders/mp-table.ts';
import { EngineKind } from '../../shared/layout/kernel-slot.ts';

const MIB = 1024 ** 2;
const bytes = buildMpTable();
const view = new DataView(bytes.buffer);
const sum = (from: number, length: number): number =>
  bytes.subarray(from, from + length).reduce((total, byte) => (total + byte) & 0xff, 0);
const text = (at: number, length: number): string => String.fromCharCode(...bytes.subarray(at, at + length));

describe('the floating pointer structure', () => {
  test('points to the table behind it, and says that there is an IMCR', () => {
    expect([text(0, 4), view.getUint32(4, true), bytes[8], bytes[9], sum(0, 16)]).toEqual(['_MP_', 0xf0010, 1, 4, 0]);
    expect([bytes[11], bytes[12]]).toEqual([0, 0x80]);
  });
});

describe('the configuration table', () => {
  const at = 16;
  const length = view.getUint16(at + 4, true);

  /** Entries, each as its bytes: 20 of a processor, 8 of all others. */
  function entries(): number[][] {
    const all: number[][] = [];
    for (let next = at + 44; next < at + length; next += bytes[next] === 0 ? 20 : 8) {
      all.push([...bytes.subarray(next, next + (bytes[next] === 0 ? 20 : 8))]);
    }
    return all;
  }

  test('has a header that counts its bytes and entries, and names the address of the local APIC', () => {
    expect([text(at, 4), bytes[at + 6], sum(at, length), at + length]).toEqual(['PCMP', 4, 0, bytes.length]);
    expect(text(at + 8, 20)).toBe('KJUMP   ONE CPU     ');
    expect(view.getUint16(at + 34, true)).toBe(entries().length);
    expect(view.getUint32(at + 36, true)).toBe(0xfee00000);
  });

  test('has one processor, the ISA bus and the I/O APIC, as their registers name them', () => {
    const [processor, bus, ioApic] = entries();
    expect(processor.slice(0, 12)).toEqual([0, 0, 0x14, 3, 0x34, 0x06, 0, 0, 0x7d, 0xab, 0x00, 0x01]);
    expect(bus).toEqual([1, 0, ...Buffer.from('ISA   ')]);
    expect(ioApic).toEqual([2, 2, 0x11, 1, 0, 0, 0xc0, 0xfe]);
  });

  test('has each ISA line at its pin, the timer at pin 2, and ExtINT and NMI at the local inputs', () => {
    const interrupts = entries().filter(([type]) => type === 3);
    expect(
      interrupts.every(([, type, low, high, bus, , apic]) => [type, low, high, bus, apic].join() === '0,0,0,0,2'),
    ).toBe(true);
    expect(interrupts.map(([, , , , , line, , pin]) => [line, pin])).toEqual([
      [0, 2],
      [1, 1],
      ...Array.from({ length: 13 }, (_, i) => [i + 3, i + 3]),
    ]);
    expect(entries().filter(([type]) => type === 4)).toEqual([
      [4, 3, 0, 0, 0, 0, 0xff, 0],
      [4, 1, 0, 0, 0, 0, 0xff, 1],
    ]);
  });
});

describe('a program gets the table', () => {
  const program = (physAddr: number, length: number) => ({
    entry: physAddr,
    entryState: { mode: 'flat32', registers: {} } as const,
    segments: [{ physAddr, bytes: new Uint8Array(length), length }],
    engine: EngineKind.i386,
    name: 'p',
  });
  const addresses = (physAddr: number, length: number, start: number, end: number): number[] =>
    withMpTable(program(physAddr, length), start, end).segments.map((segment) => segment.physAddr);

  test('if the ROM area is in its memory and it has nothing of its own there', () => {
    expect(addresses(MIB, 4096, 0, 2 * MIB)).toEqual([MIB, 0xf0000]);
    expect(addresses(MIB, 4096, MIB, 2 * MIB)).toEqual([MIB]);
    expect(addresses(0x7000, 4096, 0, 0xf0000)).toEqual([0x7000]);
    expect(addresses(0xe0000, 0x20000, 0, 2 * MIB)).toEqual([0xe0000]);
    expect(addresses(0xe0000, 0x10000, 0, 2 * MIB)).toEqual([0xe0000, 0xf0000]);
  });

  test('if firmware would have started it: a boot sector, not a flat binary', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kjump-mp-'));
    try {
      const file = join(folder, 'boot.bin');
      const sector = new Uint8Array(512);
      sector.set([0x55, 0xaa], 510);
      await writeFile(file, sector);
      const options = { base: 0, memoryStart: 0, memory: 2 * MIB };
      expect((await loadProgram(file, options)).segments.map(({ physAddr }) => physAddr)).toEqual([0x7000, 0xf0000]);
      expect((await loadProgram(file, { ...options, at: MIB })).segments.map(({ physAddr }) => physAddr)).toEqual([
        MIB,
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
