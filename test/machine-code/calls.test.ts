// SPDX-License-Identifier: MIT
//
// Functions in machine code called at a physical address (the fourth use), from a TypeScript kernel and from a machine-code kernel in
// the middle of its work: what they find, what comes back, and that the caller notices nothing.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Machine, PhysicalCall } from '../../orchestrator/index.ts';
import { guestFile, makeMachine, RECORD_BYTES, readStatus, recordOf } from './c-kernels.ts';

const RECORDER = guestFile('recorder/recorder.elf');
const RECORDER_AT = 0x800000;
const RECORD_AT = RECORDER_AT + 0x800;
const AT = 0x9000;
const folder = mkdtempSync(join(tmpdir(), 'kjump-calls-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file of instructions. */
function code(name: string, bytes: readonly number[]): string {
  const path = join(folder, `${name}.bin`);
  writeFileSync(path, Uint8Array.from(bytes));
  return path;
}
/** ADD EAX, EBX; MOV [0x9800], EAX; MOV ECX, [ESP]; STC; RET. */
const ADDS = code('adds', [0x01, 0xd8, 0xa3, 0x00, 0x98, 0x00, 0x00, 0x8b, 0x0c, 0x24, 0xf9, 0xc3]);
/** UD2. */
const DIES = code('dies', [0x0f, 0x0b]);
/** INC DWORD [0xB000], outside of its pages; RET. */
const STRAYS = code('strays', [0xff, 0x05, 0x00, 0xb0, 0x00, 0x00, 0xc3]);
/** INC DWORD [0x1000000], right behind RAM, where the machine keeps what is its own of the first kernel; RET. */
const STRAYS_FAR = code('strays-far', [0xff, 0x05, 0x00, 0x00, 0x00, 0x01, 0xc3]);
/** STD; RET. */
const RETURNS_WITH_DF = code('df', [0xfd, 0xc3]);
/** MOV ECX, 2000000; L: LOOP L; MOV EAX, 0x600D; RET: longer than a slice. */
const WORKS = code('works', [0xb9, 0x80, 0x84, 0x1e, 0x00, 0xe2, 0xfe, 0xb8, 0x0d, 0x60, 0x00, 0x00, 0xc3]);

interface Caller {
  readonly name: string;
  /** Boots the caller. */
  readonly boot: (machine: Machine) => Promise<unknown>;
  /** What is wrong with it. */
  readonly faults: (machine: Machine) => Promise<readonly string[]>;
}
const CALLERS: readonly Caller[] = [
  {
    name: 'a TypeScript kernel',
    boot: (machine) => machine.boot(new URL('../guests/counter.ts', import.meta.url), { name: 'A' }),
    faults: async ({ kernels }) => (kernels[0].state === 'RUNNING' ? [] : ['it is not running']),
  },
  {
    name: 'a machine-code kernel',
    boot: (machine) => machine.boot(guestFile('kernel/kernel-a.elf'), { name: 'A', cmdline: 'mode=loop beat=1000' }),
    faults: async ({ kernels }) => (await readStatus(kernels[0], 'a')).faults,
  },
];

describe.each(CALLERS)('called from $name, code', { timeout: 60_000 }, ({ boot, faults }) => {
  let story: Awaited<ReturnType<typeof makeMachine>>;
  let machine: Machine;
  beforeAll(async () => {
    story = await makeMachine({ memory: '16M' });
    ({ machine } = story);
    await boot(machine);
    await machine.run({ ticks: 55_555_555 });
  });
  afterAll(() => machine.close());

  const call = (file: string, options: Partial<PhysicalCall> = {}) =>
    machine.callPhysical(file, { at: AT, ...options });

  test('gets registers and gives them back, with flags and the address that it returns to, and what it wrote to its pages', async () => {
    const { registers, memory } = await call(ADDS, {
      registers: { eax: 0x1000, ebx: 0x234, edx: 77, edi: 5 },
      read: [{ physAddr: AT + 0x800, length: 4 }],
    });
    expect(registers).toMatchObject({ eax: 0x1234, ebx: 0x234, edx: 77, edi: 5 });
    expect(registers.eflags & 0x401).toBe(1);
    expect(registers.ecx % 4096).toBe(0xd7);
    expect([...memory[0]]).toEqual([0x34, 0x12, 0, 0]);
  });

  test('finds the state of the border: paging off, no tables, flat segments, a stack of one page', async () => {
    const { memory } = await machine.callPhysical(RECORDER, {
      at: RECORDER_AT,
      read: [{ physAddr: RECORD_AT, length: RECORD_BYTES }],
    });
    const { esp, stackWord, eflags, cr0, cr3, cr4, selectors, gdtr, idtr, visits } = recordOf(memory[0]);
    expect([esp % 4096, stackWord % 4096, eflags & 0xffff]).toEqual([0xffc, 0xd7, 6]);
    expect([cr0 & 0x8005000d, cr3, cr4, visits]).toEqual([1, 0, 0, 1]);
    expect(selectors.slice(0, 4)).toEqual([0x60, 0x68, 0x68, 0x68]);
    expect([gdtr, idtr]).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  test('may take its time', async () => {
    expect((await call(WORKS)).registers.eax).toBe(0x600d);
  });

  test('leaves nothing behind: memory, CPU and devices of its caller go on, call after call', async () => {
    for (let n = 0; n < 5; n++) {
      const { registers } = await call(ADDS, { registers: { eax: n, ebx: n } });
      expect(registers.eax).toBe(2 * n);
      await machine.run({ ticks: 3_333_333 });
      expect(await faults(machine)).toEqual([]);
    }
    expect(machine.kernels.map(({ name }) => name)).toEqual(['A']);
    expect(machine.captures.audit()).toEqual([]);
  });

  test('that comes back with DF set does no harm: its caller’s pages are brought back by the machine', async () => {
    await call(RETURNS_WITH_DF);
    await machine.run({ ticks: 3_333_333 });
    expect(await faults(machine)).toEqual([]);
  });

  test.each([
    ['stores outside of its pages', STRAYS, 'WINDOW_VIOLATION'],
    ['stores to a hidden page that is no stack', STRAYS_FAR, 'WINDOW_VIOLATION'],
    ['faults', DIES, 'KERNEL_CRASHED'],
  ])('that %s ends alone, and its caller can have the machine back', async (_, file, code) => {
    await expect(call(file)).rejects.toMatchObject({ code });
    await machine.jump('A');
    await machine.run({ ticks: 20_000_000 });
    expect(await faults(machine)).toEqual([]);
  });
});
