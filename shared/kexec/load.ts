// SPDX-License-Identifier: MIT
//
// kexec_load(2) (Linux 6.1 kernel/kexec.c sys_kexec_load, do_kexec_load, kimage_alloc_init; kernel/kexec_core.c
// kimage_load_segment; kexec-jump reference §1). The image is built aside and installed last: after a failure nothing has been
// allocated and the image that was loaded before still is. Only a crash image gives up its predecessor first.
import { Errno } from '../errno.ts';
import { assert } from '../errors.ts';
import { ZERO_FRAME } from '../frames.ts';
import type { PhysicalMemory } from '../physical-memory.ts';
import { PAGE_SIZE, pageAddress, pageIndexOf } from '../units.ts';
import { IND_DONE } from './entry-list.ts';
import { crashControlPage, freeImage, ImagePages, type PageAllocator } from './image-pages.ts';
import { Kimage } from './kimage.ts';
import {
  type CrashRegion,
  checkCrashEntry,
  checkRequest,
  KEXEC_ON_CRASH,
  KEXEC_PRESERVE_CONTEXT,
  type KexecPermissions,
  type KexecRequest,
  type KexecSegment,
  NO_CRASH_REGION,
  sanityCheckSegmentList,
} from './segments.ts';

const NO_WORDS = new Int32Array(0);

/** __kexec_lock: tried, never waited for. */
export interface KexecLock {
  tryTake(): boolean;
  release(): void;
}

/** The kernel that loads, as kexec_load(2) sees it. */
export interface KexecEnvironment extends KexecPermissions {
  readonly memory: PhysicalMemory;
  readonly pages: PageAllocator;
  readonly lock: KexecLock;
  /** kexec_image and kexec_crash_image. */
  readonly image: Kimage;
  readonly crashImage: Kimage;
  /** totalram_pages(): no image may take more than half of them. */
  readonly totalRamPages: number;
  /** crashk_res, which lies in RAM; null: nothing is reserved. */
  readonly crashRegion: CrashRegion | null;
}

/**
 * Loads an image, or drops it if `nrSegments` is 0. Returns EPERM, EINVAL, EFAULT, EBUSY, EADDRNOTAVAIL or ENOMEM as Linux
 * does, else OK. Throws `BAD_IMAGE` if the image to be replaced has a damaged list: its pages cannot be told any more.
 */
export function kexecLoad(env: KexecEnvironment, request: KexecRequest): Errno {
  const refusal = checkRequest(request, env);
  if (refusal !== Errno.OK) return refusal;
  if (!env.lock.tryTake()) return Errno.EBUSY;
  try {
    return doKexecLoad(env, request);
  } finally {
    env.lock.release();
    // Pages were exchanged and zeroed under whatever mapping the kernel has cached.
    env.memory.bumpEpoch();
  }
}

/** A write to sysctl kernel.kexec_load_disabled: 1 and only 1, for good (kexec_core_sysctls). */
export function writeLoadDisabled(permissions: { loadDisabled: boolean }, value: number): Errno {
  if (value !== 1) return Errno.EINVAL;
  permissions.loadDisabled = true;
  return Errno.OK;
}

function doKexecLoad(env: KexecEnvironment, request: KexecRequest): Errno {
  const crash = (request.flags & KEXEC_ON_CRASH) !== 0;
  const installed = crash ? env.crashImage : env.image;
  if (request.nrSegments === 0 || crash) freeImage(env.memory, env.pages, installed);
  if (request.nrSegments === 0) return Errno.OK;

  const region = crash ? (env.crashRegion ?? NO_CRASH_REGION) : null;
  if (region !== null) {
    const refusal = checkCrashEntry(request.entry, region);
    if (refusal !== Errno.OK) return refusal;
  }
  const segments = (request.segments ?? []).slice(0, request.nrSegments);
  const refusal = sanityCheckSegmentList(segments, env.totalRamPages, region);
  if (refusal !== Errno.OK) return refusal;

  const image = Kimage.detached();
  image.start = request.entry;
  image.segments = segments;
  image.crash = crash;
  image.preserveContext = (request.flags & KEXEC_PRESERVE_CONTEXT) !== 0;
  image.loaded = true;
  const failure = region === null ? loadNormal(env, image, segments) : loadCrash(env.memory, image, segments, region);
  if (failure !== Errno.OK) return failure;
  // xchg(dest_image, image), and only then kimage_free of the old one
  const old = Kimage.detached();
  old.copyFrom(installed);
  installed.copyFrom(image);
  freeImage(env.memory, env.pages, old);
  return Errno.OK;
}

