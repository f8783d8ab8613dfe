// SPDX-License-Identifier: MIT
//
// Data breakpoints in DR0 to DR3 (SDM vol. 3B §17.2.4, §17.2.5). Pages that have one stay out of the TLB, so that every access
// to them comes by here.
import type { Cpu } from './cpu.ts';

const DR0_WORD = 52;
const DR7_WORD = 59;

export class Watchpoints {
  /** DR7 has data breakpoints. */
  watching = false;
  private readonly cpu: Cpu;
  private readonly r: Int32Array;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.r = cpu.r;
  }

  /** DR7 was written, or an entry of DR0 to DR3. */
  update(): void {
    const dr7 = this.r[DR7_WORD];
    this.watching = false;
    for (let n = 0; n < 4; n++) {
      const enabled = ((dr7 >>> (2 * n)) & 3) !== 0;
      const kind = (dr7 >>> (16 + 4 * n)) & 3;
      if (enabled && kind !== 0) this.watching = true;
    }
  }

  /** True if a breakpoint may touch the page. */
  isWatched(linPage: number): boolean {
    if (!this.watching) return false;
    for (let n = 0; n < 4; n++) {
      const address = this.r[DR0_WORD + n];
      if (address >>> 12 === linPage || (address + 7) >>> 12 === linPage) return true;
    }
    return false;
  }

  /** Notes data breakpoints that [linAddr, linAddr + size) touches (SDM vol. 3B §17.2.5). */
  match(linAddr: number, size: number, isWrite: boolean): void {
    const dr7 = this.r[DR7_WORD];
    for (let n = 0; n < 4; n++) {
      const kind = (dr7 >>> (16 + 4 * n)) & 3;
      if (((dr7 >>> (2 * n)) & 3) === 0 || kind === 0 || kind === 2 || (kind === 1 && !isWrite)) continue;
      const length = [1, 2, 8, 4][(dr7 >>> (18 + 4 * n)) & 3];
      const address = (this.r[DR0_WORD + n] & ~(length - 1)) >>> 0;
      const from = linAddr >>> 0;
      if (from < address + length && address < from + size) this.cpu.trapAfterInstruction(1 << n);
    }
  }
}
