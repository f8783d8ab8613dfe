// SPDX-License-Identifier: MIT
//
// Relocation in machine code: a kernel with paging on calls relocate_kernel's stub, which exchanges a 15 MiB window page by page,
// enters the peer there, and exchanges again when the peer calls back. The engine lets whole pages share frames; beside it the same
// with every byte copied.

import { Request } from '../shared/jump-lines.ts';
import { IND_DESTINATION, IND_DONE, IND_INDIRECTION, IND_SOURCE } from '../shared/kexec/entry-list.ts';
import { RELOCATE_KERNEL } from '../shared/kexec/relocate-kernel-code.ts';
import { CPU } from '../shared/layout/cpu-state.ts';
import { Pc } from '../test/i386/pc.ts';
import { CALLER, PEER } from './i386-code.ts';
import { runToMark } from './i386-programs.ts';
import { type BenchOptions, check, median, type Result, result } from './report.ts';

const PAGE = 4096;
const PAGES = 3840;
/** The window, and where its other contents wait. */
const WINDOW = 0x100000;
const HIDDEN = 0x1100000;
/** The caller's pages, in a region of 4 MiB that one page table maps one to one. */
const CONTROL = 0x2000000;
const SWAP = CONTROL + PAGE;
const DIRECTORY = CONTROL + 2 * PAGE;
const TABLE = CONTROL + 3 * PAGE;
const CODE = CONTROL + 4 * PAGE;
const STACK = CONTROL + 6 * PAGE;
const PAGE_LIST = CONTROL + 7 * PAGE;
const LIST = CONTROL + 8 * PAGE;
const PRESENT_WRITABLE = 3;

export async function machineCode({ quick }: BenchOptions): Promise<Result[]> {
  const shared = roundTripUs('exchange', quick ? 3 : 40);
  const copied = roundTripUs('copy', quick ? 3 : 20);
  return [result('switch.machinecode.15m', shared, 'µs', [copied, 'with every byte copied'], copied / 20)];
}

/** Median µs from one call of the stub to the next: two exchanges of the window. */
function roundTripUs(relocation: 'exchange' | 'copy', rounds: number): number {
  const pc = new Pc({ memory: '64M', spare: '192M', relocation });
  const { memory } = pc.parts;
  for (let page = 0; page < PAGES; page++) {
    memory.write32(WINDOW + page * PAGE + 64, page + 1);
    memory.write32(HIDDEN + page * PAGE + 64, -page - 1);
  }
  pc.write(HIDDEN, PEER).write(CODE, CALLER).write(CONTROL, RELOCATE_KERNEL.repaired.bytes);
  const words = (at: number, values: readonly number[]): unknown =>
    pc.write(at, new Uint8Array(Int32Array.from(values).buffer));
  words(PAGE_LIST, [CONTROL, CONTROL, DIRECTORY, SWAP]);
  const sources = Array.from({ length: PAGES }, (_, page) => (HIDDEN + page * PAGE) | IND_SOURCE);
  words(LIST, [WINDOW | IND_DESTINATION, ...sources, IND_DONE]);
  words(DIRECTORY + (CONTROL >>> 22) * 4, [TABLE | PRESENT_WRITABLE]);
  words(
    TABLE,
    Array.from({ length: 1024 }, (_, page) => (CONTROL + page * PAGE) | PRESENT_WRITABLE),
  );
  pc.flat(CODE);
  const registers = [DIRECTORY, 0, 0, CONTROL, STACK, PAGE_LIST, LIST | IND_INDIRECTION, WINDOW];
  registers.forEach((value, n) => {
    pc.r[n] = value;
  });
  runToNextCall(pc);
  const samples: number[] = [];
  for (let round = 0; round < rounds + 3; round++) {
    const started = performance.now();
    runToNextCall(pc);
    if (round >= 3) samples.push((performance.now() - started) * 1000);
  }
  const last = (PAGES - 1) * PAGE + 64;
  check(memory.read32(WINDOW + last) === PAGES && memory.read32(HIDDEN + last) === -PAGES, 'each has its pages again');
  check(pc.r[CPU.edi / 4] > WINDOW, 'the peer ran');
  return median(samples);
}

/** To the next mark. The engine stops where the peer is entered, as if the CPU were another kernel's from there; here it goes on. */
function runToNextCall(pc: Pc): void {
  runToMark(pc, () => {
    if (pc.slot.get('request') !== Request.arrived) return;
    pc.slot.set('request', Request.none);
    pc.engine.cpu.handOver.refresh();
  });
}
