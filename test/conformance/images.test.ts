// SPDX-License-Identifier: MIT
//
// The runners of test ROMs and multiboot test kernels, on a CPU that knows four instructions: how they start, what they hear at
// ports, and when a run counts as passed.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { elf } from '../loaders/elf-file.ts';
import { header } from '../loaders/multiboot-file.ts';
import { runMultiboot } from './multiboot.ts';
import { firstDifference, runRom } from './rom.ts';
import { TinyPc } from './tiny-pc.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kjump-images-'));
});
afterAll(() => rm(folder, { recursive: true }));

const out = (port: number, value: number): number[] => [0xb8, value, 0, 0xe6, port];
const HLT = 0xf4;

async function file(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

describe('a test ROM', () => {
  const ROM = { postPort: 0x80, outPort: 0xe9, expect: 0xff, reference: null, instructions: 100 };
  /** At the reset vector there is room for 16 bytes. */
  const rom = (code: readonly number[], size = 0x10000): Uint8Array => {
    const image = new Uint8Array(size);
    image.set(code, size - 16);
    return image;
  };
  const run = async (code: readonly number[], options = {}, size = 0x10000) =>
    runRom(await file('rom.bin', rom(code, size)), { ...ROM, ...options }, () => new TinyPc());

  test.each([0x10000, 0x20000])('of %i bytes starts at F000:FFF0 and passes at its last POST code', async (size) => {
    const result = await run([...out(0xe9, 0x41), ...out(0x80, 3), ...out(0x80, 0xff)], {}, size);
    expect(result).toMatchObject({ passed: true, codes: [3, 0xff], output: 'A', failure: null });
  });

  test.each([
    ['halts before', [...out(0x80, 9), HLT], 'it halted at POST code 0x09, not 0xFF'],
    ['never says a code', [HLT], 'it halted at POST code none, not 0xFF'],
    ['ends in a triple fault', [...out(0x80, 1), 0xcc], 'it ended in a triple fault at POST code 0x01, not 0xFF'],
    ['does not end', out(0x80, 1), 'it used up its instructions at POST code 0x01, not 0xFF'],
  ])('that %s fails', async (_what, code, failure) => {
    expect(await run(code, { instructions: 10 })).toMatchObject({ passed: false, failure });
  });

  test('fails if what it says differs from the reference', async () => {
    const code = [...out(0xe9, 0x41), ...out(0x80, 0xff)];
    expect((await run(code, { reference: 'A' })).passed).toBe(true);
    expect((await run(code, { reference: 'B' })).failure).toContain('1 of 1 lines differ');
  });

  test('of another size is refused', async () => {
    await expect(run([], {}, 0x8000)).rejects.toThrow('has 32768 bytes');
  });

  test('is told the first line that differs, or that there are too many', () => {
    expect(firstDifference('a\nb\n', 'a\nb\n')).toBeNull();
    expect(firstDifference('a\nx\n', 'a\nb\nc\n')).toContain('line 2');
    expect(firstDifference('a\nb\nc', 'a\nb')).toContain('goes on behind the 2 lines');
  });
});

describe('a multiboot test kernel', () => {
  const OPTIONS = { exitPort: 0xf4, expect: 0, memory: 2 ** 21, cmdline: '', modules: [], outPort: 0xe9 };
  const run = async (code: readonly number[]) => {
    const kernel = elf([{ paddr: 0x100000, bytes: [...header({}), ...code] }], 0x10000c);
    return runMultiboot(await file('kernel.elf', kernel), { ...OPTIONS, instructions: 10 }, () => new TinyPc());
  };

  test('passes if it writes the value of success to its exit port', async () => {
    expect(await run([...out(0xe9, 0x42), ...out(0xf4, 0)])).toMatchObject({ passed: true, exit: 0, output: 'B' });
  });

  test.each([
    ['writes another value', out(0xf4, 3), 'it wrote 3 to its exit port, not 0'],
    ['halts', [HLT], 'it halted for good before it wrote to its exit port'],
  ])('that %s fails', async (_what, code, failure) => {
    expect(await run(code)).toMatchObject({ passed: false, failure });
  });
});
