// SPDX-License-Identifier: MIT
//
// Breakpoints in DR0 to DR3, as DR7 describes them (SDM vol. 3B §17.2.4, §17.2.5). Pages that have a data breakpoint stay out of the
// TLB, so that every access to them comes by here; while there are instruction breakpoints, instructions run one by one.
import type { Cpu } from './cpu.ts';

const DR0 = 52;
const DR7 = 59;
/** R/W fields of DR7. */
const EXECUTE = 0;
const WRITE = 1;
const IO = 2;

export class Breakpoints {
  /** There are data breakpoints. */
  onData = false;
  /** There are instruction breakpoints. */
  onInstructions = false;
  private readonly cpu: Cpu;
  private readonly r: Int32Array;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.r = cpu.r;
  }

  /** One of DR0 to DR3, or DR7, was written. */
  update(): void {
    this.onData = false;
    this.onInstructions = false;
    for (let n = 0; n < 4; n++) {
      if (!this.isEnabled(n)) continue;
      if (this.kindOf(n) === EXECUTE) this.onInstructions = true;
      else this.onData = true;
    }
  }

  /** True if a data breakpoint may touch the page. */
  isWatched(linPage: number): boolean {
    if (!this.onData) return false;
    for (let n = 0; n < 4; n++) {
      const address = this.r[DR0 + n];
      if (address >>> 12 === linPage || (address + 7) >>> 12 === linPage) return true;
    }
    return false;
  }

  /** Notes data breakpoints that [linAddr, linAddr + size) touches. */
  match(linAddr: number, size: number, isWrite: boolean): void {
    for (let n = 0; n < 4; n++) {
      const kind = this.kindOf(n);
      if (!this.isEnabled(n) || kind === EXECUTE || kind === IO || (kind === WRITE && !isWrite)) continue;
      const length = [1, 2, 8, 4][(this.r[DR7] >>> (18 + 4 * n)) & 3];
      const address = (this.r[DR0 + n] & ~(length - 1)) >>> 0;
      const from = linAddr >>> 0;
      if (from < address + length && address < from + size) this.cpu.trapAfterInstruction(1 << n);
    }
  }

  /** Bits of DR6 for the instruction breakpoints at an address (SDM vol. 3B §17.3.1.1). */
  at(linAddr: number): number {
    let hits = 0;
    for (let n = 0; n < 4; n++) {
      if (this.isEnabled(n) && this.kindOf(n) === EXECUTE && this.r[DR0 + n] === linAddr) hits |= 1 << n;
    }
    return hits;
  }

  /** Locally or globally. */
  private isEnabled(n: number): boolean {
    return ((this.r[DR7] >>> (2 * n)) & 3) !== 0;
  }
  private kindOf(n: number): number {
    return (this.r[DR7] >>> (16 + 4 * n)) & 3;
  }
}
