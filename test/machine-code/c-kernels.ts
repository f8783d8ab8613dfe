// SPDX-License-Identifier: MIT
//
// Machines with the C kernels of examples/guests/machine, and what they say: console lines, switches, their page of facts and the
// recorder's record.
import { fileURLToPath } from 'node:url';
import { CHAIN_START, chainStep, STATUS_MAGIC } from '../../examples/guests/status.ts';
import { StatusPage } from '../../examples/well-being.ts';
import {
  createMachine,
  type Kernel,
  type Machine,
  type MachineOptions,
  type PlaceOptions,
  type StopReport,
  type SwitchReport,
} from '../../orchestrator/index.ts';

const FOLDER = new URL('../../examples/guests/machine/', import.meta.url);
export const guestFile = (path: string): string => fileURLToPath(new URL(path, FOLDER));

/** Where the driver of a C kernel has a payload leave a copy of its results. */
export const RESULTS = 0x7000;
/** Exit status of a kernel that found everything well: (0 << 1) | 1 through port 0xF4. */
export const ALL_WELL = 1;

const KERNEL_AT = { a: StatusPage.kernelA, b: StatusPage.kernelB, c: StatusPage.kernelC } as const;

export interface Story {
  readonly machine: Machine;
  readonly lines: () => string[];
  readonly switches: SwitchReport[];
  readonly ends: StopReport[];
}

/** A machine whose console, switches and ends are kept. */
export async function makeMachine(options: MachineOptions = {}): Promise<Story & AsyncDisposable> {
  const machine = await createMachine({ memory: '16M', threads: 2, ...options });
  const switches: SwitchReport[] = [];
  const ends: StopReport[] = [];
  let text = '';
  machine.on('console', (event) => {
    text += event.text;
  });
  machine.on('switch', (report) => void switches.push(report));
  for (const end of ['crash', 'off'] as const) machine.on(end, (report: StopReport) => void ends.push(report));
  const dispose = () => machine.close();
  return { machine, switches, ends, lines: () => text.split(/\r?\n/), [Symbol.asyncDispose]: dispose };
}

/** Boots a C kernel with a module, and runs it until it ends, or for five virtual seconds. */
export async function runKernel(
  { machine }: Story,
  file: string,
  cmdline: string,
  module: { file: string; cmdline?: string } | null = null,
  place: PlaceOptions = {},
): Promise<Kernel> {
  const modules = module === null ? [] : [{ file: guestFile(module.file), cmdline: module.cmdline ?? '' }];
  const kernel = await machine.boot(guestFile(file), { name: 'A', cmdline, modules, ...place });
  await machine.run({ ticks: 5e9 });
  return kernel;
}

/** struct kernel_status, with its digests checked against its counters. */
export interface KernelStatus {
  readonly ticks: number;
  readonly workUnits: number;
  readonly departures: number;
  readonly returns: number;
  readonly imageStart: number;
  /** What is wrong with it. */
  readonly faults: readonly string[];
}

export async function readStatus(kernel: Kernel, which: keyof typeof KERNEL_AT): Promise<KernelStatus> {
  const bytes = await kernel.read(KERNEL_AT[which], 48);
  return statusOf(bytes);
}

/** A counter is stored before its digest: between two instructions the digest may be that of the count before. */
export function statusOf(bytes: Uint8Array): KernelStatus {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const word = (index: number): number => view.getUint32(4 * index, true);
  const faults: string[] = [];
  if (word(0) !== STATUS_MAGIC) faults.push('no kernel is here');
  for (const [name, at] of [
    ['ticks', 2],
    ['work', 4],
  ] as const) {
    const count = word(at);
    if (word(at + 1) !== chain(count) && word(at + 1) !== chain(count - 1)) {
      faults.push(`the digest of ${name} is not that of ${count}`);
    }
  }
  return {
    ticks: word(2),
    workUnits: word(4),
    departures: word(6),
    returns: word(7),
    imageStart: word(10),
    faults,
  };
}

/** The digests of 0, 1, 2, … so far computed. */
const chains = [CHAIN_START];

/** The chain over 1..count. */
function chain(count: number): number {
  for (let n = chains.length; n <= count; n++) chains.push(chainStep(chains[n - 1], n));
  return (chains[Math.max(0, count)] ?? 0) >>> 0;
}

const RECORD_WORDS = [
  'eax',
  'ecx',
  'edx',
  'ebx',
  'esp',
  'ebp',
  'esi',
  'edi',
  'eflags',
  'stackWord',
  'cr0',
  'cr2',
  'cr3',
  'cr4',
] as const;

/** The record of examples/guests/machine/recorder/recorder.h. */
export function recordOf(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const words = Object.fromEntries(RECORD_WORDS.map((name, i) => [name, view.getUint32(4 * i, true)])) as Record<
    (typeof RECORD_WORDS)[number],
    number
  >;
  const selectors = Array.from({ length: 6 }, (_, i) => view.getUint16(0x38 + 2 * i, true));
  const table = (at: number): number[] => [view.getUint32(at + 2, true), view.getUint16(at, true)];
  const debug = Array.from({ length: 6 }, (_, i) => view.getUint32(0x58 + 4 * i, true));
  return { ...words, selectors, gdtr: table(0x4a), idtr: table(0x52), debug, visits: view.getUint32(0x70, true) };
}
export const RECORD_BYTES = 0x74;
