// SPDX-License-Identifier: MIT
//
// INS and OUTS (SDM vol. 2A INS, 2B OUTS). Whether the port may be used is checked first, and the memory of an element before
// the device is asked: a device must not notice an instruction that is done again.
import type { Cpu } from './cpu.ts';
import { mayUsePort, portAccessed, readPort, writePort } from './io-ports.ts';
import { type Helper, segmentOf, sizeOf } from './operands.ts';
import { advance, atMost, finish, offsetIn, repetitions, stepOf } from './string-registers.ts';

const EDX = 2;
const ESI = 6;
const EDI = 7;
const ES = 0;
/** Elements in one go. */
const LONGEST_PART = 1024;

function ins(cpu: Cpu, operands: number): void {
  const total = repetitions(cpu, operands);
  if (total === 0) return;
  const size = sizeOf(operands);
  const step = stepOf(cpu, operands);
  const port = cpu.r16[EDX * 2];
  if (!mayUsePort(cpu, port, size)) return;
  cpu.syncTime();
  const { bus } = cpu.board;
  const part = atMost(cpu, total, LONGEST_PART);
  let done = 0;
  for (; done < part; done++) {
    const offset = offsetIn(cpu, operands, EDI);
    if (!cpu.probeWrite(ES, offset, size)) break;
    cpu.store(ES, offset, size, readPort(bus, port, size));
    advance(cpu, operands, EDI, step);
  }
  portAccessed(cpu);
  finish(cpu, operands, total, done, true);
}

function outs(cpu: Cpu, operands: number): void {
  const total = repetitions(cpu, operands);
  if (total === 0) return;
  const size = sizeOf(operands);
  const step = stepOf(cpu, operands);
  const segment = segmentOf(operands);
  const port = cpu.r16[EDX * 2];
  if (!mayUsePort(cpu, port, size)) return;
  cpu.syncTime();
  const { bus } = cpu.board;
  const part = atMost(cpu, total, LONGEST_PART);
  let done = 0;
  for (; done < part; done++) {
    const value = cpu.load(segment, offsetIn(cpu, operands, ESI), size);
    if (cpu.fault !== 0) break;
    writePort(bus, port, size, value);
    advance(cpu, operands, ESI, step);
  }
  portAccessed(cpu);
  finish(cpu, operands, total, done, true);
}

export const STRING_IO_HELPERS = { ins, outs } as const satisfies Record<string, Helper>;
