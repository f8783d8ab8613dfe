// SPDX-License-Identifier: MIT
//
// The reference Linux in snapshots, clones, rotations with other kernels, and calls of a BIOS.
import { describe, expect, test, vi } from 'vitest';
import { scenario as linuxBiosCall } from '../../examples/linux-bios-call.ts';
import { scenario as linuxClone } from '../../examples/linux-clone.ts';
import { hasLinuxGuest, WHEN_SKIPPED } from '../../examples/linux-guest.ts';
import { scenario as linuxRotation } from '../../examples/linux-rotation.ts';
import { scenario as linuxSnapshots } from '../../examples/linux-snapshots.ts';
import { runScenario } from '../examples/test-context.ts';

// A boot each.
vi.setConfig({ testTimeout: 300_000 });

describe.skipIf(!hasLinuxGuest)(`Linux${WHEN_SKIPPED}`, () => {
  test('in snapshots: what a command changed is found, the same again after going back, and gone before it', async () => {
    const { result } = await runScenario(linuxSnapshots);
    expect(result).toMatchObject({
      visits: '2',
      repeated: { pages: 0, fields: ['clock.generation'] },
      back: { file: expect.stringContaining('No such file'), visits: '1' },
      forward: { file: 'It was here that the change was made.', visits: '2' },
    });
    expect(result.pagesWithText).toBeGreaterThan(0);
    expect(result.changedPages).toBeGreaterThan(result.pagesWithText);
    expect(result.changedPages).toBeLessThan(500);
  });

  test('cloned twenty times: each knows what all were told, and what only it was; a clone costs its own pages', async () => {
    const { result } = await runScenario(linuxClone);
    const numbers = Array.from({ length: 20 }, (_, i) => i + 1);
    expect(result.answers).toEqual([
      ...numbers.map((n) => `${42 + n} common ${n}`),
      ...numbers.map((n) => `${42 + 2 * n} common ${n} ${n}`),
    ]);
    expect(result).toMatchObject({ untouched: '42 common', kernels: 21, switches: 41 });
    expect(result.kib.fresh).toBeLessThan(256);
    expect(result.kib.lived).toBeLessThan(2048);
  });

  test('in turn with kernels in C and TypeScript: each goes on where it was, and a sleeper in Linux wakes', async () => {
    const { result } = await runScenario(linuxRotation, ['2']);
    expect(result).toEqual({
      switches: 6,
      Linux: { answers: ['1', '2'], woken: 'woken', intact: true },
      // 6 ticks a turn; the kernel in C spends one on booting.
      T: { ticks: 12, intact: true },
      C: { ticks: 11, intact: true },
    });
  });

  test('calls INT 13h and INT 15h of a BIOS through kexec, and goes on with the answers', async () => {
    const { result } = await runScenario(linuxBiosCall);
    expect(result).toEqual({
      biosEnded: 'deadlock',
      byBios: 'Sector 1 of the disk, read by INT 13h',
      byDriver: 'Sector 1 of the disk, read by INT 13h',
      map: ['0–9fc00', '9fc00–a0000 reserved', 'f0000–100000 reserved', '100000–4000000'],
      visits: '5',
      switches: 11,
    });
  });
});
