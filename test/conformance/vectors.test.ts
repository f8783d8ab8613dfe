// SPDX-License-Identifier: MIT
//
// The readers of single-step vectors, the lists of documented differences, and what the comparison finds: on vectors made by hand,
// with a CPU that knows three instructions.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { Differences, differencesOf } from './differences.ts';
import { decode, operandBytes } from './instruction.ts';
import { parseJsonVectors } from './json-vectors.ts';
import { parseMooVectors } from './moo-vectors.ts';
import { TinyPc } from './tiny-pc.ts';
import { REGISTERS, type Vector } from './vector.ts';
import { readVectors, vectorFiles } from './vector-files.ts';
import { runVectors } from './vectors.ts';

const REGS = { ax: 1, bx: 2, cx: 3, dx: 4, cs: 0x100, ss: 0x200, ds: 0x300, es: 0x400, sp: 0x80, bp: 6, si: 7, di: 8 };
const INITIAL = { ...REGS, ip: 0x10, flags: 2 };

/** MOV AX, 1234h; the address of its bytes is 0x1010. */
const MOV = {
  idx: 5,
  name: 'mov ax, 1234h',
  bytes: [0xb8, 0x34, 0x12],
  initial: {
    regs: INITIAL,
    ram: [
      [0x1010, 0xb8],
      [0x1011, 0x34],
      [0x1012, 0x12],
      [0x1013, 0xf4],
    ] as [number, number][],
  },
  final: { regs: { ax: 0x1234, ip: 0x13 }, ram: [] as [number, number][] },
};

/** The same as a MOO file. */
function mooFile({ idx, name, bytes, initial, final }: typeof MOV, count = 1): Uint8Array {
  const u32 = (value: number): number[] => [value, value >> 8, value >> 16, value >> 24].map((byte) => byte & 0xff);
  const chunk = (tag: string, contents: number[]): number[] => [
    ...Buffer.from(tag),
    ...u32(contents.length),
    ...contents,
  ];
  const state = (tag: string, regs: Record<string, number>, ram: readonly (readonly [number, number])[]): number[] => {
    const present = REGISTERS.filter((register) => register in regs);
    const mask = present.reduce((bits, register) => bits | (1 << REGISTERS.indexOf(register)), 0);
    const values = present.flatMap((register) => [regs[register] & 0xff, regs[register] >> 8]);
    const memory = ram.flatMap(([address, value]) => [...u32(address), value]);
    const contents = chunk('REGS', [mask & 0xff, mask >> 8, ...values]);
    return chunk(tag, [...contents, ...chunk('RAM ', [...u32(ram.length), ...memory]), ...chunk('QUEU', u32(0))]);
  };
  const vector = chunk('TEST', [
    ...u32(idx),
    ...chunk('NAME', [...u32(name.length), ...Buffer.from(name)]),
    ...chunk('BYTS', [...u32(bytes.length), ...bytes]),
    ...state('INIT', initial.regs, initial.ram),
    ...state('FINA', final.regs, final.ram),
    ...chunk('CYCL', u32(0)),
    ...chunk('EXCP', [13, ...u32(0x12345)]),
  ]);
  return Uint8Array.from([...chunk('MOO ', [1, 0, 0, 0, ...u32(count), ...Buffer.from('8086')]), ...vector]);
}

const json = (...vectors: readonly unknown[]): string => JSON.stringify(vectors);
const vectorOf = (changes: Partial<Vector>): Vector => ({ ...parseJsonVectors(json(MOV))[0], ...changes });
const withRegisters = (changes: Record<string, number>): number[] =>
  REGISTERS.map((register) => changes[register] ?? INITIAL[register]);

