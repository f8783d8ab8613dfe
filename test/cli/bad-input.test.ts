// SPDX-License-Identifier: MIT
//
// What a user can get wrong: a typed error in three lines, the exit code that says whose fault it is, and nothing changed.
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COUNTER, kjump, SCENARIO } from './kjump.ts';

let folder = '';
let image = '';
const inFolder = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kjump-test-'));
  image = inFolder('whole.kjump');
  expect((await kjump(['boot', COUNTER, '-m', '8M', '--steps', '10', '--save', image])).code).toBe(0);
  await writeFile(inFolder('short.kjump'), await readFile(image));
  await truncate(inFolder('short.kjump'), (await stat(image)).size - 4096);
  const flipped = await readFile(image);
  flipped[flipped.length - 100] ^= 1;
  await writeFile(inFolder('flipped.kjump'), flipped);
  await writeFile(inFolder('broken.ts'), 'export const scenario = ;');
});

afterAll(() => rm(folder, { recursive: true, force: true }));

interface BadInput {
  readonly name: string;
  readonly args: readonly string[];
  readonly exit: 1 | 2 | 4;
  readonly code: string;
  /** Found in the three lines. */
  readonly says: RegExp;
}

const bad = (name: string, args: string, exit: BadInput['exit'], code: string, says: RegExp): BadInput => ({
  name,
  args: args.split(' ').map((arg) => arg.replace('COUNTER', COUNTER).replace('SCENARIO', SCENARIO)),
  exit,
  code,
  says,
});

const TABLE: readonly BadInput[] = [
  bad('a size with a wrong unit', 'boot COUNTER -m 64Q', 2, 'BAD_SIZE', /write it like 64M/),
  bad('a size that is not whole pages', 'boot COUNTER -m 5000', 2, 'BAD_SIZE', /multiple of 4K/),
  bad('more memory than there can be', 'boot COUNTER -m 4G', 2, 'BAD_SIZE', /less than 2 GiB/),
  bad('no memory', 'boot COUNTER -m 0', 2, 'BAD_SIZE', /at least 64K/),
  bad('an unknown option', 'boot COUNTER --memroy 64M', 2, 'BAD_OPTION', /Did you mean --memory\?/),
  bad('an unknown command', 'boto COUNTER', 2, 'BAD_OPTION', /Did you mean boot\?/),
  bad('a missing argument', 'boot', 2, 'BAD_OPTION', /missing required argument 'kernel'/),
  bad('a value that is not one of the choices', 'boot COUNTER --mode lax', 2, 'BAD_OPTION', /repaired, strict/),
  bad('a number out of its range', 'boot COUNTER --max-kernels 65', 2, 'BAD_OPTION', /from 1 to 64/),
  bad('a number that is none', 'boot COUNTER --steps many', 2, 'BAD_OPTION', /not a whole number/),
  bad('a time that is none', 'boot COUNTER --timeout soon', 2, 'BAD_OPTION', /30s, 500ms or 2m/),
  bad('a window outside of RAM', 'boot COUNTER -m 8M --window 1M:16M', 2, 'BAD_WINDOW', /the machine has 8M/),
  bad('a window that is not whole pages', 'boot COUNTER --window 1M:0x200001', 2, 'BAD_WINDOW', /multiples of 4096/),
  bad('a window with one end', 'boot COUNTER --window 1M', 2, 'BAD_OPTION', /1M:16M/),
  bad('a command line for a module', 'boot COUNTER --cmdline text', 2, 'BAD_OPTION', /takes no command line/),
  bad('a module without a file', 'boot COUNTER --module =text', 2, 'BAD_OPTION', /file=text/),
  bad('a kernel that is not there', 'boot missing.ts', 2, 'NO_SUCH_FILE', /missing\.ts cannot be read/),
  bad('a scenario that is not there', 'run missing.ts', 2, 'NO_SUCH_FILE', /missing\.ts cannot be read/),
  bad('an image that is not there', 'resume missing.kjump', 2, 'NO_SUCH_FILE', /missing\.kjump: no such file/),
  bad('a disk that is not there', 'boot COUNTER --disk missing.img', 2, 'NO_SUCH_FILE', /missing\.img/),
  bad(
    'a second disk that is not there',
    'boot COUNTER --virtio --second-disk none.img',
    2,
    'NO_SUCH_FILE',
    /none\.img/,
  ),
  bad('a kernel that is none', 'boot package.json', 2, 'NOT_A_KERNEL', /needs a load address/),
  bad('a scenario that is none', 'run package.json', 2, 'BAD_OPTION', /a scenario is a module/),
  bad('a kernel in place of a scenario', 'run COUNTER', 2, 'BAD_OPTION', /kjump boot/),
  bad('a scenario that cannot be read', 'run FOLDER/broken.ts', 1, 'SCENARIO', /cannot be loaded/),
  bad('too many kernels', 'run SCENARIO crowded', 2, 'TOO_MANY_KERNELS', /larger maxKernels/),
  bad('more kernels than hidden pages', 'run SCENARIO out-of-pages', 2, 'OUT_OF_PAGES', /hidden pages are needed/),
  bad('a snapshot without frames', 'run SCENARIO out-of-frames', 2, 'OUT_OF_FRAMES', /free frames/),
  bad('what is not an image', 'inspect package.json', 4, 'NOT_AN_IMAGE', /not a hibernation image/),
  bad('what is not an image, to go on from', 'resume package.json', 4, 'NOT_AN_IMAGE', /not a hibernation image/),
  bad('an image that is too short', 'resume FOLDER/short.kjump', 4, 'BAD_IMAGE', /file size/),
  bad('an image with a wrong bit', 'inspect FOLDER/flipped.kjump', 4, 'BAD_IMAGE', /checksum/),
];

describe.concurrent('bad input', () => {
  test.each(TABLE)('$name ends with exit code $exit and says why', async ({ args, exit, code, says }) => {
    const { code: actual, stdout, stderr } = await kjump(args.map((arg) => arg.replace('FOLDER', folder)));
    expect(stderr).toContain(`[${code}]`);
    expect(stderr).toMatch(says);
    // What, why, what to do, and no stack.
    expect(stderr.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^error: /),
      expect.stringMatching(/^ {2}why: ./),
      expect.stringMatching(/^ {3}do: ./),
    ]);
    expect(stdout).toBe('');
    expect(actual).toBe(exit);
  });

  test('leaves no image behind, and an older one as it was', async () => {
    const before = await readFile(image);
    const refused = await kjump(['boot', COUNTER, '-m', '8M', '--window', '1M:16M', '--save', image]);
    expect(refused.code).toBe(2);
    expect((await readFile(image)).equals(before)).toBe(true);
    const missing = inFolder('never.kjump');
    expect((await kjump(['resume', inFolder('short.kjump'), '--save', missing])).code).toBe(4);
    await expect(stat(missing)).rejects.toThrow('ENOENT');
  });

  test('with --json is an object on stdout too', async () => {
    const { code, stdout } = await kjump(['boot', COUNTER, '--json', '-m', '64Q']);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toEqual({
      schema: 1,
      command: 'boot',
      ok: false,
      error: {
        code: 'BAD_SIZE',
        message: "memory '64Q' is not a size",
        why: expect.any(String),
        fix: expect.any(String),
        details: {},
        exitCode: 2,
      },
    });
  });

  test('in the command line itself is an object on stdout too', async () => {
    const { stdout } = await kjump(['boot', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ schema: 1, command: 'boot', ok: false, error: { code: 'BAD_OPTION' } });
  });
});
