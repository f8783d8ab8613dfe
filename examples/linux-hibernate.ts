// SPDX-License-Identifier: MIT
//
// A Linux that goes on in another process, with nothing but its own tools: the ten steps that kexec jump was published with in 2008.
// A jumps to B; B writes A's memory, which it sees as /proc/vmcore, to the disk and powers off; the process ends. In a new one C
// reads it from the disk, loads it with kexec, and starts it where A goes on. `kjump run examples/linux-hibernate.ts`.
//
// Nothing but the disk lies between the two: its first page is the mark that A sleeps there, written last and read first, as the
// signature of a swap partition is. So whatever ends the machine on the way, C finds A whole, or no mark and says so.
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Kernel, KjumpError, type Machine } from '../orchestrator/index.ts';
import { defineScenario, type ScenarioContext } from '../orchestrator/scenario.ts';
import {
  BZIMAGE,
  COMMAND_LINE,
  command,
  jumpAway,
  jumpBackEntry,
  loadSecond,
  prompt,
  ROOTFS_WITH_KERNEL,
  requireLinuxGuest,
  requireLoaded,
} from './linux-guest.ts';

export const DISK_BYTES = 64 * 1024 ** 2;
export const A_MEMORY = '48M';
export const C_MEMORY = '160M';
const PAGE = 4096;
const DUMP = '/tmp/dump.elf';
/** Where B ends in A's memory. */
const WINDOW_END_MIB = 20;

/** What the first page of the disk says: pages of the dump behind it, where A goes on, MD5 of the dump. */
interface Mark {
  readonly pages: string;
  readonly entry: string;
  readonly sum: string;
}

export const scenario = defineScenario({
  title: 'Linux hibernates with kexec',
  about:
    'Linux A jumps to Linux B, which writes the memory of A to the disk and powers off. The process ends. In another one Linux C ' +
    "reads it, loads it with kexec and jumps: A's shell goes on.",

  async run(context) {
    requireLinuxGuest();
    const [part, disk] = context.args;
    if (part === 'save') return save(context, disk);
    if (part === 'restore') return restore(context, disk);
    const path = join(context.workDir, 'disk.img');
    await makeDisk(path);
    const here = new URL(import.meta.url);
    const saved = await context.spawn(here, ['save', path]);
    const restored = await context.spawn(here, ['restore', path]);
    return { saved, restored };
  },
});

async function save({ createMachine, say, show, signal }: ScenarioContext, disk: string) {
  const machine = await createMachine({ memory: A_MEMORY, disk });
  machine.on('switch', show);
  await bootA(machine, signal);
  await loadB(machine, signal);
  await jumpToB(machine, signal);
  const mark = await saveA(machine, signal);
  say(`B has written ${mark.pages} pages of A to the disk, and powers off`);
  return { ...mark, reason: await powerOff(machine, signal) };
}

async function restore({ createMachine, say, show, signal }: ScenarioContext, disk: string) {
  const machine = await createMachine({ memory: C_MEMORY, disk });
  machine.on('switch', show);
  await bootC(machine, signal);
  await loadA(machine, signal);
  say('C has loaded A');
  return jumpToA(machine, signal);
}

// ---- the steps, by their numbers of 2008; 1 and 2 are done by whoever made the files of the guest ----------------------------

/** 3. */
export async function makeDisk(path: string): Promise<void> {
  await writeFile(path, '');
  await truncate(path, DISK_BYTES);
}

/** 4. A has something to remember in a variable of its shell, in a file, and in all the files of its RAM disk. */
export async function bootA(machine: Machine, signal: AbortSignal): Promise<void> {
  const a = await machine.boot(BZIMAGE, {
    name: 'A',
    initrd: ROOTFS_WITH_KERNEL,
    append: `${COMMAND_LINE} memmap=exactmap memmap=632K@4K memmap=47M@1M`,
  });
  await prompt(a, signal);
  await command(a, 'answer=42; echo remembered > /tmp/note; md5sum /boot/* /lib/* > /tmp/sums', signal);
}

