// SPDX-License-Identifier: MIT
// What the promise to stores refuses and what it must not, tables longer than one frame, and when cached mappings are void.
import { expect, test } from 'vitest';
import { InternalError, KjumpError } from '../../shared/errors.ts';
import { PAGE_SIZE } from '../../shared/units.ts';
import { type Formatted, formatted, sameBytes } from './memory-model.ts';

function stamp({ memory }: Formatted, page: number, value: number): void {
  memory.write(page * PAGE_SIZE, new Uint8Array(PAGE_SIZE).fill(value));
}

function refusal(run: () => void): KjumpError {
  try {
    run();
  } catch (error) {
    if (error instanceof KjumpError) return error;
    throw error;
  }
  return expect.fail('nothing was refused');
}

test('a restore is refused, with nothing changed, if its pages could not all get a frame of their own', () => {
  // 24 pages and a capture of 9 frames; without the hidden pages another of 9; one frame is the zeros. 16 are left.
  const real = formatted(16, 8, 24 + 9 + 9 + 16 + 1);
  const { memory, hidden, captures } = real;
  const pages = hidden.allocate(8, 0);
  for (let page = 0; page < 24; page++) stamp(real, page, page + 1);
  const before = captures.create();
  hidden.release(pages);
  const after = captures.create();

  const { code, details } = refusal(() => captures.restore(before));
  expect({ code, details }).toEqual({ code: 'OUT_OF_FRAMES', details: { needed: 24, free: 16 } });
  expect(captures.audit()).toEqual([]);
  expect(hidden.of(0)).toEqual([]);
  for (let page = 0; page < 16; page++) stamp(real, page, 99);
  expect(memory.frames.free).toBe(0);
  expect(captures.audit()).toEqual([]);

  captures.release(after);
  captures.restore(before);
  expect(hidden.of(0)).toEqual(pages);
  for (let page = 0; page < 24; page++) expect(memory.read8(page * PAGE_SIZE)).toBe(page + 1);
  for (let page = 0; page < 24; page++) stamp(real, page, 99);
  expect(captures.audit()).toEqual([]);
});

test('the capture just made can always be restored, however few frames are left', () => {
  const real = formatted(16, 0, 16 + 9 + 16 + 1);
  for (let page = 0; page < 16; page++) stamp(real, page, page + 1);
  const capture = real.captures.create();
  for (let page = 0; page < 16; page++) stamp(real, page, 99);
  real.captures.restore(capture);
  for (let page = 0; page < 16; page++) expect(real.memory.read8(page * PAGE_SIZE)).toBe(page + 1);
  expect(real.captures.audit()).toEqual([]);
});

test('frames that a released capture no longer keeps are counted again before anybody is refused', () => {
  const real = formatted(16, 10, 16 + 9 + 16 + 1);
  for (let page = 0; page < 16; page++) stamp(real, page, page + 1);
  real.captures.release(real.captures.create());
  expect(real.memory.frames).toMatchObject({ free: 25, reserved: 16 });
  expect(real.hidden.allocate(10, 0)).toHaveLength(10);
  expect(real.memory.frames).toMatchObject({ free: 25, reserved: 10 });
});

test('an alias that changes nothing needs no frame', () => {
  const real = formatted(16, 0, 17);
  for (let page = 0; page < 16; page++) stamp(real, page, page + 1);
  real.memory.aliasMany([3, 4], [3, 4]);
  expect(real.memory.frames).toMatchObject({ free: 0, reserved: 0 });
  expect(refusal(() => real.memory.alias(3, 4)).code).toBe('OUT_OF_FRAMES');
  expect(real.memory.read8(3 * PAGE_SIZE)).toBe(4);
});

