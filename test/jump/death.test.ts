// SPDX-License-Identifier: MIT
//
// The death of a thread at every call that a jump makes. The host recovers (orchestrator/recovery.ts), and then every kernel but the
// one that was at work must be whole and enterable, and every frame accounted for.
import { beforeAll, describe, expect, test } from 'vitest';
import { enterFromHost } from '../../orchestrator/jumping.ts';
import { MachineParts } from '../../orchestrator/machine-parts.ts';
import { locatePages } from '../../orchestrator/placing.ts';
import { recoverFromDeath } from '../../orchestrator/recovery.ts';
import { CpuRecord } from '../../shared/cpu-record.ts';
import { FramePool } from '../../shared/frames.ts';
import { HiddenPages } from '../../shared/hidden-pages.ts';
import { KernelSlot } from '../../shared/kernel-slot.ts';
import { RelocationJournal } from '../../shared/kexec/journal.ts';
import { Kimage } from '../../shared/kexec/kimage.ts';
import type { RelocationMode } from '../../shared/kexec/relocate.ts';
import { KernelState } from '../../shared/lifecycle.ts';
import { MachineClock } from '../../shared/machine-clock.ts';
import { HOST, Ownership } from '../../shared/ownership.ts';
import { PhysicalMemory } from '../../shared/physical-memory.ts';
import { TraceRing } from '../../shared/trace-ring.ts';
import { JumpBench, PAGE, pattern } from './jump-bench.ts';

/** Called before every method and accessor of these classes; `args` are of the call. */
let spy: ((what: string, args: readonly unknown[]) => void) | null = null;

const WATCHED = [
  CpuRecord,
  FramePool,
  HiddenPages,
  KernelSlot,
  Kimage,
  MachineClock,
  Ownership,
  PhysicalMemory,
  RelocationJournal,
  TraceRing,
];

// biome-ignore lint/suspicious/noExplicitAny: any function of any class
type AnyFunction = (...args: any[]) => unknown;

beforeAll(() => {
  for (const { prototype, name } of WATCHED) {
    for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (key === 'constructor') continue;
      const watched = (work: AnyFunction): AnyFunction =>
        function (this: unknown, ...args) {
          spy?.(`${name}.${key}`, args);
          return work.apply(this, args);
        };
      if (typeof property.value === 'function') property.value = watched(property.value);
      if (property.get) property.get = watched(property.get);
      if (property.set) property.set = watched(property.set);
      Object.defineProperty(prototype, key, property);
    }
  }
});

const OWN_PAGES = 6;
/** All kernels but the first share the window [32, 48); its first two pages are the loader's. */
const FIRST = 32;
const END = 48;

interface Scene {
  readonly bench: JumpBench;
  /** The kernels with the seed of their contents, wherever they lie. */
  readonly seeds: ReadonlyMap<number, number>;
}

function fillKernel(bench: JumpBench, slot: KernelSlot, seed: number): void {
  const pageOf = locatePages(bench.parts, slot, bench.parts.currentSlot);
  const first = slot.windows[0].firstPage + 3;
  for (let page = first; page < first + OWN_PAGES; page++) {
    bench.memory.write(pageOf(page) * PAGE, pattern(seed, page));
  }
}

/** Pages of the kernel that do not hold what it wrote. */
function lostPages(parts: MachineParts, slot: KernelSlot, seed: number): number[] {
  const pageOf = locatePages(parts, slot, parts.currentSlot);
  const first = slot.windows[0].firstPage + 3;
  const lost: number[] = [];
  for (let page = first; page < first + OWN_PAGES; page++) {
    if (Buffer.compare(parts.memory.read(pageOf(page) * PAGE, PAGE), pattern(seed, page)) !== 0) lost.push(page);
  }
  return lost;
}

/** base stands below; A has the machine; B and C wait, kept aside. */
function scene(relocation: RelocationMode): Scene & { a: KernelSlot; b: KernelSlot; c: KernelSlot } {
  const bench = new JumpBench({ memory: '256K', spare: '1M', maxKernels: 6, relocation });
  bench.boot('base', 0, 16);
  const [a, b, c] = ['A', 'B', 'C'].map((name) => bench.load(name, FIRST, END));
  const seeds = new Map([a, b, c].map((slot) => [slot.index, slot.index + 1]));
  for (const slot of [a, b, c]) fillKernel(bench, slot, slot.index + 1);
  bench.jump(a);
  return { bench, seeds, a, b, c };
}

