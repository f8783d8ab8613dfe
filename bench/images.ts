// SPDX-License-Identifier: MIT
//
// Hibernation to and from a file on tmpfs, half of 64 MiB not zero, beside the time to copy and to checksum those bytes.

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { createMachine, resumeMachine } from '../orchestrator/index.ts';
import { type BenchOptions, check, median, type Result, result, timeUs } from './report.ts';

const guest = (name: string): URL => new URL(`./guests/${name}${extname(import.meta.url)}`, import.meta.url);
const BYTES = 32 * 1024 ** 2;

export async function images({ quick }: BenchOptions): Promise<Result[]> {
  const rounds = quick ? 3 : 11;
  const folder = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'kjump-bench-'));
  try {
    const file = join(folder, 'machine.kjump');
    await using machine = await createMachine({ memory: '64M', threads: 1 });
    await machine.boot(guest('filler'), { window: [0, '32M'] });
    await machine.run({ steps: 8192 });
    const boundUs = await copyAndChecksumUs(rounds);
    const snapshot = await machine.snapshot('bench');
    const save = await timeUs(rounds, () => snapshot.save(file));
    const digest = snapshot.digest();
    const loads: number[] = [];
    for (let round = 0; round < rounds; round++) {
      // Buffers of earlier rounds would be collected in the middle of a later one.
      globalThis.gc?.();
      const started = performance.now();
      const resumed = await resumeMachine(file, { threads: 1 });
      loads.push((performance.now() - started) * 1000);
      if (round === 0) await checkSame(resumed, digest);
      await resumed.close();
    }
    const bound = [boundUs / 1000, 'copying and checksumming the bytes'] as const;
    return [
      result('hibernate.64m', save / 1000, 'ms', bound, 2 * bound[0]),
      result('resume.64m', median(loads) / 1000, 'ms', bound, 2 * bound[0]),
    ];
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function checkSame(resumed: Awaited<ReturnType<typeof resumeMachine>>, digest: string): Promise<void> {
  check(resumed.captures.audit().length === 0, 'every frame of the resumed machine is accounted for');
  const again = await resumed.snapshot('again');
  // The generation is the only thing that a resume changes.
  check(again.digest() !== digest && again.pageCount > 0, 'a resumed machine knows that it was resumed');
}

/** Median µs to copy and to checksum the bytes that are not zero. */
function copyAndChecksumUs(rounds: number): Promise<number> {
  const from = new Uint8Array(new SharedArrayBuffer(BYTES)).fill(0x5a);
  const to = new Uint8Array(new SharedArrayBuffer(BYTES)).fill(1);
  let sum = 0;
  return timeUs(rounds, () => {
    to.set(from);
    sum ^= crc32(to);
    check(Number.isInteger(sum), 'a checksum is a number');
  });
}
