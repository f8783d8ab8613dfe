// SPDX-License-Identifier: MIT
//
// Kernels compiled by gcc that jump by themselves, in a real machine with a thread a kernel: their own kexec_load, their own
// machine_kexec, the stub in their own control page. The machine only notices.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Kernel } from '../../orchestrator/index.ts';
import { ALL_WELL, makeMachine, RECORD_BYTES, RESULTS, readStatus, recordOf, runKernel } from './c-kernels.ts';

vi.setConfig({ testTimeout: 60_000 });

const RECORDER = { file: 'recorder/recorder.elf' };
const ANSWERING = (kernel: string) => ({ file: `kernel/${kernel}.elf`, cmdline: 'mode=answer' });
const ENTRY = 0x800000;

describe.each(['kernel-a', 'kernel-a-pae'])('%s', (file) => {
  const kernel = `kernel/${file}.elf`;

  let story: Awaited<ReturnType<typeof makeMachine>>;
  let a: Kernel;
  let record: ReturnType<typeof recordOf>;
  let control: Uint32Array;
  beforeAll(async () => {
    story = await makeMachine();
    a = await runKernel(story, kernel, 'mode=record leave=ret', RECORDER);
    record = recordOf(await a.read(RESULTS, RECORD_BYTES));
    control = new Uint32Array((await a.read(record.edi + 0x800, 0x20)).buffer);
  });
  afterAll(() => story.machine.close());

  test('case 33: its peer sees ESP = SW+0xFFC, [ESP] = CP+0xD7, CR0 masked, CR3 = CR4 = 0, EFLAGS = 6, no GDT, no IDT', () => {
    const [, cr0, , , , , swap] = control;
    expect(record.esp).toBe(swap + 0xffc);
    expect(record.stackWord).toBe(record.edi + 0xd7);
    expect(record.cr0).toBe(((cr0 & 0x7ffafff3) | 1) >>> 0);
    expect([record.cr3, record.cr4, record.eflags]).toEqual([0, 0, 6]);
    expect([record.gdtr, record.idtr]).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  test('case 35: its peer sees EAX = 0, EBX = head, ECX = 4, EDX = entry, ESI = 1, EDI = CP, EBP = the page_list', () => {
    const { eax, ebx, ecx, edx, esi, edi, ebp } = record;
    expect([eax, ebx, ecx, edx, esi]).toEqual([0, control[7], 4, ENTRY, 1]);
    expect(edi % 4096).toBe(0);
    expect(ebp).toBeGreaterThan(0xc0000000);
  });

  test('case 54: its peer sees no breakpoints', () => {
    expect(record.debug).toEqual([0, 0, 0, 0, 0xffff0ff0, 0x400]);
  });

  test('case 46: after a peer’s RET its image->start is the first word behind the swap page, and it goes on', async () => {
    const behind = await a.read(control[6] + 4096, 4);
    expect((await readStatus(a, 'a')).imageStart).toBe(new DataView(behind.buffer).getUint32(0, true));
    expect(story.ends).toMatchObject([{ kernel: 'A', state: 'OFF', exitStatus: ALL_WELL }]);
    expect(story.machine.find('A1').state).toBe('OFF');
  });

  test('case 44: its jump returns 0, the image stays loaded, and the next jump needs no other', async () => {
    await using story = await makeMachine();
    await runKernel(story, kernel, 'mode=record leave=call rounds=3', RECORDER);
    expect(story.lines().filter((line) => line.startsWith('A: record'))).toEqual([
      'A: record 1, visit 1, start is now 00800150',
      'A: record 2, visit 2, start is now 00800150',
      'A: record 3, visit 3, start is now 00800150',
    ]);
    expect(story.switches.map(({ from, to }) => `${from} ${to}`)).toEqual([
      'A A1',
      'A1 A',
      'A A1',
      'A1 A',
      'A A1',
      'A1 A',
    ]);
  });

  test('case 57: with a new image it enters a new peer at its start; the one that was parked in the old image is gone', async () => {
    await using story = await makeMachine();
    // Left by CALL, and loaded anew all the same: more often than there are slots for kernels.
    await runKernel(story, kernel, 'mode=record flags=1 rounds=10', RECORDER);
    const visits = story.lines().filter((line) => line.startsWith('A: record'));
    expect(visits).toHaveLength(10);
    for (const line of visits) expect(line).toContain('visit 1, start is now 00800150');
    expect(story.ends).toMatchObject([{ exitStatus: ALL_WELL }]);
    expect(story.machine.kernels.map(({ name, state }) => `${name} ${state}`)).toEqual(['A OFF', 'A1 PARKED']);
  });
});

test.each([
  ['kernel-a', 'kernel-b-pae'],
  ['kernel-a-pae', 'kernel-c'],
])('case 49: %s and %s keep their data and digests over many round trips', async (kernel, peer) => {
  await using story = await makeMachine({ memory: '32M' });
  const a = await runKernel(story, `kernel/${kernel}.elf`, 'mode=jump rounds=30', ANSWERING(peer));
  expect(story.ends).toMatchObject([{ kernel: 'A', exitStatus: ALL_WELL }]);
  expect(story.switches).toHaveLength(60);
  expect(story.switches.every(({ kind }) => kind === 'preserve')).toBe(true);
  expect(await readStatus(a, 'a')).toMatchObject({ departures: 30, returns: 30, faults: [] });
});

describe('the holes of Linux 6.1', () => {
  const jumps = (kernel: string, mode: 'strict' | 'repaired') => async () => {
    const story = await makeMachine({ mode });
    const a = await runKernel(story, `kernel/${kernel}.elf`, 'mode=jump rounds=3 stub=strict', ANSWERING('kernel-b'));
    return { ...story, a };
  };

  test('case 50: with the strict stub, in strict mode, a return without a GDT is a triple fault at the first load of SS', async () => {
    await using story = await jumps('kernel-a', 'strict')();
    expect(story.ends).toMatchObject([{ kernel: 'A', state: 'CRASHED', code: 'tripleFault' }]);
    expect(story.ends[0].text).toMatch(/^triple fault at 0xc01[0-9a-f]{5}: vector 13/);
    // MOV SS, r32, of restore_cpu_state.
    const [opcode, modrm] = await story.a.read(story.ends[0].address - 0xc0000000, 2);
    expect([opcode, modrm & 0xf8]).toEqual([0x8e, 0xd0]);
  });

  test('case 50: in repaired mode the same guest comes back, and the switch report says that the GDT was repaired', async () => {
    await using story = await jumps('kernel-a', 'repaired')();
    expect(story.ends).toMatchObject([{ kernel: 'A', state: 'OFF', exitStatus: ALL_WELL }]);
    expect(story.switches.map(({ to, repaired }) => [to, ...repaired])).toEqual([
      ['A1'],
      ['A', 'gdt'],
      ...[
        ['A1', 'gdt'],
        ['A', 'gdt'],
        ['A1', 'gdt'],
        ['A', 'gdt'],
      ].map(([to, ...what]) => [to, ...what]),
    ]);
  });

  test('case 51: with the strict stub, in strict mode, a PAE kernel’s return ends where paging goes on', async () => {
    await using story = await jumps('kernel-a-pae', 'strict')();
    expect(story.ends).toMatchObject([{ kernel: 'A', state: 'CRASHED', code: 'tripleFault' }]);
    expect(story.ends[0].text).toMatch(/^triple fault at 0x00[0-9a-f]{3}1[0-9a-f]{2}: vector 14/);
  });

  test('case 51: in repaired mode the same guest comes back, and the switch report says that CR4 was repaired', async () => {
    await using story = await jumps('kernel-a-pae', 'repaired')();
    expect(story.ends).toMatchObject([{ kernel: 'A', state: 'OFF', exitStatus: ALL_WELL }]);
    const back = story.switches.filter(({ to }) => to === 'A');
    expect(back.map(({ repaired }) => repaired)).toEqual([
      ['gdt', 'cr4'],
      ['gdt', 'cr4'],
      ['gdt', 'cr4'],
    ]);
  });
});

describe('a peer that comes back with DF set', () => {
  const RETURNS_WITH_DF = 'mode=record flags=8';

  test('case 52: is stopped in repaired mode, and the kernel that it came to is whole', async () => {
    await using story = await makeMachine();
    await runKernel(story, 'kernel/kernel-a.elf', RETURNS_WITH_DF, RECORDER);
    expect(story.ends).toMatchObject([{ kernel: 'A1', state: 'CRASHED', code: 'badReturn' }]);
    expect(story.ends[0].text).toMatch(/^it came back to A with DF set: /);
    await story.machine.jump('A');
    await story.machine.run({ ticks: 1e9 });
    expect(story.ends[1]).toMatchObject({ kernel: 'A', state: 'OFF', exitStatus: ALL_WELL });
  });

  test('case 52: destroys that kernel in strict mode', async () => {
    await using story = await makeMachine({ mode: 'strict' });
    await runKernel(story, 'kernel/kernel-a.elf', RETURNS_WITH_DF, RECORDER);
    expect(story.lines().filter((line) => line.startsWith('A: record'))).toEqual([]);
    expect(story.ends).toMatchObject([{ kernel: 'A', state: 'CRASHED' }]);
  });
});
