// SPDX-License-Identifier: MIT
//
// Runs a batch on qemu-system-i386. The guest's memory is a file that this process shares: the batch is written into it
// before the start, the results are read from it afterwards, and no device is needed.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BATCH, type Outcome, RAM_BYTES, readOutcome } from './batch-layout.ts';
import { RUNNER_PATH } from './runner-image.ts';

export function qemuIsInstalled(): boolean {
  return spawnSync('qemu-system-i386', ['--version']).error === undefined;
}

/** The run ends by itself, by a triple fault, or after `timeoutMs`. */
export async function runOnQemu(batch: Uint8Array, timeoutMs: number): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), 'kjump-qemu-'));
  try {
    const ram = join(directory, 'ram');
    const file = openSync(ram, 'w+');
    ftruncateSync(file, RAM_BYTES);
    writeSync(file, batch, 0, batch.length, BATCH);
    await runToEnd(qemuArguments(ram), timeoutMs);
    const outcome = readOutcome((address, bytes) => {
      const piece = new Uint8Array(bytes);
      readSync(file, piece, 0, bytes, address);
      return piece;
    });
    closeSync(file);
    return outcome;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function qemuArguments(ram: string): string[] {
  const memory = `memory-backend-file,id=ram,size=${RAM_BYTES},mem-path=${ram},share=on`;
  return [
    ...['-accel', 'tcg', '-M', 'pc,memory-backend=ram', '-object', memory, '-m', `${RAM_BYTES >> 20}`],
    ...['-cpu', 'pentium3', '-nodefaults', '-display', 'none', '-bios', RUNNER_PATH],
    ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=0x4'],
  ];
}

function runToEnd(args: string[], timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('qemu-system-i386', args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: timeoutMs });
    let complaint = '';
    child.stderr.on('data', (text: Buffer) => {
      complaint += text.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => {
      // isa-debug-exit: 1 is our end. Null is the time limit, which leaves the results of the cases before.
      if ((code === 1 && complaint === '') || code === null) resolve();
      else reject(new Error(`qemu-system-i386 ended with ${code}: ${complaint}`));
    });
  });
}
