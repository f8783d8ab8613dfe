// SPDX-License-Identifier: MIT
//
// Machine code as text: what is decoded in which mode, and what becomes of bytes that are no instruction.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { disassemble, formatListing } from '../orchestrator/disassemble.ts';
import { verifyImage, writeImage } from '../orchestrator/images/hibernation.ts';
import { readMemory } from '../orchestrator/images/read-memory.ts';
import { PAGE_SIZE } from '../shared/units.ts';
import { Sample } from './images/sample-machine.ts';

const texts = (bytes: readonly number[], bits: 16 | 32, count = 10): string[] =>
  disassemble(Uint8Array.from(bytes), 0x100000, bits, count).map(({ text }) => text);

test('the same bytes are other instructions in 16-bit code', () => {
  const bytes = [0xb8, 0x34, 0x12, 0x00, 0x00, 0xeb, 0xfe];
  expect(texts(bytes, 32)).toEqual(['mov eax, 0x1234', 'jmp short 0x100005']);
  expect(texts(bytes, 16)[0]).toBe('mov ax, 0x1234');
});

test('each line has its address, which wraps at 4 GiB, and its bytes', () => {
  const listing = disassemble(Uint8Array.of(0x90, 0x0f, 0x22, 0xc0, 0xc3), 0xffffffff, 32, 10);
  expect(listing.map(({ address }) => address)).toEqual([0xffffffff, 0, 3]);
  expect(formatListing(listing)).toBe(
    [
      'ffffffff  90                    nop',
      '00000000  0f22c0                mov cr0, eax',
      '00000003  c3                    ret',
    ].join('\n'),
  );
});

test('what is no instruction, or is cut off by the end, is shown as bad', () => {
  expect(texts([0x90, 0xe8, 0x00], 32)).toEqual(['nop', '(bad)']);
  expect(texts([0x0f, 0x04, 0x90], 32)[0]).toBe('(bad)');
});

test('as many instructions are shown as were asked for', () => {
  expect(texts([0x90, 0x90, 0x90], 32, 2)).toEqual(['nop', 'nop']);
  expect(texts([], 32)).toEqual([]);
});

test('the memory of an image is read from the file: pages that are stored, zeros between them, nothing behind the end', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kjump-code-'));
  try {
    const { machine, memory, captures } = fill();
    const path = join(folder, 'image');
    await writeImage(path, machine, memory, captures, captures.create(), null);
    const image = await verifyImage(path);
    expect(await readMemory(image, 0, 32 * PAGE_SIZE)).toEqual(memory.read(0, 32 * PAGE_SIZE));
    expect(await readMemory(image, 3 * PAGE_SIZE - 5, 10)).toEqual(memory.read(3 * PAGE_SIZE - 5, 10));
    expect(await readMemory(image, 32 * PAGE_SIZE - 3, 10)).toHaveLength(3);
    expect(await readMemory(image, 32 * PAGE_SIZE, 10)).toHaveLength(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

function fill(): Sample {
  const sample = Sample.create();
  for (const page of [2, 3, 9, 31]) sample.fill(page, page);
  return sample;
}
