// SPDX-License-Identifier: MIT
//
// What the suites need of a PC: its bytes, its ports, and the engine that runs it. Nothing here depends on how the engine works.
import type { CpuRecord } from '../../shared/cpu-record.ts';
import type { PhysicalMemory } from '../../shared/physical-memory.ts';

export const RunEnd = {
  /** As many instructions as were asked for. */
  budget: 'budget',
  /** HLT, and nothing that would end it. */
  halted: 'halted',
  /** A triple fault, or whatever else ends a kernel. */
  stopped: 'stopped',
} as const;
export type RunEnd = (typeof RunEnd)[keyof typeof RunEnd];

export interface TestPc {
  readonly cpu: CpuRecord;
  readonly memory: PhysicalMemory;
  /** To be called after `cpu` or `memory` were written to from outside. */
  changed(): void;
  /** Runs for at most so many instructions; a write to a port may end it before. */
  run(instructions: number): RunEnd;
  /** Ends `run` behind the instruction under way. For the handlers of ports. */
  stop(): void;
  /** What is written to the port, one byte a call. One handler a port. */
  onWrite(port: number, use: (value: number) => void): void;
}

export interface TestPcOptions {
  /** Bytes of RAM, from address 0. */
  readonly memory: number;
  /** The project's devices on the bus; else nobody answers, and every port reads as ones. */
  readonly devices: boolean;
}

export type MakeTestPc = (options: TestPcOptions) => TestPc;
