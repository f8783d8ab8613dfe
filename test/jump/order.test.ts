// SPDX-License-Identifier: MIT
//
// The order of a jump's lines and of the device callbacks in them, on the way down, up, and back from a refusal; and what does
// not happen in a jump.
import { describe, expect, test } from 'vitest';
import type { Device, PmCallbacks } from '../../kernel-worker/devices/device.ts';
import { Errno } from '../../shared/errno.ts';
import { Direction, JUMP_LINES, PM_TEST_LINES, PM_TESTS } from '../../shared/jump-lines.ts';
import { DEVICE_NAMES, PM_PHASES } from '../../shared/pm-phases.ts';
import { TraceType } from '../../shared/trace-ring.ts';
import { JumpBench } from './jump-bench.ts';

const FIRST = 64;
const END = 88;

function booted() {
  const bench = new JumpBench();
  const a = bench.boot('a');
  const b = bench.load('b', FIRST, END);
  return { bench, a, b };
}

/** The lines that were gone in a direction, as they were traced. */
function linesOf(bench: JumpBench, direction: number): string[] {
  return bench.events
    .filter(({ type, b }) => type === TraceType.phase && b === direction)
    .map(({ a }) => JUMP_LINES[a]);
}

/** Writes down every callback of the kernel's devices; those that they lack too. */
function recordCallbacks(devices: readonly Device[]): string[] {
  const calls: string[] = [];
  for (const device of devices) {
    // Async devices have an order of their own (case 67).
    const recorded: Record<string, unknown> = { ...device.pm, async: false };
    for (const phase of [...PM_PHASES, 'shutdown'] as const) {
      const callback = device.pm[phase];
      recorded[phase] = () => {
        calls.push(`${phase} ${device.name}`);
        return callback?.() ?? Errno.OK;
      };
    }
    Object.assign(device, { pm: recorded as PmCallbacks });
  }
  return calls;
}

const reversed = [...DEVICE_NAMES].reverse();
const phase = (name: string, devices: readonly string[]) => devices.map((device) => `${name} ${device}`);
const DOWN = [
  ...phase('prepare', DEVICE_NAMES),
  ...phase('freeze', reversed),
  ...phase('freezeLate', reversed),
  ...phase('freezeNoirq', reversed),
  ...phase('suspendSyscore', reversed),
];
const UP = [
  ...phase('resumeSyscore', DEVICE_NAMES),
  ...phase('restoreNoirq', DEVICE_NAMES),
  ...phase('restoreEarly', DEVICE_NAMES),
  ...phase('restore', DEVICE_NAMES),
  ...phase('complete', reversed),
];

describe('case 59: the order of a jump', () => {
  test('case 59: down goes console VT, tasks, console, devices, late and noirq, interrupts, core; up is the exact reverse', () => {
    const { bench, a, b } = booted();
    bench.forget();
    bench.jump(b);
    expect(linesOf(bench, Direction.down)).toEqual([...JUMP_LINES]);
    // A kernel that is entered for the first time has nothing to climb.
    expect(linesOf(bench, Direction.up)).toEqual([]);
    bench.forget();
    bench.jump(a);
    // Saving and relocating have no way up: the one is read back at the border, the other was done by the leaver.
    expect(linesOf(bench, Direction.up)).toEqual(JUMP_LINES.slice(0, 8).reverse());
    expect(linesOf(bench, Direction.undo)).toEqual([]);
  });

  test('case 59: prepare, freeze, late, noirq and core of all devices down, and their counterparts up', () => {
    const { bench, a, b } = booted();
    const calls = recordCallbacks(bench.board(a).devices);
    bench.jump(b);
    expect(calls).toEqual(DOWN);
    calls.length = 0;
    bench.jump(a);
    expect(calls).toEqual(UP);
  });

  test.each(JUMP_LINES.map((line, i) => [line, i] as const))(
    'case 59: a refusal at the line %s undoes the lines before it, last first',
    (line, i) => {
      const { bench, b } = booted();
      bench.forget();
      expect(bench.jump(b, { failAt: { line } })).toBe(Errno.EIO);
      expect(linesOf(bench, Direction.down)).toEqual(JUMP_LINES.slice(0, i + 1));
      expect(linesOf(bench, Direction.undo)).toEqual(JUMP_LINES.slice(0, i).reverse());
      expect(linesOf(bench, Direction.up)).toEqual([]);
      const refused = bench.events.filter(({ type }) => type === TraceType.refused);
      expect(refused).toMatchObject([{ a: Errno.EIO, b: i, c: 0 }]);
    },
  );

  test.each(PM_TESTS)('a test at the depth %s turns round behind its line', (pmTest) => {
    const { bench, b } = booted();
    bench.forget();
    expect(bench.jump(b, { pmTest })).toBe(Errno.ECANCELED);
    const deepest = JUMP_LINES.indexOf(PM_TEST_LINES[pmTest]);
    expect(linesOf(bench, Direction.down)).toEqual(JUMP_LINES.slice(0, deepest + 1));
    expect(linesOf(bench, Direction.undo)).toEqual(JUMP_LINES.slice(0, deepest + 1).reverse());
    expect(bench.events.filter(({ type }) => type === TraceType.refused)).toMatchObject([{ b: deepest, c: 1 }]);
  });
});

