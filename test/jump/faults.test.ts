// SPDX-License-Identifier: MIT
//
// A jump that is refused, anywhere, leaves nothing behind: memory, hidden pages, CPU, devices, clock and slots are as before,
// the old kernel goes on, and its next jump arrives. Every line, every device in every phase, every page of the relocation
// and every depth of pm_test, for every way a jump can go and both ways of relocating.
import { describe, expect, test } from 'vitest';
import type { FaultPlan, JumpOptions } from '../../orchestrator/jumping.ts';
import { Errno } from '../../shared/errno.ts';
import { JUMP_LINES, PM_TESTS } from '../../shared/jump-lines.ts';
import type { KernelSlot } from '../../shared/kernel-slot.ts';
import { KernelState } from '../../shared/lifecycle.ts';
import { DEVICE_NAMES, type PmPhase } from '../../shared/pm-phases.ts';
import { TraceType } from '../../shared/trace-ring.ts';
import { JumpBench } from './jump-bench.ts';

const FIRST = 64;
const WINDOW = 24;
const END = FIRST + WINDOW;
/** The window's entry page is the loader's to write; the rest is filled by the test. */
const INSIDE = FIRST + 1;

interface Setting {
  readonly name: string;
  /** Pages that its relocation moves. */
  readonly pages: number;
  /** Brings the machine to the jump; returns its named target, if it is to have one. */
  readonly prepare: (bench: JumpBench) => KernelSlot | null;
  /** What the target finds behind its entry page: what it left there, or zeros at its first entry. */
  readonly finds: number | null;
}

/** A boots and has timer, interrupts and every page of RAM at work. */
function bootBusy(bench: JumpBench): KernelSlot {
  const a = bench.boot('a');
  bench.fill(16, 200, 1);
  atWork(bench, a);
  return a;
}

/** Devices with something to lose: a running timer, a divisor in the UART, a sector half read from nowhere. */
function atWork(bench: JumpBench, slot: KernelSlot): void {
  const k = bench.guest(slot);
  k.timer.start(1000);
  k.ports.out8(0x3fb, 0x83);
  k.ports.out8(0x3f8, 12);
  k.ports.out8(0x3fb, 0x03);
  k.ports.out8(0x3f9, 0x0f);
  k.ports.out8(0x70, 0x0b);
  k.ports.out8(0x71, 0x42);
  k.ports.out8(0x80, 0x5a);
  bench.board(slot).passTime(3_300_000);
  bench.cpu.eax = 0x1234;
}

/** The kernel that has come in makes the window its own. */
function settleIn(bench: JumpBench, seed: number): void {
  bench.fill(INSIDE, END, seed);
  atWork(bench, bench.current);
}

const SETTINGS: readonly Setting[] = [
  {
    name: 'from the boot kernel to a new kernel of the mesh',
    pages: WINDOW,
    finds: null,
    prepare(bench) {
      bootBusy(bench);
      return bench.load('b', FIRST, END);
    },
  },
  {
    name: 'between two kernels of the mesh in one window, both parked before',
    pages: 2 * WINDOW,
    finds: 3,
    prepare(bench) {
      bootBusy(bench);
      const b = bench.load('b', FIRST, END);
      const c = bench.load('c', FIRST, END);
      bench.jump(c);
      settleIn(bench, 3);
      bench.jump(b);
      settleIn(bench, 2);
      return c;
    },
  },
  {
    name: 'through an image that the orchestrator loaded, for the first time',
    pages: WINDOW,
    finds: null,
    prepare(bench) {
      const a = bootBusy(bench);
      bench.loadImage(a, 'b', FIRST, END);
      return null;
    },
  },
  {
    name: 'through an image that the kernel loaded itself, for the first time',
    pages: WINDOW,
    finds: null,
    prepare(bench) {
      const a = bootBusy(bench);
      expect(bench.guestLoad(a, FIRST, END)).toBe(0);
      return null;
    },
  },
  {
    name: 'through an image that the kernel loaded itself, for the second time',
    pages: WINDOW,
    finds: 4,
    prepare(bench) {
      const a = bootBusy(bench);
      bench.guestLoad(a, FIRST, END);
      bench.jump();
      settleIn(bench, 4);
      bench.jump();
      return null;
    },
  },
  {
    name: 'back to the kernel whose image it is',
    pages: WINDOW,
    finds: 1,
    prepare(bench) {
      const a = bootBusy(bench);
      bench.guestLoad(a, FIRST, END);
      bench.jump();
      settleIn(bench, 4);
      return null;
    },
  },
  {
    name: 'from a kernel in the memory of another to one of the mesh',
    pages: 2 * WINDOW,
    finds: 6,
    prepare(bench) {
      const a = bootBusy(bench);
      const c = bench.load('c', FIRST, END);
      bench.jump(c);
      settleIn(bench, 6);
      bench.jump(a);
      bench.guestLoad(a, FIRST, END);
      bench.jump();
      settleIn(bench, 5);
      return c;
    },
  },
  {
    name: 'by a plain kexec of an image that the orchestrator loaded',
    pages: WINDOW,
    finds: null,
    prepare(bench) {
      const a = bootBusy(bench);
      bench.loadImage(a, 'b', FIRST, END, false);
      return null;
    },
  },
  {
    name: 'by a plain kexec of an image that the kernel loaded itself',
    pages: WINDOW,
    finds: null,
    prepare(bench) {
      const a = bootBusy(bench);
      bench.guestLoad(a, FIRST, END, false);
      return null;
    },
  },
];

