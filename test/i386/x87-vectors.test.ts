// SPDX-License-Identifier: MIT
//
// The x87 against a real one: x87-vectors.json.gz holds states, operands and instructions drawn at random with many special numbers,
// control words and unmasked exceptions, and what the x87 of an Intel processor made of them (FRSTOR, the instruction, FNSAVE). The
// pointers to instruction and operand are left out: today's processors no longer keep all of them.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { X87Bench } from './x87-bench.ts';

/** Bytes in hexadecimal, of the image after without its pointers. */
type Row = [code: string, flags: number, image: string, memory: string, flags: number, image: string, memory: string];

const file = readFileSync(new URL('x87-vectors.json.gz', import.meta.url));
const vectors = JSON.parse(gunzipSync(file).toString()) as { exact: Row[]; near: Row[] };
const bench = new X87Bench();
const STATUS_FLAGS = 0x8d5;
/** Bytes of the image that hold pointers. */
const POINTERS = [12, 28] as const;
const REGISTERS = 12;

interface State {
  readonly flags: number;
  readonly image: string;
  readonly memory: string;
}

/** The instruction as hexadecimal, what the processor gave and what we give. */
function run([code, flags, image, memory, flagsAfter, imageAfter, memoryAfter]: Row): [string, State, State] {
  const opcode = Number.parseInt(code, 16);
  const got = bench.transform(
    opcode >>> 8,
    opcode & 0xff,
    flags,
    Buffer.from(image, 'hex'),
    Buffer.from(memory, 'hex'),
  );
  const bytes = Buffer.from(got.image);
  const kept = Buffer.concat([bytes.subarray(0, POINTERS[0]), bytes.subarray(POINTERS[1])]);
  return [
    `${code} ${got.fault} from ${image} ${memory}`,
    { flags: flagsAfter, image: imageAfter, memory: memoryAfter },
    { flags: got.flags & STATUS_FLAGS, image: kept.toString('hex'), memory: Buffer.from(got.memory).toString('hex') },
  ];
}

/** A register as a number that neighbours in the format differ by 1 in. */
function ordinal(image: string, i: number): bigint {
  const bytes = Buffer.from(image, 'hex').subarray(REGISTERS + i * 10);
  const top = bytes.readUInt16LE(8);
  const magnitude = (BigInt(top & 0x7fff) << 63n) + (bytes.readBigUInt64LE(0) & 0x7fffffffffffffffn);
  return top >>> 15 === 0 ? magnitude : -magnitude;
}

/** Everything but the first two registers, and C1 and tags, which follow from their last bits. */
const withoutResults = (image: string): string => {
  const bytes = Buffer.from(image, 'hex');
  bytes[5] &= ~2;
  bytes.fill(0, 8, 10);
  bytes.fill(0, REGISTERS, REGISTERS + 20);
  return bytes.toString('hex');
};

describe('the x87 of a processor', () => {
  for (let byte = 0xd8; byte <= 0xdf; byte++) {
    const prefix = byte.toString(16);
    test(`gives the same registers, status, tags, flags and stores for opcode ${prefix.toUpperCase()}`, () => {
      const rows = vectors.exact.filter(([code]) => code.startsWith(prefix)).map(run);
      expect(rows.length).toBeGreaterThan(20);
      for (const [what, expected, got] of rows) expect(got, what).toEqual(expected);
    });
  }

  test('gives transcendental results that are at most one unit in the last place away', () => {
    const rows = vectors.near.map(run);
    expect(rows.length).toBeGreaterThan(100);
    for (const [what, expected, got] of rows) {
      expect(withoutResults(got.image), what).toBe(withoutResults(expected.image));
      for (const i of [0, 1]) {
        const distance = ordinal(got.image, i) - ordinal(expected.image, i);
        expect(distance >= -1n && distance <= 1n, `${what}: ST(${i})`).toBe(true);
      }
    }
  });
});
