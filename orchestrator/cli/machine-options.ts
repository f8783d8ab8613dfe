// SPDX-License-Identifier: MIT
//
// The machine's options on the command line: one table for what commander offers, what createMachine is given, and what is
// passed on to a process that a scenario starts.
import { existsSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { KjumpError } from '../../shared/errors.ts';
import type { ResumeOptions } from '../create.ts';
import { type MachineOptions, resolveOptions } from '../options.ts';

const NEW_MACHINE = [
  new Option('-m, --memory <size>', 'RAM of the machine, such as 64M'),
  new Option('--spare <size>', 'frames beyond RAM, for loaded kernels, snapshots, clones'),
  new Option('--max-kernels <n>', 'kernel slots').argParser(wholeNumber),
  new Option('--seed <n>', 'seed of the machine').argParser(wholeNumber),
  new Option('--virtio', 'the disks are virtio block devices; a bzImage is told of them, and of console and entropy'),
  new Option('--relocation <how>', 'how a switch moves pages').choices(['exchange', 'copy']),
  new Option('--mode <mode>', 'strict leaves undone what Linux 6.1 leaves undone').choices(['repaired', 'strict']),
];
/** What a resumed machine may have otherwise than the one that was saved. */
const ANY_MACHINE = [
  new Option('--threads <n>', 'threads of the pool').argParser(wholeNumber),
  new Option('--clock <clock>', 'virtual time, or paced to the wall').choices(['virtual', 'realtime']),
  new Option('--disk <file>', 'host file behind the disk'),
  new Option('--second-disk <file>', 'host file behind the second disk'),
  new Option('--amnesia', "replace a kernel's thread at every switch"),
];
const RESUME_NAMES = ANY_MACHINE.map((option) => option.attributeName());
const ALL = [...NEW_MACHINE, ...ANY_MACHINE];

export function addMachineOptions(command: Command, which: 'new' | 'resumed' = 'new'): Command {
  for (const option of which === 'new' ? ALL : ANY_MACHINE) command.addOption(option);
  return command;
}

/** What was given of the machine's options, checked. Throws `BAD_OPTION`, `BAD_SIZE`, `NO_SUCH_FILE`. */
export function machineOptionsOf(options: Readonly<Record<string, unknown>>): MachineOptions {
  const given: MachineOptions = pick(
    options,
    ALL.map((option) => option.attributeName()),
  );
  resolveOptions(given);
  // The machine itself opens it when a kernel first uses its disk, which is late to hear of a wrong path.
  for (const disk of [given.disk, given.secondDisk]) {
    if (disk === undefined || existsSync(disk)) continue;
    throw new KjumpError('NO_SUCH_FILE', `the disk ${disk} cannot be read`, {
      why: 'nothing has that name',
      fix: 'make the file first; its size is the size of the disk',
    });
  }
  return given;
}

export function resumeOverrides(options: MachineOptions): ResumeOptions {
  return pick(options, RESUME_NAMES);
}

/** The command line that gives these options. */
export function machineFlags(options: MachineOptions): string[] {
  const values = options as Readonly<Record<string, unknown>>;
  return ALL.flatMap((option) => {
    const value = values[option.attributeName()];
    if (value === undefined) return [];
    return value === true ? [option.long!] : [option.long!, String(value)];
  });
}

/** A whole number, in decimal or hexadecimal. */
export function wholeNumber(text: string): number {
  const value = /^(\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('It is not a whole number.');
  return value;
}

function pick(options: object, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name)));
}
