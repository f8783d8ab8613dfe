// SPDX-License-Identifier: MIT
//
// npx tsx test/campaigns/every-instruction.ts [instructions] [seed] [images]: a guest that faults, is interrupted, traps and changes
// its code (test/machine-code/faulting-guest.S) runs one instruction at a time. After each one the machine is captured; a new engine
// over a copy of the bytes restores that capture and goes on to the end, where every byte must be as after the uninterrupted
// run. At some instructions, chosen by the seed, another process resumes from an image file instead. Prints what it saw as
// JSON; exit code 1 if anything differs.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { Board } from '../../kernel-worker/board.ts';
import { I386Engine } from '../../kernel-worker/engines/i386/i386-engine.ts';
import { createMachine, type Machine, resumeMachine } from '../../orchestrator/index.ts';
import { type CaptureId, Captures } from '../../shared/captures.ts';
import { MachineMemory } from '../../shared/machine-memory.ts';
import { PAGE_SIZE } from '../../shared/units.ts';
import { Pc } from '../i386/pc.ts';
import { randomFrom } from './random.ts';

const GUEST = fileURLToPath(new URL('../machine-code/faulting-guest.bin', import.meta.url));
const GUEST_AT = 0x10000;
const COUNTERS = 0x15000;
const MEMORY = { memory: '1M', spare: '1M' } as const;
const run = promisify(execFile);

export interface EveryInstructionReport {
  readonly ok: boolean;
  readonly instructions: number;
  readonly captures: number;
  /** Captures that resumed to another end: instructions before them. */
  readonly differing: readonly number[];
  /** What the guest counted: page faults, timer interrupts, traps, system calls. */
  readonly events: readonly number[];
}

/** Captures after every `stride`-th of the first `instructions` instructions, beginning with the first. */
export function everyInstruction(instructions: number, stride = 1, first = 1): EveryInstructionReport {
  const whole = boot();
  whole.run(instructions);
  const end = pictureOf(whole.parts.machine, whole.board);
  const stepped = boot();
  const other = new ResumingMachine(stepped);
  const differing: number[] = [];
  let captures = 0;
  for (let done = 1; done <= instructions; done++) {
    stepped.run(1);
    if (done < first || (done - first) % stride !== 0) continue;
    const capture = stepped.parts.captures.create();
    captures++;
    if (!other.resume(capture, instructions - done).equals(end)) differing.push(done);
    stepped.parts.captures.release(capture);
  }
  if (!pictureOf(stepped.parts.machine, stepped.board).equals(end)) differing.push(instructions);
  const counters = new Uint32Array(whole.read(COUNTERS, 16).slice().buffer);
  return { ok: differing.length === 0, instructions, captures, differing, events: [...counters] };
}

function boot(): Pc {
  const pc = new Pc(MEMORY);
  pc.write(GUEST_AT, readFileSync(GUEST));
  return pc.flat(GUEST_AT);
}

/** A second machine, in which nothing is known of the first one but its bytes. */
class ResumingMachine {
  private readonly original: Pc;
  private readonly machine: MachineMemory;

  constructor(original: Pc) {
    this.original = original;
    this.machine = MachineMemory.create(original.parts.machine.geometry);
  }

  /** What is there after so many instructions from the capture on. */
  resume(capture: CaptureId, instructions: number): Buffer {
    const { machine, original } = this;
    machine.u8.set(original.parts.machine.u8);
    const board = new Board(machine, 0, original.board.options, () => {});
    // Nothing of the present is left, but what the capture keeps.
    board.memory.zero(0, board.memory.ramPages);
    machine.bytes('cpu').fill(0);
    machine.bytes('devices').fill(0);
    new Captures(machine, board.memory).restore(capture);
    new I386Engine(board, board.slots[0]).run(instructions, Number.POSITIVE_INFINITY);
    return pictureOf(machine, board);
  }
}

/** Every byte that a guest can know of, and the machine's records: clock, CPU, devices, kernels. */
function pictureOf(machine: MachineMemory, { memory }: Board): Buffer {
  const start = machine.region('clock').offset;
  const records = machine.u8.subarray(start, machine.region('hidden-owners').offset);
  return Buffer.concat([memory.read(0, memory.ramPages * PAGE_SIZE), records]);
}

// ---- through image files, in another process --------------------------------------------------------------------------

/** Instructions after which an image, resumed elsewhere, came to another end. */
async function throughImages(instructions: number, at: readonly number[]): Promise<number[]> {
  const folder = await mkdtemp(join(tmpdir(), 'kjump-instructions-'));
  try {
    const end = await endOf(await bootMachine(), instructions);
    const differing: number[] = [];
    await using machine = await bootMachine();
    let done = 0;
    for (const position of at) {
      await machine.run({ steps: position - done });
      done = position;
      const path = join(folder, 'here.kjump');
      await machine.hibernate(path);
      const script = fileURLToPath(import.meta.url);
      const args = ['--import', 'tsx', script, '--resume', path, `${instructions - position}`];
      const { stdout } = await run(process.execPath, args, { timeout: 120_000 });
      if (stdout.trim() !== end) differing.push(position);
    }
    return differing;
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function bootMachine(): Promise<Machine> {
  const machine = await createMachine({ ...MEMORY, threads: 1 });
  await machine.boot(GUEST, { at: GUEST_AT, name: 'guest' });
  return machine;
}

/** A digest of RAM and records after so many instructions more, but for the count of restores; the machine is closed then. */
async function endOf(machine: Machine, instructions: number): Promise<string> {
  await machine.run({ steps: instructions });
  const { memoryBytes, clock, cpu, devices, kernels } = await machine.inspect();
  const ram = await machine.kernels[0].read(0, memoryBytes);
  await machine.close();
  const records = JSON.stringify([{ ...clock, generation: 0 }, cpu, devices, kernels]);
  return createHash('sha256').update(ram).update(records).digest('hex');
}

async function main(): Promise<void> {
  if (process.argv[2] === '--resume') {
    console.log(await endOf(await resumeMachine(process.argv[3]), Number(process.argv[4])));
    return;
  }
  const [instructions = 10_000, seed = 1, images = 20] = process.argv.slice(2).map(Number);
  const started = performance.now();
  const report = everyInstruction(instructions);
  const random = randomFrom(seed);
  const at = Array.from({ length: images }, () => random(instructions)).sort((a, b) => a - b);
  const imagesDiffering = await throughImages(instructions, at);
  const seconds = Math.round((performance.now() - started) / 1000);
  const ok = report.ok && imagesDiffering.length === 0;
  console.log(JSON.stringify({ ...report, ok, images: at, imagesDiffering, seconds }));
  process.exitCode = ok ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main().catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
}