test('aliases in bulk are made in order, and all or none', () => {
  const real = formatted(16, 0, 19);
  const { memory } = real;
  for (let page = 0; page < 16; page++) stamp(real, page, page + 1);
  const firstBytes = () => Array.from({ length: 16 }, (_, page) => memory.read8(page * PAGE_SIZE));
  const { details } = refusal(() => memory.aliasMany([0, 1, 2], [3, 4, 5]));
  expect(details).toMatchObject({ needed: 3, free: 2 });
  expect(firstBytes()).toEqual(Array.from({ length: 16 }, (_, page) => page + 1));
  memory.aliasMany([1, 2], [0, 1]);
  expect(firstBytes().slice(0, 4)).toEqual([1, 1, 1, 4]);
  expect(real.captures.audit()).toEqual([]);
});

test('tables and records longer than a frame are captured and restored whole', () => {
  const real = formatted(1500, 5000, 7000);
  const { memory, hidden, captures, machine } = real;
  const records = machine.u8.subarray(machine.region('clock').offset, machine.region('hidden-owners').offset + 5000);
  const pages = hidden.allocate(5000, 0);
  hidden.release(pages.slice(100, 4900));
  const used = [0, 511, 512, 1023, 1024, 1499, 1500, pages[99], pages[4900], pages[4999]];
  for (const [index, page] of used.entries()) stamp(real, page, index + 1);
  machine.u8[machine.region('slots').offset + 4095] = 77;
  const recordsThen = records.slice();

  const capture = captures.create();
  expect(captures.pageCount(capture)).toBe(6500);
  for (const page of used) stamp(real, page, 200);
  hidden.release(hidden.of(0));
  records.subarray(0, 4 * PAGE_SIZE).fill(33);
  expect(sameBytes(captures.records(capture), recordsThen)).toBe(true);
  expect(used.map((page) => captures.viewOfPage(capture, page)[7])).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);

  captures.restore(capture);
  expect(sameBytes(records, recordsThen)).toBe(true);
  expect(used.map((page) => memory.read8(page * PAGE_SIZE + 7))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(captures.audit()).toEqual([]);
  captures.release(capture);
  hidden.release(hidden.of(0));
  memory.zero(0, 1500);
  expect(captures.audit()).toEqual([]);
  expect(memory.frames.free).toBe(6999);
});

test('a capture that was released is not taken for one again', () => {
  const { captures } = formatted(16, 0, 100);
  const capture = captures.create();
  captures.release(capture);
  for (const use of [captures.release, captures.restore, captures.pageCount, captures.records]) {
    expect(() => use.call(captures, capture)).toThrow(InternalError);
  }
  expect(captures.audit()).toEqual([]);
});

test('a page that nobody owns takes no store and no alias, and is not freed twice', () => {
  const { memory, hidden, captures } = formatted(16, 4, 100);
  const [page] = hidden.allocate(1, 0);
  hidden.release([page]);
  expect(() => memory.write8(page * PAGE_SIZE, 1)).toThrow(InternalError);
  expect(() => memory.alias(page, 0)).toThrow(InternalError);
  expect(() => memory.alias(0, 20)).toThrow(InternalError);
  expect(() => memory.zero(19, 21)).toThrow(InternalError);
  expect(() => hidden.release([page])).toThrow(InternalError);
  expect(() => hidden.handOn([page], 1)).toThrow(InternalError);
  expect(memory.read32(page * PAGE_SIZE)).toBe(0);
  expect(captures.audit()).toEqual([]);
});

test('whatever moves a frame makes cached mappings void, a plain store does not', () => {
  const { memory, hidden, captures } = formatted(16, 4, 100);
  const bumps = (run: () => unknown): boolean => {
    const { epoch } = memory;
    run();
    return memory.epoch !== epoch;
  };
  const store = () => memory.write8(0, 1);
  expect(bumps(store)).toBe(true);
  expect(bumps(store)).toBe(false);
  let capture = 0;
  expect(bumps(() => (capture = captures.create()))).toBe(true);
  expect(bumps(store)).toBe(true);
  expect(bumps(() => captures.restore(capture))).toBe(true);
  expect(bumps(() => memory.alias(1, 0))).toBe(true);
  expect(bumps(() => memory.zero(1))).toBe(true);
  expect(bumps(() => hidden.release(hidden.allocate(1, 0)))).toBe(true);
});
