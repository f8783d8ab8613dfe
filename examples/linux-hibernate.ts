// SPDX-License-Identifier: MIT
//
// A Linux that goes on in another process, with nothing but its own tools: the ten steps that kexec jump was published with in 2008.
// A jumps to B; B writes A's memory, which it sees as /proc/vmcore, to the disk and powers off; the process ends. In a new one C
// reads it from the disk, loads it with kexec, and starts it where A goes on. `kjump run examples/linux-hibernate.ts`.
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { defineScenario, type ScenarioContext } from '../orchestrator/scenario.ts';
import {
  BZIMAGE,
  COMMAND_LINE,
  command,
  jumpBackEntry,
  loadSecond,
  prompt,
  ROOTFS_WITH_KERNEL,
  requireLinuxGuest,
} from './linux-guest.ts';

const PAGE = 4096;
const DISK_BYTES = 128 * 1024 ** 2;
const DUMP = '/tmp/dump.elf';

export const scenario = defineScenario({
  title: 'Linux hibernates with kexec',
  about:
    'Linux A jumps to Linux B, which writes the memory of A to the disk and powers off. The process ends. In another one Linux C ' +
    "reads it, loads it with kexec and jumps: A's shell goes on.",

  async run(context) {
    requireLinuxGuest();
    const [step, disk, entry, pages] = context.args;
    if (step === 'save') return save(context, disk);
    if (step === 'restore') return restore(context, disk, entry, pages);
    const path = join(context.workDir, 'disk.img');
    await writeFile(path, '');
    await truncate(path, DISK_BYTES);
    const here = new URL(import.meta.url);
    const saved = (await context.spawn(here, ['save', path])) as Awaited<ReturnType<typeof save>>;
    const restored = await context.spawn(here, ['restore', path, saved.entry, String(saved.pages)]);
    return { saved, restored };
  },
});

/** A, then B. */
async function save({ createMachine, say, show, signal }: ScenarioContext, disk: string) {
  const machine = await createMachine({ memory: '96M', disk });
  machine.on('switch', show);
  const a = await machine.boot(BZIMAGE, {
    name: 'A',
    initrd: ROOTFS_WITH_KERNEL,
    append: `${COMMAND_LINE} memmap=exactmap memmap=632K@4K memmap=95M@1M`,
  });
  await prompt(a, signal);
  await command(a, 'answer=42; echo remembered > /tmp/note', signal);
  await loadSecond(a, 24, signal);
  a.console.type('kexec -e\n');
  await machine.run({ switches: 1, signal });

  const b = machine.kernels[1];
  await prompt(b, signal);
  const entry = await jumpBackEntry(b, signal);
  const pages = Number(await command(b, 'stat -c %s /proc/vmcore', signal)) / PAGE;
  await command(b, 'cat /proc/vmcore > /dev/sda', signal);
  say(`B has written ${pages} pages of A to the disk`);
  b.console.type('poweroff -f\n');
  const { reason } = await machine.run({ signal });
  return { entry, pages, reason };
}

/** C, then A. */
async function restore(
  { createMachine, say, show, signal }: ScenarioContext,
  disk: string,
  entry: string,
  pages: string,
) {
  const machine = await createMachine({ memory: '512M', disk });
  machine.on('switch', show);
  const c = await machine.boot(BZIMAGE, { name: 'C', initrd: ROOTFS_WITH_KERNEL, append: COMMAND_LINE });
  await prompt(c, signal);
  await command(c, `dd if=/dev/sda of=${DUMP} bs=${PAGE} count=${pages}`, signal);
  await command(c, `kexec -l --args-none --entry=${entry} ${DUMP}`, signal);
  say('C has loaded A');
  c.console.type('kexec -e\n');
  await machine.run({ switches: 1, signal });

  const a = machine.kernels[1];
  await prompt(a, signal);
  return { answer: await command(a, 'echo $answer', signal), note: await command(a, 'cat /tmp/note', signal) };
}
