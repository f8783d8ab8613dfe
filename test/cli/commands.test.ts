// SPDX-License-Identifier: MIT
//
// Every command as a process: what is its result, on which stream, with which exit code.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COUNTER, type Ended, kjump, SCENARIO, start } from './kjump.ts';

const EXAMPLES = ['cooperative', 'snapshots', 'hibernate', 'physical-call', 'faults', 'machine-code', 'bios-call'];
const ESCAPE = '\u001b[';
let folder = '';
let image = '';
let saved: Ended;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kjump-test-'));
  image = join(folder, 'here.kjump');
  saved = await kjump(['boot', COUNTER, '-m', '8M', '--seed', '5', '--steps', '100', '--save', image]);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const json = ({ stdout }: Ended) => JSON.parse(stdout);

describe.concurrent('kjump run', () => {
  test('prints the result on stdout and the narration on stderr', async () => {
    const { code, stdout, stderr } = await kjump(['run', SCENARIO, 'well', 'done', '--seed', '9', '-m', '16M']);
    expect(stdout).toBe("{ args: [ 'well', 'done' ], memoryBytes: 16777216, seed: 9 }\n");
    expect(stderr).toBe('on my way\n');
    expect(code).toBe(0);
  });

  test('prints of a kernel in the result what JSON says of it', async () => {
    const { stdout } = await kjump(['run', SCENARIO, 'kernels']);
    expect(stdout).toBe("{ kernels: [ { name: 'A', state: 'RUNNING' } ] }\n");
  });

  test('with --json and --quiet prints one object, and gives options after -- to the scenario', async () => {
    const ended = await kjump(['run', SCENARIO, 'well', '--json', '-q', '--', '--json', '-x']);
    expect(json(ended)).toEqual({
      schema: 1,
      command: 'run',
      ok: true,
      title: 'Many ends',
      result: { args: ['well', '--json', '-x'], memoryBytes: 33554432, seed: 1 },
    });
    expect(ended.stderr).toBe('');
  });

  test('ends with 1 when the scenario throws, and shows the stack with --debug only', async () => {
    const [plain, debug] = await Promise.all([
      kjump(['run', SCENARIO, 'failing']),
      kjump(['run', SCENARIO, 'failing', '--debug']),
    ]);
    expect([plain.code, debug.code]).toEqual([1, 1]);
    expect(plain.stderr).toMatch(/^error: RangeError: no luck/);
    expect(plain.stderr).not.toContain('many.ts');
    expect(debug.stderr).toMatch(/at Object\.failing .*many\.ts/);
  });

  test('ends with 1 when an error comes out of a timer', async () => {
    const { code, stderr } = await kjump(['run', SCENARIO, 'late']);
    expect(stderr).toMatch(/^error: Error: too late/);
    expect(code).toBe(1);
  });

  test('ends with 1, not 0, when the scenario waits for what never comes', async () => {
    const { code, stderr } = await kjump(['run', SCENARIO, 'stuck']);
    expect(stderr).toContain('nothing can happen any more');
    expect(code).toBe(1);
  });

  test('ends with 1 when a jump is refused', async () => {
    const ended = await kjump(['run', SCENARIO, 'refused', '--json']);
    expect(json(ended)).toMatchObject({ ok: false, error: { code: 'PM_TEST', details: { line: 'devices' } } });
    expect(ended.code).toBe(1);
  });

  test('ends with 3 when a kernel crashes', async () => {
    const ended = await kjump(['run', SCENARIO, 'crashing', '--json']);
    expect(json(ended)).toMatchObject({ ok: false, error: { code: 'WINDOW_VIOLATION', exitCode: 3 } });
    expect(ended.code).toBe(3);
  });

  test('runs a scenario of a scenario in a process of its own, with the same machine options', async () => {
    const ended = await kjump(['run', SCENARIO, 'spawning', '--json', '--seed', '77']);
    expect(json(ended).result).toEqual({ args: ['well', 'from', 'afar'], memoryBytes: 33554432, seed: 77 });
    expect(ended.stderr).toBe('on my way\n');
  });

  test('fails with the process that it started', async () => {
    const { code, stderr } = await kjump(['run', SCENARIO, 'spawning-failure']);
    expect(stderr).toMatch(/no luck.*failed in a process of its own/s);
    expect(code).toBe(1);
  });
});

