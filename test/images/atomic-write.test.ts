// SPDX-License-Identifier: MIT
// Writing is all or nothing: a disk that refuses, or a writer that is killed, leaves the old image or the new one.
// KJUMP_KILLED_WRITERS says how many writers are killed (10 if it is not set).
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { replaceFile } from '../../orchestrator/images/atomic-file.ts';
import { readImage, resumeInto, writeImage } from '../../orchestrator/images/hibernation.ts';
import { CLOCK } from '../../shared/layout/clock.ts';
import { inDirectory, refusalOf, Sample } from './sample-machine.ts';

const WRITERS = Number(process.env.KJUMP_KILLED_WRITERS ?? 10);
const PAGES = 700;
const WRITER = fileURLToPath(new URL('./writer-process.ts', import.meta.url));
const NODE_OPTIONS = ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href];

/** Reads the image and checks that all of it is of one generation, which it returns. */
async function wholeGeneration(path: string): Promise<number> {
  const image = await readImage(path);
  const { generation } = image.metadata as { generation: number };
  const { machine, memory } = new Sample(resumeInto(image));
  expect(machine.view.getUint32(machine.region('clock').offset + CLOCK.generation, true)).toBe(generation);
  const model = Sample.create({ ramPages: 16 });
  model.fill(0, generation);
  const expected = Buffer.from(model.memory.viewOfPage(0));
  const zeros = Buffer.alloc(4096);
  for (let index = 0; index < PAGES; index++) {
    expect(expected.compare(memory.viewOfPage(index)) === 0).toBe(index % 7 !== generation % 7);
    expect(zeros.compare(memory.viewOfPage(index)) === 0).toBe(index % 7 === generation % 7);
  }
  return generation;
}

test(
  `${WRITERS} writers killed at random moments each leave a whole image, and nothing that disturbs the next`,
  async () => {
    await inDirectory(async (directory) => {
      const path = join(directory, 'a.kjump');
      let completed = 0;
      let interrupted = 0;
      // On until one was killed in the middle of an image, or nothing would have been tested; about every other one is.
      for (let round = 0; round < WRITERS || interrupted === 0; round++) {
        const writer = spawn(process.execPath, [...NODE_OPTIONS, WRITER, path, String(PAGES), 'forever']);
        const exited = once(writer, 'exit');
        const lines = createInterface({ input: writer.stdout });
        lines.on('line', (line) => {
          completed = Number(line);
        });
        await once(lines, 'line');
        // The moment is the point here: some milliseconds into the images that follow the first.
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
        writer.kill('SIGKILL');
        await exited;
        const left = readdirSync(directory).filter((name) => name !== 'a.kjump');
        interrupted += left.length;
        // The writer before it left at most one, which this one removed before it wrote.
        expect(left.length).toBeLessThanOrEqual(1);
        expect(completed).not.toBeNaN();
        expect(await wholeGeneration(path)).toBeGreaterThanOrEqual(completed);
      }
      // Otherwise nobody was killed in the middle and nothing was tested.
      expect(interrupted).toBeGreaterThan(0);
      const sample = Sample.create();
      await writeImage(path, sample.machine, sample.memory, sample.captures, sample.captures.create(), null);
      expect(readdirSync(directory)).toEqual(['a.kjump']);
    });
  },
  20_000 + WRITERS * 5_000,
);

test('a disk that ends in the middle of an image: DISK with the errno, the old image whole, no temporary file', async () => {
  await inDirectory(async (directory) => {
    const path = join(directory, 'a.kjump');
    const sample = Sample.create();
    sample.fill(3, 3);
    await writeImage(path, sample.machine, sample.memory, sample.captures, sample.captures.create(), { old: true });
    const old = readFileSync(path);
    // No file of the shell's children may grow beyond this many blocks of 512 or 1,024 bytes: the image has 2.4 MB.
    const command = 'ulimit -f 1000 && exec "$@"';
    const args = ['-c', command, 'sh', process.execPath, ...NODE_OPTIONS, WRITER, path, String(PAGES)];
    const writer = spawn('/bin/sh', args, { env: { ...process.env, TSX_DISABLE_CACHE: '1' } });
    const [line] = (await once(createInterface({ input: writer.stdout }), 'line')) as [string];
    const [status] = (await once(writer, 'exit')) as [number];
    expect(JSON.parse(line)).toMatchObject({ code: 'DISK', errno: 'EFBIG' });
    expect(status).toBe(1);
    expect(readFileSync(path).equals(old)).toBe(true);
    expect(readdirSync(directory)).toEqual(['a.kjump']);
  });
}, 60_000);

test.skipIf(!existsSync('/dev/full'))('a full disk is DISK with ENOSPC', async () => {
  await inDirectory(async (directory) => {
    const path = join(directory, 'a');
    writeFileSync(path, 'old');
    const full = openSync('/dev/full', 'w');
    const refusal = await refusalOf(
      replaceFile(path, async (file) => {
        await file.write('some of it');
        writeSync(full, 'and the rest');
      }),
    );
    expect([refusal.code, refusal.details.errno]).toEqual(['DISK', 'ENOSPC']);
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(directory)).toEqual(['a']);
  });
});

test('a directory that is not there, or in the place of the file, is DISK', async () => {
  await inDirectory(async (directory) => {
    const { machine, memory, captures } = Sample.create();
    const capture = captures.create();
    const write = (path: string) => refusalOf(writeImage(path, machine, memory, captures, capture, null));
    const missing = await write(join(directory, 'missing', 'a.kjump'));
    expect([missing.code, missing.details.errno]).toEqual(['DISK', 'ENOENT']);
    const inTheWay = await write(directory);
    expect([inTheWay.code, inTheWay.details.errno]).toEqual(['DISK', 'EISDIR']);
    expect(readdirSync(directory)).toEqual([]);
  });
});

test('an error of the one who fills the file passes through, and the old file stays', async () => {
  await inDirectory(async (directory) => {
    const path = join(directory, 'a');
    writeFileSync(path, 'old');
    const mistake = new Error('not a matter of the disk');
    await expect(replaceFile(path, () => Promise.reject(mistake))).rejects.toBe(mistake);
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(directory)).toEqual(['a']);
  });
});

test('temporary files of dead writers are removed; those of living ones, and files of others, are not', async () => {
  await inDirectory(async (directory) => {
    const dead = Number(execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }));
    const kept = [
      `a.${process.pid}.0123456789ab.tmp`,
      `b.${dead}.0123456789ab.tmp`,
      `a.${dead}.tmp`,
      `a.${dead}.notes`,
    ];
    for (const name of [...kept, `a.${dead}.0123456789ab.tmp`]) writeFileSync(join(directory, name), 'left over');
    await replaceFile(join(directory, 'a'), async (file) => {
      await file.write('new');
    });
    expect(readdirSync(directory).sort()).toEqual(['a', ...kept].sort());
    expect(readFileSync(join(directory, 'a'), 'utf8')).toBe('new');
  });
});

test('a file is replaced by name: a reader that has the old one open goes on reading it', async () => {
  await inDirectory(async (directory) => {
    const path = join(directory, 'a');
    writeFileSync(path, 'old');
    const reader = openSync(path, 'r');
    await replaceFile(path, async (file) => {
      await file.write('new');
    });
    expect(readFileSync(reader, 'utf8')).toBe('old');
    expect(readFileSync(path, 'utf8')).toBe('new');
  });
});
