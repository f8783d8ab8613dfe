// SPDX-License-Identifier: MIT
//
// kexec_load(2) as kjump's own kernels and the orchestrator call it: the image of kexecLoad plus four context pages, in which
// the departure through this image parks CPU, devices and slot. They come from the same allocator, are no segment's
// destination, and are named in the control page, so that the image alone leads to them.
import { Errno } from '../errno.ts';
import type { KernelSlot } from '../kernel-slot.ts';
import { CONTEXT_PAGES, CONTROL } from '../layout/control-page.ts';
import type { PhysicalMemory } from '../physical-memory.ts';
import { pageAddress, pageIndexOf } from '../units.ts';
import { ImagePages, type PageAllocator } from './image-pages.ts';
import type { Kimage } from './kimage.ts';
import { type KexecEnvironment, kexecLoad } from './load.ts';
import { KEXEC_ON_CRASH, type KexecRequest } from './segments.ts';

const NO_PAGES: PageAllocator = { allocate: () => -1, free: () => {} };

/** The environment of a kernel's kexec_load. */
export function kexecEnvironment(memory: PhysicalMemory, slot: KernelSlot, pages: PageAllocator): KexecEnvironment {
  return {
    memory,
    pages,
    image: slot.kexecImage,
    crashImage: slot.crashImage,
    lock: {
      tryTake: () => {
        if (slot.get('kexecLock') !== 0) return false;
        slot.set('kexecLock', 1);
        return true;
      },
      release: () => slot.set('kexecLock', 0),
    },
    totalRamPages: memory.ramPages,
    crashRegion: null,
    capSysBoot: true,
    loadDisabled: false,
    kexecJump: true,
  };
}

/** Loads, replaces or (with no segments) unloads. Returns what kexecLoad returns; on failure nothing is changed. */
export function loadJumpImage(env: KexecEnvironment, request: KexecRequest): Errno {
  const needsContext = request.nrSegments > 0 && (request.flags & KEXEC_ON_CRASH) === 0;
  const before =
    env.image.loaded && (request.flags & KEXEC_ON_CRASH) === 0 ? contextPagesOf(env.memory, env.image) : [];
  const context = needsContext ? allocateContext(env, request) : [];
  // Without them the load must fail, but with the errno that the request's own faults come first.
  const errno = kexecLoad(context === null ? { ...env, pages: NO_PAGES } : env, request);
  if (errno !== Errno.OK) {
    for (const page of context ?? []) env.pages.free(page);
    return errno;
  }
  for (const physAddr of before) env.pages.free(pageIndexOf(physAddr));
  (context ?? []).forEach((page, i) => {
    env.memory.write32((env.image.controlCodePage >>> 0) + CONTROL.contextPages + 4 * i, pageAddress(page));
  });
  return Errno.OK;
}

/** Physical addresses of the context pages that the control page of an image names. */
export function contextPagesOf(memory: PhysicalMemory, image: Kimage): number[] {
  const controlPage = image.controlCodePage >>> 0;
  return Array.from(
    { length: CONTEXT_PAGES },
    (_, i) => memory.read32(controlPage + CONTROL.contextPages + 4 * i) >>> 0,
  );
}

function allocateContext({ memory, pages }: KexecEnvironment, { segments }: KexecRequest): number[] | null {
  const image = new ImagePages(memory, pages, segments ?? []);
  const context: number[] = [];
  while (context.length < CONTEXT_PAGES) {
    const page = image.allocateControl();
    if (page < 0) {
      for (const taken of context) pages.free(taken);
      return null;
    }
    context.push(page);
  }
  return context;
}
