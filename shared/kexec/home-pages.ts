// SPDX-License-Identifier: MIT
//
// Every kernel has six hidden pages of its own: control, swap and four context pages. They serve jumps that do not go through
// an image the kernel loaded itself, as Linux's second kernel loads a jump-back helper for: an image that exchanges nothing.
import type { HiddenPages } from '../hidden-pages.ts';
import type { KernelSlot } from '../kernel-slot.ts';
import { CONTEXT_PAGES } from '../layout/control-page.ts';
import { KernelState } from '../lifecycle.ts';
import { pageAddress, pageIndexOf } from '../units.ts';
import type { BorderPages } from './context.ts';

/** Allocates them for a slot. Throws `OUT_OF_PAGES` or `OUT_OF_FRAMES` with nothing changed. */
export function giveHomePages(hidden: HiddenPages, slot: KernelSlot): void {
  const pages = hidden.allocate(2 + CONTEXT_PAGES, slot.index).map(pageAddress);
  slot.set('controlPage', pages[0]);
  slot.set('swapPage', pages[1]);
  slot.contextPages = pages.slice(2);
}

export function homePages(slot: KernelSlot): BorderPages {
  return {
    controlPage: slot.address('controlPage'),
    swapPage: slot.address('swapPage'),
    contextPages: slot.contextPages,
    head: 0,
  };
}

/**
 * Pages in which a border may leave `me` its stack: any swap page, its own control page, and the control page of a kernel that is
 * over, behind a plain kexec. Machine code stores to no other hidden page: the others keep what is somebody else's.
 */
export function stackPages(slots: readonly KernelSlot[], me: KernelSlot): number[] {
  const living = slots.filter(({ state }) => state !== KernelState.EMPTY);
  const over = living.filter(({ state }) => state === KernelState.OFF || state === KernelState.CRASHED);
  return [
    ...living.flatMap((slot) => [slot.address('swapPage'), slot.kexecImage.swapPage >>> 0]),
    ...[me, ...over].flatMap((slot) => [slot.address('controlPage'), slot.kexecImage.controlCodePage >>> 0]),
  ].map(pageIndexOf);
}
