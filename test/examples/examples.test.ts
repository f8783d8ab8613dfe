// SPDX-License-Identifier: MIT
//
// Every example gives the result that it is there to show, with threads that live and with threads that are replaced at every
// switch (`amnesia`), so that nothing but the bytes of the machine carries a kernel from one turn to the next.
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test, vi } from 'vitest';
import { scenario as biosCall } from '../../examples/bios-call.ts';
import { scenario as cooperative } from '../../examples/cooperative.ts';
import { scenario as faults } from '../../examples/faults.ts';
import { scenario as hibernate } from '../../examples/hibernate.ts';
import { scenario as machineCode } from '../../examples/machine-code.ts';
import { scenario as physicalCall } from '../../examples/physical-call.ts';
import { scenario as snapshots } from '../../examples/snapshots.ts';
import { runScenario } from './test-context.ts';

// With amnesia every switch starts a thread, and one test here starts two processes.
vi.setConfig({ testTimeout: 60_000 });

describe.each([{ amnesia: false }, { amnesia: true }])('with amnesia: $amnesia', (options) => {
  test('cooperative: three kernels share a window, each has its turns and finds its memory as it left it', async () => {
    // A switch to a new thread takes a thousand times longer.
    const switches = options.amnesia ? 7 : 1000;
    const { result } = await runScenario(cooperative, [String(switches)], options);
    const [a, b, c] = [2, 1, 0].map((turn) => Math.floor((switches + turn) / 3));
    expect(result).toEqual({ switches: switches + 2, turns: { A: a, B: b, C: c }, errors: 0 });
  });

  test('snapshots: the difference names what changed, and going back and doing it again changes the same', async () => {
    const { result, said } = await runScenario(snapshots, [], options);
    expect(result.changedPages).toEqual(['200000', '201000']);
    expect(result.changedFields).toEqual(
      expect.arrayContaining(['clock.nowTick', 'cpu.eax', 'post.code', 'post.count']),
    );
    expect(result.afterRestore).toEqual({ pages: 0, fields: ['clock.generation'] });
    expect(result.afterRepeat).toEqual({ pages: 0, fields: ['clock.generation'] });
    expect(said.join('\n')).toContain('field cpu.eax                  10 → 13');
  });

  test('hibernate: A goes on from a disk that B wrote and C read, in a machine that holds nobody else', async () => {
    const { result, said } = await runScenario(hibernate, [], options);
    expect(result).toEqual({
      firstProcess: 'powerOff',
      secondProcess: 'powerOff',
      memoryIsTheSame: true,
      kernels: ['A'],
      ticks: 200,
      intact: true,
    });
    expect(said).toContain('A goes on after tick 100, memory intact');
  });

  test('physical-call: registers and memory come back, the caller keeps its own, a stray store is stopped', async () => {
    const { result } = await runScenario(physicalCall, [], options);
    expect(result).toEqual({
      date: '2008-07-26',
      ecx: 0x2008,
      edx: 0x0726,
      callerUnchanged: true,
      stray: 'WINDOW_VIOLATION',
      goesOn: 'A',
    });
  });

  test('faults: every refused jump leaves memory and devices as they were, and the next one succeeds', async () => {
    const { result } = await runScenario(faults, [], options);
    expect(result.refused).toEqual({ 'PM_TEST ECANCELED': 6, 'JUMP_REFUSED EIO': 15 });
    expect(result).toMatchObject({ changed: 0, livesOn: 'A', switches: 2 });
  });

  test('machine-code: kernels in C and TypeScript rotate, and C kernels by themselves, with no tick lost', async () => {
    const { result, said } = await runScenario(machineCode, ['2'], options);
    expect(result.rotated).toEqual({
      switches: 6,
      // 6 ticks a turn. T's timer interrupts once more, when it is set; the kernels in C spend one on booting.
      T: { ticks: 13, intact: true },
      B: { ticks: 11, intact: true },
      C: { ticks: 11, intact: true },
    });
    expect(result.byThemselves).toMatchObject({
      ended: 'powerOff',
      exitStatus: 1,
      switches: 4,
      kernels: ['A', 'A1'],
      A: { intact: true },
    });
    expect(said).toContain('A → A1');
    expect(said.join('\n')).toMatch(/\[A\] A: round 2 of 2, back at tick \d+, digest/);
  });

  test('bios-call: real-mode routines of a BIOS answer kernels that run in protected mode', async () => {
    const { result } = await runScenario(biosCall, [], options);
    const sector = 'Sector 1 of the disk, read by INT 13h';
    const map = ['0–9fc00', '9fc00–a0000 reserved', 'f0000–100000 reserved', '100000–1000000'];
    expect(result).toEqual({
      biosEnded: 'deadlock',
      answers: [
        { kernel: 'T', sector, ticks: 12, intact: true },
        { kernel: 'C', sector, ticks: 11, intact: true },
      ],
      map,
      byItself: { ended: 'powerOff', exitStatus: 1, read: sector },
    });
  });
});

test('hibernate: from one process to another, by its command', async () => {
  const tsx = createRequire(import.meta.url).resolve('tsx/cli');
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [tsx, 'orchestrator/cli.ts', 'run', 'examples/hibernate.ts', '--json'],
    { cwd: fileURLToPath(new URL('../..', import.meta.url)) },
  );
  expect(JSON.parse(stdout).result).toMatchObject({ memoryIsTheSame: true, kernels: ['A'], ticks: 200, intact: true });
});
