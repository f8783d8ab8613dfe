// SPDX-License-Identifier: MIT
//
// The console of a script: what it takes for a match, what it waits for and how long, and the way of what is typed, with a program
// that echoes its serial port.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ConsoleLog } from '../../orchestrator/console-log.ts';
import { createMachine, type Kernel, type Machine, resumeMachine } from '../../orchestrator/index.ts';
import { loadProgram } from '../../orchestrator/loaders/load-program.ts';
import { CLOCK } from '../../shared/layout/clock.ts';
import { bzImage, CODE_BYTES } from './bzimage-file.ts';

const ECHO = [
  // mov $0x3fb, %dx; 0x83 there, 1 to 0x3f8, 0 to 0x3f9, 3 to 0x3fb: 115200 baud, 8 bits
  ...[0x66, 0xba, 0xfb, 0x03, 0xb0, 0x83, 0xee, 0xb2, 0xf8, 0xb0, 0x01, 0xee],
  ...[0xb2, 0xf9, 0xb0, 0x00, 0xee, 0xb2, 0xfb, 0xb0, 0x03, 0xee],
  // 1: mov $0xfd, %dl; 2: in %dx, %al; test $1, %al; jz 2b; mov $0xf8, %dl; in %dx, %al; out %al, %dx; jmp 1b
  ...[0xb2, 0xfd, 0xec, 0xa8, 0x01, 0x74, 0xfb, 0xb2, 0xf8, 0xec, 0xee, 0xeb, 0xf3],
];
/** mov $0x3fb, %dx; mov $3, %al; out %al, %dx; mov $0xf8, %dl: 8 bits, and the register to send them */
const EIGHT_BITS = [0x66, 0xba, 0xfb, 0x03, 0xb0, 0x03, 0xee, 0xb2, 0xf8];
/** mov $…, %al; out %al, %dx: for each character. */
const write = (text: string): number[] => [...new TextEncoder().encode(text)].flatMap((byte) => [0xb0, byte, 0xee]);
/** mov $…, %ecx; 1: dec %ecx; jnz 1b: two instructions of 10 ns each time. */
const pause = (ms: number): number[] => {
  const times = ms * 50_000;
  return [0xb9, times & 0xff, (times >> 8) & 0xff, times >> 16, 0, 0x49, 0x75, 0xfd];
};
/** 1: jmp 1b */
const STAY = [0xeb, 0xfe];
/** cli; hlt */
const HALT = [0xfa, 0xf4];
/** ud2 */
const CRASH = [0x0f, 0x0b];

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kjump-console-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, bytes: ArrayLike<number>): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, Uint8Array.from(bytes));
  return path;
}

describe('what a kernel has written', () => {
  const plain = (...texts: string[]): string => {
    const log = new ConsoleLog();
    for (const text of texts) log.append(text, 0, 0);
    return log.from(0);
  };

  test('is plain text with plain line ends, however it is cut up', () => {
    const text = 'a\r\n\x1b[1;32mgreen\x1b[0m\r\r\n/ # \x1b[6n';
    expect(plain(text)).toBe('a\ngreen\n/ # ');
    expect(plain(...text)).toBe('a\ngreen\n/ # ');
    expect(plain('50%\r60%\r', '70%')).toBe('50%\r60%\r70%');
  });

  test('is kept for 256 Ki characters at least, and places in it stay what they are', () => {
    const log = new ConsoleLog();
    for (let i = 0; i < 600; i++) log.append(`${String(i).padStart(3, '0')}${'x'.repeat(1021)}`, 0, 0);
    expect(log.end).toBe(600 * 1024);
    expect(log.start).toBeLessThanOrEqual(log.end - 256 * 1024);
    expect(log.from(log.end - 1024).slice(0, 3)).toBe('599');
    expect(log.from(log.end - 256 * 1024).slice(0, 3)).toBe('344');
    expect(log.from(0).length).toBe(log.end - log.start);
  });
});

