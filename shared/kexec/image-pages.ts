// SPDX-License-Identifier: MIT
//
// The pages of an image: which page may serve as control, swap, indirection or source page (kexec-jump reference §1.5; Linux
// 6.1 kernel/kexec_core.c kimage_alloc_normal_control_pages, kimage_alloc_crash_control_pages, kimage_alloc_page, kimage_free).
//
// The invariant kept here makes the jump its own inverse, in any order: a source page is its own destination, or it is no
// segment's destination at all; control, swap and indirection pages are no destination either.
import type { PhysicalMemory } from '../physical-memory.ts';
import { PAGE_SHIFT, PAGE_SIZE, pageAddress, pageIndexOf } from '../units.ts';
import { IND_SOURCE, PairList, readList } from './entry-list.ts';
import type { Kimage, SegmentRange } from './kimage.ts';
import { KimageListBuilder } from './list-builder.ts';
import type { CrashRegion } from './segments.ts';

/** The loading kernel's free pages, of any kind: a page index, or −1 when there is none left. Contents may be anything. */
export interface PageAllocator {
  allocate(): number;
  free(page: number): void;
}

/** KEXEC_CONTROL_MEMORY_LIMIT: TASK_SIZE, so that the identity mapping never meets the kernel's own. */
const CONTROL_LIMIT_PAGE = 0xc0000000 / PAGE_SIZE;
/** KEXEC_SOURCE_MEMORY_LIMIT >> PAGE_SHIFT */
const SOURCE_LIMIT_PAGE = 0xfffff;
/** KIMAGE_NO_DEST */
const NO_DESTINATION = -1;

/** Allocates for one image while it is loaded, and keeps its list. */
export class ImagePages {
  readonly list: KimageListBuilder;
  private readonly memory: PhysicalMemory;
  private readonly allocator: PageAllocator;
  /** First page, end page and index of the DESTINATION word, of each segment. */
  private readonly ranges: readonly { readonly first: number; readonly end: number; readonly word: number }[];
  /** image->dest_pages: allocated, and the destination of a source page that is yet to come. */
  private readonly parked = new Set<number>();
  /** image->unusable_pages: allocated, and of no use. */
  private readonly unusable: number[] = [];

  constructor(memory: PhysicalMemory, allocator: PageAllocator, segments: readonly SegmentRange[]) {
    this.memory = memory;
    this.allocator = allocator;
    let word = 0;
    this.ranges = segments.map(({ mem, memsz }) => {
      const first = pageIndexOf(mem);
      const range = { first, end: first + pageIndexOf(memsz), word };
      word += 1 + range.end - first;
      return range;
    });
    this.list = new KimageListBuilder(memory, () => this.allocate(NO_DESTINATION));
  }

  /** kimage_alloc_normal_control_pages: a page below 3 GiB that is no destination; −1 if there is none. */
  allocateControl(): number {
    const extra: number[] = [];
    let page = this.allocator.allocate();
    // Rejects are kept until the end, or the same page would be offered again. The page's end, too, must be below the limit.
    while (page >= 0 && (page + 1 >= CONTROL_LIMIT_PAGE || this.isDestination(page))) {
      extra.push(page);
      page = this.allocator.allocate();
    }
    for (const reject of extra) this.allocator.free(reject);
    return page;
  }

  /** Lists a page to hold what shall come to page `destination`; −1 if none is left. Its bytes may be anything. */
  addSource(destination: number): number {
    const page = this.allocate(destination);
    if (page < 0 || this.list.addSource(page)) return page;
    // It got no entry, so nobody would find it when the image is freed.
    this.unusable.push(page);
    return -1;
  }

  /** kimage_free_extra_pages. Linux keeps these pages until the image is freed; nobody can see the difference. */
  freeExtra(): void {
    for (const page of this.parked) this.allocator.free(page);
    for (const page of this.unusable) this.allocator.free(page);
    this.parked.clear();
    this.unusable.length = 0;
  }

  /** kimage_alloc_page */
  private allocate(destination: number): number {
    if (this.parked.delete(destination)) return destination;
    for (;;) {
      const page = this.allocator.allocate();
      if (page < 0) return -1;
      if (page > SOURCE_LIMIT_PAGE) {
        this.unusable.push(page);
        continue;
      }
      if (page === destination || !this.isDestination(page)) return page;
      const entry = this.entryFor(page);
      if (entry < 0) {
        this.parked.add(page);
        continue;
      }
      // Someone else's destination: let it hold its own bytes, and use the page that held them so far. That one is no
      // destination. Its bytes are not needed any more, so the two change places instead of being copied.
      const held = this.memory.read32(entry) >>> PAGE_SHIFT;
      this.memory.exchange(page, held);
      this.memory.write32(entry, pageAddress(page) | IND_SOURCE);
      return held;
    }
  }

  /** kimage_is_destination_range, of one page */
  private isDestination(page: number): boolean {
    for (const { first, end } of this.ranges) if (page >= first && page < end) return true;
    return false;
  }

  /** kimage_dst_used: address of the SOURCE word for a destination page; −1 if it is not listed yet. */
  private entryFor(destination: number): number {
    const range = this.ranges.find(({ first, end }) => destination >= first && destination < end);
    if (range === undefined) return -1;
    // Every segment is one DESTINATION word and a SOURCE word for each of its pages: no need to walk the list.
    const word = range.word + 1 + destination - range.first;
    return word < this.list.length ? this.list.wordAddress(word) : -1;
  }
}

/**
 * kimage_alloc_crash_control_pages: the first page at or above `cursor` that lies in the region and in no segment; −1 if there
 * is none. The page is part of the region: nobody allocates or frees it.
 */
export function crashControlPage(cursor: number, segments: readonly SegmentRange[], region: CrashRegion): number {
  let hole = Math.ceil(cursor / PAGE_SIZE) * PAGE_SIZE;
  while (hole + PAGE_SIZE <= region.end) {
    const start = hole;
    const hit = segments.find(({ mem, memsz }) => start + PAGE_SIZE > mem && start < mem + memsz);
    if (hit === undefined) return pageIndexOf(hole);
    hole = hit.mem + hit.memsz;
  }
  return -1;
}

/** Every page that was allocated for a loaded image: sources and indirection pages of its list, swap page, control page. */
export function kimagePages(memory: PhysicalMemory, image: Kimage): number[] {
  if (!image.loaded || image.crash) return [];
  const list = new PairList();
  readList(memory, image.head, list);
  const sources = list.sources.subarray(0, list.count);
  return [...sources, ...list.indirections, pageIndexOf(image.swapPage), pageIndexOf(image.controlCodePage)];
}

/** kimage_free: gives the pages back and clears the record. Nothing happens if nothing is loaded. */
export function freeImage(memory: PhysicalMemory, allocator: PageAllocator, image: Kimage): void {
  const pages = kimagePages(memory, image);
  image.clear();
  for (const page of pages) allocator.free(page);
}
