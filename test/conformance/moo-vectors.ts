// SPDX-License-Identifier: MIT
//
// Vectors as MOO files (github.com/dbalsom/moo, version 1): chunks of a four-letter name, a length and contents, all little endian.
// A TEST chunk is a number and chunks again; INIT and FINA in it are chunks once more. Chunks we have no use for are passed over.
import { REGISTERS, type Vector } from './vector.ts';

const CHUNK_HEADER_BYTES = 8;

class Chunks {
  readonly view: DataView;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Calls back for every chunk in [start, end), with its name and where its contents are. */
  each(start: number, end: number, use: (name: string, start: number, end: number) => void): void {
    let at = start;
    while (at < end) {
      if (at + CHUNK_HEADER_BYTES > end) throw new Error(`a chunk header is cut off at ${at}`);
      const name = String.fromCharCode(...this.bytes.subarray(at, at + 4));
      const contents = at + CHUNK_HEADER_BYTES;
      at = contents + this.view.getUint32(at + 4, true);
      if (at > end) throw new Error(`the chunk ${name} at ${contents} is longer than what it is in`);
      use(name, contents, at);
    }
  }

  /** A list of bytes behind its length. */
  counted(at: number): Uint8Array {
    const length = this.view.getUint32(at, true);
    return this.bytes.subarray(at + 4, at + 4 + length);
  }

  /** Addresses and values. */
  memory(at: number): number[] {
    const count = this.view.getUint32(at, true);
    const memory: number[] = [];
    for (let i = 0; i < count; i++) {
      memory.push(this.view.getUint32(at + 4 + 5 * i, true), this.bytes[at + 8 + 5 * i]);
    }
    return memory;
  }

  /** Registers behind a mask of those that are there; the others are taken from `otherwise`. */
  registers(at: number, otherwise: readonly number[]): number[] {
    const mask = this.view.getUint16(at, true);
    let next = at + 2;
    return REGISTERS.map((_, index) => {
      if ((mask & (1 << index)) === 0) return otherwise[index];
      next += 2;
      return this.view.getUint16(next - 2, true);
    });
  }
}

/** Throws an `Error` if it is not a MOO file, or a broken one. */
export function parseMooVectors(file: Uint8Array): Vector[] {
  const chunks = new Chunks(file);
  const vectors: Vector[] = [];
  let announced = -1;
  chunks.each(0, file.length, (name, start, end) => {
    if (name === 'MOO ') announced = chunks.view.getUint32(start + 4, true);
    else if (announced < 0) throw new Error('it does not start as a MOO file');
    else if (name === 'TEST') vectors.push(readTest(chunks, start, end));
  });
  if (vectors.length !== announced) throw new Error(`it has ${vectors.length} vectors, not ${announced}`);
  return vectors;
}

function readTest(chunks: Chunks, start: number, end: number): Vector {
  const { view } = chunks;
  let name = '';
  let bytes: readonly number[] = [];
  let initial: State = { registers: [], memory: [] };
  let final: State = initial;
  let exception: Vector['exception'] = null;
  chunks.each(start + 4, end, (chunk, at, chunkEnd) => {
    if (chunk === 'NAME') name = new TextDecoder().decode(chunks.counted(at));
    else if (chunk === 'BYTS') bytes = [...chunks.counted(at)];
    else if (chunk === 'INIT') initial = readState(chunks, at, chunkEnd, []);
    else if (chunk === 'FINA') final = readState(chunks, at, chunkEnd, initial.registers);
    else if (chunk === 'EXCP') exception = view.getUint8(at);
  });
  return {
    index: view.getUint32(start, true),
    name,
    bytes,
    initial: initial.registers,
    final: final.registers,
    initialMemory: initial.memory,
    finalMemory: final.memory,
    exception,
  };
}

interface State {
  readonly registers: readonly number[];
  readonly memory: readonly number[];
}

function readState(chunks: Chunks, start: number, end: number, otherwise: readonly number[]): State {
  let registers = otherwise;
  let memory: readonly number[] = [];
  chunks.each(start, end, (name, at) => {
    if (name === 'REGS') registers = chunks.registers(at, otherwise);
    else if (name === 'RAM ') memory = chunks.memory(at);
  });
  return { registers, memory };
}