const DOWN: readonly (readonly [FaultPlan['line'], PmPhase])[] = [
  ['devices', 'prepare'],
  ['devices', 'freeze'],
  ['devices-late', 'freezeLate'],
  ['devices-late', 'freezeNoirq'],
  ['core', 'suspendSyscore'],
];

const LINE_FAULTS: readonly FaultPlan[] = JUMP_LINES.map((line, i) => ({ line, errno: 40 + i }));
const DEVICE_FAULTS: readonly FaultPlan[] = DEVICE_NAMES.flatMap((device, i) =>
  DOWN.map(([line, phase]) => ({ line, phase, device, errno: 60 + i })),
);
const pageFaults = (pages: number): FaultPlan[] =>
  Array.from({ length: pages }, (_, page) => ({ line: 'relocate' as const, page, errno: 100 + page }));

/** What the host writes into the leaver's slot to ask for a jump, and the jump to say how it went. */
const REQUEST_WORDS = [
  'request',
  'requestTarget',
  'pmTest',
  'faultLine',
  'faultDevice',
  'faultIndex',
  'faultErrno',
  'result',
];

/** Jumps, and reports everything that is not as it was but the words of the request; empty after a refusal. */
function attempt(bench: JumpBench, to: KernelSlot | null, options: JumpOptions): { errno: number; changed: string[] } {
  const leaver = bench.current;
  const before = bench.picture();
  const errno = bench.depart(to, options);
  const changed = bench.differences(before, bench.picture()).filter((where) => {
    const [, index, word] = /^slot (\d+) (\w+)$/.exec(where) ?? [];
    // A slot that was tried on counts a life.
    return Number(index) === leaver.index ? !REQUEST_WORDS.includes(word) : word !== 'life';
  });
  if (leaver.state !== KernelState.RUNNING) changed.push(`the leaver's state is ${leaver.state}`);
  if (leaver.get('result') !== errno) changed.push(`the leaver's result is ${leaver.get('result')}`);
  if (!bench.parts.ownership.isOwner(leaver.index)) changed.push('the leaver has lost the CPU');
  return { errno, changed: [...changed, ...bench.parts.captures.audit()] };
}

describe.each(['exchange', 'copy'] as const)('refused jumps, relocation by %s', (relocation) => {
  describe.each(SETTINGS.map((setting) => [setting.name, setting] as const))('%s', (_, { prepare, pages, finds }) => {
    const start = () => {
      const bench = new JumpBench({ relocation });
      return { bench, to: prepare(bench) };
    };

    /** The leaver was not harmed: its next jump arrives, and the target finds what is its own. */
    const expectToArrive = (bench: JumpBench, to: KernelSlot | null): void => {
      bench.forget();
      const leaver = bench.current.index;
      expect(bench.jump(to)).toBe(0);
      expect(bench.current.index).not.toBe(leaver);
      expect(bench.events.find(({ type }) => type === TraceType.handOver)?.c).toBe(pages);
      if (finds === null) {
        const zeros = bench.memory.read(INSIDE * 4096, (WINDOW - 1) * 4096);
        expect(zeros.every((byte) => byte === 0)).toBe(true);
      } else expect(bench.foreign(INSIDE, END, finds)).toEqual([]);
    };

    test('a fault at any line leaves everything as it was, and the next jump arrives', () => {
      const { bench, to } = start();
      for (const failAt of LINE_FAULTS) {
        // The freezer has one answer to any refusal, but a fault in its place has its own.
        expect({ failAt, ...attempt(bench, to, { failAt }) }).toEqual({ failAt, errno: failAt.errno, changed: [] });
      }
      expectToArrive(bench, to);
    });

    test('a fault at any device in any phase leaves everything as it was, and the next jump arrives', () => {
      const { bench, to } = start();
      for (const failAt of DEVICE_FAULTS) {
        expect({ failAt, ...attempt(bench, to, { failAt }) }).toEqual({ failAt, errno: failAt.errno, changed: [] });
      }
      expectToArrive(bench, to);
    });

    test('a fault at any page of the relocation leaves everything as it was, and the next jump arrives', () => {
      const { bench, to } = start();
      for (const failAt of pageFaults(pages)) {
        expect({ failAt, ...attempt(bench, to, { failAt }) }).toEqual({ failAt, errno: failAt.errno, changed: [] });
      }
      expectToArrive(bench, to);
    });

    test('a test at any depth leaves everything as it was, and the next jump arrives', () => {
      const { bench, to } = start();
      for (const pmTest of PM_TESTS) {
        const errno = Errno.ECANCELED;
        expect({ pmTest, ...attempt(bench, to, { pmTest }) }).toEqual({ pmTest, errno, changed: [] });
      }
      expectToArrive(bench, to);
    });

    test('a fault behind the last page never happens: the jump arrives', () => {
      const { bench, to } = start();
      expect(bench.jump(to, { failAt: { line: 'relocate', page: pages + 1 } })).toBe(0);
    });
  });
});
