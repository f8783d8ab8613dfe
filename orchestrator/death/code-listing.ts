// SPDX-License-Identifier: MIT
//
// The instruction that a kernel died at, between its neighbours. Machine code cannot be read backwards: of the places to start from,
// one is taken from which the decoder comes to the instruction without stumbling.
import { CR0_PG } from '../../shared/layout/cpu-state.ts';
import { type DisassembledInstruction, disassemble } from '../disassemble.ts';
import { type CpuPicture, codeAddress, codeBits, isPaging } from './cpu-picture.ts';
import { type PhysicalBytes, readLinear, readLinearBelow } from './linear-memory.ts';

export interface CodeLine {
  /** Linear. */
  readonly address: number;
  /** In hexadecimal. */
  readonly bytes: string;
  readonly text: string;
  readonly isCurrent: boolean;
}

const BEFORE = 4;
const AFTER = 4;
const BYTES_BELOW = 32;
const BYTES_ABOVE = 64;
/** Zeros that are no operand. */
const PADDING = 8;

/**
 * Empty if the instruction cannot be read. Where paging leads nowhere, what would be there without it is better than nothing: code
 * that switches paging on lies at its physical address.
 */
export function listCode(cpu: CpuPicture, memory: PhysicalBytes): { lines: CodeLine[]; isMapped: boolean } {
  const lines = listThrough(cpu, memory);
  if (lines.length > 0 || !isPaging(cpu)) return { lines, isMapped: lines.length > 0 };
  return { lines: listThrough({ ...cpu, cr0: cpu.cr0 & ~CR0_PG }, memory), isMapped: false };
}

function listThrough(cpu: CpuPicture, memory: PhysicalBytes): CodeLine[] {
  const address = codeAddress(cpu);
  const bits = codeBits(cpu);
  const above = readLinear(cpu, memory, address, BYTES_ABOVE);
  if (above.length === 0) return [];
  const below = readLinearBelow(cpu, memory, address, BYTES_BELOW);
  const before = instructionsBelow(below, address, bits).slice(-BEFORE);
  const rest = disassemble(above, address, bits, AFTER + 1);
  return [...before, ...rest].map((line) => ({
    address: line.address,
    bytes: Buffer.from(line.bytes).toString('hex'),
    text: line.text,
    isCurrent: line.address === address,
  }));
}

function instructionsBelow(bytes: Uint8Array, end: number, bits: 16 | 32): DisassembledInstruction[] {
  const starts = [codeStart(bytes), ...bytes.keys()];
  for (const start of starts) {
    const listing = disassemble(bytes.subarray(start), end - bytes.length + start, bits, BYTES_BELOW);
    // One that reached over the end would have been cut off there, and bad.
    if (listing.every(({ text }) => text !== '(bad)')) return listing;
  }
  return [];
}

/** Behind a stretch of zeros, which is no code, some begins. */
function codeStart(bytes: Uint8Array): number {
  for (let start = bytes.length - 1; start >= PADDING; start--) {
    if (bytes[start] !== 0 && bytes.subarray(start - PADDING, start).every((byte) => byte === 0)) return start;
  }
  return 0;
}