/** Runs the leaver's half again and again, and kills it at one call more each time; what is wrong then, as text. */
function dieEverywhere({ bench, seeds }: Scene, depart: () => void): Outcomes {
  const { machine, options } = bench.parts;
  const leaver = bench.current.index;
  const alive = machine.u8.slice();
  const dead = new Uint8Array(alive.length);
  const outcomes: Outcomes = { lost: 0, departed: 0, faults: [] };
  for (let last = 0, killedAt: string | null = ''; killedAt !== null; last++) {
    machine.u8.set(alive);
    killedAt = null;
    let calls = 0;
    let torn: readonly unknown[] = [];
    spy = (what, args) => {
      if (calls++ < last) return;
      spy = null;
      killedAt = what;
      // A store of many bytes is the only thing that can be torn itself.
      torn = what === 'PhysicalMemory.write' ? args : [];
      dead.set(machine.u8);
      throw new Error('the thread ends here');
    };
    try {
      depart();
    } catch (error) {
      if (killedAt === null) throw error;
      // What ran on the way out of the calls would not have run.
      machine.u8.set(dead);
    }
    spy = null;
    const parts = new MachineParts(machine, options);
    const [physAddr, bytes] = torn as [number?, Uint8Array?];
    if (physAddr !== undefined && bytes !== undefined) parts.memory.write(physAddr, bytes.slice(0, bytes.length >> 1));
    const faults = afterDeath(parts, leaver, seeds, outcomes);
    outcomes.faults.push(...faults.map((fault) => `${killedAt}: ${fault}`));
  }
  machine.u8.set(alive);
  return outcomes;
}

interface Outcomes {
  lost: number;
  departed: number;
  readonly faults: string[];
}

function afterDeath(
  parts: MachineParts,
  leaver: number,
  seeds: ReadonlyMap<number, number>,
  outcomes: Outcomes,
): string[] {
  const { slots, ownership, journal, clock, captures } = parts;
  const faults: string[] = [];
  const check = (holds: boolean, what: string): void => {
    if (!holds) faults.push(what);
  };
  const stands = ownership.isOwner(leaver) && recoverFromDeath(parts, leaver, new Error('cut'));
  check(!journal.active, 'a relocation is under way');
  check(parts.memory.frames.free >= 0 && captures.audit().length === 0, captures.audit().join());
  check(clock.foreground < slots.length, 'foreground');
  if (stands) {
    outcomes.lost++;
    check(ownership.owner === HOST, 'the host does not own the CPU');
    check(clock.current === leaver, 'the machine is not the dead one’s');
    check(slots[leaver].state === KernelState.CRASHED, 'the leaver is not CRASHED');
  } else {
    outcomes.departed++;
    check(ownership.owner === clock.current + 1 && clock.current !== leaver, 'nobody goes on');
  }
  const whole = (): void => {
    for (const [index, seed] of seeds) {
      if (index === leaver && stands) continue;
      if (slots[index].state === KernelState.OFF || slots[index].state === KernelState.EMPTY) continue;
      const lost = lostPages(parts, slots[index], seed);
      check(lost.length === 0, `${slots[index].name} has lost pages ${lost.join()}`);
    }
  };
  whole();
  if (stands) {
    // Whoever can be entered has its own pages in place then.
    const next = slots.find((s) => s.index !== leaver && s.state === KernelState.PARKED && seeds.has(s.index));
    if (next !== undefined) enterFromHost(parts, slots[leaver], next);
    whole();
  }
  return faults;
}

describe.each(['exchange', 'copy'] as const)('a thread dies at any call of a jump (%s)', (relocation) => {
  test('from kernel to kernel: it is lost before the point of no return, and nobody is behind it', () => {
    const made = scene(relocation);
    const { bench, b, c, a } = made;
    bench.jump(c);
    bench.jump(a);
    const { lost, departed, faults } = dieEverywhere(made, () => bench.depart(b));
    expect(faults).toEqual([]);
    expect(lost).toBeGreaterThan(200);
    expect(departed).toBeGreaterThan(3);
  });

  test('through its own image', () => {
    const made = scene(relocation);
    const { bench, a } = made;
    const child = bench.loadImage(a, 'child', 16, 32);
    const { lost, departed, faults } = dieEverywhere(made, () => bench.depart(child));
    expect(faults).toEqual([]);
    expect([lost > 200, departed > 3]).toEqual([true, true]);
  });

  test('by a plain kexec: the heir has its home, or the dead one keeps it', () => {
    const made = scene(relocation);
    const { bench, a, b, c } = made;
    bench.jump(c);
    bench.jump(b);
    bench.jump(a);
    const heir = bench.loadImage(a, 'heir', FIRST, END, false);
    const homeHead = a.address('homeHead');
    expect(homeHead).not.toBe(0);
    const { lost, departed, faults } = dieEverywhere(made, () => bench.depart(heir));
    expect(faults).toEqual([]);
    expect([lost > 200, departed > 3]).toEqual([true, true]);
    bench.jump(heir);
    expect(heir.address('homeHead')).toBe(homeHead);
  });
});

test('a target whose thread ends while the CPU is on its way to it is given another', () => {
  const { bench, a, b } = scene('exchange');
  const { ownership } = bench.board(a);
  ownership.setThread(b.index, true);
  ownership.giveToKernel = (slot) => {
    // The last moment at which the host finds that the owner is another.
    ownership.setThread(b.index, false);
    Ownership.prototype.giveToKernel.call(ownership, slot);
  };
  bench.depart(b);
  expect(bench.attached).toContain(b.index);
});
