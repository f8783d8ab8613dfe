// SPDX-License-Identifier: MIT
// The memory as anybody would write it who has bytes to waste: an array a page, whole copies for aliases and captures. The
// property tests run the real one beside it and compare.
import { Captures } from '../../shared/captures.ts';
import { HOST_KEY } from '../../shared/frames.ts';
import { HiddenPages } from '../../shared/hidden-pages.ts';
import { MachineMemory } from '../../shared/machine-memory.ts';
import { PhysicalMemory } from '../../shared/physical-memory.ts';
import { PAGE_SIZE } from '../../shared/units.ts';

export interface Picture {
  readonly pages: Uint8Array[];
  /** 0 free, else slot + 1. */
  readonly owners: number[];
  readonly record: number;
}

export class Model {
  readonly ramPages: number;
  pages: Uint8Array[];
  owners: number[];
  /** One byte of the records stands for all of them. */
  record = 0;

  constructor(ramPages: number, hiddenPages: number) {
    this.ramPages = ramPages;
    this.pages = Array.from({ length: ramPages + hiddenPages }, () => new Uint8Array(PAGE_SIZE));
    this.owners = new Array(hiddenPages).fill(0);
  }

  inUse(page: number): boolean {
    return page < this.ramPages || this.owners[page - this.ramPages] !== 0;
  }

  pagesInUse(): number[] {
    return [...this.pages.keys()].filter((page) => this.inUse(page));
  }

  /** Addresses are 32 bits wide; above the last page ones are read and stores lost. */
  read8(physAddr: number): number {
    const page = physAddr >>> 12;
    return page < this.pages.length ? this.pages[page][physAddr & 4095] : 0xff;
  }

  write8(physAddr: number, value: number): void {
    const page = physAddr >>> 12;
    if (page < this.pages.length) this.pages[page][physAddr & 4095] = value;
  }

  picture(): Picture {
    return { pages: this.pages.map((page) => page.slice()), owners: [...this.owners], record: this.record };
  }

  restore({ pages, owners, record }: Picture): void {
    this.pages = pages.map((page) => page.slice());
    this.owners = [...owners];
    this.record = record;
  }
}

export function formatted(ramPages: number, hiddenPages: number, frames: number, key = HOST_KEY) {
  const machine = MachineMemory.create({ ramPages, hiddenPages, frames, maxKernels: 1 });
  const memory = new PhysicalMemory(machine, key);
  memory.format();
  return { machine, memory, hidden: new HiddenPages(machine, memory), captures: new Captures(machine, memory) };
}
export type Formatted = ReturnType<typeof formatted>;

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
