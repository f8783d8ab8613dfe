// SPDX-License-Identifier: MIT
//
// The Linux guest: a kernel for i386 and its initial RAM disks, which are not part of the project. KJUMP_LINUX_GUEST names their
// folder; without it they are where guests/linux/build.sh puts them, or beside the checkout. And its shell, as a script uses it.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Kernel, KjumpError, type Machine } from '../orchestrator/index.ts';

const PLACES = ['guests/linux/build', '../shared/guests/linux'];
const FOUND = PLACES.find((place) => existsSync(resolve(place, 'bzImage')));
const FOLDER = resolve(process.env.KJUMP_LINUX_GUEST ?? FOUND ?? PLACES[0]);

export const BZIMAGE = resolve(FOLDER, 'bzImage');
export const ROOTFS = resolve(FOLDER, 'rootfs.cpio.gz');
/** The same with the kernel and the other RAM disk in /boot, for a system that is to load another. */
export const ROOTFS_WITH_KERNEL = resolve(FOLDER, 'rootfs-with-kernel.cpio.gz');

/** Loops are not calibrated, and the disk is looked for where a PC without PCI has it. */
export const COMMAND_LINE = 'console=ttyS0 lpj=1000000 pata_legacy.probe_all=1';

export const hasLinuxGuest = [BZIMAGE, ROOTFS, ROOTFS_WITH_KERNEL].every((file) => existsSync(file));
export const HOW_TO_GET_IT =
  'build it with guests/linux/build.sh, or name the folder of its files in KJUMP_LINUX_GUEST';
/** Behind the name of a test suite that is skipped without it. */
export const WHEN_SKIPPED = hasLinuxGuest ? '' : ` (skipped: ${HOW_TO_GET_IT})`;

/** Throws `NO_SUCH_FILE`, which says how to get the files. */
export function requireLinuxGuest(): void {
  if (hasLinuxGuest) return;
  throw new KjumpError('NO_SUCH_FILE', 'the Linux guest is not there', {
    why: `there are no bzImage, rootfs.cpio.gz and rootfs-with-kernel.cpio.gz in ${FOLDER}`,
    fix: HOW_TO_GET_IT,
  });
}

/** A system at whose shell a script types. */
export interface LinuxShell {
  readonly console: {
    expect(pattern: RegExp, options: { ticks: number; signal: AbortSignal }): Promise<string>;
    type(text: string): void;
  };
}

const PROMPT = /\n\/ # $/;
/** Virtual time in which everything that is done here ends. */
export const LONGEST_TICKS = 600e9;
/** And in which a system that jumps has left. */
const JUMP_TICKS = 60e9;

/** Waits until a shell wants a command: its system boots, or has the machine again. Gives what was written meanwhile. */
export function prompt({ console }: LinuxShell, signal: AbortSignal): Promise<string> {
  return console.expect(PROMPT, { ticks: LONGEST_TICKS, signal });
}

/** Types a command to a shell that waits for one, and gives its answer. */
export async function command(shell: LinuxShell, line: string, signal: AbortSignal): Promise<string> {
  shell.console.type(`${line}\n`);
  const written = (await prompt(shell, signal)).split('\n');
  // What was typed comes back first, cut where a line of the terminal ends; the prompt is last.
  let echoed = 0;
  for (let length = 0; length < line.length; echoed++) length += written[echoed].length;
  return written.slice(echoed, -1).join('\n');
}

/** Where the system that loaded this one goes on (kexec-tools, on the command line of every system it loads). */
export async function jumpBackEntry(shell: LinuxShell, signal: AbortSignal): Promise<string> {
  const commandLine = await command(shell, 'cat /proc/cmdline', signal);
  return /kexec_jump_back_entry=(\w+)/.exec(commandLine)?.[1] ?? '';
}

/**
 * Loads a second system into the memory from 1 MiB to `endMiB`, such that this one stays in memory: its page 0 and last MiB are not
 * the second's. Without checks: most of a first jump would go into digests of the window, by the tool and before the second starts.
 * `parameters` are more words for its command line. Throws `BAD_STATE` with what the tool said if it loaded nothing.
 */
export async function loadSecond(
  shell: LinuxShell,
  endMiB: number,
  signal: AbortSignal,
  parameters = '',
): Promise<void> {
  const mem = `--mem-min=0x100000 --mem-max=0x${(endMiB * 1024 ** 2 - 1).toString(16)}`;
  const append = `${COMMAND_LINE} memmap=exactmap memmap=636K@4K memmap=${endMiB - 2}M@1M ${parameters}`;
  const line = `kexec --no-checks --load-preserve-context /boot/bzImage ${mem} --initrd=/boot/rootfs.gz --append='${append}'`;
  await requireLoaded(shell, await command(shell, line, signal), signal);
}

/** Throws `BAD_STATE` with what kexec said unless a `kexec -e` would leave now. */
export async function requireLoaded(shell: LinuxShell, said: string, signal: AbortSignal): Promise<void> {
  if ((await command(shell, 'cat /sys/kernel/kexec_loaded', signal)) === '1') return;
  throw new KjumpError('BAD_STATE', 'kexec has loaded nothing', {
    why: `it says: ${said.trim()}`,
    fix: 'give the machine more memory',
  });
}

/** `kexec -e` in the system that has the machine; gives the one that has it then. Throws `BAD_STATE` if it is the same. */
export async function jumpAway(machine: Machine, signal: AbortSignal): Promise<Kernel> {
  const { current, switches } = machine;
  current?.console.type('kexec -e\n');
  await machine.runUntil(() => machine.switches > switches, { ticks: JUMP_TICKS, signal });
  if (machine.switches > switches && machine.current !== null) return machine.current;
  throw new KjumpError('BAD_STATE', `${current?.name} did not jump`, {
    why: `it wrote last: ${current?.console.output.slice(-200)}`,
    fix: 'look at kernel.console.output',
  });
}

/** `kexec -e` in the system that has the machine, which brings this known one back to its shell. */
export async function jump(from: LinuxShell, to: LinuxShell, signal: AbortSignal): Promise<void> {
  from.console.type('kexec -e\n');
  await prompt(to, signal);
}
