// SPDX-License-Identifier: MIT
//
// `kjump inspect`: checks every byte of an image and tells what is in it. No machine is made, no thread started.
import { formatSize, hex, PAGE_SIZE } from '../../shared/units.ts';
import { describeImage, type ImageDescription } from '../images/describe-image.ts';
import { verifyImage } from '../images/hibernation.ts';
import { alignColumns, wrapText } from './columns.ts';
import { ExitCode } from './exit-codes.ts';
import { type ImageKernel, kernelsOf } from './image-kernels.ts';
import type { Invocation } from './invocation.ts';
import { kernelRows, virtualTime } from './outcome.ts';

export async function inspect({ output, interruption }: Invocation, path: string): Promise<number> {
  const image = await interruption.guard(verifyImage(path), async () => {});
  const description = describeImage(image);
  const kernels = kernelsOf(image);
  output.result({ image: description, kernels }, describe(description, kernels));
  if (output.verbose) output.say(loadLines(description));
  return ExitCode.ok;
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
