// SPDX-License-Identifier: MIT
//
// Every kernel has six hidden pages of its own: control, swap and four context pages. They serve jumps that do not go through
// an image the kernel loaded itself, as Linux's second kernel loads a jump-back helper for: an image that exchanges nothing.
import type { HiddenPages } from '../hidden-pages.ts';
import type { KernelSlot } from '../kernel-slot.ts';
import { CONTEXT_PAGES } from '../layout/control-page.ts';
import { pageAddress } from '../units.ts';
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
