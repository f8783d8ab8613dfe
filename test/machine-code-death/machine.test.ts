// SPDX-License-Identifier: MIT
//
// Reports of real machines, with threads: in the event, in the error, on request, and on the command line, also of an image.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createMachine,
  type DeathReport,
  formatDeathReport,
  type KjumpError,
  resumeMachine,
  type StopReport,
} from '../../orchestrator/index.ts';
import { kjump } from '../cli/kjump.ts';

const COUNTER = new URL('../guests/counter.ts', import.meta.url);
/** A segment load without a GDT, after some instructions; a store to 12 MiB. */
const NO_GDT = [0xb8, 0x68, 0, 0, 0, 0x89, 0xc1, 0x8e, 0xd8];
const LOOP = [0xeb, 0xfe];
const STRAY = [0xa3, 0, 0, 0xc0, 0];
const AT = 0x100000;

let folder = '';
let noGdt = '';
let stray = '';
let loop = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kjump-test-'));
  noGdt = join(folder, 'no-gdt.bin');
  stray = join(folder, 'stray.bin');
  loop = join(folder, 'loop.bin');
  await writeFile(noGdt, Uint8Array.from(NO_GDT));
  await writeFile(stray, Uint8Array.from(STRAY));
  await writeFile(loop, Uint8Array.from(LOOP));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function errorOf(call: Promise<unknown>): Promise<KjumpError> {
  return call.then(
    () => {
      throw new Error('nothing was refused');
    },
    (error: KjumpError) => error,
  );
}

describe('a machine', () => {
  test('gives the report in the event, and again on request, of a kernel that was jumped to', async () => {
    await using machine = await createMachine({ memory: '4M' });
    const crashes: StopReport[] = [];
    machine.on('crash', (report) => crashes.push(report));
    await machine.boot(COUNTER, { name: 'A', window: ['2M', '3M'] });
    const b = await machine.load(noGdt, { name: 'B', at: AT, window: ['1M', '2M'] });
    await machine.run({ steps: 10 });
    const { tick } = await machine.jump(b);
    await machine.run();
    expect(crashes).toHaveLength(1);
    const report = crashes[0].report as DeathReport;
    expect(report).toMatchObject({
      kernel: 'B',
      code: 'tripleFault',
      lastSwitch: { from: 'A', to: 'B', tick, eip: AT, eflags: 0x06 },
    });
    expect(report.hints[0].rule).toBe('gdt-hole');
    expect(report.lines.find(({ isCurrent }) => isCurrent)).toMatchObject({ address: AT + 7, text: 'mov ds, eax' });
    expect(await b.deathReport()).toEqual(report);
    expect(formatDeathReport(report)).toContain('last switch A → B');
  });

  test('gives it in the error of a call in which a kernel dies', async () => {
    await using machine = await createMachine({ memory: '4M' });
    await machine.boot(COUNTER, { name: 'A', window: ['2M', '3M'] });
    const error = await errorOf(machine.callPhysical(noGdt, { at: AT }));
    expect(error.code).toBe('KERNEL_CRASHED');
    expect(error.details.report).toMatchObject({ code: 'tripleFault', lastSwitch: { from: 'A' } });
  });

  test('has none while the kernel lives, nor once another has had the machine', async () => {
    await using machine = await createMachine({ memory: '4M' });
    const a = await machine.boot(noGdt, { at: AT, name: 'A', window: ['1M', '2M'] });
    expect(await errorOf(a.deathReport())).toMatchObject({ code: 'BAD_STATE', why: 'it is RUNNING' });
    await machine.run();
    const b = await machine.load(COUNTER, { name: 'B', window: ['2M', '3M'] });
    expect((await a.deathReport()).kernel).toBe('A');
    await machine.jump(b);
    const { code, why } = await errorOf(a.deathReport());
    expect([code, why]).toEqual(['BAD_STATE', expect.stringContaining('another kernel has had the machine')]);
  });

  test('has none for a kernel in TypeScript', async () => {
    await using machine = await createMachine({ memory: '4M' });
    const crashes: StopReport[] = [];
    machine.on('crash', (report) => crashes.push(report));
    const a = await machine.boot(new URL('../guests/thrower.ts', import.meta.url), { name: 'A' });
    await machine.run();
    expect([crashes.length, crashes[0].report, a.state]).toEqual([1, undefined, 'CRASHED']);
    expect((await errorOf(a.deathReport())).code).toBe('BAD_STATE');
  });

  test('has none for machine code whose thread was ended: its registers are behind its memory', async () => {
    await using machine = await createMachine({ memory: '4M' });
    const crashes: StopReport[] = [];
    machine.on('crash', (report) => crashes.push(report));
    const a = await machine.boot(loop, { at: AT, name: 'A' });
    const run = machine.run();
    while (a.slot.steps === 0) await setImmediate();
    await a.powerCut();
    expect((await run).reason).toBe('crashed');
    expect(crashes.map(({ code, report }) => [code, report])).toEqual([['threadDied', undefined]]);
  });

  test('has the same report after it was hibernated and resumed', async () => {
    await using machine = await createMachine({ memory: '4M' });
    const a = await machine.boot(noGdt, { at: AT, name: 'A' });
    await machine.run();
    const image = join(folder, 'resumed.kjump');
    await machine.hibernate(image);
    await using again = await resumeMachine(image);
    expect(await again.find('A').deathReport()).toEqual(await a.deathReport());
  });
});

describe.concurrent('the command line', () => {
  const MACHINE = ['-m', '16M', '--at', '0x100000'];

  test('prints the report behind the error, and inspect prints it of the image', async () => {
    const image = join(folder, 'dead.kjump');
    const { code, stdout, stderr } = await kjump(['boot', noGdt, ...MACHINE, '--name', 'A', '--save', image]);
    expect([code, stdout]).toEqual([3, '']);
    const [error, report] = stderr.split(/\n\n/);
    expect(error).toContain('error: A crashed [KERNEL_CRASHED]');
    expect(report).toMatch(/^A died of a triple fault\n/);
    expect(report).toMatch(/> 00100007 {2}8ed8 +mov ds, eax\n/);

    const inspected = await kjump(['inspect', image]);
    expect(inspected.stdout.split('\n\n')[1].trimEnd()).toBe(report.trimEnd());
    const { death } = JSON.parse((await kjump(['inspect', image, '--json'])).stdout);
    expect(death).toMatchObject({ kernel: 'A', code: 'tripleFault' });
    expect(formatDeathReport(death)).toBe(report.trimEnd());
  });

  test('has it in the one object of --json, and nothing of it on stderr', async () => {
    const { code, stdout, stderr } = await kjump(['boot', stray, ...MACHINE, '--window', '1M:2M', '--json']);
    const { ok, error } = JSON.parse(stdout);
    expect([code, ok, error.code]).toEqual([3, false, 'WINDOW_VIOLATION']);
    expect(error.details.report).toMatchObject({ address: 0xc00000, hints: [{ rule: 'window' }] });
    expect(stderr).not.toContain('registers');
  });
});
