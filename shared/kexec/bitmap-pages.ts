// SPDX-License-Identifier: MIT
//
// The page allocator of a kernel written in TypeScript: a bitmap in the kernel's own memory, behind its entry page, one bit for
// each page of its window, set while the page is taken. Pages come from the window's end downwards. Written by the kernel's
// own thread, and by the host where it replaces an image that the kernel made.
import type { GuestPages } from '../guest.ts';
import type { KernelSlot } from '../kernel-slot.ts';
import type { PhysicalMemory } from '../physical-memory.ts';
import { PAGE_SIZE, pageAddress, pageIndexOf } from '../units.ts';
import type { PageAllocator } from './image-pages.ts';
import { kernelBase, windowAround } from './typescript-image.ts';

export class BitmapPages implements GuestPages {
  private readonly memory: PhysicalMemory;
  private readonly bitmap: number;
  private readonly firstPage: number;
  private readonly lowestPage: number;
  private readonly endPage: number;

  /** `base` is the first address behind the bitmap, which starts one page behind `entry`. */
  constructor(memory: PhysicalMemory, entry: number, base: number, window: { firstPage: number; endPage: number }) {
    this.memory = memory;
    this.bitmap = entry + PAGE_SIZE;
    this.firstPage = window.firstPage;
    this.lowestPage = pageIndexOf(base);
    this.endPage = window.endPage;
  }

  allocate(): number {
    const page = this.take();
    return page < 0 ? 0 : pageAddress(page);
  }

  free(physAddr: number): void {
    this.setBit(pageIndexOf(physAddr) - this.firstPage, false);
  }

  /** As an allocator of page indices, for images. Pages of an image that the host loaded are hidden, and go back by `release`. */
  asAllocator(release: (hiddenPage: number) => void): PageAllocator {
    return {
      allocate: () => this.take(),
      free: (page) => {
        if (page >= this.memory.ramPages) release(page);
        else this.setBit(page - this.firstPage, false);
      },
    };
  }

  private take(): number {
    const lowest = this.lowestPage - this.firstPage;
    for (let bit = this.endPage - this.firstPage - 1; bit >= lowest; bit--) {
      const word = this.memory.read32(this.bitmap + ((bit >>> 5) << 2));
      // A full word is passed in one go.
      if (word === -1) bit &= ~31;
      else if ((word & (1 << (bit & 31))) === 0) {
        this.setBit(bit, true);
        return this.firstPage + bit;
      }
    }
    return -1;
  }

  private setBit(bit: number, on: boolean): void {
    const address = this.bitmap + ((bit >>> 5) << 2);
    const word = this.memory.read32(address);
    this.memory.write32(address, on ? word | (1 << (bit & 31)) : word & ~(1 << (bit & 31)));
  }
}

/** The allocator of the kernel in a slot, which is in its place. */
export function bitmapPagesOf(memory: PhysicalMemory, slot: KernelSlot): BitmapPages {
  const entry = slot.address('entry');
  const window = windowAround(slot.windows, entry);
  return new BitmapPages(memory, entry, kernelBase(entry, window.endPage - window.firstPage), window);
}