describe('a script', () => {
  let machine: Machine;
  let echo: Kernel;
  beforeEach(async () => {
    machine = await createMachine({ memory: '4M', spare: '4M', threads: 1 });
    echo = await machine.boot(await file('echo.bin', ECHO), { at: '1M' });
  });
  afterEach(() => machine.close());

  test('types, waits for the answer, and goes on behind it', async () => {
    echo.console.type('one, two, two\n');
    expect(await echo.console.expect('two')).toBe('one, two');
    expect(await echo.console.expect(/^, (t\w+)$/m)).toBe(', two');
    expect(await echo.console.expect(/./s)).toBe('\n');
    expect(echo.console.output).toBe('one, two, two\n');
    echo.console.type(Uint8Array.of(0x33));
    const sticky = /3/gy;
    sticky.lastIndex = 7;
    expect(await echo.console.expect(sticky)).toBe('3');
  });

  test('stops at the same tick each time, and one run is one event', async () => {
    const stops: number[] = [];
    machine.on('stopped', ({ tick }) => stops.push(tick));
    const start = await machine.snapshot('start');
    for (let i = 0; i < 2; i++) {
      await machine.restore(start);
      echo.console.type('x'.repeat(100));
      await echo.console.expect(/x{100}/);
    }
    expect(stops).toHaveLength(2);
    expect(stops[0]).toBe(stops[1]);
  });

  test('waits as long as it says, in virtual time or in that of the wall', async () => {
    const before = machine.now;
    await expect(echo.console.expect(/never/, { ticks: 25_000_000 })).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: 'echo did not write /never/ in 0.025 s of virtual time',
    });
    // The last port access may reach beyond the limit.
    expect(Math.floor((machine.now - before) / 1000)).toBe(25_000);
    await expect(echo.console.expect('never', { timeout: 100 })).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: 'echo did not write never within 100 ms',
    });
    const controller = new AbortController();
    const waiting = echo.console.expect('never', { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' });
  });

  test('is told at once what will not come, and why', async () => {
    const paused = echo.console.expect('never');
    machine.once('console', () => machine.pause());
    echo.console.type('p');
    await expect(paused).rejects.toMatchObject({ code: 'BAD_STATE', details: { reason: 'requested', output: 'p' } });
    await expect(echo.console.expect('x', { tick: 1 } as object)).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });

  test('cannot type more than there is room for, until the kernel has read some of it', async () => {
    expect(() => echo.console.type('x'.repeat(2000))).toThrow('only 1792 of 2000 bytes could be typed to echo');
    expect(() => echo.console.type('y')).toThrow('only 0 of 1 bytes');
    await echo.console.expect(/x{50}/);
    echo.console.type('y');
  });

  test('ends with the kernel', async () => {
    for (const [name, code, outcome] of [
      ['halt', HALT, { code: 'BAD_STATE', why: 'the machine stopped before: deadlock' }],
      ['crash', CRASH, { code: 'KERNEL_CRASHED', details: { report: expect.anything() } }],
    ] as const) {
      await using other = await createMachine({ memory: '4M', spare: '4M', threads: 1 });
      const kernel = await other.boot(await file(`${name}.bin`, code), { at: '1M' });
      await expect(kernel.console.expect('never')).rejects.toMatchObject(outcome);
      if (name !== 'crash') continue;
      expect(() => kernel.console.type('x')).toThrow('nothing can be typed to crash: it is over');
      const after = await other.boot(await file('echo.bin', ECHO), { at: '1M' });
      expect(after.console.output).toBe('');
    }
  });
});

