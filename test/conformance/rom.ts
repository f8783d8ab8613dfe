// SPDX-License-Identifier: MIT
//
// Runs a test ROM in place of a BIOS: the image ends at 1 MiB, where the CPU starts at F000:FFF0 as after reset. A PC also has it
// at the end of 4 GiB, where the first instruction is really fetched: a far jump, which leads to the same place from either. What the
// ROM says it says at ports: codes of its progress at one, text at another.
import { readFile } from 'node:fs/promises';
import { enterReal } from './cpu-states.ts';
import { type MakeTestPc, RunEnd } from './test-pc.ts';

const MIB = 1024 ** 2;
const RESET_SEGMENT = 0xf000;
const RESET_OFFSET = 0xfff0;
const BURST = 1_000_000;

export interface RomOptions {
  readonly postPort: number;
  /** Port of the text, or null. */
  readonly outPort: number | null;
  /** The POST code that means success. */
  readonly expect: number;
  /** What the text must be, or null. */
  readonly reference: string | null;
  readonly instructions: number;
}

export interface RomResult {
  readonly passed: boolean;
  /** POST codes in order. */
  readonly codes: readonly number[];
  readonly output: string;
  readonly eip: number;
  /** Why it did not pass, or null. */
  readonly failure: string | null;
}

/** `image` is 64 or 128 KiB. Throws an `Error` for another size. */
export async function runRom(image: string, options: RomOptions, makePc: MakeTestPc): Promise<RomResult> {
  const rom = await readFile(image);
  if (rom.length !== 64 * 1024 && rom.length !== 128 * 1024) {
    throw new Error(`${image} has ${rom.length} bytes; a ROM has 65536 or 131072`);
  }
  const pc = makePc({ memory: 2 * MIB, devices: false });
  pc.memory.write(MIB - rom.length, rom);
  enterReal(pc.cpu, RESET_SEGMENT, RESET_OFFSET);
  pc.changed();

  const codes: number[] = [];
  const text: number[] = [];
  pc.onWrite(options.postPort, (code) => {
    codes.push(code);
    if (code === options.expect) pc.stop();
  });
  if (options.outPort !== null) pc.onWrite(options.outPort, (byte) => text.push(byte));

  let end: RunEnd = RunEnd.budget;
  let left = options.instructions;
  while (end === RunEnd.budget && left > 0 && codes.at(-1) !== options.expect) {
    end = pc.run(Math.min(left, BURST));
    left -= BURST;
  }
  const output = Buffer.from(text).toString('latin1');
  const failure = failureOf(codes, end, output, options);
  return { passed: failure === null, codes, output, eip: pc.cpu.eip, failure };
}

function failureOf(codes: readonly number[], end: RunEnd, output: string, options: RomOptions): string | null {
  const last = codes.at(-1);
  if (last !== options.expect) {
    const how = { budget: 'used up its instructions', halted: 'halted', stopped: 'ended in a triple fault' }[end];
    return `it ${how} at POST code ${last === undefined ? 'none' : hexByte(last)}, not ${hexByte(options.expect)}`;
  }
  return options.reference === null ? null : firstDifference(output, options.reference);
}

/** Names the first line that differs from the reference, or null. */
export function firstDifference(output: string, reference: string): string | null {
  if (output === reference) return null;
  const found = output.split('\n');
  const expected = reference.split('\n');
  const differing = expected.filter((line, i) => line !== found[i]).length;
  const at = expected.findIndex((line, i) => line !== found[i]);
  if (at < 0) return `the output goes on behind the ${expected.length} lines of the reference`;
  return [
    `${differing} of ${expected.length} lines differ from the reference, the first at line ${at + 1}:`,
    `    expected  ${expected[at]}`,
    `    found     ${found[at] ?? '(nothing)'}`,
  ].join('\n');
}

export const hexByte = (value: number): string => `0x${value.toString(16).toUpperCase().padStart(2, '0')}`;
