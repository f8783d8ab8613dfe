// SPDX-License-Identifier: MIT
//
// The suites' PC with the i386 engine in it, and a few vectors, a ROM and a kernel made by hand that run on it: what the manual says of
// the instructions that the public suites have once found wrong.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CPU } from '../../shared/layout/cpu-state.ts';
import { elf } from '../loaders/elf-file.ts';
import { header } from '../loaders/multiboot-file.ts';
import { VectorRunner } from './check-vector.ts';
import { enterFlat, enterReal } from './cpu-states.ts';
import { Differences, differencesOf } from './differences.ts';
import { makeI386Pc } from './i386-pc.ts';
import { runMultiboot } from './multiboot.ts';
import { runRom } from './rom.ts';
import { RunEnd, type TestPc } from './test-pc.ts';
import { registerList, type Vector } from './vector.ts';

const MEMORY = 2 * 1024 ** 2;
const CODE = 0x1000;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kjump-i386-pc-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

/** A PC in real mode in front of this code. */
function pcWith(code: readonly number[], devices = false): TestPc {
  const pc = makeI386Pc({ memory: MEMORY, devices });
  pc.memory.write(CODE, Uint8Array.from(code));
  enterReal(pc.cpu, 0, CODE);
  pc.changed();
  return pc;
}

describe('The PC of the suites', () => {
  test('runs as many instructions as it is asked for, and code that was changed from outside', () => {
    const pc = pcWith([0x40, 0x40, 0x40]); // INC AX
    expect([pc.run(2), pc.cpu.eax]).toEqual([RunEnd.budget, 2]);
    pc.memory.write(CODE, Uint8Array.of(0x48)); // DEC AX
    pc.cpu.eip = CODE;
    pc.changed();
    expect([pc.run(1), pc.cpu.eax]).toEqual([RunEnd.budget, 1]);
  });

  test('has halted when nothing will end a HLT', () => {
    const pc = pcWith([0xf4]);
    expect([pc.run(5), pc.cpu.eip]).toEqual([RunEnd.halted, CODE + 1]);
  });

  test('with devices does not wait for ever in a HLT that a masked timer would end', () => {
    const mask = [0xb0, 0xff, 0xe6, 0x21]; // all interrupts masked at the PIC
    const count = [0xb0, 0x34, 0xe6, 0x43, 0xe6, 0x40, 0xe6, 0x40]; // PIT counter 0, again and again
    const pc = pcWith([...mask, ...count, 0xfb, 0xf4], true);
    expect(pc.run(1_000_000)).toBe(RunEnd.budget);
  });

  test('has stopped behind a triple fault', () => {
    const pc = makeI386Pc({ memory: MEMORY, devices: false });
    pc.memory.write(CODE, Uint8Array.of(0x0f, 0x0b)); // UD2, without an IDT
    enterFlat(pc.cpu, CODE);
    pc.changed();
    expect(pc.run(5)).toBe(RunEnd.stopped);
  });

  test('tells what is written to a port byte by byte, and stops behind the instruction', () => {
    const pc = pcWith([0xb8, 0x34, 0x12, 0xe7, 0xf4, 0x40]); // MOV AX, 1234h; OUT F4h, AX; INC AX
    const bytes: number[] = [];
    pc.onWrite(0xf4, (value) => {
      bytes.push(value);
      pc.stop();
    });
    pc.onWrite(0xf5, (value) => bytes.push(value));
    expect([pc.run(100), pc.cpu.eip, pc.cpu.eax]).toEqual([RunEnd.budget, CODE + 5, 0x1234]);
    expect(bytes).toEqual([0x34, 0x12]);
    pc.run(1);
    expect(pc.cpu.eax).toBe(0x1235);
  });

  test.each([
    ['nobody', false, 0xff],
    ['the devices', true, 0x60],
  ])('with %s on its bus reads what they answer', (_who, devices, expected) => {
    const pc = pcWith([0xba, 0xfd, 0x03, 0xec], devices); // MOV DX, 3FDh: the UART's line status; IN AL, DX
    pc.run(2);
    expect(pc.cpu.eax).toBe(expected);
  });
});

test('A ROM runs from the reset vector to its last POST code', async () => {
  const image = new Uint8Array(0x10000);
  image.set([0xb0, 0x41, 0xe6, 0xe9, 0xb0, 0xff, 0xe6, 0x80], 0xfff0); // 'A' to port E9h, FFh to port 80h
  const options = { postPort: 0x80, outPort: 0xe9, expect: 0xff, reference: 'A', instructions: 100 };
  const result = await runRom(await file('rom.bin', image), options, makeI386Pc);
  expect(result).toMatchObject({ passed: true, codes: [0xff], output: 'A' });
});

