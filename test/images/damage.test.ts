// SPDX-License-Identifier: MIT
// Files that are not what hibernate wrote. Each must end in a typed refusal that names the section, never in a RangeError,
// and never in a machine.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Load } from '../../orchestrator/images/elf32-core.ts';
import { readImage, resumeInto, verifyImage, writeImage } from '../../orchestrator/images/hibernation.ts';
import { SECTIONS } from '../../orchestrator/images/image-format.ts';
import { encodeHead, type Head } from '../../orchestrator/images/image-head.ts';
import { segmentsOf } from './elf-reader.ts';
import { inDirectory, refusalOf, Sample } from './sample-machine.ts';

const ALL_SECTIONS: readonly string[] = [...SECTIONS, 'notes', 'checksums', 'pages', 'file size'];
const DAMAGES = 1000;

async function writeSample(path: string): Promise<Sample> {
  const sample = Sample.create({ ramPages: 24, hiddenPages: 4, frames: 100, maxKernels: 1 });
  for (const index of [1, 2, 5, 9, 23]) sample.fill(index, index);
  sample.memory.alias(12, 9);
  sample.hidden.allocate(2, 0);
  sample.fill(24, 77);
  await writeImage(path, sample.machine, sample.memory, sample.captures, sample.captures.create(), { any: 'thing' });
  return sample;
}

/** Which refusals are right for a flipped bit, by the place of the bit. */
function sectionsAt(file: Buffer, offset: number): readonly string[] {
  const notes = segmentsOf(file)[0];
  // How many headers there are is told by both kinds of headers, and where the notes are by these and by the notes.
  if (offset < notes.offset) return ['ELF header', 'program headers', 'notes', 'checksums', 'file size'];
  if (offset >= Math.ceil((notes.offset + notes.filesz) / 4096) * 4096) return ['pages'];
  return ALL_SECTIONS.filter((section) => !['ELF header', 'program headers', 'pages', 'file size'].includes(section));
}

test(`${DAMAGES} random bit flips, truncations and extensions are refused, each with its section`, async () => {
  await inDirectory(async (directory) => {
    const path = join(directory, 'whole.kjump');
    const damaged = join(directory, 'damaged.kjump');
    await writeSample(path);
    const file = readFileSync(path);
    const headBytes = file.length - 6 * 4096;
    const anywhere = fc.nat(file.length - 1);
    const flip = fc.record({
      kind: fc.constant('flip' as const),
      // Half of them among the headers and the edges of the notes, where every byte means something.
      offset: fc.oneof(anywhere, fc.nat(400), fc.integer({ min: headBytes - 4096, max: headBytes })),
      bit: fc.nat(7),
    });
    const cut = fc.record({ kind: fc.constant('cut' as const), bytes: fc.oneof(anywhere, fc.nat(100)) });
    const more = fc.record({
      kind: fc.constant('more' as const),
      tail: fc.uint8Array({ minLength: 1, maxLength: 9000 }),
    });
    const damage = fc.oneof(
      { weight: 3, arbitrary: flip },
      { weight: 1, arbitrary: cut },
      { weight: 1, arbitrary: more },
    );
    const count = { flip: 0, cut: 0, more: 0 };
    await fc.assert(
      fc.asyncProperty(damage, async (one) => {
        count[one.kind]++;
        let bytes = Buffer.from(file);
        if (one.kind === 'flip') bytes[one.offset] ^= 1 << one.bit;
        else if (one.kind === 'cut') bytes = bytes.subarray(0, one.bytes);
        else bytes = Buffer.concat([bytes, one.tail]);
        writeFileSync(damaged, bytes);
        const refusal = await refusalOf(readImage(damaged));
        expect(['BAD_IMAGE', 'NOT_AN_IMAGE']).toContain(refusal.code);
        const section = String(refusal.details.section);
        expect(one.kind === 'flip' ? sectionsAt(file, one.offset) : ALL_SECTIONS).toContain(section);
        expect(refusal.message).toContain(section);
        expect(refusal.message).toContain(damaged);
        if (one.kind === 'more') expect(section).toBe('file size');
      }),
      { seed: 61, numRuns: DAMAGES },
    );
    expect(Math.min(...Object.values(count))).toBeGreaterThan(100);
    copyFileSync(path, damaged);
    await expect(readImage(damaged)).resolves.toBeDefined();
  });
}, 60_000);

test('each damaged section is named, by readers with and without a machine', async () => {
  await inDirectory(async (directory) => {
    const path = join(directory, 'a.kjump');
    await writeSample(path);
    const file = readFileSync(path);
    const notes = segmentsOf(file)[0].offset;
    const note = (index: number): number => {
      let at = notes;
      for (let i = 0; i < index; i++) at += 12 + 8 + Math.ceil(file.readUInt32LE(at + 4) / 4) * 4;
      return at + 12 + 8;
    };
    const places: [string, number][] = [
      ['ELF header', 24],
      ['program headers', 52 + 32 + 8],
      ['NT_PRSTATUS', note(0) + 72],
      ['format', note(1) + 24],
      ['records', note(2) + 5000],
      ['run checksums', note(3)],
      ['metadata', note(4) + 3],
      ['checksums', note(5) + 4],
      ['checksums', note(5) + 32],
      ['pages', file.length - 1],
    ];
    for (const [section, offset] of places) {
      const bytes = Buffer.from(file);
      bytes[offset] ^= 0x10;
      writeFileSync(path, bytes);
      for (const read of [readImage, verifyImage]) {
        const refusal = await refusalOf(read(path));
        expect([refusal.code, refusal.details.section]).toEqual(['BAD_IMAGE', section]);
        expect(refusal.details.expected).not.toBe(refusal.details.actual);
      }
    }
  });
});

