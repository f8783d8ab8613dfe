// SPDX-License-Identifier: MIT
//
// Runs a multiboot kernel on a bare PC until it writes to its exit port: QEMU's isa-debug-exit, by whose convention a test kernel
// says how it went.

import { loadProgram } from '../../orchestrator/loaders/load-program.ts';
import type { GeneralRegister, ModuleOption } from '../../orchestrator/loaders/program.ts';
import { CPU } from '../../shared/layout/cpu-state.ts';
import { enterFlat } from './cpu-states.ts';
import { type MakeTestPc, RunEnd } from './test-pc.ts';

const BURST = 1_000_000;

export interface MultibootOptions {
  readonly exitPort: number;
  /** The value at the exit port that means success. */
  readonly expect: number;
  readonly memory: number;
  readonly cmdline: string;
  readonly modules: readonly ModuleOption[];
  /** Port of text, or null. */
  readonly outPort: number | null;
  readonly instructions: number;
}

export interface MultibootResult {
  readonly passed: boolean;
  /** What was written to the exit port, or null. */
  readonly exit: number | null;
  readonly output: string;
  readonly failure: string | null;
}

export async function runMultiboot(
  image: string,
  options: MultibootOptions,
  makePc: MakeTestPc,
): Promise<MultibootResult> {
  const { memory, cmdline, modules } = options;
  const program = await loadProgram(image, { base: 0, memory, cmdline, modules });
  const pc = makePc({ memory, devices: true });
  for (const { physAddr, bytes } of program.segments) pc.memory.write(physAddr, bytes);
  enterFlat(pc.cpu, program.entry);
  for (const [name, value] of Object.entries(program.entryState.registers)) {
    pc.cpu.setWord(CPU[name as GeneralRegister], value);
  }
  pc.changed();

  let exit: number | null = null;
  const text: number[] = [];
  pc.onWrite(options.exitPort, (value) => {
    exit = value;
    pc.stop();
  });
  if (options.outPort !== null) pc.onWrite(options.outPort, (byte) => text.push(byte));

  let end: RunEnd = RunEnd.budget;
  for (let left = options.instructions; end === RunEnd.budget && left > 0 && exit === null; left -= BURST) {
    end = pc.run(Math.min(left, BURST));
  }
  const failure = failureOf(exit, end, options.expect);
  return { passed: failure === null, exit, output: Buffer.from(text).toString('latin1'), failure };
}

function failureOf(exit: number | null, end: RunEnd, expected: number): string | null {
  if (exit === null) {
    const how = { budget: 'used up its instructions', halted: 'halted for good', stopped: 'ended in a triple fault' }[
      end
    ];
    return `it ${how} before it wrote to its exit port`;
  }
  return exit === expected ? null : `it wrote ${exit} to its exit port, not ${expected}`;
}