describe('vectors', () => {
  test('are read from JSON: registers that did not change are those from before', () => {
    const [vector] = parseJsonVectors(json(MOV));
    expect(vector).toMatchObject({ index: 5, name: 'mov ax, 1234h', bytes: [0xb8, 0x34, 0x12], exception: null });
    expect(vector.final).toEqual(withRegisters({ ax: 0x1234, ip: 0x13 }));
    expect(vector.initialMemory.slice(0, 4)).toEqual([0x1010, 0xb8, 0x1011, 0x34]);
  });

  test('are read from MOO to the same, with the exception that was recorded', () => {
    expect(parseMooVectors(mooFile(MOV))).toEqual([vectorOf({ exception: 13 })]);
  });

  test.each([
    ['is cut off', mooFile(MOV).subarray(0, -3), 'longer than what it is in'],
    ['is no MOO file', mooFile(MOV).subarray(20), 'does not start as a MOO file'],
    ['has fewer vectors than it says', mooFile(MOV, 2), 'it has 1 vectors, not 2'],
  ])('in a MOO file that %s are refused', (_what, file, why) => {
    expect(() => parseMooVectors(file)).toThrow(why);
  });

  test('are found in a folder, packed or not, and the description of the suite is none of them', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kjump-vectors-'));
    try {
      await writeFile(join(folder, 'B8.json.gz'), gzipSync(json(MOV)));
      await writeFile(join(folder, 'B8.MOO'), mooFile(MOV));
      await writeFile(join(folder, 'metadata.json'), '{}');
      await writeFile(join(folder, 'bad.json'), '{}');
      const files = await vectorFiles(folder);
      expect(files.map((file) => file.slice(folder.length + 1))).toEqual(['B8.MOO', 'B8.json.gz', 'bad.json']);
      expect((await readVectors(files[0]))[0].final).toEqual((await readVectors(files[1]))[0].final);
      await expect(readVectors(files[2])).rejects.toThrow('bad.json cannot be read as vectors');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('an instruction', () => {
  test.each([
    ['26 8b 47 ff', { opcode: 0x8b, offset: 1, prefixes: [0x26] }, 2],
    ['8a 00', { opcode: 0x8a, offset: 9 }, 1],
    ['c6 06 34 12 56', { opcode: 0xc6, offset: 0x1234, immediate8: 0x56 }, 1],
    ['c1 9e 00 80 07', { opcode: 0xc1, reg: 3, offset: 0x8006, immediate8: 7 }, 2],
    ['c5 bf fe ff', { opcode: 0xc5, offset: 0 }, 4],
    ['ff e9', { opcode: 0xff, mod: 3, reg: 5, offset: -1 }, 0],
    ['8d 07', { opcode: 0x8d, offset: 2 }, 0],
    ['b8 34 12', { opcode: 0xb8, word: 0x1234 }, 0],
  ])('%s is decoded', (hex, expected, bytes) => {
    const instruction = decode(vectorOf({ bytes: hex.split(' ').map((byte) => Number.parseInt(byte, 16)) }));
    expect(instruction).toMatchObject(expected);
    expect(operandBytes(instruction)).toBe(bytes);
  });
});

describe('the documented differences', () => {
  test.each(['8086', '80286'])('of the %s name nothing that there is not, and give a reason each', async (cpu) => {
    const list = await Differences.read(differencesOf(cpu));
    expect(list.cpu).toBe(cpu);
    expect(list.of(vectorOf({})).skipped).toBeNull();
  });

  test.each([
    ['64', [0x64, 0x00], {}, true],
    ['SHL by CL = 32', [0xd3, 0xe0], { cx: 32 }, true],
    ['SHL by CL = 31', [0xd3, 0xe0], { cx: 31 }, false],
    ['a word at FFFF', [0x8b, 0x07], { bx: 0xffff }, true],
    ['a byte at FFFF', [0x8a, 0x07], { bx: 0xffff }, false],
    ['a word at FFFE', [0x8b, 0x07], { bx: 0xfffe }, false],
    ['words from FFFD up', [0xf3, 0xa5], { si: 0xfffd, cx: 2 }, true],
    ['one word from FFFD', [0xa5], { si: 0xfffd, cx: 2 }, false],
    ['words from 1 down', [0xf3, 0xa5], { si: 1, cx: 2, flags: 0x402 }, true],
    ['an instruction up to FFFF', [0xb8, 0, 0], { ip: 0xfffd }, true],
    ['REP IDIV', [0xf3, 0xf6, 0xf9], { cx: 1 }, true],
    ['IDIV with the quotient -128', [0xf6, 0xf9], { ax: 0xff80, cx: 1 }, true],
    ['IDIV with the quotient -127', [0xf6, 0xf9], { ax: 0xff81, cx: 1 }, false],
    ['MOV to CS', [0x8e, 0xc8], {}, true],
    ['MOV to SS', [0x8e, 0xd0], {}, false],
  ])('of the 8086 leave out %s if they should', async (_what, bytes, registers, isSkipped) => {
    const list = await Differences.read(differencesOf('8086'));
    const final = withRegisters({ ...registers, cx: 0 });
    const { skipped } = list.of(vectorOf({ bytes, initial: withRegisters(registers), final }));
    expect(skipped !== null).toBe(isSkipped);
  });

  test.each([
    ['a word of the stack segment at FFFF', [0x8b, 0x46, 0], { bp: 0xffff }, {}, 13, true],
    ['a word of the data segment at FFFF', [0x8b, 0x07], { bx: 0xffff }, {}, 13, false],
    ['a word of the stack segment by a prefix', [0x36, 0x8b, 0x07], { bx: 0xffff }, {}, 13, true],
    ['POP with SP = FFFF', [0x58], { sp: 0xffff }, {}, 13, true],
    ['POPA with SP = FFF3', [0x61], { sp: 0xfff3 }, {}, 13, true],
    ['PUSHA with SP = 15', [0x60], { sp: 15 }, { sp: 9 }, 13, false],
    ['LEAVE with BP = FFFF', [0xc9], { bp: 0xffff }, {}, 13, true],
    ['MOVS from FFFF of the stack segment', [0x36, 0xa5], { si: 0xffff }, { si: 1 }, 13, true],
    ['MOVS from FFFF of the data segment', [0xa5], { si: 0xffff }, { si: 1 }, 13, false],
    ['a far pointer at FFFE', [0xc5, 0x07], { bx: 0xfffe }, {}, null, true],
    ['a far pointer at FFFD', [0xc5, 0x07], { bx: 0xfffd }, {}, 13, false],
    ['IDIV that misses its overflow', [0xf6, 0xf9], { ax: 0x4000, cx: 2 }, {}, null, true],
    ['IDIV that does not', [0xf6, 0xf9], { ax: 0x4000, cx: 2 }, {}, 0, false],
  ])('of the 80286 leave out %s if they should', async (_what, bytes, before, after, exception, isSkipped) => {
    const list = await Differences.read(differencesOf('80286'));
    const final = withRegisters({ ...before, ...after });
    const { skipped } = list.of(vectorOf({ bytes, initial: withRegisters(before), final, exception }));
    expect(skipped !== null).toBe(isSkipped);
  });

  test('of the 80286 leave out a frame that has SS for CS', async () => {
    const list = await Differences.read(differencesOf('80286'));
    const frame = (selector: number): number[] => [
      0x2000 + 0x7a + 2,
      selector & 0xff,
      0x2000 + 0x7a + 3,
      selector >> 8,
    ];
    const int = { bytes: [0xcd, 0x20], exception: 0x20, final: withRegisters({ sp: 0x7a }) };
    expect(list.of(vectorOf({ ...int, finalMemory: frame(0x200) })).skipped).not.toBeNull();
    expect(list.of(vectorOf({ ...int, finalMemory: frame(0x100) })).skipped).toBeNull();
  });

  test.each([
    [{ opcodes: ['0G'], leaves: ['AF'] }, "'0G' names no opcodes"],
    [{ opcodes: ['*'], leaves: ['XF'] }, "nothing is called 'XF'"],
    [{ opcodes: ['*'], leaves: ['AF'], when: 'it rains' }, "there is no condition 'it rains'"],
  ])('are refused if they name what there is not', (difference, why) => {
    const list = { cpu: 'x', ends: 'at HLT', addressLines: 24, initialFlagsMask: '0xfff' } as const;
    expect(() => new Differences({ ...list, differences: [{ reason: 'none', ...difference }] })).toThrow(why);
  });
});

describe('the comparison', () => {
  const run = async (...vectors: readonly unknown[]): Promise<{ lines: string[]; counts: object }> => {
    const folder = await mkdtemp(join(tmpdir(), 'kjump-vectors-'));
    try {
      const file = join(folder, 'B8.json');
      await writeFile(file, json(...vectors));
      const lines: string[] = [];
      const differences = await Differences.read(differencesOf('80286'));
      const options = { limit: 100, show: 3 };
      const results = await runVectors(
        file,
        differences,
        () => new TinyPc(),
        options,
        (line) => lines.push(line),
      );
      const { passed, failed, skipped } = results[0];
      return { lines, counts: { passed, failed, skipped } };
    } finally {
      await rm(folder, { recursive: true });
    }
  };
  const final = (regs: object, ram: readonly (readonly [number, number])[] = []) => ({
    ...MOV,
    final: { regs: { ax: 0x1234, ip: 0x14, ...regs }, ram },
  });

  test('passes what is as it was recorded', async () => {
    expect((await run(final({}), final({}))).counts).toEqual({ passed: 2, failed: 0, skipped: 0 });
  });

  test.each([
    ['a register', final({ dx: 5 }), 'dx 0x0004, not 0x0005'],
    ['a flag', final({ flags: 3 }), 'flags 0x0000, not 0x0001'],
    ['a byte of memory', final({}, [[0x500, 7]]), '[0x000500] 0x00, not 0x07'],
  ])('finds %s that differs, and shows all that is needed to run it again', async (_what, vector, mismatch) => {
    const { counts, lines } = await run(vector);
    expect(counts).toEqual({ passed: 0, failed: 1, skipped: 0 });
    expect(lines[0]).toContain('B8.json #5  b8 34 12  mov ax, 1234h');
    expect(lines[0]).toContain('ax=0001 bx=0002');
    expect(lines[0]).toContain(mismatch);
  });

  test('finds a store to memory that no vector names', async () => {
    const store = { ...final({ ax: 1 }), bytes: [0xa2, 0x34, 0x12] };
    const ram = [
      [0x1010, 0xa2],
      [0x1011, 0x34],
      [0x1012, 0x12],
      [0x1013, 0xf4],
    ];
    const { counts, lines } = await run({ ...store, initial: { regs: INITIAL, ram } });
    expect(counts).toEqual({ passed: 0, failed: 1, skipped: 0 });
    expect(lines[0]).toContain('stored to 0x004234, which it does not name');
  });

  test('finds that a vector does not end', async () => {
    const ram = MOV.initial.ram.slice(0, 3);
    const { lines } = await run({ ...MOV, initial: { regs: INITIAL, ram } });
    expect(lines[0]).toContain('it does not end');
  });
});
