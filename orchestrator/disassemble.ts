// SPDX-License-Identifier: MIT
//
// Machine code as text, as NASM writes it. The decoder is iced-x86, a WebAssembly module of 1 MB that takes a tenth of a second to
// load: it is loaded by the first call, and by nobody who does not look at code. It is a CommonJS module, so that can be done at once:
// who looks at a machine that stands need not wait, and nothing moves meanwhile.
import { createRequire } from 'node:module';

type Iced = typeof import('iced-x86');
const load = createRequire(import.meta.url);

export interface DisassembledInstruction {
  /** Unsigned; wraps at 4 GiB. */
  readonly address: number;
  readonly bytes: Uint8Array;
  /** `(bad)` for what is no instruction, or is cut off by the end of the bytes. */
  readonly text: string;
}

/** Bytes that are certainly enough for so many instructions: none is longer than 15 (SDM vol. 2A §2.3.11). */
export const bytesOfInstructions = (count: number): number => count * 15;

/** The first `count` instructions in the bytes, or fewer if the bytes end before. `bits` is the default operand size. */
export function disassemble(
  bytes: Uint8Array,
  address: number,
  bits: 16 | 32,
  count: number,
): DisassembledInstruction[] {
  const { Decoder, DecoderOptions, Formatter, FormatterSyntax, Instruction } = load('iced-x86') as Iced;
  const decoder = new Decoder(bits, bytes, DecoderOptions.None);
  const formatter = new Formatter(FormatterSyntax.Nasm);
  const instruction = new Instruction();
  try {
    decoder.ip = BigInt(address >>> 0);
    formatter.hexPrefix = '0x';
    formatter.hexSuffix = '';
    formatter.uppercaseHex = false;
    formatter.branchLeadingZeros = false;
    formatter.spaceAfterOperandSeparator = true;
    const listing: DisassembledInstruction[] = [];
    while (listing.length < count && decoder.canDecode) {
      const start = decoder.position;
      decoder.decodeOut(instruction);
      listing.push({
        address: (address + start) >>> 0,
        bytes: bytes.slice(start, decoder.position),
        text: formatter.format(instruction),
      });
    }
    return listing;
  } finally {
    // They live in the memory of the WebAssembly module, which no collector sees.
    instruction.free();
    formatter.free();
    decoder.free();
  }
}

/** One line for each instruction: address, bytes, text. */
export function formatListing(listing: readonly DisassembledInstruction[]): string {
  return listing
    .map(({ address, bytes, text }) => {
      const digits = address.toString(16).padStart(8, '0');
      return `${digits}  ${Buffer.from(bytes).toString('hex').padEnd(20)}  ${text}`;
    })
    .join('\n');
}
