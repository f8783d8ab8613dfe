// SPDX-License-Identifier: MIT
//
// struct kimage as a 32-bit Linux 6.1 lays it out (include/linux/kexec.h; kexec-jump reference §1.3), followed by two words of
// ours. Written by shared/kexec/kimage.ts when an image is loaded, and `start` by every return from a peer.
import { field, recordLayout } from './fields.ts';

export const KEXEC_SEGMENT_MAX = 16;
export const SEGMENT_RECORD_BYTES = 16;

export const KIMAGE = {
  head: 0,
  start: 12,
  controlCodePage: 16,
  swapPage: 20,
  nrSegments: 28,
  segment: 32,
  bits: 316,
  /** Ours: 1 while an image is loaded, and the kernel slot that the image carries + 1 (0: none known). */
  loaded: 344,
  target: 348,
} as const;
export const KIMAGE_BYTES = 352;

/** Bits of the word at 316: type, preserve_context. */
export const KIMAGE_CRASH = 1;
export const KIMAGE_PRESERVE = 2;

export const KIMAGE_LAYOUT = recordLayout('kimage', KIMAGE_BYTES, [
  field('head', KIMAGE.head, 'u32', 'first entry word: first indirection page | IND_INDIRECTION'),
  field('start', KIMAGE.start, 'u32', "entry; after a return, the peer's re-entry"),
  field('control_code_page', KIMAGE.controlCodePage, 'u32', 'physical address of the control page'),
  field('swap_page', KIMAGE.swapPage, 'u32', 'physical address of the swap page'),
  field('nr_segments', KIMAGE.nrSegments, 'u32', 'segments used'),
  field('segment', KIMAGE.segment, 'u32', 'buf, bufsz, mem, memsz of each', 4 * KEXEC_SEGMENT_MAX),
  field('bits', KIMAGE.bits, 'u32', 'bit 0: crash type, bit 1: preserve_context'),
  field('loaded', KIMAGE.loaded, 'u32', '1 while an image is loaded'),
  field('target', KIMAGE.target, 'u32', 'kernel slot that the image carries, plus 1'),
]);