/** 5. */
export async function loadB(machine: Machine, signal: AbortSignal): Promise<void> {
  await loadSecond(current(machine), WINDOW_END_MIB, signal);
}

/** 6. */
export async function jumpToB(machine: Machine, signal: AbortSignal): Promise<void> {
  await prompt(await jumpAway(machine, signal), signal);
}

/** 7, in B. The mark of another sleeper goes first, this one's comes last. */
export async function saveA(machine: Machine, signal: AbortSignal): Promise<Mark> {
  const b = current(machine);
  const entry = await jumpBackEntry(b, signal);
  await unmark(b, signal);
  const pages = `${Number(await command(b, 'stat -c %s /proc/vmcore', signal)) / PAGE}`;
  await command(b, `dd if=/proc/vmcore of=/dev/sda bs=${PAGE} seek=1; sync`, signal);
  const [sum] = (await command(b, 'md5sum /proc/vmcore', signal)).split(' ');
  await command(b, `echo ${pages} ${entry} ${sum} | dd of=/dev/sda bs=${PAGE} conv=sync; sync`, signal);
  return { pages, entry, sum };
}

/** The end of 7; gives the reason for which the machine stopped. */
export async function powerOff(machine: Machine, signal: AbortSignal): Promise<string> {
  current(machine).console.type('poweroff -f\n');
  const { reason } = await machine.run({ signal });
  return reason;
}

/** 8. */
export async function bootC(machine: Machine, signal: AbortSignal): Promise<void> {
  const c = await machine.boot(BZIMAGE, { name: 'C', initrd: ROOTFS_WITH_KERNEL, append: COMMAND_LINE });
  await prompt(c, signal);
}

/** 9, in C. Throws `BAD_STATE` unless A is there whole. */
export async function loadA(machine: Machine, signal: AbortSignal): Promise<void> {
  const c = current(machine);
  const marked = await command(c, "dd if=/dev/sda bs=64 count=1 2>/dev/null | tr -d '\\000'", signal);
  const [, pages, entry, sum] = /^(\d+) (0x[0-9a-f]+) ([0-9a-f]{32})$/m.exec(marked) ?? [];
  if (sum === undefined) {
    throw new KjumpError('BAD_STATE', 'no system sleeps on this disk', {
      why: 'its first page does not say so: nobody hibernated there, or who did was interrupted, or is awake again',
      fix: 'go on in A, or in B, if they still run, or boot A afresh',
    });
  }
  await command(c, `dd if=/dev/sda of=${DUMP} bs=${PAGE} skip=1 count=${pages}`, signal);
  const [found] = (await command(c, `md5sum ${DUMP}`, signal)).split(' ');
  if (found !== sum) {
    throw new KjumpError('BAD_STATE', 'the system on this disk is damaged', {
      why: `the MD5 of its memory is ${found}, and was ${sum} when it was written`,
      fix: 'boot A afresh',
    });
  }
  const said = await command(c, `kexec -l --args-none --entry=${entry} ${DUMP}`, signal);
  await requireLoaded(c, said, signal);
}

/** 10. Back in A, which is awake from here on: the mark goes. */
export async function jumpToA(machine: Machine, signal: AbortSignal) {
  const a = await jumpAway(machine, signal);
  await prompt(a, signal);
  await unmark(a, signal);
  return {
    answer: await command(a, 'echo $answer', signal),
    note: await command(a, 'cat /tmp/note', signal),
    damagedFiles: await command(a, 'md5sum -c /tmp/sums | grep -vc OK', signal),
  };
}

function current({ current: kernel }: Machine): Kernel {
  if (kernel !== null) return kernel;
  throw new KjumpError('BAD_STATE', 'nobody has the machine', { fix: 'boot a system' });
}

async function unmark(kernel: Kernel, signal: AbortSignal): Promise<void> {
  await command(kernel, `dd if=/dev/zero of=/dev/sda bs=${PAGE} count=1; sync`, signal);
}