test('what only looks like an image is refused: right checksums over impossible contents', async () => {
  await inDirectory(async (directory) => {
    const path = join(directory, 'a.kjump');
    const { machine } = await writeSample(path);
    const { head } = await readImage(path);
    const pages = readFileSync(path).subarray(-head.storedPages * 4096);
    const cpu = machine.region('cpu').offset - machine.region('clock').offset;
    const withLoad = (index: number, change: Partial<Load>): Partial<Head> => ({
      loads: head.loads.map((load, i) => (i === index ? { ...load, ...change } : load)),
    });
    const [last] = head.loads.slice(-1);
    const records = Uint8Array.from(head.records);
    records[records.length - 2] = 0;
    const forgeries: [string, Partial<Head>][] = [
      ['format', { formatVersion: 2 }],
      ['format', { layoutVersion: head.layoutVersion + 1 }],
      ['format', { geometry: { ...head.geometry, ramPages: 3 } }],
      ['format', { geometry: { ...head.geometry, maxKernels: 0xffffffff } }],
      ['format', { geometry: { ...head.geometry, frames: 0xffffffff } }],
      // 28 would do: the zero frame, 6 stored pages, and 21 pages that must be able to get a frame of their own.
      ['format', { geometry: { ...head.geometry, frames: 27 } }],
      ['format', { geometry: { ...head.geometry, hiddenPages: 1 } }],
      ['format', { pages: 23 }],
      ['records', { geometry: { ...head.geometry, maxKernels: 2 } }],
      ['records', { records: head.records.subarray(1) }],
      // Hidden page 24 holds data, and nobody owns it.
      ['records', { records }],
      ['run checksums', { runChecksums: new Uint32Array(2) }],
      ['pages', { runChecksums: Uint32Array.of(head.runChecksums[0] ^ 1) }],
      ['metadata', { metadata: '{"any":' }],
      ['metadata', { metadata: '' }],
      ['file size', { storedPages: head.storedPages - 1 }],
      ['program headers', { loads: head.loads.slice(0, -1) }],
      ['program headers', { loads: [] }],
      ['program headers', { loads: [...head.loads, last] }],
      ['program headers', { loads: [{ ...head.loads[0], pages: head.pages }] }],
      ['program headers', withLoad(1, { pages: 0, storedPages: 0, stored: 0 })],
      ['program headers', withLoad(1, { pages: head.loads[1].pages + 1 })],
      ['program headers', withLoad(1, { firstPage: head.loads[1].firstPage + 1 })],
      ['program headers', withLoad(1, { storedPages: 8 })],
      ['program headers', withLoad(1, { stored: -1 })],
      ['program headers', withLoad(1, { stored: 1 })],
      ['program headers', withLoad(head.loads.length - 1, { stored: head.storedPages })],
      ['program headers', withLoad(head.loads.length - 1, { stored: 0 })],
    ];
    for (const [section, change] of forgeries) {
      writeFileSync(path, Buffer.concat([encodeHead({ ...head, ...change }, cpu), pages]));
      const refusal = await refusalOf(readImage(path));
      const what = JSON.stringify(Object.keys(change));
      expect([what, refusal.code, refusal.details.section]).toEqual([what, 'BAD_IMAGE', section]);
    }
    const enough = { ...head, geometry: { ...head.geometry, frames: 28 } };
    writeFileSync(path, Buffer.concat([encodeHead(enough, cpu), pages]));
    expect(new Sample(resumeInto(await readImage(path))).captures.audit()).toEqual([]);
  });
});

test('files of other kinds are not images', async () => {
  await inDirectory(async (directory) => {
    const path = join(directory, 'other');
    const sample = join(directory, 'a.kjump');
    await writeSample(sample);
    const foreignCore = readFileSync(sample);
    // As another tool's core file of the same memory would be: no note is named KJUMP.
    for (let at = foreignCore.indexOf('KJUMP'); at >= 0; at = foreignCore.indexOf('KJUMP', at))
      foreignCore.write('OTHER', at);
    const others = ['', 'x', '#!/bin/sh\necho hello\n'.repeat(100), readFileSync(process.execPath).subarray(0, 9000)];
    for (const contents of [...others, Buffer.alloc(100_000), foreignCore]) {
      writeFileSync(path, contents);
      const refusal = await refusalOf(readImage(path));
      expect(refusal.code).toBe('NOT_AN_IMAGE');
      expect(refusal.message).toContain(path);
    }
    mkdirSync(join(directory, 'folder'));
    expect((await refusalOf(readImage(join(directory, 'folder')))).code).toBe('NOT_AN_IMAGE');
    expect((await refusalOf(readImage(join(directory, 'missing')))).code).toBe('NO_SUCH_FILE');
    expect((await refusalOf(readImage(join(sample, 'below')))).details.errno).toBe('ENOTDIR');
  });
});

test('random bytes behind a right ELF header never do more than be refused', async () => {
  await inDirectory(async (directory) => {
    const path = join(directory, 'a.kjump');
    await writeSample(path);
    const file = readFileSync(path);
    await fc.assert(
      fc.asyncProperty(fc.nat(3000), fc.uint8Array({ minLength: 1, maxLength: 600 }), async (start, noise) => {
        const bytes = Buffer.from(file);
        bytes.set(noise, 52 + start);
        fc.pre(!bytes.equals(file));
        writeFileSync(path, bytes);
        expect(['BAD_IMAGE', 'NOT_AN_IMAGE']).toContain((await refusalOf(readImage(path))).code);
      }),
      { seed: 4711, numRuns: 200 },
    );
  });
});
