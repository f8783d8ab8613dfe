// SPDX-License-Identifier: MIT
//
// Which loader a file gets, where its bytes go, and what is refused, and why (TIS ELF 1.2, book I).
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadElf32 } from '../../orchestrator/loaders/elf32.ts';
import { loadProgram } from '../../orchestrator/loaders/load-program.ts';
import type { KjumpError } from '../../shared/errors.ts';
import { ENTRY, ENTRY_MAGIC } from '../../shared/layout/entry-page.ts';
import { EngineKind } from '../../shared/layout/kernel-slot.ts';
import { elf } from './elf-file.ts';
import { header } from './multiboot-file.ts';

const load = (file: Uint8Array) => loadElf32(file, 'kernel', { base: 0 });

function refusal(file: Uint8Array): KjumpError {
  try {
    load(file);
  } catch (error) {
    return error as KjumpError;
  }
  throw new Error('the file was not refused');
}

describe('an ELF32 executable', () => {
  test('goes to its physical addresses, whatever its virtual ones are', () => {
    const { entry, segments, engine } = load(elf([{ paddr: 0x100000, bytes: [1, 2, 3], memsz: 0x1800 }], 0x100010));
    expect(entry).toBe(0x100010);
    expect(engine).toBe(EngineKind.i386);
    expect(segments.map(({ physAddr, length }) => [physAddr, length])).toEqual([[0x100000, 0x2000]]);
    expect([...segments[0].bytes.subarray(0, 4)]).toEqual([1, 2, 3, 0]);
  });

  test('whose segments meet in a page, or touch, becomes whole pages of one segment', () => {
    const { segments } = load(
      elf([
        { paddr: 0x101800, bytes: [9] },
        { paddr: 0x100ffe, bytes: [1, 2, 3, 4] },
        { paddr: 0x105000, bytes: [7] },
      ]),
    );
    expect(segments.map(({ physAddr, length }) => [physAddr, length])).toEqual([
      [0x100000, 0x2000],
      [0x105000, 0x1000],
    ]);
    expect([...segments[0].bytes.subarray(0xffe, 0x1002)]).toEqual([1, 2, 3, 4]);
    expect(segments[0].bytes[0x1800]).toBe(9);
  });

  test.each([
    ['ends within its header', (file: Uint8Array) => file.slice(0, 40), 'ELF header'],
    ['is of 64 bits', (file: Uint8Array) => file.fill(2, 4, 5), 'EI_CLASS'],
    ['is big-endian', (file: Uint8Array) => file.fill(2, 5, 6), 'EI_DATA'],
    ['is a relocatable object', (file: Uint8Array) => file.fill(1, 16, 17), 'e_type'],
    ['is for another machine', (file: Uint8Array) => file.fill(62, 18, 19), 'e_machine'],
    ['has program headers of another size', (file: Uint8Array) => file.fill(56, 42, 43), 'e_phentsize'],
    ['has program headers behind its end', (file: Uint8Array) => file.fill(0xff, 44, 45), 'program headers'],
    ['has a segment behind its end', (file: Uint8Array) => file.slice(0, -1), 'behind the end'],
    ['has more bytes in the file than in memory', (file: Uint8Array) => file.fill(1, 72, 73), 'p_filesz'],
    ['has nothing to load', (file: Uint8Array) => file.fill(0, 52, 53), 'PT_LOAD'],
  ])('that %s is refused, and told why', (_what, damage, why) => {
    const error = refusal(damage(elf([{ paddr: 0x100000, bytes: [1, 2, 3, 4] }])));
    expect(error).toMatchObject({ code: 'NOT_A_KERNEL' });
    expect(error.why).toContain(why);
  });
});

describe('the kind of a file', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kjump-loaders-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function file(name: string, bytes: Uint8Array | string): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, bytes);
    return path;
  }

  test('is a module by its name: an entry page that names it, at the first address of its window', async () => {
    const path = await file('tiny.ts', 'export function step() {}');
    const { entry, segments, engine, name } = await loadProgram(path, { base: 0x200000 });
    const view = new DataView(segments[0].bytes.buffer);
    expect([entry, engine, name]).toEqual([0x200000, EngineKind.guest, 'tiny']);
    expect(view.getUint32(ENTRY.magic, true)).toBe(ENTRY_MAGIC);
    const text = segments[0].bytes.subarray(
      ENTRY.specifier,
      ENTRY.specifier + view.getUint32(ENTRY.specifierBytes, true),
    );
    expect(new TextDecoder().decode(text)).toBe(pathToFileURL(path).href);
  });

  test('is ELF by its bytes, whatever its name', async () => {
    const path = await file('vmlinux', elf([{ paddr: 0x300000, bytes: [1] }], 0x300000));
    expect(await loadProgram(path, { base: 0 })).toMatchObject({ entry: 0x300000, name: 'vmlinux' });
  });

  test('is a boot sector by its signature, unless an address is given', async () => {
    const sectors = new Uint8Array(1024).fill(0x90);
    sectors.set([0x55, 0xaa], 510);
    const path = await file('boot.img', sectors);
    expect(await loadProgram(path, { base: 0 })).toMatchObject({ entry: 0x7c00, entryState: { mode: 'real' } });
    expect(await loadProgram(path, { base: 0, at: 0x20000 })).toMatchObject({
      entry: 0x20000,
      entryState: { mode: 'flat32' },
    });
  });

  test('is multiboot by its header, whatever else it is; its modules are read too', async () => {
    const kernel = await file('multi.elf', elf([{ paddr: 0x100000, bytes: header({}) }], 0x100000));
    const module = await file('initrd', 'contents');
    const { segments, entryState } = await loadProgram(kernel, { base: 0, modules: [{ file: module, cmdline: 'x' }] });
    expect(entryState.registers.eax).toBe(0x2badb002);
    expect(new TextDecoder().decode(segments[0].bytes.subarray(0x1000, 0x1008))).toBe('contents');
    const missing = loadProgram(kernel, { base: 0, modules: [{ file: join(folder, 'none') }] });
    await expect(missing).rejects.toMatchObject({ code: 'NO_SUCH_FILE' });
  });

  test.each([
    ['command line', { cmdline: '' }],
    ['modules', { modules: [{ file: 'initrd' }] }],
  ])('that is not multiboot takes no %s', async (what, options) => {
    const path = await file('plain.elf', elf([{ paddr: 0x100000, bytes: [1] }]));
    const refused = loadProgram(path, { base: 0, ...options });
    await expect(refused).rejects.toMatchObject({ code: 'BAD_OPTION', message: `plain takes no ${what}` });
  });

  test('is a flat binary else: whole pages at its address, entered there or where it is said', async () => {
    const path = await file('boot.bin', new Uint8Array(5000).fill(0x90));
    const { entry, segments } = await loadProgram(path, { base: 0, at: 0x7000 });
    expect([entry, segments[0].physAddr, segments[0].length]).toEqual([0x7000, 0x7000, 0x2000]);
    expect((await loadProgram(path, { base: 0, at: 0x7000, entry: 0x7010 })).entry).toBe(0x7010);
    for (const options of [{ base: 0 }, { base: 0, at: 0x7001 }]) {
      await expect(loadProgram(path, options)).rejects.toMatchObject({ code: 'NOT_A_KERNEL' });
    }
    await expect(loadProgram(await file('empty.bin', ''), { base: 0, at: 0 })).rejects.toMatchObject({
      why: 'the file is empty',
    });
  });
});
