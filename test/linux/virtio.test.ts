// SPDX-License-Identifier: MIT
//
// The reference Linux with its disk on virtio: what it writes is in the file, a machine that is saved in the middle of a transfer goes
// on in the middle of it, and a system that jumps away has its disk when it is back.
import { createHash } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  BZIMAGE,
  command,
  hasLinuxGuest,
  jump,
  jumpAway,
  jumpBackEntry,
  loadSecond,
  prompt,
  ROOTFS,
  ROOTFS_WITH_KERNEL,
  WHEN_SKIPPED,
} from '../../examples/linux-guest.ts';
import { createMachine, type Kernel, type Machine, resumeMachine } from '../../orchestrator/index.ts';
import type { Fields } from '../../orchestrator/inspect.ts';

const MIB = 1024 ** 2;
const DISK_BYTES = 4 * MIB;
const COMMAND_LINE = 'console=ttyS0 lpj=1000000';
const ONE_BOOT_MS = 300_000;
const TWO_BOOTS_MS = 400_000;

const { signal } = new AbortController();
const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

describe.skipIf(!hasLinuxGuest)(`Linux with a virtio disk${WHEN_SKIPPED}`, () => {
  let folder = '';
  let disk = '';
  let machines: Machine[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kjump-vda-'));
    disk = await emptyDisk('disk.img');
  });
  afterEach(async () => {
    for (const machine of machines) await machine.close();
    machines = [];
    await rm(folder, { recursive: true });
  });

  async function emptyDisk(name: string): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, '');
    await truncate(path, DISK_BYTES);
    return path;
  }

  function kept(machine: Machine): Machine {
    machines.push(machine);
    return machine;
  }

  async function blockDevice(machine: Machine): Promise<Fields> {
    return (await machine.inspect()).devices['virtio-block0']!;
  }

  /** True while a request is in the device. */
  async function isInFlight(machine: Machine): Promise<boolean> {
    return Number.isFinite((await blockDevice(machine)).deadlineTick);
  }

  /** Runs step by step, each of so many ticks, until it is so. */
  async function runUntil(machine: Machine, ticks: number, isSo: () => Promise<boolean>): Promise<void> {
    for (let stops = 0; !(await isSo()); stops++) {
      expect(stops).toBeLessThan(3000);
      await machine.run({ ticks });
    }
  }

  /** Goes on to the end of what was typed: the answer, where the machine stands then, and its disk. */
  async function finish(machine: Machine, path: string): Promise<unknown> {
    const kernel: Kernel = machine.find('bzImage');
    await prompt(kernel, signal);
    const answer = await command(kernel, 'sync; md5sum /dev/vda', signal);
    return { answer, now: machine.now, steps: kernel.slot.steps, disk: md5(await readFile(path)) };
  }

  test(
    'writes and reads it, and goes on in the middle of a transfer from where it was saved',
    async () => {
      const second = await emptyDisk('second.img');
      const machine = kept(await createMachine({ memory: '64M', virtio: true, disk, secondDisk: second, threads: 1 }));
      const kernel = await machine.boot(BZIMAGE, { initrd: ROOTFS, append: COMMAND_LINE });
      await prompt(kernel, signal);
      const run = (line: string) => command(kernel, line, signal);
      const sys = '/sys/block';
      expect(await run(`echo $(cat ${sys}/vda/size ${sys}/vda/serial)`)).toBe(`${DISK_BYTES / 512} kjump-disk0`);
      expect(await run(`echo $(cat ${sys}/vdb/serial)`)).toBe('kjump-disk1');

      await run('seq 20000 > /tmp/data; dd if=/tmp/data of=/dev/vda bs=4k seek=3 conv=fsync');
      const data = new TextEncoder().encode(Array.from({ length: 20_000 }, (_, i) => `${i + 1}\n`).join(''));
      const there = await readFile(disk);
      expect(md5(there.subarray(3 * 4096, 3 * 4096 + data.length))).toBe(md5(data));
      expect(there.subarray(0, 3 * 4096).every((byte) => byte === 0)).toBe(true);

      // Nothing of it is in the page cache when it is read.
      await run('echo 3 > /proc/sys/vm/drop_caches');
      expect(await run(`dd if=/dev/vda bs=4k skip=3 2>/dev/null | head -c ${data.length} | md5sum`)).toContain(
        md5(data),
      );
      expect(await run('grep virtio /proc/interrupts')).toMatch(/5: +[1-9]\d+ .*virtio0/);

      kernel.console.type(
        'echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/vda of=/dev/vda bs=64k count=16 seek=16 conv=fsync\n',
      );
      const { 'queue0.lastAvail': requests } = await blockDevice(machine);
      await runUntil(machine, 1_000_000, async () => (await blockDevice(machine))['queue0.lastAvail'] !== requests);
      // Shorter than a request takes: the next one is not missed.
      await runUntil(machine, 10_000, () => isInFlight(machine));
      await machine.hibernate(join(folder, 'image'));
      await copyFile(disk, join(folder, 'copy.img'));
      const resumed = kept(await resumeMachine(join(folder, 'image'), { disk: join(folder, 'copy.img') }));
      expect(await isInFlight(resumed)).toBe(true);
      const [here, again] = [await finish(machine, disk), await finish(resumed, join(folder, 'copy.img'))];
      expect(again).toEqual(here);
      expect(here).toMatchObject({ answer: expect.stringContaining(md5(await readFile(disk))) });
    },
    ONE_BOOT_MS,
  );

  test(
    'shares it with a system that it jumps to: each has it again when it is back',
    async () => {
      const machine = kept(await createMachine({ memory: '128M', virtio: true, disk }));
      const a = await machine.boot(BZIMAGE, {
        initrd: ROOTFS_WITH_KERNEL,
        append: `${COMMAND_LINE} memmap=exactmap memmap=632K@4K memmap=127M@1M`,
      });
      await prompt(a, signal);
      await command(a, 'echo written by A > /dev/vda; sync', signal);
      await loadSecond(a, 24, signal, 'virtio_mmio.device=512@0xd0000000:5');
      const b = await jumpAway(machine, signal);
      await prompt(b, signal);
      expect(await command(b, 'head -n 1 /dev/vda', signal)).toBe('written by A');
      await command(b, `kexec --load-jump-back-helper --entry=${await jumpBackEntry(b, signal)}`, signal);

      for (let round = 1; round <= 2; round++) {
        await command(b, `echo written by B ${round} | dd of=/dev/vda seek=${2 * round} conv=fsync`, signal);
        await jump(b, a, signal);
        const read = `echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/vda skip=${2 * round} count=1 2>/dev/null | head -n 1`;
        expect(await command(a, read, signal)).toContain(`written by B ${round}`);
        await command(a, `echo written by A ${round} | dd of=/dev/vda seek=${2 * round + 1} conv=fsync`, signal);
        await jump(a, b, signal);
        expect(await command(b, read.replace(`skip=${2 * round}`, `skip=${2 * round + 1}`), signal)).toContain(
          `written by A ${round}`,
        );
      }
      expect(machine.switches).toBe(5);
    },
    TWO_BOOTS_MS,
  );
});
