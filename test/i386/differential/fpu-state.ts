// SPDX-License-Identifier: MIT
//
// Random x87 states as FSAVE images of 32-bit protected mode (SDM vol. 1 figure 8-9), and floating-point numbers worth computing
// with in all three formats.
import { PATCH_BYTES } from './batch-layout.ts';

type Below = (n: number) => number;

export interface FpuStart {
  readonly image: Uint8Array;
  /** Registers in use, from ST(0) on. */
  readonly depth: number;
}

const EMPTY = 3;

export function emptyFpu(): FpuStart {
  return { image: fpuImage(0x37f, 0, 0, () => new Uint8Array(10)), depth: 0 };
}

export function randomFpu(below: Below): FpuStart {
  const masks = below(8) === 0 ? below(64) : 0x3f;
  const control = 0x40 | masks | ([0, 2, 3, 3, 3][below(5)]! << 8) | (below(4) << 10);
  const flags = masks === 0x3f && below(4) === 0 ? below(64) : 0;
  const status = (below(8) << 11) | flags | (below(2) << 14) | (below(8) << 8);
  const depth = 1 + below(7);
  return { image: fpuImage(control, status, depth, () => random80(below)), depth };
}

function fpuImage(control: number, status: number, depth: number, value: () => Uint8Array): Uint8Array {
  const image = new Uint8Array(108);
  const view = new DataView(image.buffer);
  const top = (status >> 11) & 7;
  let tags = 0xffff;
  for (let n = 0; n < depth; n++) tags &= ~(EMPTY << (2 * ((top + n) & 7)));
  view.setUint32(0, 0xffff0000 | control, true);
  view.setUint32(4, 0xffff0000 | status, true);
  view.setUint32(8, 0xffff0000 | tags, true);
  for (let n = 0; n < 8; n++) image.set(value(), 28 + 10 * n);
  return image;
}

/** A number of the extended format; now and then one of the encodings that no operation makes. */
function random80(below: Below): Uint8Array {
  const bytes = new Uint8Array(10);
  const view = new DataView(bytes.buffer);
  const sign = below(2) << 15;
  const set = (exponent: number, high: number, low: number): Uint8Array => {
    view.setUint32(0, low >>> 0, true);
    view.setUint32(4, high >>> 0, true);
    view.setUint16(8, sign | exponent, true);
    return bytes;
  };
  const word = (): number => ((below(0x10000) << 16) | below(0x10000)) >>> 0;
  const fraction = (): number => [0, 0, 0xffffffff, word(), word()][below(5)]!;
  switch (below(16)) {
    case 0:
      return set(0, 0, 0);
    case 1:
      return set(0x7fff, 0x80000000, 0);
    case 2:
      return set(0x7fff, 0xc0000000 | word(), word());
    case 3:
      return set(0x7fff, 0x80000000 | (word() >>> 2), word());
    case 4:
      return set(0, word() >>> 1, word());
    case 5:
      return set(below(2) ? 0x7ffe : 1, 0x80000000 | fraction(), fraction());
    case 6:
      return below(4) === 0 ? set(below(0x8000), word() >>> 1, word()) : set(0x3fff, 0x80000000, 0);
    case 7:
      // About the ends of the smaller formats.
      return set(
        [0x3c01, 0x3c00, 0x43fe, 0x43ff, 0x3f81, 0x3f80, 0x407e, 0x407f][below(8)]!,
        0x80000000 | fraction(),
        fraction(),
      );
    case 8:
      return set(0x3fff + below(70), 0x80000000 | fraction(), fraction());
    case 9:
      return set(0x3fff + 15 + below(3) * 16, 0x80000000 | fraction(), 0);
    case 10:
      return set(below(0x7fff), 0x80000000 | word(), word());
    default:
      return set(0x3ff0 + below(32), 0x80000000 | fraction(), fraction());
  }
}

/** Offsets within the case's own bytes where numbers of each format begin, when the case is about the x87. */
export const FLOAT_PLACES = { double: 0x00, single: 0x80, extended: 0xc0, count: 16, extendedCount: 4 } as const;

export function randomFloats(below: Below): Uint8Array {
  const bytes = new Uint8Array(PATCH_BYTES);
  const view = new DataView(bytes.buffer);
  const word = (): number => ((below(0x10000) << 16) | below(0x10000)) >>> 0;
  for (let n = 0; n < FLOAT_PLACES.count; n++) {
    const exponent64 = [0, 0x7ff, 0x3ff, 1, 0x7fe, 0x3ff + below(64), below(0x800)][below(7)]!;
    view.setUint32(n * 8, [0, 0, word()][below(3)]!, true);
    view.setUint32(
      n * 8 + 4,
      ((below(2) << 31) | (exponent64 << 20) | ([0, 0x80000, word()][below(3)]! & 0xfffff)) >>> 0,
      true,
    );
    const exponent32 = [0, 0xff, 0x7f, 1, 0xfe, 0x7f + below(64), below(256)][below(7)]!;
    const fraction32 = [0, 0x400000, word()][below(3)]! & 0x7fffff;
    view.setUint32(0x80 + n * 4, ((below(2) << 31) | (exponent32 << 23) | fraction32) >>> 0, true);
  }
  for (let n = 0; n < FLOAT_PLACES.extendedCount; n++) bytes.set(random80(below), 0xc0 + n * 16);
  return bytes;
}
