// SPDX-License-Identifier: MIT
//
// Machine-code kernels that bring in others by themselves, among kernels that the host has loaded at the same addresses: whoever lies in
// a kernel's window goes out and comes in with it, and an address is looked for in the place of the one that goes there.
import { expect, test } from 'vitest';
import { StatusPage, wellBeing } from '../../examples/well-being.ts';
import type { Kernel } from '../../orchestrator/index.ts';
import { guestFile, makeMachine, type Story, statusOf } from './c-kernels.ts';

const KEEPER = new URL('../../examples/guests/keeper.ts', import.meta.url);
const PEER = { file: guestFile('kernel/kernel-c.elf'), cmdline: 'mode=answer' };
const { kernelA: A_AT, kernelC: PEER_AT } = StatusPage;
const TICK = 10_000_000;

const load = ({ machine }: Story, name: string, rounds: number): Promise<Kernel> =>
  machine.load(guestFile('kernel/kernel-a.elf'), {
    name,
    window: ['1M', '12M'],
    cmdline: `mode=jump rounds=${rounds} window=8M-10M`,
    modules: [PEER],
  });

const status = async (kernel: Kernel, at: number) => statusOf(await kernel.read(at, 48));

/** Runs until the CPU has moved so often. */
const moves = ({ machine }: Story, switches: number) => machine.run({ switches, ticks: 1e9 });

test('a peer that lies in the window of its loader goes out and comes in with that window', {
  timeout: 60_000,
}, async () => {
  await using story = await makeMachine({ threads: 3 });
  const { machine } = story;
  const t = await machine.boot(KEEPER, { name: 'T', window: ['1M', '8M'] });
  const a = await load(story, 'A', 1000);
  await machine.jump(a);
  await moves(story, 1);
  const peer = machine.current ?? t;
  expect([peer.name, a.state]).toEqual(['A2', 'PARKED']);
  for (let n = 0; n < 3; n++) {
    const { ticks } = await status(peer, PEER_AT);
    const { pages } = await machine.jump(t);
    // The window of A goes out whole; T stands where it is.
    expect(pages).toBe(11 * 256);
    await machine.run({ ticks: 3 * TICK });
    expect(await wellBeing(t, StatusPage.keeper)).toMatchObject({ intact: true });
    expect(await status(a, A_AT)).toMatchObject({ departures: n + 1, faults: [] });
    expect(await status(peer, PEER_AT)).toMatchObject({ ticks, faults: [] });
    await machine.jump(peer);
    // Back to A by itself, and to the peer again.
    await moves(story, 2);
    expect(machine.current?.name).toBe('A2');
  }
  expect(await status(a, A_AT)).toMatchObject({ departures: 4, faults: [] });
  expect(machine.captures.audit()).toEqual([]);
});

test('while its loader has the machine, a peer cannot be entered by anybody else', { timeout: 60_000 }, async () => {
  await using story = await makeMachine({ threads: 3 });
  const { machine } = story;
  const t = await machine.boot(KEEPER, { name: 'T', window: ['1M', '8M'] });
  const a = await load(story, 'A', 1000);
  await machine.jump(a);
  await moves(story, 2);
  expect(machine.current?.name).toBe('A');
  await machine.jump(t);
  await expect(machine.jump('A2')).rejects.toMatchObject({ code: 'JUMP_REFUSED' });
  await machine.jump(a);
  await machine.run({ ticks: TICK / 2 });
  expect(await status(a, A_AT)).toMatchObject({ departures: 1, returns: 1, faults: [] });
});

test('two kernels of the same file, each with a peer, have control pages at one address, and each finds its own', {
  timeout: 60_000,
}, async () => {
  await using story = await makeMachine({ memory: '12M', spare: '64M', threads: 4 });
  const { machine } = story;
  await machine.boot(KEEPER, { name: 'T', window: ['1M', '8M'] });
  const kernels = [await load(story, 'A', 6), await load(story, 'D', 6)];
  for (const kernel of kernels) {
    await machine.jump(kernel);
    await moves(story, 1);
  }
  const peers = machine.kernels.slice(3);
  expect(peers.map(({ name }) => name)).toEqual(['A3', 'D4']);
  for (let round = 0; round < 5; round++) {
    for (const peer of peers) {
      if (machine.current !== peer) await machine.jump(peer);
      await moves(story, 2);
      expect(machine.current?.name).toBe(peer.name);
    }
  }
  for (const kernel of kernels) expect(await status(kernel, A_AT)).toMatchObject({ returns: 5, faults: [] });
  for (const peer of peers) expect(await status(peer, PEER_AT)).toMatchObject({ faults: [] });
});
