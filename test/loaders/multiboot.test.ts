// SPDX-License-Identifier: MIT
//
// Multiboot kernels: which header counts, where kernel, modules and information go, what the kernel reads there, and what is
// refused, and why (Multiboot Specification 0.6.96).
import { describe, expect, test } from 'vitest';
import { type LoadedModule, loadMultiboot } from '../../orchestrator/loaders/multiboot.ts';
import { findMultibootHeader } from '../../orchestrator/loaders/multiboot-header.ts';
import type { LoadOptions, Program } from '../../orchestrator/loaders/program.ts';
import type { KjumpError } from '../../shared/errors.ts';
import { elf, VIRTUAL_OFFSET } from './elf-file.ts';
import { header, MEMORY_INFO, PAGE_ALIGN, VIDEO_MODE } from './multiboot-file.ts';

const MIB = 1024 ** 2;

function load(file: Uint8Array, options: Partial<LoadOptions> = {}, modules: readonly LoadedModule[] = []): Program {
  const found = findMultibootHeader(file);
  if (found === null) throw new Error('no header was found');
  return loadMultiboot(file, 'kernel', found, { base: 0, ...options }, modules);
}

function refusal(file: Uint8Array, options: Partial<LoadOptions> = {}, modules: readonly LoadedModule[] = []) {
  try {
    load(file, options, modules);
  } catch (error) {
    return error as KjumpError;
  }
  throw new Error('the file was not refused');
}

/** A file of `length` bytes with these bytes at an offset. */
function fileWith(length: number, offset: number, bytes: readonly number[]): Uint8Array {
  const file = new Uint8Array(length);
  file.set(bytes, offset);
  return file;
}

const kernelElf = (flags = 0): Uint8Array => elf([{ paddr: MIB, bytes: header({ flags }), memsz: 0x2100 }], MIB);

describe('a multiboot header', () => {
  test('counts at any multiple of four in the first 8 KiB, and not behind them', () => {
    const bytes = header({});
    expect(findMultibootHeader(fileWith(9000, 8180, bytes))?.offset).toBe(8180);
    expect(findMultibootHeader(fileWith(9000, 8184, bytes))).toBeNull();
    expect(findMultibootHeader(fileWith(9000, 102, bytes))).toBeNull();
  });

  test('counts only if its three words sum to zero: the magic alone may be an instruction operand', () => {
    const file = fileWith(200, 0, header({ checksumError: 1 }));
    expect(findMultibootHeader(file)).toBeNull();
    file.set(header({}), 100);
    expect(findMultibootHeader(file)?.offset).toBe(100);
  });

  test('may be cut off by the end of the file: then there is none', () => {
    expect(findMultibootHeader(Uint8Array.from(header({})).subarray(0, 11))).toBeNull();
    expect(findMultibootHeader(new Uint8Array(0))).toBeNull();
  });
});

describe('a multiboot kernel', () => {
  test('is entered in flat protected mode with the magic in EAX and the information at EBX', () => {
    const { entryState, entry } = load(kernelElf());
    expect(entry).toBe(MIB);
    expect(entryState).toEqual({ mode: 'flat32', registers: { eax: 0x2badb002, ebx: MIB + 0x3000 } });
  });

  test('linked for high addresses is entered at the physical address of its entry', () => {
    const file = elf([{ paddr: MIB, bytes: [...header({}), 0x90, 0xf4] }], VIRTUAL_OFFSET + MIB + 12);
    expect(load(file).entry).toBe(MIB + 12);
    expect(load(file, { entry: MIB + 13 }).entry).toBe(MIB + 13);
  });

  test('finds its bytes, then zeros to the end of its bss, then whole pages for each module, then the information', () => {
    const modules = [
      { bytes: new Uint8Array(5000).fill(7), cmdline: 'first' },
      { bytes: new Uint8Array(0), cmdline: '' },
      { bytes: new Uint8Array(1).fill(9), cmdline: 'third one' },
    ];
    const { segments, entryState } = load(kernelElf(PAGE_ALIGN), { cmdline: 'a=1 b', memory: 16 * MIB }, modules);
    expect(segments).toHaveLength(1);
    const [{ physAddr, bytes }] = segments;
    expect(physAddr).toBe(MIB);
    expect(bytes.subarray(12, 0x3000).every((byte) => byte === 0)).toBe(true);
    expect(bytes.subarray(0x3000, 0x3000 + 5000).every((byte) => byte === 7)).toBe(true);

    const info = readInfo(bytes, physAddr, entryState.registers.ebx!);
    expect(info.cmdline).toBe('a=1 b');
    expect(info.loader).toBe('kjump');
    expect(info.modules).toEqual([
      { start: MIB + 0x3000, end: MIB + 0x3000 + 5000, cmdline: 'first' },
      { start: MIB + 0x5000, end: MIB + 0x5000, cmdline: '' },
      { start: MIB + 0x5000, end: MIB + 0x5001, cmdline: 'third one' },
    ]);
    expect(bytes[0x5000]).toBe(9);
    expect(entryState.registers.ebx).toBe(MIB + 0x6000);
  });

  test.each([
    [
      16 * MIB,
      640,
      15 * 1024,
      [
        [0, 0xa0000, 1],
        [0xa0000, MIB, 2],
        [MIB, 16 * MIB, 1],
      ],
    ],
    [0x80000, 512, 0, [[0, 0x80000, 1]]],
  ])('with %i bytes of memory is told of it, in sums and as a map', (memory, lower, upper, map) => {
    const file = elf([{ paddr: 0x10000, bytes: header({ flags: MEMORY_INFO }) }], 0x10000);
    const { segments, entryState } = load(file, { memory });
    const info = readInfo(segments[0].bytes, segments[0].physAddr, entryState.registers.ebx!);
    expect(info).toMatchObject({ flags: 0x24d, lower, upper, map });
  });

  test('is told nothing of memory if its size was not given', () => {
    const { segments, entryState } = load(kernelElf());
    const info = readInfo(segments[0].bytes, MIB, entryState.registers.ebx!);
    expect(info).toMatchObject({ flags: 0x20c, map: [] });
  });

  test('may ask for a video mode: it gets none, and reads so in the flags', () => {
    const { segments, entryState } = load(kernelElf(VIDEO_MODE));
    expect(readInfo(segments[0].bytes, MIB, entryState.registers.ebx!).flags & 0x1800).toBe(0);
  });

  test.each([
    ['demands what multiboot 1 does not have', kernelElf(8), {}, 'flags 0x8'],
    ['demands the size of memory where none was given', kernelElf(MEMORY_INFO), {}, 'size of memory'],
    ['does not fit into memory', kernelElf(), { memory: MIB + 0x3000 }, 'memory up to 0x103'],
    ['is neither ELF nor has addresses', fileWith(200, 0, header({})), {}, 'not an ELF file'],
    ['is an ELF file for another machine', kernelElf().fill(62, 18, 19), {}, 'e_machine'],
  ])('that %s is refused, and told why', (_what, file, options, why) => {
    const error = refusal(file, options);
    expect(error).toMatchObject({ code: 'NOT_A_KERNEL' });
    expect(error.why).toContain(why);
  });
});

