// SPDX-License-Identifier: MIT
//
// The page allocator of a kernel written in TypeScript: a bitmap in the kernel's own memory, behind its entry page, one bit for
// each page of its window, set while the page is taken. Pages come from the window's end downwards.
import type { GuestPages } from '../../../shared/guest.ts';
import type { PageAllocator } from '../../../shared/kexec/image-pages.ts';
import type { PhysicalMemory } from '../../../shared/physical-memory.ts';
import { PAGE_SIZE, pageAddress, pageIndexOf } from '../../../shared/units.ts';

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

  /** As an allocator of page indices, for images. */
  asAllocator(): PageAllocator {
    return { allocate: () => this.take(), free: (page) => this.setBit(page - this.firstPage, false) };
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
