// SPDX-License-Identifier: MIT
//
// Running a program of i386-code.ts on kjump's engine, without threads: from the reset vector, and from mark to mark.
import { Pc } from '../test/i386/pc.ts';
import { PROGRAMS } from './i386-code.ts';
import { check } from './report.ts';

export type ProgramName = keyof typeof PROGRAMS;

const ROM_ADDRESS = 0xff000;
const RESET_SEGMENT = 0xf000;
const RESET_OFFSET = 0xfff0;
const SLICE = 50_000;

/** The ROM, with how much is to be done between two marks. */
export function programWithCount(name: ProgramName, count: number): Uint8Array {
  const rom = PROGRAMS[name].slice();
  new DataView(rom.buffer).setUint32(0, count, true);
  return rom;
}

export interface ProgramRun {
  /** Milliseconds between two marks. */
  readonly intervals: readonly number[];
  /** Instructions in the last of them. */
  readonly instructions: number;
}

/** Runs a program up to its last mark. */
export function runProgram(name: ProgramName, count: number, marks: number): ProgramRun {
  const pc = new Pc({ memory: '64M' });
  pc.write(ROM_ADDRESS, programWithCount(name, count)).real(RESET_SEGMENT, RESET_OFFSET);
  runToMark(pc);
  const intervals: number[] = [];
  let instructions = 0;
  while (intervals.length < marks) {
    const before = pc.slot.steps;
    const started = performance.now();
    runToMark(pc);
    intervals.push(performance.now() - started);
    instructions = pc.slot.steps - before;
  }
  return { intervals, instructions };
}

/** Slice by slice, as a kernel's thread does it, to the next byte for the debug exit port. */
export function runToMark(pc: Pc, afterSlice: () => void = () => {}): void {
  const { debugExit } = pc.board;
  while (!debugExit.requested) {
    pc.run(SLICE);
    afterSlice();
    check(pc.stopText === '', `the program runs: ${pc.stopText}`);
  }
  debugExit.reset();
}