test('A multiboot kernel has its magic number in EAX, and ends at its exit port', async () => {
  const code = [0x3d, 0x02, 0xb0, 0xad, 0x2b, 0x0f, 0x95, 0xc0, 0xe6, 0xf4]; // CMP EAX, magic; SETNE AL; OUT F4h, AL
  const kernel = elf([{ paddr: 0x100000, bytes: [...header({}), ...code] }], 0x10000c);
  const options = { exitPort: 0xf4, expect: 0, memory: MEMORY, cmdline: '', modules: [], outPort: null };
  const result = await runMultiboot(await file('kernel.elf', kernel), { ...options, instructions: 10 }, makeI386Pc);
  expect(result).toMatchObject({ passed: true, exit: 0 });
});

describe('A vector', () => {
  const REGISTERS = {
    ax: 0,
    bx: 0,
    cx: 0,
    dx: 0,
    cs: 0,
    ss: 0x2000,
    ds: 0x3000,
    es: 0x4000,
    sp: 0x100,
    bp: 0,
    si: 0,
    di: 0,
  };
  const INITIAL = registerList({ ...REGISTERS, ip: CODE, flags: 0x202 }, []);
  const HANDLER = 0x6000;
  const bytesAt = (at: number, bytes: readonly number[]): number[] => bytes.flatMap((byte, i) => [at + i, byte]);

  /** One of the 80286, which ends at the HLT behind the instruction, or at the one of the exception's handler. */
  function vector(bytes: readonly number[], before: object, after: object, exception: number | null = null): Vector {
    const initial = registerList({ ...before }, INITIAL);
    const code = bytesAt(CODE, [...bytes, 0xf4]);
    if (exception === null) {
      const final = registerList({ ip: CODE + bytes.length + 1, ...after }, initial);
      return { index: 0, name: '', bytes, initial, final, initialMemory: code, finalMemory: [], exception };
    }
    const sp = ((before as { sp?: number }).sp ?? REGISTERS.sp) - 6;
    const frame = [CODE & 0xff, CODE >> 8, 0, 0, 0x02, 0x02];
    return {
      index: 0,
      name: '',
      bytes,
      initial,
      final: registerList({ sp, ip: HANDLER + 1, flags: 0x002, ...after }, initial),
      initialMemory: [...code, ...bytesAt(exception * 4, [HANDLER & 0xff, HANDLER >> 8]), ...bytesAt(HANDLER, [0xf4])],
      finalMemory: bytesAt(REGISTERS.ss * 16 + sp, frame),
      exception,
    };
  }

  test.each([
    ['of DIV', vector([0xf6, 0xf3], { ax: 100, bx: 7 }, { ax: 0x020e })],
    ['of DIV by 0, a fault', vector([0xf6, 0xf3], { ax: 100 }, {}, 0)],
    ['of an invalid opcode', vector([0xfe, 0xf8], {}, {}, 6)],
    ['of a load at offset FFFF', vector([0x8b, 0x07], { bx: 0xffff }, {}, 13)],
    ['of POP to CS:FFFF, which leaves SP', vector([0x8f, 0x07], { bx: 0xffff }, {}, 13)],
    ['of MOVS to offset FFFF, which leaves SI and DI', vector([0xa5], { di: 0xffff }, {}, 13)],
    ['of a load at FFFF of the stack segment', vector([0x8b, 0x46, 0], { bp: 0xffff }, {}, 12)],
    ['of LEAVE with BP = FFFF', vector([0xc9], { bp: 0xffff }, {}, 12)],
    ['of PUSHA with SP = 15', vector([0x60], { sp: 15 }, {}, 13)],
    ['of a far pointer at FFFE', vector([0xc5, 0x07], { bx: 0xfffe }, {}, 13)],
    ['of AAM by 0, which leaves the flags', vector([0xd4, 0], { ax: 5 }, {}, 0)],
    ['of REP MOVSB', vector([0xf3, 0xa4], { cx: 3 }, { cx: 0, si: 3, di: 3 })],
  ])('%s comes out as the manual says', async (_what, vector) => {
    const differences = await Differences.read(differencesOf('80286'));
    const runner = new VectorRunner(makeI386Pc({ memory: MEMORY, devices: false }), differences);
    const isDivided = vector.exception === null && vector.bytes[0] === 0xf6;
    const flags = isDivided ? 0 : 0xffff;
    expect(runner.check(vector, { skipped: null, flags, registers: 0, returnAddress: false, stores: false })).toEqual(
      [],
    );
  });

  test('finds a wrong one', async () => {
    const differences = await Differences.read(differencesOf('80286'));
    const runner = new VectorRunner(makeI386Pc({ memory: MEMORY, devices: false }), differences);
    const wrong = vector([0x40], { ax: 1 }, { ax: 3, flags: 0x202 });
    expect(runner.check(wrong, runner.leniencyOf(wrong))).toEqual(['ax 0x0002, not 0x0003']);
  });
});

test('A PC that starts anew has nothing of the run before', () => {
  const pc = pcWith([0xb8, 0x01, 0x00, 0xf4]);
  expect(pc.run(10)).toBe(RunEnd.halted);
  enterReal(pc.cpu, 0, CODE);
  pc.changed();
  expect([pc.run(1), pc.cpu.word(CPU.halted)]).toEqual([RunEnd.budget, 0]);
});