describe('kjump boot, machine code', { timeout: 60_000 }, () => {
  const KERNELS = 'examples/guests/machine/kernel';

  test('gives a multiboot kernel its command line and modules, and its serial port is stdout', async () => {
    const modules = ['--module', `${KERNELS}/kernel-b.elf=mode=answer pause=1`, '--module', 'package.json'];
    const { code, stdout, stderr } = await kjump([
      ...['boot', `${KERNELS}/kernel-a.elf`, '-m', '16M', '--cmdline', 'mode=jump rounds=2'],
      ...modules,
    ]);
    expect(stdout).toContain('kernel A at 00100000, 15360 KiB of 16384: mode=jump rounds=2');
    expect(stdout).toMatch(/\nkernel A has the generation id [0-9a-f]{32}\r?\n/);
    expect(stdout).toContain('mode=answer pause=1 kexec_jump_back_entry=0x');
    expect(stdout).toMatch(/A: exit 0 after \d+ ticks, .* 2 jumps\r?\n$/);
    expect(stderr).toContain('kernel-a powered off with status 1');
    expect(stderr).toMatch(/switches +4$/m);
    expect(code).toBe(0);
  });

  test('shows what a kernel writes while it runs, up to the limit', async () => {
    const { child, ended } = start(['boot', `${KERNELS}/kernel-c.elf`, '--cmdline', 'mode=loop', '--timeout', '40s']);
    const heard = await new Promise<string>((resolve) => {
      let text = '';
      child.stdout?.on('data', (piece: string) => {
        text += piece;
        if (text.includes('\n')) resolve(text);
      });
    });
    expect(heard).toMatch(/^kernel C at .*mode=loop/);
    child.kill('SIGINT');
    expect((await ended).code).toBe(130);
  });

  test('boots a BIOS, and with a disk what is on the disk', async () => {
    const disk = join(folder, 'disk.img');
    const sectors = Buffer.alloc(2 ** 20);
    (await readFile('examples/guests/machine/bios/boot-sector.bin')).copy(sectors);
    sectors.write('this is from sector 1\r\n', 512);
    await writeFile(disk, sectors);
    const bios = ['boot', 'examples/guests/machine/bios/bios.bin', '-m', '8M'];
    const [without, withDisk] = await Promise.all([kjump(bios), kjump([...bios, '--disk', disk])]);
    expect(without.stdout).toBe('BIOS: 8 MiB of memory\r\nBIOS: nothing to boot from\r\n');
    expect(without.stderr).toContain('waits for an interrupt that will never come');
    expect(withDisk.stdout).toContain('boot sector: hello\r\nthis is from sector 1\r\n');
    expect(withDisk.stderr).toContain('powered off with status 1');
  });
});

