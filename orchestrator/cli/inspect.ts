// SPDX-License-Identifier: MIT
//
// `kjump inspect`: checks every byte of an image and tells what is in it. No machine is made, no thread started.
import { CR0_PE } from '../../shared/layout/cpu-state.ts';
import { formatSize, hex, PAGE_SIZE } from '../../shared/units.ts';
import { formatDeathReport } from '../death/format.ts';
import { bytesOfInstructions, disassemble, formatListing } from '../disassemble.ts';
import { describeImage, type ImageDescription } from '../images/describe-image.ts';
import { type Image, verifyImage } from '../images/hibernation.ts';
import { readMemory } from '../images/read-memory.ts';
import { alignColumns, wrapText } from './columns.ts';
import { ExitCode } from './exit-codes.ts';
import { deathInImage } from './image-death.ts';
import { type ImageKernel, kernelsOf } from './image-kernels.ts';
import type { Invocation } from './invocation.ts';
import { kernelRows, virtualTime } from './outcome.ts';

/** D/B of the cached attributes of CS: 32-bit code. */
const SEGMENT_DB = 0x4000;

interface CodeRange {
  readonly physAddr: number;
  readonly count: number;
}

export async function inspect({ output, interruption, options }: Invocation, path: string): Promise<number> {
  const image = await interruption.guard(verifyImage(path), async () => {});
  const description = describeImage(image);
  const range = options.disassemble as CodeRange | undefined;
  if (range !== undefined) {
    const listing = await codeAt(image, description, range);
    const code = listing.map((line) => ({ ...line, bytes: Buffer.from(line.bytes).toString('hex') }));
    output.result({ code }, formatListing(listing));
    return ExitCode.ok;
  }
  const kernels = kernelsOf(image);
  const death = deathInImage(image);
  const text = describe(description, kernels);
  output.result(
    { image: description, kernels, ...(death === null ? {} : { death }) },
    death === null ? text : `${text}\n\n${formatDeathReport(death, output.resultStyle)}`,
  );
  if (output.verbose) output.say(loadLines(description));
  return ExitCode.ok;
}

/** Read in the mode that the CPU was in. */
async function codeAt(image: Image, { cpu }: ImageDescription, { physAddr, count }: CodeRange) {
  const bytes = await readMemory(image, physAddr, bytesOfInstructions(count));
  const attributes = (cpu.cs as number[])[3];
  const is32 = ((cpu.cr0 as number) & CR0_PE) !== 0 && (attributes & SEGMENT_DB) !== 0;
  return disassemble(bytes, physAddr, is32 ? 32 : 16, count);
}

const REGISTERS = ['eip', 'esp', 'eflags', 'cr0'] as const;

function describe(image: ImageDescription, kernels: readonly ImageKernel[]): string {
  const { clock, cpu } = image;
  const options = Object.entries((image.metadata as { options?: object })?.options ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
  const rows = [
    ['image', `${image.path}, ${readable(image.fileBytes)}, every checksum is right`],
    ['format', `version ${image.formatVersion}, machine layout ${image.layoutVersion}`],
    [
      'machine',
      `${formatSize(image.ramBytes)} of memory, ${readable(image.hiddenBytes)} hidden, ${image.maxKernels} slots`,
    ],
    ['pages', `${image.storedBytes / PAGE_SIZE} in the file, for ${image.dataBytes / PAGE_SIZE} that are not zeros`],
    ['time', `${virtualTime(clock.nowTick as number)} virtual, ${clock.switches} switches, seed ${clock.seed}`],
    ['cpu', REGISTERS.map((name) => `${name} ${hex(cpu[name] as number)}`).join('  ')],
    ...listed(
      'kernels',
      kernelRows(kernels).map((row, i) => `${row}${kernels[i].hasMachine ? '  has the machine' : ''}`),
    ),
    ...listed('options', wrapText(options, 68).split('\n')),
  ];
  return rows.map(([label, text]) => `${label.padEnd(9)} ${text}`.trimEnd()).join('\n');
}

function listed(label: string, lines: readonly string[]): string[][] {
  if (lines.length === 0) return [[label, 'none']];
  return lines.map((line, i) => [i === 0 ? label : '', line]);
}

function loadLines({ loads }: ImageDescription): string {
  const rows = loads.map(({ kind, physAddr, bytes, storedBytes }) => [
    kind,
    hex(physAddr),
    readable(bytes),
    `${readable(storedBytes)} stored`,
  ]);
  return ['segments of the core file:', ...alignColumns(rows, [2, 3])].join('\n');
}

/** `1.5 MiB`, `12 KiB`, `512 B`: near enough for people. */
function readable(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const [value, unit] = bytes < 1024 ** 2 ? [bytes / 1024, 'KiB'] : [bytes / 1024 ** 2, 'MiB'];
  return `${Number(value.toFixed(1))} ${unit}`;
}