describe('a pause', () => {
  let machine: Machine;
  beforeEach(async () => {
    machine = await createMachine({ memory: '4M', spare: '4M', threads: 1 });
  });
  afterEach(() => machine.close());

  test('finds the end of what was written before a pause, whatever is written behind it before anybody looks', async () => {
    const code = [
      ...EIGHT_BITS,
      ...write('one\n/ # '),
      ...pause(3),
      ...write('[ 1.0] a message\n'),
      ...pause(3),
      ...write('/ # '),
    ];
    const kernel = await machine.boot(await file('prompt.bin', [...code, ...STAY]), { at: '1M' });
    const before = machine.now;
    expect(await kernel.console.expect(/\n\/ # $/)).toBe('one\n/ # ');
    expect(machine.now - before).toBeGreaterThan(6e6);
    expect(await kernel.console.expect(/\n$/)).toBe('[ 1.0] a message\n');
    expect(await kernel.console.expect(/\/ # $/)).toBe('/ # ');
  });

  test('takes what a kernel is still writing for the end of it, unless the kernel stops or the time is over', async () => {
    const digits = [...EIGHT_BITS, ...Array.from({ length: 50 }, () => [...write('1'), ...pause(0.5)]).flat()];
    const kernel = await machine.boot(await file('digits.bin', [...digits, ...pause(1), ...digits, ...HALT]), {
      at: '1M',
    });
    expect(await kernel.console.expect(/\d+/)).toHaveLength(50);
    const some = await kernel.console.expect(/\d+/, { ticks: 5e6 });
    const rest = await kernel.console.expect(/\d+$/);
    expect([some.length + rest.length, some.length > 5, rest.length > 5]).toEqual([50, true, true]);
  });
});

describe('what is typed while the wire is full', () => {
  const LINE = Array.from({ length: 90 }, (_, i) => `${i}, `).join('');
  /** The program has read some of the line, some is on the wire, and the rest waits. */
  const HALF_TYPED = 5e6;
  const ENOUGH = 50e6;
  let machine: Machine;
  let echo: Kernel;
  beforeEach(async () => {
    machine = await createMachine({ memory: '4M', spare: '8M', threads: 1 });
    echo = await machine.boot(await file('echo.bin', ECHO), { at: '1M' });
    echo.console.type(LINE);
    await machine.run({ ticks: HALF_TYPED });
    expect(echo.console.output.length).toBeLessThan(LINE.length - 300);
  });
  afterEach(() => machine.close());

  /** Its records but for the count of restores. */
  const recordsOf = async (of: Machine): Promise<Buffer> => {
    await using snapshot = await of.snapshot('end');
    return Buffer.from(snapshot.records().fill(0, CLOCK.generation, CLOCK.generation + 4));
  };

  test('is in a snapshot, and what was typed behind it is not', async () => {
    const before = await machine.snapshot('before');
    const read = echo.console.output;
    echo.console.type('only once');
    await echo.console.expect('only once');
    expect(echo.console.output).toBe(`${LINE}only once`);
    await machine.restore(before);
    await machine.run({ ticks: ENOUGH });
    expect(echo.console.output).toBe(`${LINE}only once${LINE.slice(read.length)}`);
  });

  test('is in an image: another machine goes on with it as the one that was not interrupted', async () => {
    const path = join(folder, 'half-typed.kjump');
    await machine.hibernate(path);
    const read = echo.console.output;
    await machine.run({ ticks: ENOUGH });
    expect(echo.console.output).toBe(LINE);
    await using resumed = await resumeMachine(path);
    await resumed.run({ ticks: ENOUGH });
    expect(resumed.find('echo').console.output).toBe(LINE.slice(read.length));
    expect((await recordsOf(resumed)).equals(await recordsOf(machine))).toBe(true);
  });

  test('is typed to a clone too', async () => {
    const read = echo.console.output;
    const copy = await echo.clone('copy');
    await machine.jump(copy);
    await machine.run({ ticks: ENOUGH });
    expect(copy.console.output).toBe(LINE.slice(read.length));
    await machine.jump(echo);
    await machine.run({ ticks: ENOUGH });
    expect(echo.console.output).toBe(LINE);
  });
});

describe('what is typed to a Linux before its serial port is open', () => {
  test('waits for that: nothing of it is lost when the driver empties the FIFOs', async () => {
    // Out to 0x3fa: FIFOs on and empty. Out to 0x3fc: RTS and DTR.
    const opens = [0x66, 0xba, 0xfa, 0x03, 0xb0, 0x07, 0xee, ...pause(3), 0xb2, 0xfc, 0xb0, 0x03, 0xee];
    const image = bzImage();
    image.set([...pause(20), ...opens, ...ECHO], image.length - CODE_BYTES);
    await using machine = await createMachine({ memory: '32M', spare: '4M', threads: 1 });
    const kernel = await machine.boot(await file('vmlinuz', image));
    kernel.console.type('before ');
    await machine.run({ ticks: 22e6 });
    kernel.console.type('and between');
    expect(await kernel.console.expect('between', { ticks: 1e9 })).toBe('before and between');
  });
});

describe('the kind of a file', () => {
  const MEMORY = { base: 0, memory: 64 * 1024 ** 2 };

  test('is bzImage by the magic in its header, unless it is given an address', async () => {
    const path = await file('vmlinuz', bzImage());
    expect(await loadProgram(path, MEMORY)).toMatchObject({ name: 'vmlinuz', entryState: { mode: 'linux32' } });
    expect(await loadProgram(path, { ...MEMORY, at: 0x100000 })).toMatchObject({ entryState: { mode: 'flat32' } });
  });

  test('decides what options it takes', async () => {
    const kernel = await file('vmlinuz', bzImage());
    const flat = await file('flat.bin', ECHO);
    for (const [path, options, message] of [
      [kernel, { cmdline: 'x' }, 'vmlinuz takes no command line'],
      [kernel, { modules: [{ file: flat }] }, 'vmlinuz takes no modules'],
      [flat, { append: 'x', at: 0 }, 'flat takes no append'],
      [flat, { initrd: flat, at: 0 }, 'flat takes no initrd'],
    ] as const) {
      await expect(loadProgram(path, { ...MEMORY, ...options })).rejects.toMatchObject({ code: 'BAD_OPTION', message });
    }
    const missing = loadProgram(kernel, { ...MEMORY, initrd: join(folder, 'none') });
    await expect(missing).rejects.toMatchObject({ code: 'NO_SUCH_FILE', fix: expect.stringContaining('RAM disk') });
  });
});