/** kimage_alloc_init, kimage_load_normal_segment for each segment, kimage_terminate. After a failure all pages are free again. */
function loadNormal(env: KexecEnvironment, image: Kimage, segments: readonly KexecSegment[]): Errno {
  const pages = new ImagePages(env.memory, env.pages, segments);
  const controlPage = pages.allocateControl();
  if (controlPage < 0) return Errno.ENOMEM;
  const swapPage = pages.allocateControl();
  if (swapPage < 0) {
    env.pages.free(controlPage);
    return Errno.ENOMEM;
  }
  image.controlCodePage = pageAddress(controlPage);
  image.swapPage = pageAddress(swapPage);
  // Here Linux's machine_kexec_prepare allocates the page tables of the jump. Nothing of ours needs one.
  let failure: Errno = Errno.OK;
  for (const segment of segments) {
    failure = loadSegment(env.memory, pages, segment);
    if (failure !== Errno.OK) break;
  }
  image.head = pages.list.terminate();
  pages.freeExtra();
  if (failure !== Errno.OK) freeImage(env.memory, env.pages, image);
  return failure;
}

/** kimage_load_normal_segment */
function loadSegment(memory: PhysicalMemory, pages: ImagePages, segment: KexecSegment): Errno {
  const first = pageIndexOf(segment.mem);
  const count = pageIndexOf(segment.memsz);
  if (!pages.list.setDestination(first)) return Errno.ENOMEM;
  for (let index = 0; index < count; index++) {
    const page = pages.addSource(first + index);
    if (page < 0) return Errno.ENOMEM;
    if (!fillPage(memory, page, segment, index * PAGE_SIZE)) return Errno.EFAULT;
  }
  return Errno.OK;
}

/** kimage_alloc_init and kimage_load_crash_segment: straight to the destination, no list, no swap page. */
function loadCrash(
  memory: PhysicalMemory,
  image: Kimage,
  segments: readonly KexecSegment[],
  region: CrashRegion,
): Errno {
  assert(region.end <= memory.ramPages * PAGE_SIZE, 'the crash region lies outside RAM');
  const controlPage = crashControlPage(region.start, segments, region);
  if (controlPage < 0) return Errno.ENOMEM;
  image.controlCodePage = pageAddress(controlPage);
  for (const segment of segments) {
    for (let offset = 0; offset < segment.memsz; offset += PAGE_SIZE) {
      if (!fillPage(memory, pageIndexOf(segment.mem + offset), segment, offset)) return Errno.EFAULT;
    }
  }
  image.head = IND_DONE;
  return Errno.OK;
}

/** Makes a page the segment's bytes from `offset`, zeros behind its buffer. False if the buffer cannot be read there. */
function fillPage(memory: PhysicalMemory, page: number, { buf, bufsz }: KexecSegment, offset: number): boolean {
  const end = Math.min(bufsz, offset + PAGE_SIZE);
  const given = buf?.subarray(Math.min(offset, end), end);
  const length = Math.max(0, end - offset);
  const readable = length === 0 || given?.length === length;
  // What is to be zeros takes no frame; what is about to be overwritten whole need not be cleared.
  const zeros = !readable || given === undefined || isZero(given);
  if ((zeros || length < PAGE_SIZE) && memory.frameOf(page) !== ZERO_FRAME) memory.zero(page);
  if (!zeros) memory.write(pageAddress(page), given);
  return readable;
}

function isZero(bytes: Uint8Array): boolean {
  const { buffer, byteOffset, length } = bytes;
  // By words, where the program's buffer is aligned: zeros by the megabyte are common.
  const words = (byteOffset & 3) === 0 ? new Int32Array(buffer, byteOffset, length >>> 2) : NO_WORDS;
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  for (let i = 4 * words.length; i < length; i++) if (bytes[i] !== 0) return false;
  return true;
}
