// SPDX-License-Identifier: MIT
//
// Windows: the physical pages a kernel may store to. What Linux asks of the second kernel as a promise on its command line
// (memmap=) is a stop here: a store outside is not done, and the kernel stops with WindowViolation.
import { KjumpError } from '../errors.ts';
import type { PageWindow } from '../kernel-slot.ts';
import { formatSize, hex, isPageAligned, PAGE_SIZE, pageIndexOf, parseSize, type Size } from '../units.ts';

/** `[start, end)` in bytes, as sizes: `['1M', '16M']`. */
export type WindowSpec = readonly [Size, Size];

/** Checks a window against RAM. Throws `BAD_WINDOW`. */
export function parseWindow(spec: WindowSpec, ramPages: number, shared = false): PageWindow {
  if (!Array.isArray(spec) || spec.length !== 2) refuse('a window is [start, end]', JSON.stringify(spec));
  const start = parseSize(spec[0], 'window start');
  const end = parseSize(spec[1], 'window end');
  const text = `${hex(start)}..${hex(end)}`;
  if (!isPageAligned(start) || !isPageAligned(end)) refuse('its ends are not multiples of 4096', text);
  if (end <= start) refuse('it is empty', text);
  if (end > ramPages * PAGE_SIZE) refuse(`the machine has ${formatSize(ramPages * PAGE_SIZE)} of memory`, text);
  return { firstPage: pageIndexOf(start), endPage: end / PAGE_SIZE, shared };
}

function refuse(why: string, text: string): never {
  throw new KjumpError('BAD_WINDOW', `window ${text} cannot be used`, {
    why,
    fix: "give [start, end) as page-aligned sizes inside the machine's memory, such as ['1M', '16M']",
  });
}

/** The page ranges of `windows` that are not shared: what a switch exchanges. */
export function privateWindows(windows: readonly PageWindow[]): PageWindow[] {
  return windows.filter((window) => !window.shared);
}

/** Answers for the stores of one kernel, by page. Made when the kernel gets the CPU. */
export class WindowGuard {
  private readonly windows: readonly PageWindow[];
  /** The window that was hit last: nearly every store hits it again. */
  private first = 1;
  private end = 0;

  constructor(windows: readonly PageWindow[]) {
    this.windows = windows;
  }

  allows(pageIndex: number): boolean {
    if (pageIndex >= this.first && pageIndex < this.end) return true;
    const window = this.windows.find((w) => pageIndex >= w.firstPage && pageIndex < w.endPage);
    if (window === undefined) return false;
    this.first = window.firstPage;
    this.end = window.endPage;
    return true;
  }
}