test('case 64: after a failure to leave the CPU alone every device is restored, from noirq to complete', () => {
  const { bench, a, b } = booted();
  const calls = recordCallbacks(bench.board(a).devices);
  bench.cpu.interruptsEnabled = true;
  expect(bench.jump(b, { failAt: { line: 'interrupts' } })).toBe(Errno.EIO);
  expect(calls).toEqual([...DOWN.slice(0, -DEVICE_NAMES.length), ...UP.slice(DEVICE_NAMES.length)]);
  expect(bench.cpu.interruptsEnabled).toBe(true);
});

test('case 71: no notifier fires in a jump: no device is shut down, there or back', () => {
  const { bench, a, b } = booted();
  const calls = [a, b].map((slot) => recordCallbacks(bench.board(slot).devices));
  bench.jump(b);
  bench.jump(a);
  bench.jump(b, { failAt: { line: 'relocate' } });
  expect(calls[0].length).toBeGreaterThan(0);
  expect(calls.flat().filter((call) => call.startsWith('shutdown'))).toEqual([]);
});

describe('a plain kexec', () => {
  test('shuts every device down, children before parents, as the last thing that happens to them', () => {
    const { bench, a } = booted();
    bench.loadImage(a, 'c', FIRST, END, false);
    const calls = recordCallbacks(bench.board(a).devices);
    expect(bench.jump()).toBe(0);
    expect(calls).toEqual([...DOWN, ...phase('shutdown', reversed)]);
  });

  test('that is refused shuts nothing down', () => {
    const { bench, a } = booted();
    bench.loadImage(a, 'c', FIRST, END, false);
    const calls = recordCallbacks(bench.board(a).devices);
    expect(bench.jump(null, { pmTest: 'relocate' })).toBe(Errno.ECANCELED);
    expect(calls.filter((call) => call.startsWith('shutdown'))).toEqual([]);
  });

  test('announces what the kernel wrote while its console was suspended, for nobody will resume it', () => {
    const { bench, a } = booted();
    bench.loadImage(a, 'c', FIRST, END, false);
    const { devices, bus } = bench.board(a);
    const last = devices.find(({ name }) => name === 'uart0')!;
    Object.assign(last, { pm: { ...last.pm, shutdown: () => bus.write8(0x3f8, 0x41) } });
    bench.forget();
    expect(bench.jump()).toBe(0);
    bench.drain();
    const announced = bench.events.filter(({ type, kernel }) => type === TraceType.console && kernel === a.index);
    expect(announced.map(({ a: bytes }) => bytes)).toEqual([1]);
    expect(a.get('consoleHeld')).toBe(0);
  });
});

test('case 72: a test depth belongs to the one jump that it was given to, and has no influence on another', () => {
  const { bench, a, b } = booted();
  expect(bench.jump(b, { pmTest: 'core' })).toBe(Errno.ECANCELED);
  expect(a.get('pmTest')).toBe(0);
  // What the kernel asks for itself.
  bench.guest(a).kexec.jump('b');
  expect(bench.departAsAsked()).toBe(0);
  bench.wake();
  expect(bench.current.index).toBe(b.index);
});