describe.concurrent('kjump boot', () => {
  test('writes the console to stdout, and to stderr where the machine stopped', async () => {
    expect(saved).toMatchObject({ code: 0, stdout: 'counter starts\n' });
    expect(saved.stderr).toMatch(/^ended +the limit was reached; counter has the machine$/m);
    expect(saved.stderr).toMatch(/^kernels +counter +RUNNING +101 steps/m);
  });

  test('reports the status of a power-off', async () => {
    const ended = await kjump(['boot', 'test/cli/guests/sleeper.ts', '--json']);
    expect(json(ended)).toMatchObject({
      schema: 1,
      command: 'boot',
      ok: true,
      reason: 'powerOff',
      kernel: 'sleeper',
      exitStatus: 7,
      switches: 0,
      console: 'good morning\n',
      kernels: [{ name: 'sleeper', state: 'OFF', steps: 6 }],
      saved: null,
    });
    expect(ended.code).toBe(0);
  });

  test('ends with 3 when the kernel crashes, and tells all it knows', async () => {
    const ended = await kjump(['boot', 'test/cli/guests/stray.ts', '--window', '1M:2M', '--json']);
    expect(json(ended)).toMatchObject({
      ok: false,
      reason: 'crashed',
      console: 'about to stray\n',
      kernels: [{ name: 'stray', state: 'CRASHED' }],
      error: { code: 'WINDOW_VIOLATION', details: { code: 'windowViolation', address: 2 * 1024 ** 2 } },
    });
    expect(ended.stderr).toMatch(/0x00200000 is outside the kernel's windows/);
    expect(ended.code).toBe(3);
  });

  test('tells why a module is no kernel without a stack', async () => {
    await writeFile(join(folder, 'nothing.ts'), 'export const nothing = 0;');
    const { code, stderr } = await kjump(['boot', join(folder, 'nothing.ts')]);
    expect(stderr).toMatch(/exports no function step/);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(code).toBe(3);
  });
});

describe.concurrent('kjump inspect and resume', () => {
  test('inspect tells what is in an image, its kernels among it', async () => {
    const ended = await kjump(['inspect', image, '--json']);
    const { kernels, image: described, ...rest } = json(ended);
    expect(rest).toEqual({ schema: 1, command: 'inspect', ok: true });
    expect(described).toMatchObject({ ramBytes: 8 * 1024 ** 2, clock: { seed: 5, switches: 0, current: 0 } });
    expect(kernels).toEqual([
      {
        slot: 0,
        name: 'counter',
        state: 'RUNNING',
        hasMachine: true,
        engine: 'guest',
        windows: [{ firstPage: 0, endPage: 2048, shared: false }],
        entry: 0x100000,
        reentry: 0,
        steps: 101,
        ticks: 101_000,
        arrivals: 1,
        departures: 0,
        hiddenPages: expect.any(Number),
        stopText: '',
      },
    ]);
    expect(kernels[0].hiddenPages).toBeGreaterThan(0);
    expect(ended.stderr).toBe('');
  });

  test('inspect prints the same for people', async () => {
    const { stdout, code } = await kjump(['inspect', image]);
    expect(stdout).toMatch(/^machine +8M of memory/m);
    expect(stdout).toMatch(/^time +101 µs virtual, 0 switches, seed 5$/m);
    expect(stdout).toMatch(/^kernels +counter +RUNNING +101 steps +0\.\.8M +has the machine$/m);
    expect(stdout.split('\n').filter((line) => line.length > 80 && !line.includes(image))).toEqual([]);
    expect(code).toBe(0);
  });

  test('resume goes on where the image stopped, and can stop there again', async () => {
    const later = join(folder, 'later.kjump');
    const resumed = await kjump(['resume', image, '--ticks', '50000', '--json', '--save', later]);
    expect(json(resumed)).toMatchObject({
      command: 'resume',
      ok: true,
      reason: 'limit',
      tick: 151_000,
      kernels: [{ name: 'counter', steps: 151 }],
      saved: { path: later },
      resumedWith: { clock: 0, entropy: 'same', identity: 'same' },
    });
    const again = json(await kjump(['inspect', later, '--json']));
    expect(again.kernels).toMatchObject([{ name: 'counter', steps: 151 }]);
  });

  test('resume carries out a policy, and shows it so that it can be typed again', async () => {
    const limits = ['--steps', '1'];
    const { stderr } = await kjump(['resume', image, ...limits, '--policy', 'clock=60,entropy=fresh,identity=new']);
    const shown = /^policy +(clock=60,entropy=\d+,identity=\d+)$/m.exec(stderr)?.[1] ?? '';
    const again = json(await kjump(['resume', image, ...limits, '--json', '--policy', shown]));
    const { clock, entropy, identity } = again.resumedWith;
    expect(`clock=${clock},entropy=${entropy},identity=${identity}`).toBe(shown);
  });

  test('resume refuses a policy that is none', async () => {
    const { code, stderr } = await kjump(['resume', image, '--policy', 'time=advance']);
    expect(stderr).toContain('A policy is written like clock=advance,entropy=fresh,identity=new.');
    expect(code).toBe(2);
  });
});

describe.concurrent('the help', () => {
  test('lists the commands and every exit code, within 80 columns', async () => {
    const { code, stdout, stderr } = await kjump(['--help']);
    for (const verb of ['tour', 'run', 'boot', 'inspect', 'resume', 'bench']) expect(stdout).toMatch(`\n  ${verb}`);
    for (const exit of [0, 1, 2, 3, 4, 124, 130, 143]) expect(stdout).toMatch(new RegExp(`^  ${exit} +\\w`, 'm'));
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect([code, stderr]).toEqual([0, '']);
  });

  test('is shown for nothing at all, as a mistake', async () => {
    const { code, stdout, stderr } = await kjump([]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^Usage: kjump/);
  });

  test('knows the version', async () => {
    expect(await kjump(['--version'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });
});

describe.concurrent('colours', () => {
  const wrong = (env: NodeJS.ProcessEnv, ...args: string[]) => kjump(['boot', ...args], env);

  test('are off where nobody sees them, on by FORCE_COLOR, and off again by NO_COLOR and --no-color', async () => {
    const colored = await Promise.all([
      wrong({}),
      wrong({ FORCE_COLOR: '1' }),
      wrong({ FORCE_COLOR: '1', NO_COLOR: '1' }),
      wrong({ FORCE_COLOR: '1' }, '--no-color'),
      wrong({ FORCE_COLOR: '0' }),
    ]);
    expect(colored.map(({ stderr }) => stderr.includes(ESCAPE))).toEqual([false, true, false, false, false]);
  });
});

describe('kjump tour', () => {
  test('shows every example, and where to read on', async () => {
    const ended = await kjump(['tour', '--json']);
    const { examples, ...rest } = json(ended);
    expect(rest).toEqual({ schema: 1, command: 'tour', ok: true });
    const names = examples.map(({ example, ok }: { example: string; ok: boolean }) => [example, ok]);
    expect(names).toEqual(EXAMPLES.map((example) => [example, true]));
    // A timeline, a map of memory, an end.
    expect(ended.stderr).toMatch(/^A → B {2}\d+ µs, 15M$|^A → B {2}\d+ µs, 15M {2}tasks \d/m);
    expect(ended.stderr).toMatch(/^ +RAM +\d+M │.*A.*│$/m);
    expect(ended.stderr).toMatch(/7 examples, all well/);
    expect(ended.stderr).toContain('README.md');
    expect(ended.code).toBe(0);
  }, 60_000);
});
