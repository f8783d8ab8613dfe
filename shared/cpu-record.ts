// SPDX-License-Identifier: MIT
//
// The live CPU record as an object: general registers by name, signed 32 bits. Hand-written accessors over bytes cost what
// fields cost. Engines with a hot loop of their own read the bytes directly at the offsets of shared/layout/cpu-state.ts.
import { CPU, EFLAGS_IF, SEGMENT } from './layout/cpu-state.ts';
import type { MachineMemory } from './machine-memory.ts';

/** Linux's __KERNEL_CS and __KERNEL_DS, in the registers at every border (reference §3.3). */
const KERNEL_CS = 0x60;
const KERNEL_DS = 0x68;
const FLAT_LIMIT = -1;
const CODE_ATTRIBUTES = 0xc09b;
const DATA_ATTRIBUTES = 0xc093;

export class CpuRecord {
  private readonly view: DataView;
  private readonly base: number;

  constructor(machine: MachineMemory) {
    this.view = machine.view;
    this.base = machine.region('cpu').offset;
  }

  /** The 32-bit word at an offset of `CPU`. */
  word(offset: number): number {
    return this.view.getInt32(this.base + offset, true);
  }
  setWord(offset: number, value: number): void {
    this.view.setInt32(this.base + offset, value, true);
  }

  get eax(): number {
    return this.word(CPU.eax);
  }
  set eax(value: number) {
    this.setWord(CPU.eax, value);
  }
  get ecx(): number {
    return this.word(CPU.ecx);
  }
  set ecx(value: number) {
    this.setWord(CPU.ecx, value);
  }
  get edx(): number {
    return this.word(CPU.edx);
  }
  set edx(value: number) {
    this.setWord(CPU.edx, value);
  }
  get ebx(): number {
    return this.word(CPU.ebx);
  }
  set ebx(value: number) {
    this.setWord(CPU.ebx, value);
  }
  get esp(): number {
    return this.word(CPU.esp);
  }
  set esp(value: number) {
    this.setWord(CPU.esp, value);
  }
  get ebp(): number {
    return this.word(CPU.ebp);
  }
  set ebp(value: number) {
    this.setWord(CPU.ebp, value);
  }
  get esi(): number {
    return this.word(CPU.esi);
  }
  set esi(value: number) {
    this.setWord(CPU.esi, value);
  }
  get edi(): number {
    return this.word(CPU.edi);
  }
  set edi(value: number) {
    this.setWord(CPU.edi, value);
  }
  get eip(): number {
    return this.word(CPU.eip);
  }
  set eip(value: number) {
    this.setWord(CPU.eip, value);
  }
  get eflags(): number {
    return this.word(CPU.eflags);
  }
  set eflags(value: number) {
    this.setWord(CPU.eflags, value);
  }
  get cr0(): number {
    return this.word(CPU.cr0);
  }
  get cr3(): number {
    return this.word(CPU.cr3);
  }
  get cr4(): number {
    return this.word(CPU.cr4);
  }

  /** EFLAGS.IF. */
  get interruptsEnabled(): boolean {
    return (this.eflags & EFLAGS_IF) !== 0;
  }
  set interruptsEnabled(on: boolean) {
    this.eflags = on ? this.eflags | EFLAGS_IF : this.eflags & ~EFLAGS_IF;
  }

  /** CS, SS, DS and ES flat: base 0, no limit, 32 bits. */
  setFlatSegments(): void {
    this.setSegment(CPU.cs, KERNEL_CS, CODE_ATTRIBUTES);
    for (const segment of [CPU.ss, CPU.ds, CPU.es]) this.setSegment(segment, KERNEL_DS, DATA_ATTRIBUTES);
  }

  private setSegment(segment: number, selector: number, attributes: number): void {
    this.setWord(segment + SEGMENT.selector, selector);
    this.setWord(segment + SEGMENT.base, 0);
    this.setWord(segment + SEGMENT.limit, FLAT_LIMIT);
    this.setWord(segment + SEGMENT.attributes, attributes);
  }
}
