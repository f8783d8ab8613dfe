// SPDX-License-Identifier: MIT
// A machine goes into a file and comes back: the same bytes, the same sharing, clean accounts. fast-check makes the machines.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { describeImage } from '../../orchestrator/images/describe-image.ts';
import { readImage, resumeInto, verifyImage, writeImage } from '../../orchestrator/images/hibernation.ts';
import { CLOCK } from '../../shared/layout/clock.ts';
import { CPU } from '../../shared/layout/cpu-state.ts';
import { LIVE } from '../../shared/layout/live-words.ts';
import { PAGE_SIZE } from '../../shared/units.ts';
import { memoryOf, segmentsOf } from './elf-reader.ts';
import { inDirectory, refusalOf, Sample } from './sample-machine.ts';

const ZEROS = Buffer.alloc(PAGE_SIZE);
const RAM = 32;
const HIDDEN = 16;
const page = fc.nat(RAM + HIDDEN - 1);

/** One thing done to a machine. Hidden pages are only touched while they are owned. */
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('fill' as const), a: page, b: fc.integer({ min: 1 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('alias' as const), a: page, b: page }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('exchange' as const), a: page, b: page }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('zero' as const), a: page, b: page }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wipe' as const), a: page, b: page }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('capture' as const), a: page, b: page }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('allocate' as const), a: fc.nat(5), b: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('release' as const), a: fc.nat(1), b: page }) },
);

function act(sample: Sample, { kind, a, b }: typeof action extends fc.Arbitrary<infer T> ? T : never): void {
  const { memory, hidden, captures } = sample;
  const usable = (index: number): boolean => index < RAM || memory.hiddenOwners[index - RAM] !== 0;
  if (kind === 'allocate') hidden.allocate(Math.min(a, memory.hiddenOwners.filter((owner) => owner === 0).length), b);
  else if (kind === 'release') hidden.release(hidden.of(a));
  else if (kind === 'capture' && captures.list().length < 2) captures.create();
  else if (!usable(a) || !usable(b % (RAM + HIDDEN))) return;
  else if (kind === 'fill') sample.fill(a, b);
  else if (kind === 'alias') memory.alias(a, b);
  else if (kind === 'exchange') memory.exchange(a, b);
  else if (kind === 'zero') memory.zero(a);
  else if (kind === 'wipe') memory.write(a * PAGE_SIZE, new Uint8Array(PAGE_SIZE));
}

/** For every page the first page with which it shares a frame that is not all zeros. */
function sharing(sample: Sample): number[] {
  const { memory } = sample;
  return Array.from({ length: memory.pageCount }, (_, index) =>
    ZEROS.compare(memory.viewOfPage(index)) === 0 ? -1 : memory.table.indexOf(memory.frameOf(index)),
  );
}

test('any machine comes back with the same bytes, records and sharing, and clean accounts', async () => {
  await inDirectory(async (directory) => {
    const path = join(directory, 'a.kjump');
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { maxLength: 60 }),
        fc.uint8Array({ minLength: 200, maxLength: 200 }),
        fc.jsonValue(),
        async (actions, noise, metadata) => {
          const sample = Sample.create({ ramPages: RAM, hiddenPages: HIDDEN, frames: 220 });
          for (const one of actions) act(sample, one);
          const { machine } = sample;
          for (const [index, name] of (['cpu', 'devices', 'slots'] as const).entries()) {
            machine.u8.set(noise.subarray(index * 60, index * 60 + 60), machine.region(name).offset + index);
          }
          const capture = sample.captures.create();
          const written = await writeImage(path, machine, sample.memory, sample.captures, capture, metadata);

          const image = await readImage(path);
          expect(image.bytes).toBe(written.bytes);
          expect(image.metadata).toEqual(JSON.parse(JSON.stringify(metadata)));
          const resumed = new Sample(resumeInto(image));
          expect(resumed.machine.geometry).toEqual(machine.geometry);
          expect(resumed.copyOfMemory().equals(sample.copyOfMemory())).toBe(true);
          expect(resumed.copyOfRecords().equals(sample.copyOfRecords())).toBe(true);
          expect(sharing(resumed)).toEqual(sharing(sample));
          expect(resumed.captures.audit()).toEqual([]);
          expect(resumed.captures.list()).toEqual([]);
          expect(resumed.framesInUse()).toBe(written.pages);
          const [from, to] = [sample, resumed].map((one) => one.machine.words('live'));
          expect(to[LIVE.hiddenHigh]).toBe(from[LIVE.hiddenHigh]);
          expect(to[LIVE.owner]).toBe(0);

          const { memory, uncovered } = memoryOf(readFileSync(path), (RAM + HIDDEN) * PAGE_SIZE);
          expect(memory.equals(sample.copyOfMemory())).toBe(true);
          expect(uncovered.every((index) => index >= RAM + from[LIVE.hiddenHigh])).toBe(true);
        },
      ),
      { seed: 20080814, numRuns: 60 },
    );
  });
}, 60_000);

test('an image of an image is the same file', async () => {
  await inDirectory(async (directory) => {
    const first = Sample.create();
    for (const index of [0, 3, 4, 9, 31]) first.fill(index, index + 1);
    first.memory.alias(20, 9);
    const path = join(directory, 'a.kjump');
    await writeImage(path, first.machine, first.memory, first.captures, first.captures.create(), { seed: 1 });
    const second = new Sample(resumeInto(await readImage(path)));
    const again = join(directory, 'b.kjump');
    await writeImage(again, second.machine, second.memory, second.captures, second.captures.create(), { seed: 1 });
    expect(readFileSync(again).equals(readFileSync(path))).toBe(true);
  });
});

