// SPDX-License-Identifier: MIT
//
// NX in the C kernel with PAE (Linux machine_kexec_prepare and machine_kexec_cleanup): nothing but text can be executed, and the
// control page of the image that is loaded, for as long as it is.
import { expect, test, vi } from 'vitest';
import type { Kernel } from '../../orchestrator/index.ts';
import { ALL_WELL, makeMachine, RECORD_BYTES, RESULTS, recordOf, runKernel } from './c-kernels.ts';

vi.setConfig({ testTimeout: 60_000 });

const KERNEL = 'kernel/kernel-a-pae.elf';
const RECORDER = { file: 'recorder/recorder.elf' };
const ANSWERING = { file: 'kernel/kernel-b-pae.elf', cmdline: 'mode=answer' };
const PAGE = 4096;
const PAGE_OFFSET = 0xc0000000;
const USER_TEXT = 0x08000000;
/** KERNEL_PHYS and two pages: the headers' and the status page (kernel.ld). */
const KERNEL_TEXT = PAGE_OFFSET + 0x102000;
const PRESENT = 1;
const NX = 0x80000000;
const PAGE_FAULT = 14;
/** P and I/D, of a supervisor access. */
const FETCH_OF_PRESENT_PAGE = 0x11;

interface Entry {
  readonly low: number;
  readonly high: number;
}

async function table(kernel: Kernel, physAddr: number, entries: number): Promise<Entry[]> {
  const { buffer } = await kernel.read(physAddr, entries * 8);
  const words = new Uint32Array(buffer);
  return Array.from({ length: entries }, (_, i) => ({ low: words[2 * i], high: words[2 * i + 1] }));
}

/** Linear addresses of all pages that PAE tables without large pages let be executed, and how many they map in all. */
async function executablePages(kernel: Kernel, cr3: number): Promise<{ pages: number[]; mapped: number }> {
  const pages: number[] = [];
  let mapped = 0;
  const pointers = await table(kernel, cr3, 4);
  for (const [i, pointer] of pointers.entries()) {
    if ((pointer.low & PRESENT) === 0) continue;
    const directory = await table(kernel, (pointer.low & -PAGE) >>> 0, 512);
    for (const [j, { low, high }] of directory.entries()) {
      if ((low & PRESENT) === 0) continue;
      const leaves = await table(kernel, (low & -PAGE) >>> 0, 512);
      for (const [k, leaf] of leaves.entries()) {
        if ((leaf.low & PRESENT) === 0) continue;
        mapped++;
        if (((leaf.high | high) & NX) === 0) pages.push(i * 2 ** 30 + j * 2 ** 21 + k * PAGE);
      }
    }
  }
  return { pages, mapped };
}

/** Where runs of pages that follow each other begin. */
const runsOf = (pages: readonly number[]): number[] => pages.filter((page, i) => page !== pages[i - 1] + PAGE);

test('a kernel lets its text be executed, its tasks’ text, and the control page of its image; no former control page', async () => {
  await using story = await makeMachine();
  // Loaded anew for each visit.
  const a = await runKernel(story, KERNEL, 'mode=record flags=1 rounds=5', RECORDER);
  expect(story.ends).toMatchObject([{ kernel: 'A', exitStatus: ALL_WELL }]);
  const control = recordOf(await a.read(RESULTS, RECORD_BYTES)).edi;
  const cr3 = new DataView((await a.read(control + 0x808, 4)).buffer).getUint32(0, true);
  const { pages, mapped } = await executablePages(a, cr3);
  expect(runsOf(pages)).toEqual([USER_TEXT, KERNEL_TEXT, PAGE_OFFSET + control]);
  expect(pages.at(-1)).toBe(PAGE_OFFSET + control);
  expect(pages.length).toBeLessThan(40);
  expect(mapped).toBeGreaterThan(4000);
});

test('a control page that is left NX is the end of the jump: the fetch of its first instruction is a page fault', async () => {
  await using story = await makeMachine();
  await runKernel(story, KERNEL, 'mode=jump control-page=nx', ANSWERING);
  expect(story.ends).toMatchObject([{ kernel: 'A', state: 'CRASHED', code: 'tripleFault' }]);
  const { report } = story.ends[0];
  expect(report?.chain[0]).toMatchObject({ vector: PAGE_FAULT, errorCode: FETCH_OF_PRESENT_PAGE });
  expect(report?.cpu.cr2).toBe(report?.chain[0].eip);
  expect(story.ends[0].address % PAGE).toBe(0);
  expect(report?.hints[0].what).toContain('is in a page that is marked no-execute');
});

test('a kernel without PAE has no NX, and jumps all the same', async () => {
  await using story = await makeMachine();
  await runKernel(story, 'kernel/kernel-a.elf', 'mode=jump rounds=2 control-page=nx', ANSWERING);
  expect(story.ends).toMatchObject([{ kernel: 'A', exitStatus: ALL_WELL }]);
});
