// SPDX-License-Identifier: MIT
//
// Before its first kernel of machine code, a thread executes every micro-operation a few times, on a small machine of its own that
// is thrown away. V8 compiles the interpreter's loop for those parts of it that have run, and throws the result away each time that
// another one is reached: without this, the first second of a Linux boot passes in code that is not compiled.
import { MachineMemory } from '../../../shared/machine-memory.ts';
import type { ThreadOptions } from '../../../shared/protocol.ts';
import { Board } from '../../board.ts';
import { I386Engine } from './i386-engine.ts';
import { setSegment } from './segments.ts';
import {
  CODE_AT,
  GDT_AT,
  GDT_LIMIT,
  IDT_AT,
  IDT_LIMIT,
  LOOP_COUNT,
  RAM_PAGES,
  STACK_AT,
  warmUpMemory,
} from './warm-up-code.ts';

/** Some rounds, in two runs: V8 takes notes of no function that is new. */
const RUNS = 2;
const BUDGET = 3_000;
/** Translated is the one loop only, behind the first run: translation takes long while it is cold. */
const HOT_AFTER = LOOP_COUNT + LOOP_COUNT / 2;
const ESP = 4;
const EIP = 8;
const EFLAGS = 9;
const CR0 = 48;
const PE = 0x11;
const CS = 1;
const SELECTOR = 8;
const FLAT_CODE = 0xc09b;
const FLAT_DATA = 0xc093;
const GS = 5;
const GDTR = 44;

let isWarm = false;

/** To be called before a thread's first engine runs; does its work once. */
export function warmUp(options: ThreadOptions): void {
  if (isWarm) return;
  isWarm = true;
  executeEverything(options);
}

/** Gives the engine that did it, for those who want to know what it saw. */
export function executeEverything(options: ThreadOptions): I386Engine {
  const machine = MachineMemory.create({ ramPages: RAM_PAGES, hiddenPages: 0, frames: 2 * RAM_PAGES, maxKernels: 1 });
  const board = new Board(machine, 0, { ...options, disk: null, secondDisk: null, interpret: false }, () => {});
  board.memory.format();
  board.powerOn();
  const [slot] = board.slots;
  slot.windows = [{ firstPage: 0, endPage: RAM_PAGES, shared: false }];
  for (const [at, bytes] of warmUpMemory()) board.memory.write(at, bytes);
  const engine = new I386Engine(board, slot);
  engine.cache.hotAfter = HOT_AFTER;
  engine.translator.patience = 1;
  const { r } = engine.cpu;
  for (let n = 0; n < 6; n++) setSegment(engine.cpu, n, SELECTOR, 0, -1, n === CS ? FLAT_CODE : FLAT_DATA);
  setSegment(engine.cpu, GS, 0, 0, 0, FLAT_DATA);
  r.set([GDT_AT, GDT_LIMIT, IDT_AT, IDT_LIMIT], GDTR);
  r[CR0] = PE;
  r[EFLAGS] = 2;
  r[EIP] = CODE_AT;
  r[ESP] = STACK_AT;
  engine.invalidate();
  for (let n = 0; n < RUNS; n++) engine.run(BUDGET, Number.POSITIVE_INFINITY);
  return engine;
}