test('the image holds the captured moment, whatever the machine does while it is written', async () => {
  await inDirectory(async (directory) => {
    const path = join(directory, 'a.kjump');
    const sample = Sample.create({ ramPages: 1024, frames: 2200 });
    for (let index = 0; index < 1024; index++) sample.fill(index, index + 1);
    const before = sample.copyOfMemory();
    const capture = sample.captures.create();
    const writing = writeImage(path, sample.machine, sample.memory, sample.captures, capture, null);
    for (let index = 0; index < 1024; index++) sample.fill(index, 5000 + index);
    await writing;
    const resumed = new Sample(resumeInto(await readImage(path)));
    expect(resumed.copyOfMemory().equals(before)).toBe(true);
    expect(sample.copyOfMemory().equals(before)).toBe(false);
  });
});

test('every page of a resumed machine can be stored to, and shares nothing afterwards', async () => {
  await inDirectory(async (directory) => {
    const path = join(directory, 'a.kjump');
    const sample = Sample.create({ ramPages: 32, hiddenPages: 8, frames: 90 });
    sample.fill(0, 7);
    for (let index = 1; index < 32; index++) sample.memory.alias(index, 0);
    sample.hidden.allocate(8, 0);
    await writeImage(path, sample.machine, sample.memory, sample.captures, sample.captures.create(), null);
    const resumed = new Sample(resumeInto(await readImage(path)));
    expect(resumed.framesInUse()).toBe(1);
    for (let index = 0; index < 40; index++) resumed.fill(index, 100 + index);
    expect(resumed.framesInUse()).toBe(40);
    expect(resumed.captures.audit()).toEqual([]);
  });
});

test('more loads than e_phnum can count are counted in sh_info', async () => {
  await inDirectory(async (directory) => {
    const path = join(directory, 'a.kjump');
    const ramPages = 70_000;
    const sample = Sample.create({ ramPages, hiddenPages: 0, frames: 2 * ramPages + 100 });
    sample.fill(0, 1);
    for (let index = 1; index < ramPages; index++) sample.memory.alias(index, 0);
    const written = await writeImage(
      path,
      sample.machine,
      sample.memory,
      sample.captures,
      sample.captures.create(),
      null,
    );
    expect(written.pages).toBe(1);
    const file = readFileSync(path);
    expect(file.readUInt16LE(44)).toBe(0xffff);
    const segments = segmentsOf(file);
    expect(segments).toHaveLength(1 + ramPages);
    expect(new Set(segments.slice(1).map(({ offset }) => offset)).size).toBe(1);
    const resumed = new Sample(resumeInto(await readImage(path)));
    expect(resumed.captures.audit()).toEqual([]);
    expect(resumed.framesInUse()).toBe(1);
    expect(resumed.memory.viewOfPage(ramPages - 1).slice()).toEqual(sample.memory.viewOfPage(0).slice());
  });
});

test('an image describes itself: sizes, loads, clock, registers, metadata', async () => {
  await inDirectory(async (directory) => {
    const path = join(directory, 'a.kjump');
    const sample = Sample.create();
    const { machine, memory, hidden } = sample;
    for (const index of [2, 3, 10]) sample.fill(index, index);
    memory.alias(20, 10);
    const [first] = hidden.allocate(2, 1);
    sample.fill(first, 99);
    machine.view.setInt32(machine.region('cpu').offset + CPU.eip, 0x100020, true);
    machine.view.setFloat64(machine.region('clock').offset + CLOCK.nowTick, 12345, true);
    await writeImage(path, machine, memory, sample.captures, sample.captures.create(), { memory: '128K' });
    const description = describeImage(await verifyImage(path));
    expect(description).toMatchObject({
      formatVersion: 1,
      ramBytes: 32 * PAGE_SIZE,
      hiddenPagesInUse: 2,
      storedBytes: 4 * PAGE_SIZE,
      dataBytes: 5 * PAGE_SIZE,
      metadata: { memory: '128K' },
    });
    expect(description.cpu.eip).toBe(0x100020);
    expect(description.clock.nowTick).toBe(12345);
    const of = (kind: string, firstPage: number, pages: number, stored: number) => ({
      kind,
      physAddr: firstPage * PAGE_SIZE,
      bytes: pages * PAGE_SIZE,
      storedBytes: stored * PAGE_SIZE,
    });
    expect(description.loads).toEqual([
      of('ram', 0, 2, 0),
      of('ram', 2, 8, 2),
      of('ram', 10, 10, 1),
      of('ram', 20, 12, 1),
      of('hidden', 32, 2, 1),
    ]);
    expect(JSON.parse(JSON.stringify(description))).toEqual(description);
  });
});

test('an image is resumed once', async () => {
  await inDirectory(async (directory) => {
    const path = join(directory, 'a.kjump');
    const sample = Sample.create();
    await writeImage(path, sample.machine, sample.memory, sample.captures, sample.captures.create(), null);
    const image = await readImage(path);
    resumeInto(image);
    expect(() => resumeInto(image)).toThrow(expect.objectContaining({ code: 'BAD_STATE' }));
  });
});

test('metadata that is not JSON, or too much of it, is refused and nothing is written', async () => {
  await inDirectory(async (directory) => {
    const path = join(directory, 'a.kjump');
    const { machine, memory, captures } = Sample.create();
    const capture = captures.create();
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    for (const metadata of [circular, 1n, () => 0, 'x'.repeat(1024 * 1024)]) {
      const refusal = await refusalOf(writeImage(path, machine, memory, captures, capture, metadata));
      expect(refusal.code).toBe('BAD_OPTION');
    }
    expect((await refusalOf(readImage(path))).code).toBe('NO_SUCH_FILE');
  });
});