describe('a multiboot header with addresses', () => {
  const at = 0x40;
  const kernel = (...addresses: [number, number, number, number, number]): Uint8Array =>
    fileWith(0x1000, at, header({ addresses })).fill(0x90, at + 32);

  test('says what part of the file goes where, with zeros up to bss_end_addr', () => {
    const { entry, segments } = load(kernel(MIB + 0x20, MIB, MIB + 0x800, MIB + 0x1800, MIB + 0x100));
    expect(entry).toBe(MIB + 0x100);
    expect(segments[0].physAddr).toBe(MIB);
    expect([...segments[0].bytes.subarray(0x20, 0x24)]).toEqual([0x02, 0xb0, 0xad, 0x1b]);
    expect(segments[0].bytes[0x7ff]).toBe(0x90);
    expect(segments[0].bytes.subarray(0x800, 0x2000).every((byte) => byte === 0)).toBe(true);
  });

  test('means the whole rest of the file and no bss where an end is zero', () => {
    const { segments, entryState } = load(kernel(MIB + at, MIB, 0, 0, MIB + 0x100));
    expect(segments[0].bytes.subarray(0x60, 0x1000).every((byte) => byte === 0x90)).toBe(true);
    expect(entryState.registers.ebx).toBe(MIB + 0x1000);
  });

  test('is obeyed also in an ELF file', () => {
    const bytes = header({ addresses: [MIB + 84, MIB, 0, 0, MIB + 84] });
    expect(load(elf([{ paddr: 2 * MIB, bytes }])).segments[0].physAddr).toBe(MIB);
  });

  test.each([
    ['load_addr is above header_addr', kernel(MIB, MIB + 1, 0, 0, MIB + 1)],
    ['load_addr lies before the start of the file', kernel(MIB + at + 1, MIB, 0, 0, MIB)],
    ['load_end_addr is not above header_addr', kernel(MIB + at, MIB, MIB + at, 0, MIB)],
    ['load_end_addr lies behind the end of the file', kernel(MIB + at, MIB, MIB + 0x1001, 0, MIB)],
    ['bss_end_addr is below load_end_addr', kernel(MIB + at, MIB, MIB + 0x1000, MIB + 0xfff, MIB)],
    ['ends above 4 GiB', kernel(0xfffff040, 0xfffff000, 0, 0, 0xfffff000)],
    ['entry_addr is not in what is loaded', kernel(MIB + at, MIB, 0, 0, MIB + 0x1000)],
    ['ends within the multiboot header', fileWith(16, 0, header({ addresses: [0, 0, 0, 0, 0] }).slice(0, 16))],
  ])('is refused if %s', (why, file) => {
    expect(refusal(file)).toMatchObject({ code: 'NOT_A_KERNEL', why: expect.stringContaining(why) });
  });
});

/** Reads the information structure as a kernel would; `bytes` lie at `start`. */
function readInfo(bytes: Uint8Array, start: number, at: number) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (addr: number): number => view.getUint32(addr - start, true);
  const text = (addr: number): string => {
    const end = bytes.indexOf(0, addr - start);
    return new TextDecoder().decode(bytes.subarray(addr - start, end));
  };
  const modules = Array.from({ length: word(at + 20) }, (_, i) => {
    const entry = word(at + 24) + 16 * i;
    return { start: word(entry), end: word(entry + 4), cmdline: text(word(entry + 8)) };
  });
  const map: number[][] = [];
  for (let entry = word(at + 48); entry < word(at + 48) + word(at + 44); entry += word(entry) + 4) {
    map.push([word(entry + 4), word(entry + 4) + word(entry + 12), word(entry + 20)]);
  }
  const cmdline = text(word(at + 16));
  const loader = text(word(at + 64));
  return { flags: word(at), lower: word(at + 4), upper: word(at + 8), cmdline, loader, modules, map };
}
