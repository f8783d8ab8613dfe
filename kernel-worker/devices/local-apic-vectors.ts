// SPDX-License-Identifier: MIT
// The interrupts that wait for the CPU and those that it works on: IRR, ISR and TMR over their part of the 'local-apic' record (SDM
// vol. 3A §10.8.4). Each is 256 bits, vector n is bit n & 31 of word n >> 5. The class of a vector is its upper four bits.
import { LOCAL_APIC } from '../../shared/layout/local-apic-state.ts';

const { IRR, ISR, TMR } = LOCAL_APIC;
const WORDS = 8;
/** Below every vector, and of no class. */
export const NO_VECTOR = 0;

export class LocalApicVectors {
  private readonly view: DataView;
  private readonly base: number;

  constructor(view: DataView, base: number) {
    this.view = view;
    this.base = base;
  }

  request(vector: number, isLevel: boolean): void {
    this.set(IRR, vector, true);
    this.set(TMR, vector, isLevel);
  }

  get highestRequest(): number {
    return this.highest(IRR);
  }

  get highestInService(): number {
    return this.highest(ISR);
  }

  /** The highest request goes into service. */
  take(): number {
    const vector = this.highestRequest;
    this.set(IRR, vector, false);
    this.set(ISR, vector, true);
    return vector;
  }

  /** The highest in service is over; NO_VECTOR if there is none. */
  end(): number {
    const vector = this.highestInService;
    if (vector !== NO_VECTOR) this.set(ISR, vector, false);
    return vector;
  }

  isLevel(vector: number): boolean {
    return (this.view.getUint32(this.wordAt(TMR, vector), true) & (1 << vector)) !== 0;
  }

  private highest(array: number): number {
    for (let word = WORDS - 1; word >= 0; word--) {
      const bits = this.view.getUint32(this.base + array + word * 4, true);
      if (bits !== 0) return word * 32 + 31 - Math.clz32(bits);
    }
    return NO_VECTOR;
  }

  private set(array: number, vector: number, value: boolean): void {
    const at = this.wordAt(array, vector);
    const bit = 1 << vector;
    const bits = this.view.getUint32(at, true);
    this.view.setUint32(at, value ? bits | bit : bits & ~bit, true);
  }

  private wordAt(array: number, vector: number): number {
    return this.base + array + (vector >>> 5) * 4;
  }
}
