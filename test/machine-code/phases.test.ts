// SPDX-License-Identifier: MIT
//
// Jumps that machine code makes by itself, reported by phases: what kernels compiled by gcc do of their own before and behind their
// relocation, the relocation both ways, and who has none of that to report.
import { expect, test, vi } from 'vitest';
import type { PhaseEvent, SwitchReport } from '../../orchestrator/index.ts';
import { guestFile, makeMachine, runKernel, type Story } from './c-kernels.ts';

vi.setConfig({ testTimeout: 60_000 });

const PEER = { file: 'kernel/kernel-b.elf', cmdline: 'mode=answer' };
const phasesOf = ({ phases }: SwitchReport): string[] =>
  phases.map(({ kernel, line, direction }) => `${kernel} ${line} ${direction}`);

const DOWN = (kernel: string): string[] => [`${kernel} own-work down`, `${kernel} relocate down`];
const UP = (kernel: string): string[] => [`${kernel} relocate up`, `${kernel} own-work up`];

async function jumpThere(story: Story, rounds: number): Promise<SwitchReport[]> {
  await runKernel(story, 'kernel/kernel-a.elf', `mode=jump rounds=${rounds}`, PEER);
  return story.switches;
}

test('the leaver’s own work and relocation come before the hand-over, those of a kernel that comes back behind it', async () => {
  await using story = await makeMachine({ memory: '32M' });
  const switches = await jumpThere(story, 2);
  // Nobody has a way back the first time.
  expect(switches.map(phasesOf)).toEqual([
    DOWN('A'),
    [...DOWN('A1'), ...UP('A')],
    [...DOWN('A'), ...UP('A1')],
    [...DOWN('A1'), ...UP('A')],
  ]);
  for (const { phases, handOverUs, totalUs } of switches) {
    for (const { durationUs, errno } of phases) expect([durationUs >= 0, errno]).toEqual([true, 0]);
    const known = phases.reduce((sum, { durationUs }) => sum + durationUs, handOverUs);
    expect(known).toBeLessThanOrEqual(totalUs + 1);
  }
});

test('a switch counts the pages that the leaver moved and those that the newcomer moves when it is back', async () => {
  await using story = await makeMachine({ memory: '32M' });
  // The peer lies in 2 MiB of A, and A’s stub moves them both ways.
  expect((await jumpThere(story, 2)).map(({ pages }) => pages)).toEqual([512, 512, 512, 512]);
});

test('all of it but the wall clock is the same in another run, wherever that pauses', async () => {
  const run = async (pauses: readonly number[]) => {
    await using story = await makeMachine({ memory: '32M' });
    const { machine } = story;
    const modules = [{ file: guestFile(PEER.file), cmdline: PEER.cmdline }];
    await machine.boot(guestFile('kernel/kernel-a.elf'), { name: 'A', cmdline: 'mode=jump rounds=2', modules });
    const seen: PhaseEvent[] = [];
    machine.on('phase', (event) => void seen.push(event));
    for (const tick of pauses) await machine.run({ ticks: tick - machine.now });
    await machine.run({ ticks: 5e9 });
    return seen.map(({ kernel, line, direction, tick }) => ({ kernel, line, direction, tick }));
  };
  const whole = await run([]);
  expect(whole).toHaveLength(14);
  // Two or three instructions before and behind each.
  expect(await run(whole.flatMap(({ tick }) => [tick - 25, tick + 25]))).toEqual(whole);
});

test('a run that ends at the hand-over has the report of what was until then, and the rest as phases in the next run', async () => {
  await using story = await makeMachine({ memory: '32M' });
  const { machine, switches } = story;
  const modules = [{ file: guestFile(PEER.file), cmdline: PEER.cmdline }];
  await machine.boot(guestFile('kernel/kernel-a.elf'), { name: 'A', cmdline: 'mode=jump rounds=2', modules });
  await machine.run({ switches: 2 });
  expect(switches.map(phasesOf)).toEqual([DOWN('A'), DOWN('A1')]);
  const seen: string[] = [];
  machine.on('phase', ({ kernel, line, direction }) => void seen.push(`${kernel} ${line} ${direction}`));
  await machine.run({ switches: 1 });
  expect(seen).toEqual([...UP('A'), ...DOWN('A')]);
  expect(switches.map(phasesOf)[2]).toEqual(DOWN('A'));
});

test('code that never switched paging on has no phases, neither when it leaves nor when it is back', async () => {
  await using story = await makeMachine();
  await runKernel(story, 'kernel/kernel-a.elf', 'mode=record leave=call rounds=2', { file: 'recorder/recorder.elf' });
  expect(story.switches.map(phasesOf)).toEqual([DOWN('A'), UP('A'), DOWN('A'), UP('A')]);
});

test('a kernel that dies on its way back has its switch reported before its end', async () => {
  await using story = await makeMachine({ mode: 'strict' });
  const order: string[] = [];
  story.machine.on('switch', ({ to }) => void order.push(`switch to ${to}`));
  story.machine.on('crash', ({ kernel }) => void order.push(`crash of ${kernel}`));
  await runKernel(story, 'kernel/kernel-a.elf', 'mode=jump rounds=3 stub=strict', PEER);
  expect(order).toEqual(['switch to A1', 'switch to A', 'crash of A']);
  expect(phasesOf(story.switches[1])).toEqual([...DOWN('A1'), 'A relocate up']);
});
