// SPDX-License-Identifier: MIT
//
// A process that runs one of the programs of i386-code.ts, on kjump's engine or on the npm package v86: each starts with nothing
// compiled. Arguments: `own` or `v86`, the program's name, its count, and the
// marks to wait for. The answer is a `ProgramRun` for the parent.
import { type ProgramName, type ProgramRun, programWithCount, runProgram } from './i386-programs.ts';
import { createV86 } from './v86.ts';

/** What the package's types leave out. */
interface Internals {
  readonly v86: {
    readonly cpu: {
      readonly io: { register_write(port: number, device: object, write8: (value: number) => void): void };
    };
  };
}

const MARK_PORT = 0xf4;

async function runOnV86(name: ProgramName, count: number, marks: number): Promise<ProgramRun> {
  const rom = programWithCount(name, count);
  const emulator = await createV86(rom, 64);
  const intervals: number[] = [];
  const counts: number[] = [];
  return new Promise((resolve) => {
    let last = 0;
    (emulator as unknown as Internals).v86.cpu.io.register_write(MARK_PORT, emulator, () => {
      const now = performance.now();
      if (last !== 0) intervals.push(now - last);
      counts.push(emulator.get_instruction_counter());
      last = now;
      if (intervals.length === marks) resolve({ intervals, instructions: (counts.at(-1)! - counts.at(-2)!) >>> 0 });
    });
    void emulator.run();
  });
}

const [machine, name, count, marks] = process.argv.slice(2);
const run = machine === 'own' ? runProgram : runOnV86;
Promise.resolve(run(name as ProgramName, Number(count), Number(marks))).then(
  (answer) => process.send!(answer, () => process.exit(0)),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
