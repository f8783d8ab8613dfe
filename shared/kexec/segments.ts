// SPDX-License-Identifier: MIT
//
// What kexec_load(2) checks before it allocates anything, in Linux's order, with Linux's errno (kexec-jump reference §1.2;
// Linux 6.1 kernel/kexec.c and kernel/kexec_core.c). Pure functions: they read the request and change nothing.
//
// Not checked, as in Linux: that a destination is RAM, that the entry lies in a segment, that the running kernel is spared.
// Not modelled: security modules and lockdown, which could refuse between row 1 and row 3 of that table.
import { Errno } from '../errno.ts';
import { KEXEC_SEGMENT_MAX } from '../layout/kimage.ts';
import { isPageAligned, pagesIn } from '../units.ts';
import type { SegmentRange } from './kimage.ts';

export const KEXEC_ON_CRASH = 1;
export const KEXEC_PRESERVE_CONTEXT = 2;
export const KEXEC_ARCH_MASK = 0xffff0000;
export const KEXEC_ARCH_DEFAULT = 0;
export const KEXEC_ARCH_386 = 3 << 16;

export interface KexecSegment extends SegmentRange {
  /** What can be read at the program's pointer. Shorter than `bufsz`, or null: the rest of it cannot be read. */
  readonly buf: Uint8Array | null;
}

/** The arguments of kexec_load(2); every number is a u32. */
export interface KexecRequest {
  readonly entry: number;
  readonly nrSegments: number;
  /** What can be read of the array. Shorter than `nrSegments`, or null: the rest of it cannot be read. */
  readonly segments: readonly KexecSegment[] | null;
  readonly flags: number;
}

export interface KexecPermissions {
  readonly capSysBoot: boolean;
  /** sysctl kernel.kexec_load_disabled */
  readonly loadDisabled: boolean;
  /** CONFIG_KEXEC_JUMP */
  readonly kexecJump: boolean;
}

/** Physical bytes [start, end). */
export interface CrashRegion {
  readonly start: number;
  readonly end: number;
}

/** crashk_res when nothing is reserved: start 0, last byte 0. */
export const NO_CRASH_REGION: CrashRegion = { start: 0, end: 1 };

/** Everything that is checked before the lock is tried. */
export function checkRequest(request: KexecRequest, permissions: KexecPermissions): Errno {
  const { nrSegments, segments, flags } = request;
  // kexec_load_check -> kexec_load_permitted: before any argument is looked at
  if (!permissions.capSysBoot || permissions.loadDisabled) return Errno.EPERM;
  // kexec_load_check: (flags & KEXEC_FLAGS) != (flags & ~KEXEC_ARCH_MASK)
  const legalFlags = permissions.kexecJump ? KEXEC_ON_CRASH | KEXEC_PRESERVE_CONTEXT : KEXEC_ON_CRASH;
  if ((flags & ~KEXEC_ARCH_MASK & ~legalFlags) !== 0) return Errno.EINVAL;
  // kexec_load_check
  if (nrSegments > KEXEC_SEGMENT_MAX) return Errno.EINVAL;
  // sys_kexec_load
  const arch = flags & KEXEC_ARCH_MASK;
  if (arch !== KEXEC_ARCH_386 && arch !== KEXEC_ARCH_DEFAULT) return Errno.EINVAL;
  // sys_kexec_load -> memdup_array_user: no array is read for no segments
  if (nrSegments > (segments?.length ?? 0)) return Errno.EFAULT;
  return Errno.OK;
}

/** kimage_alloc_init: the entry of a crash image lies in the region. */
export function checkCrashEntry(entry: number, region: CrashRegion): Errno {
  return entry < region.start || entry >= region.end ? Errno.EADDRNOTAVAIL : Errno.OK;
}

const endOf = ({ mem, memsz }: SegmentRange): number => (mem + memsz) >>> 0;

/**
 * sanity_check_segment_list. Each loop is a pass of its own over all segments, so a segment that is not aligned is reported
 * before any overlap is. `crashRegion` is null for an image that is no crash image.
 */
export function sanityCheckSegmentList(
  segments: readonly SegmentRange[],
  totalRamPages: number,
  crashRegion: CrashRegion | null,
): Errno {
  for (const segment of segments) {
    const end = endOf(segment);
    if (segment.mem > end) return Errno.EADDRNOTAVAIL;
    if (!isPageAligned(segment.mem) || !isPageAligned(end)) return Errno.EADDRNOTAVAIL;
    // Linux goes on to refuse an end at or above KEXEC_DESTINATION_MEMORY_LIMIT, 0xFFFFFFFF: no aligned end is. The last page
    // of the address space is never a destination all the same, because its end wraps to 0.
  }
  // Half-open and strict: a segment of no bytes overlaps only what it lies strictly inside.
  for (const [index, segment] of segments.entries()) {
    for (let earlier = 0; earlier < index; earlier++) {
      const other = segments[earlier];
      if (endOf(segment) > other.mem && segment.mem < endOf(other)) return Errno.EINVAL;
    }
  }
  for (const { bufsz, memsz } of segments) if (bufsz > memsz) return Errno.EINVAL;
  // nr_pages / 2 is an integer division. Linux also compares each segment alone, lest the sum overflow: here it cannot.
  let totalPages = 0;
  for (const { memsz } of segments) totalPages += pagesIn(memsz);
  if (totalPages > Math.floor(totalRamPages / 2)) return Errno.EINVAL;
  if (crashRegion !== null) {
    for (const { mem, memsz } of segments) {
      // The last byte, not the end: a segment of no bytes at 0 wraps, and is refused.
      const last = (mem + memsz - 1) >>> 0;
      if (mem < crashRegion.start || last >= crashRegion.end) return Errno.EADDRNOTAVAIL;
    }
  }
  return Errno.OK;
}
