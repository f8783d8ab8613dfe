// SPDX-License-Identifier: MIT
// A thread that dies, at every place where it can die that the pool can see: before and after each of its steps. Whoever
// recovers finds every page as it was or as it was to be, every capture whole, and every frame accounted for.
import { describe, expect, test } from 'vitest';
import { Captures } from '../../shared/captures.ts';
import { HOST_KEY, kernelKey } from '../../shared/frames.ts';
import { HiddenPages } from '../../shared/hidden-pages.ts';
import { PhysicalMemory } from '../../shared/physical-memory.ts';
import { PAGE_SIZE } from '../../shared/units.ts';
import { type Formatted, formatted, sameBytes } from './memory-model.ts';

const RAM = 16;
const PAGES = 26;
const KEY = kernelKey(0);

class Death extends Error {}

/**
 * Lets the thread that works through `real` die at its step `last`. From then on it takes no step at all: `finally` does not
 * run in a thread that is ended, so what such a block would do is suppressed.
 */
function dieAt({ machine, memory }: Formatted, last: number): void {
  let step = 0;
  const tick = () => {
    if (step++ >= last) throw new Death();
  };
  const wrap = (target: object, method: string, inFinally = false) => {
    const original = Reflect.get(target, method).bind(target);
    const value = (...args: unknown[]) => {
      if (inFinally && step > last) return undefined;
      tick();
      const result = original(...args);
      tick();
      return result;
    };
    Object.defineProperty(target, method, { value, configurable: true });
  };
  for (const method of ['lock', 'take', 'drop', 'rebuildStack']) wrap(memory.frames, method);
  wrap(memory.frames, 'unlock', true);
  wrap(memory, 'bumpEpoch', true);
  for (const [target, method] of [
    [machine.i32, 'fill'],
    [machine.i32, 'set'],
    [machine.u8, 'copyWithin'],
    [memory.table, 'set'],
    [memory.table, 'fill'],
    [memory.hiddenOwners, 'fill'],
  ] as const) {
    wrap(target, method);
  }
}

const pictureOf = ({ memory }: Formatted) =>
  Array.from({ length: PAGES }, (_, page) => memory.viewOfPage(page).slice());

/** Six hidden pages and a capture; then two more, stores, an alias, zeros, a page given back, and a second capture. */
function workedMachine() {
  const real = formatted(RAM, PAGES - RAM, 120, KEY);
  const { memory, hidden, captures } = real;
  hidden.allocate(6, 0);
  for (let page = 0; page < RAM + 6; page++) memory.write(page * PAGE_SIZE, new Uint8Array(PAGE_SIZE).fill(page + 1));
  const pictureThen = pictureOf(real);
  const capture = captures.create();
  for (const page of [0, 3, RAM + 1, ...hidden.allocate(2, 0)]) memory.write32(page * PAGE_SIZE, -1);
  memory.alias(5, 3);
  memory.zero(7);
  hidden.release([RAM + 5]);
  return { real, capture, widest: captures.create(), pictureThen };
}
type Worked = ReturnType<typeof workedMachine>;

const OPERATIONS: Record<string, (worked: Worked) => void> = {
  'a store that breaks sharing': ({ real }) => real.memory.write32(1 * PAGE_SIZE + 8, 0x1234),
  'a store to a page of zeros': ({ real }) => real.memory.write32(7 * PAGE_SIZE, 0x1234),
  'aliases in bulk': ({ real }) => real.memory.aliasMany([0, 1, 5, RAM], [3, 0, 2, 4]),
  zeroing: ({ real }) => real.memory.zero(0, 8),
  'allocating hidden pages': ({ real }) => real.hidden.allocate(3, 0),
  'freeing hidden pages': ({ real }) => real.hidden.release([RAM, RAM + 1, RAM + 2]),
  'a capture': ({ real }) => real.captures.create(),
  'a restore': ({ real, capture }) => real.captures.restore(capture),
  'a restore of more hidden pages than before': ({ real, capture, widest }) => {
    real.captures.restore(capture);
    real.captures.restore(widest);
  },
  'a release': ({ real }) => real.captures.release(real.captures.create()),
};

describe.each(Object.entries(OPERATIONS))('a thread that dies in %s', (name, operation) => {
  test('loses nothing, wherever it dies', () => {
    const done = workedMachine();
    operation(done);
    const after = pictureOf(done.real);

    let deaths = 0;
    for (let last = 0; ; last++, deaths++) {
      const worked = workedMachine();
      const { real, capture, pictureThen } = worked;
      const before = pictureOf(real);
      // The host's own views, over the same bytes.
      const memory = new PhysicalMemory(real.machine, HOST_KEY);
      const captures = new Captures(real.machine, memory);
      const hidden = new HiddenPages(real.machine, memory);
      const { epoch } = memory;
      dieAt(real, last);
      try {
        operation(worked);
        break;
      } catch (error) {
        if (!(error instanceof Death)) throw error;
      }

      captures.recover(KEY);
      expect(captures.audit()).toEqual([]);
      expect(memory.epoch).not.toBe(epoch);
      expect(captures.list()).toContain(capture);
      for (let page = 0; page < PAGES; page++) {
        const now = memory.viewOfPage(page);
        const legal = [before[page], after[page], pictureThen[page]];
        if (!legal.some((bytes) => sameBytes(now, bytes))) expect.fail(`page ${page}, step ${last}`);
        // But for a machine restored half way, which must be restored whole: a free page holds nothing.
        const free = page >= RAM && memory.hiddenOwners[page - RAM] === 0;
        if (free && !name.includes('restore')) expect(memory.frameOf(page)).toBe(0);
      }

      captures.restore(capture);
      expect(captures.audit()).toEqual([]);
      for (let page = 0; page < PAGES; page++) expect(sameBytes(memory.viewOfPage(page), pictureThen[page])).toBe(true);
      for (const left of captures.list()) captures.release(left);
      hidden.release(hidden.of(0));
      memory.zero(0, PAGES);
      expect(captures.audit()).toEqual([]);
      expect(memory.frames.free).toBe(119);
    }
    expect(deaths).toBeGreaterThan(2);
  });
});

test('recovering from a thread that died outside the pool changes nothing there', () => {
  const { real, capture, widest } = workedMachine();
  const before = pictureOf(real);
  const { free, reserved } = real.memory.frames;
  const captures = new Captures(real.machine, new PhysicalMemory(real.machine, HOST_KEY));
  expect(captures.recover(KEY)).toBe(false);
  expect(real.memory.frames).toMatchObject({ free, reserved });
  expect(captures.list()).toEqual([widest, capture]);
  expect(pictureOf(real)).toEqual(before);
});

test('a release in progress is in the accounts at every pause, and no longer in the list', () => {
  const { real, capture, widest } = workedMachine();
  const { frames } = real.memory;
  const other = new Captures(real.machine, new PhysicalMemory(real.machine, HOST_KEY));
  const unlock = frames.unlock.bind(frames);
  let pauses = 0;
  frames.unlock = () => {
    unlock();
    expect(other.list()).toEqual([widest]);
    expect(other.audit()).toEqual([]);
    pauses++;
  };
  real.captures.release(capture);
  expect(pauses).toBe(3);
});

test('a thread does not lock twice', () => {
  const { memory } = formatted(RAM, 0, 40);
  memory.frames.lock();
  expect(() => memory.frames.lock()).toThrow('locked twice');
});
