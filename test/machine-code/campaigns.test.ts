// SPDX-License-Identifier: MIT
//
// Short, seeded parts of the long campaigns of machine code in test/campaigns, and the guest that one of them runs.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BAD_MODES } from '../campaigns/bad-guest-modes.ts';
import { badGuests } from '../campaigns/bad-guests.ts';
import { everyInstruction } from '../campaigns/every-instruction.ts';
import { rotateMesh, rotatePair } from '../campaigns/rotations.ts';

const SOURCE = fileURLToPath(new URL('faulting-guest.S', import.meta.url));
const BINARY = fileURLToPath(new URL('faulting-guest.bin', import.meta.url));

describe('machine-code and TypeScript kernels', { timeout: 120_000 }, () => {
  test('keep their digests over rotations in random order, and whom one brings in by itself is among them', async () => {
    expect((await rotateMesh(120, 20082)).faults).toEqual([]);
  });

  test('keep their digests over 200 round trips of their own', async () => {
    expect(await rotatePair(200)).toMatchObject({ faults: [], switches: 400 });
  });
});

describe('a guest that faults, traps, is interrupted and changes its code', { timeout: 120_000 }, () => {
  test('comes to the same end from a capture after any of its instructions, in another machine', () => {
    const report = everyInstruction(4000, 34, 600);
    expect(report).toMatchObject({ ok: true, differing: [], captures: 101 });
    for (const count of report.events) expect(count).toBeGreaterThan(0);
  });

  const hasTools = spawnSync('gcc', ['-m32', '-c', '-x', 'assembler', '/dev/null', '-o', '/dev/null']).status === 0;
  test.skipIf(!hasTools)('is what its source says', () => {
    const folder = mkdtempSync(join(tmpdir(), 'kjump-guest-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const [object, binary] = [join(folder, 'guest.o'), join(folder, 'guest.bin')];
    execFileSync('gcc', ['-m32', '-c', '-x', 'assembler', SOURCE, '-o', object]);
    const layout = ['-m', 'elf_i386', '-Ttext', '0x10000', '-e', '0x10000', '--oformat', 'binary'];
    execFileSync('ld', [...layout, object, '-o', binary]);
    expect(readFileSync(binary).equals(readFileSync(BINARY))).toBe(true);
  });
});

describe('random bytes executed as code', { timeout: 120_000 }, () => {
  test.each(BAD_MODES)('in mode %s raise no error, and store nowhere outside their window', (mode) => {
    expect(badGuests(mode, 100_000, 20083)).toMatchObject({ ok: true, faults: [] });
  });
});
