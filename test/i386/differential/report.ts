// SPDX-License-Identifier: MIT
//
// A difference as text: the case's mode and registers, its instructions, and the fields that differ.
import { Decoder, Formatter, FormatterSyntax } from 'iced-x86';
import type { CaseResult } from './batch-layout.ts';
import type { Difference } from './compare.ts';
import type { Case } from './generate.ts';

const GENERAL = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'];
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];

function hex(value: number): string {
  return (value >>> 0).toString(16);
}

/** The instructions of a case, one a line, with EIP and bytes. */
function disassemble(one: Case): string[] {
  const end = one.boundaries.at(-1)!.offset + 2;
  const decoder = new Decoder(one.mode.bits, one.code.subarray(0, end), 0);
  const formatter = new Formatter(FormatterSyntax.Nasm);
  const lines: string[] = [];
  try {
    for (let offset = 0; offset < end; ) {
      decoder.ip = BigInt(one.eip + offset);
      const instruction = decoder.decode();
      const bytes = Buffer.from(one.code.subarray(offset, offset + instruction.length)).toString('hex');
      lines.push(`${hex(one.eip + offset).padStart(6)}  ${bytes.padEnd(24)} ${formatter.format(instruction)}`);
      offset += instruction.length;
      instruction.free();
    }
  } finally {
    decoder.free();
    formatter.free();
  }
  return lines;
}

function registers(values: readonly number[], names: readonly string[]): string {
  return names.map((name, i) => `${name}=${hex(values[i]!)}`).join(' ');
}

/** `names` are the two machines compared; `results` what they were left with. */
export function report(
  one: Case,
  found: Difference[],
  names: readonly [string, string],
  results: CaseResult[],
): string {
  const lines = [`case ${one.seed}, ${one.mode.name}: ${names[0]} and ${names[1]} differ`];
  lines.push(`  eip=${hex(one.eip)} eflags=${hex(one.eflags)} ${registers(one.general, GENERAL)}`);
  lines.push(`  ${registers(one.segments, SEGMENTS)}`);
  lines.push(...disassemble(one).map((line) => `  ${line}`));
  results.forEach((result, i) => {
    const { vector, errorCode, eip, cr2 } = result;
    lines.push(`  ${names[i]}: vector ${vector} error ${hex(errorCode)} eip ${hex(eip)} cr2 ${hex(cr2)}`);
  });
  lines.push(...found.slice(0, 12).map(({ field, left, right }) => `  ${field}: ${hex(left)} / ${hex(right)}`));
  return lines.join('\n');
}
