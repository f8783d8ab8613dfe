// SPDX-License-Identifier: MIT
//
// The memory image of a kernel written in TypeScript: an entry page with a magic and the module that continues it, a bitmap
// of the window's pages for `k.pages`, then memory of the kernel's own. Read to choose the engine for an entry address.

import { KjumpError } from '../errors.ts';
import type { PageWindow } from '../kernel-slot.ts';
import { ENTRY, ENTRY_MAGIC, EntryKind, SPECIFIER_MAX } from '../layout/entry-page.ts';
import type { PhysicalMemory } from '../physical-memory.ts';
import { PAGE_MASK, PAGE_SIZE, pageIndexOf, pagesIn } from '../units.ts';

export interface TypeScriptEntry {
  readonly kind: EntryKind;
  /** URL of the module. */
  readonly specifier: string;
}

/** The entry page's bytes. Throws `BAD_OPTION` for a specifier that does not fit. */
export function entryPage({ kind, specifier }: TypeScriptEntry): Uint8Array {
  const text = new TextEncoder().encode(specifier);
  if (text.length > SPECIFIER_MAX) {
    throw new KjumpError('BAD_OPTION', 'the path of the kernel module is too long', {
      why: `it takes ${text.length} bytes and the entry page holds ${SPECIFIER_MAX}`,
      fix: 'move the module to a shorter path',
    });
  }
  const page = new Uint8Array(PAGE_SIZE);
  const view = new DataView(page.buffer);
  view.setUint32(ENTRY.magic, ENTRY_MAGIC, true);
  view.setUint32(ENTRY.kind, kind, true);
  view.setUint32(ENTRY.specifierBytes, text.length, true);
  page.set(text, ENTRY.specifier);
  return page;
}

/** What the entry page at an address says, or null if it is not one. */
export function readEntryPage(memory: PhysicalMemory, entry: number): TypeScriptEntry | null {
  const kind = memory.read32(entry + ENTRY.kind);
  const length = memory.read32(entry + ENTRY.specifierBytes);
  if (memory.read32(entry + ENTRY.magic) !== ENTRY_MAGIC || (entry & ~PAGE_MASK) !== 0) return null;
  if ((kind !== EntryKind.kernel && kind !== EntryKind.routine) || length <= 0 || length > SPECIFIER_MAX) return null;
  return { kind, specifier: new TextDecoder().decode(memory.read(entry + ENTRY.specifier, length)) };
}

/** Bytes of the page bitmap behind the entry page, for a window of so many pages. */
export function bitmapBytes(windowPages: number): number {
  return pagesIn(Math.ceil(windowPages / 8)) * PAGE_SIZE;
}

/** First address that is the kernel's own, behind entry page and bitmap. */
export function kernelBase(entry: number, windowPages: number): number {
  return entry + PAGE_SIZE + bitmapBytes(windowPages);
}

/** The window that the entry page lies in; a kernel without one has nothing to stand on, and gets an empty one. */
export function windowAround(windows: readonly PageWindow[], entry: number): PageWindow {
  const page = pageIndexOf(entry);
  const window = windows.find((w) => page >= w.firstPage && page < w.endPage);
  return window ?? { firstPage: page, endPage: page, shared: false };
}
