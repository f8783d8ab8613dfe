// SPDX-License-Identifier: MIT
// One operation on the real memory and on the model at once. Its numbers are raw: each is taken modulo what there is when
// the operation runs, so that every sequence fast-check makes or shrinks to is a legal one.
import fc from 'fast-check';
import { expect } from 'vitest';
import type { CaptureId } from '../../shared/captures.ts';
import { KjumpError } from '../../shared/errors.ts';
import { PAGE_SIZE } from '../../shared/units.ts';
import { type Formatted, Model, type Picture, sameBytes } from './memory-model.ts';

const raw = fc.nat(0xffff);
const value = fc.integer();
const width = fc.constantFrom(8, 16, 32);
/** An address: a page, and where in it; the ends of pages more often than chance would have it. */
const place = fc.record({
  page: raw,
  within: fc.oneof(fc.nat(PAGE_SIZE - 1), fc.constantFrom(4093, 4094, 4095, 0)),
  above: fc.oneof(
    { weight: 14, arbitrary: fc.constant(false) },
    { weight: 1, arbitrary: fc.constantFrom(true, 'top' as const) },
  ),
});

const kinds = {
  write: fc.record({ kind: fc.constant('write' as const), width, place, value }),
  read: fc.record({ kind: fc.constant('read' as const), width, place }),
  writeRange: fc.record({ kind: fc.constant('writeRange' as const), place, length: fc.nat(9000), value }),
  readRange: fc.record({ kind: fc.constant('readRange' as const), place, length: fc.nat(9000) }),
  alias: fc.record({
    kind: fc.constant('alias' as const),
    pairs: fc.array(fc.tuple(raw, raw), { minLength: 1, maxLength: 5 }),
  }),
  exchange: fc.record({ kind: fc.constant('exchange' as const), a: raw, b: raw }),
  zero: fc.record({ kind: fc.constant('zero' as const), first: raw, count: fc.nat(4) }),
  record: fc.record({ kind: fc.constant('record' as const), value: fc.nat(255) }),
  allocate: fc.record({ kind: fc.constant('allocate' as const), count: fc.nat(6), slot: fc.nat(3) }),
  free: fc.record({ kind: fc.constant('free' as const), slot: fc.nat(3), count: fc.nat(6) }),
  handOn: fc.record({ kind: fc.constant('handOn' as const), from: fc.nat(3), to: fc.nat(3) }),
  capture: fc.record({ kind: fc.constant('capture' as const) }),
  restore: fc.record({ kind: fc.constant('restore' as const), which: raw }),
  release: fc.record({ kind: fc.constant('release' as const), which: raw }),
};
export const operation = fc.oneof(
  { weight: 10, arbitrary: kinds.write },
  { weight: 2, arbitrary: kinds.read },
  { weight: 3, arbitrary: kinds.writeRange },
  { weight: 1, arbitrary: kinds.readRange },
  { weight: 5, arbitrary: kinds.alias },
  { weight: 3, arbitrary: kinds.exchange },
  { weight: 2, arbitrary: kinds.zero },
  { weight: 1, arbitrary: kinds.record },
  { weight: 3, arbitrary: kinds.allocate },
  { weight: 2, arbitrary: kinds.free },
  { weight: 1, arbitrary: kinds.handOn },
  { weight: 3, arbitrary: kinds.capture },
  { weight: 2, arbitrary: kinds.restore },
  { weight: 2, arbitrary: kinds.release },
);
export type Operation = (typeof operation extends fc.Arbitrary<infer T> ? T : never) & object;
type Place = { page: number; within: number; above: boolean | 'top' };

/** The real memory and the model side by side, with the captures that are alive. */
export class Pair {
  readonly real: Formatted;
  readonly model: Model;
  readonly captures: { id: CaptureId; picture: Picture }[] = [];
  readonly refusals: KjumpError[] = [];
  private readonly recordAt: number;

  constructor(real: Formatted) {
    const { ramPages, hiddenPages } = real.machine.geometry;
    this.real = real;
    this.model = new Model(ramPages, hiddenPages);
    this.recordAt = real.machine.region('slots').offset + 5;
  }

  /** Runs one operation on both. A refusal is noted, and changes neither. */
  run(op: Operation): void {
    try {
      this.apply(op);
    } catch (error) {
      if (!(error instanceof KjumpError)) throw error;
      expect(['OUT_OF_FRAMES', 'OUT_OF_PAGES']).toContain(error.code);
      this.refusals.push(error);
    }
  }

  private apply(op: Operation): void {
    const { model } = this;
    const { memory, hidden, captures, machine } = this.real;
    switch (op.kind) {
      case 'write': {
        const at = this.address(op.place, op.width / 8);
        if (op.width === 8) memory.write8(at, op.value);
        else if (op.width === 16) memory.write16(at, op.value);
        else memory.write32(at, op.value);
        for (let i = 0; i < op.width / 8; i++) model.write8(at + i, op.value >> (8 * i));
        break;
      }
      case 'read': {
        const at = this.address(op.place, 0);
        const byte = (i: number) => model.read8(at + i) << (8 * i);
        if (op.width === 8) expect(memory.read8(at)).toBe(byte(0));
        else if (op.width === 16) expect(memory.read16(at)).toBe(byte(0) | byte(1));
        else expect(memory.read32(at)).toBe(byte(0) | byte(1) | byte(2) | byte(3));
        break;
      }
      case 'writeRange': {
        const bytes = Uint8Array.from({ length: op.length }, (_, i) => op.value + i * 7);
        const at = this.address(op.place, bytes.length);
        memory.write(at, bytes);
        bytes.forEach((byte, i) => {
          model.write8(at + i, byte);
        });
        break;
      }
      case 'readRange': {
        const at = this.address(op.place, 0);
        const expected = Uint8Array.from({ length: op.length }, (_, i) => model.read8(at + i));
        expect(sameBytes(memory.read(at, op.length), expected)).toBe(true);
        break;
      }
      case 'alias': {
        const pairs = op.pairs.map(([target, source]) => [this.page(target), this.page(source)]);
        if (pairs.length === 1) memory.alias(pairs[0][0], pairs[0][1]);
        else
          memory.aliasMany(
            pairs.map(([target]) => target),
            pairs.map(([, source]) => source),
          );
        for (const [target, source] of pairs) model.pages[target] = model.pages[source].slice();
        break;
      }
      case 'exchange': {
        const [a, b] = [this.page(op.a), this.page(op.b)];
        memory.exchange(a, b);
        [model.pages[a], model.pages[b]] = [model.pages[b], model.pages[a]];
        break;
      }
      case 'zero': {
        const first = op.first % model.pages.length;
        const end = Math.min(first + op.count, model.pages.length);
        memory.zero(first, end);
        for (let page = first; page < end; page++) model.pages[page].fill(0);
        break;
      }
      case 'record':
        machine.u8[this.recordAt] = op.value;
        model.record = op.value;
        break;
      case 'allocate':
        for (const page of hidden.allocate(op.count, op.slot)) {
          expect(model.inUse(page)).toBe(false);
          model.owners[page - model.ramPages] = op.slot + 1;
        }
        break;
      case 'free': {
        const pages = hidden.of(op.slot).slice(0, op.count);
        hidden.release(pages);
        for (const page of pages) {
          model.owners[page - model.ramPages] = 0;
          model.pages[page].fill(0);
        }
        break;
      }
      case 'handOn':
        hidden.handOn(hidden.of(op.from), op.to);
        model.owners = model.owners.map((owner) => (owner === op.from + 1 ? op.to + 1 : owner));
        break;
      case 'capture':
        this.captures.push({ id: captures.create(), picture: model.picture() });
        break;
      case 'restore': {
        const capture = this.captures[op.which % this.captures.length];
        if (capture === undefined) break;
        captures.restore(capture.id);
        model.restore(capture.picture);
        break;
      }
      case 'release': {
        const [capture] = this.captures.splice(op.which % Math.max(1, this.captures.length), 1);
        if (capture !== undefined) captures.release(capture.id);
        break;
      }
    }
  }

  private page(n: number): number {
    const pages = this.model.pagesInUse();
    return pages[n % pages.length];
  }

  /** An address from which `stored` bytes may be stored: none of them in a hidden page that nobody owns. */
  private address({ page, within, above }: Place, stored: number): number {
    const { model } = this;
    const end = model.pages.length;
    if (above === 'top') return 0x1_0000_0000 - ((within % 4) + 1);
    let at = (above ? end + (page % 4) : this.page(page)) * PAGE_SIZE + within;
    const blocked = () => {
      for (let touched = at >>> 12; touched << 12 < at + stored && touched < end; touched++) {
        if (!model.inUse(touched)) return true;
      }
      return false;
    };
    while (blocked()) at -= PAGE_SIZE;
    return at;
  }

  /** Memory, owners, records and accounts are what the model says, and no store can fail. */
  check(): void {
    const { model, captures } = this;
    const { memory, machine, hidden } = this.real;
    expect(this.real.captures.audit()).toEqual([]);
    for (const [page, bytes] of model.pages.entries()) {
      if (!sameBytes(memory.viewOfPage(page), bytes)) expect.fail(`page ${page} differs`);
    }
    expect([...memory.hiddenOwners]).toEqual(model.owners);
    for (let slot = 0; slot < 4; slot++) {
      expect(hidden.of(slot)).toEqual(
        model.pagesInUse().filter((page) => model.owners[page - model.ramPages] === slot + 1),
      );
    }
    expect(machine.u8[this.recordAt]).toBe(model.record);
    expect(this.real.captures.list()).toEqual(captures.map(({ id }) => id).reverse());
  }

  checkCaptures(): void {
    const { captures, machine, memory } = this.real;
    const recordAt = this.recordAt - machine.region('clock').offset;
    for (const { id, picture } of this.captures) {
      expect(captures.records(id)[recordAt]).toBe(picture.record);
      for (let page = 0; page < memory.pageCount; page++) {
        if (!sameBytes(captures.viewOfPage(id, page), picture.pages[page])) {
          expect.fail(`page ${page} of a capture differs`);
        }
      }
    }
  }

  /** Gives everything back: then every frame must be free. */
  tearDown(): void {
    const { memory, hidden, captures } = this.real;
    for (const { id } of this.captures.splice(0)) captures.release(id);
    for (let slot = 0; slot < 4; slot++) hidden.release(hidden.of(slot));
    memory.zero(0, memory.pageCount);
    expect(captures.audit()).toEqual([]);
    expect(memory.frames.free).toBe(memory.frames.count - 1);
  }
}
