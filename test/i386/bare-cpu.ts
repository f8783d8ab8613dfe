// SPDX-License-Identifier: MIT
//
// A CPU on a small machine, without an engine: tests call the functions that execute instructions, and look at the record. One
// machine serves all tests of a file; `reset` brings back real mode, or flat protected mode with the tables below.
import { Cpu } from '../../kernel-worker/engines/i386/cpu.ts';
import { setSegment } from '../../kernel-worker/engines/i386/segments.ts';
import { SYSTEM_HELPERS } from '../../kernel-worker/engines/i386/system.ts';
import type { KernelSlot } from '../../shared/kernel-slot.ts';
import { JumpBench } from '../jump/jump-bench.ts';

/** Physical addresses; linear is physical while paging is off. */
export const GDT = 0x8000;
export const LDT_AT = 0x8800;
export const IDT = 0x9000;
export const TSS = 0xa000;
export const OTHER_TSS = 0xa400;
/** Tops of stacks: of ring 0 for interrupts, and of whoever runs. */
export const STACK0 = 0xc000;
export const STACK = 0xe000;
export const DATA = 0xf000;

/** Selectors of the GDT that `protectedMode` builds, without RPL. */
export const SEL = {
  code0: 0x08,
  data0: 0x10,
  code3: 0x18,
  data3: 0x20,
  conforming0: 0x28,
  /** A stack of 16 bits for ring 3. */
  stack16: 0x30,
  tss: 0x38,
  otherTss: 0x40,
  ldt: 0x48,
  code16: 0x50,
  absentData: 0x58,
  executeOnly: 0x60,
  absentCode: 0x68,
  readOnly: 0x70,
  code1: 0x78,
  /** Free entries for what a test needs: gates and the like. */
  free: 0x80,
  free2: 0x88,
} as const;

const CODE = 0x9b;
const DATA_RW = 0x93;
const EIP = 8;
const EFLAGS = 9;
const CR0 = 48;

export type HelperName = keyof typeof SYSTEM_HELPERS;

export class BareCpu {
  readonly cpu: Cpu;
  readonly slot: KernelSlot;

  constructor() {
    const bench = new JumpBench();
    this.slot = bench.boot('bare');
    this.cpu = new Cpu(bench.board(this.slot), this.slot);
  }

  get r(): Int32Array {
    return this.cpu.r;
  }

  /** Power-on registers, with CS:EIP at 0000:1000 and a stack below STACK. */
  reset(): void {
    const { cpu, r } = this;
    r.fill(0);
    for (let page = 8; page < 16; page++) cpu.memory.write(page * 4096, new Uint8Array(4096));
    for (let n = 0; n < 6; n++) setSegment(cpu, n, 0, 0, 0xffff, n === 1 ? CODE : DATA_RW);
    setSegment(cpu, 6, 0, 0, 0xffff, 0x82);
    setSegment(cpu, 7, 0, 0, 0xffff, 0x8b);
    r[45] = 0xffff;
    r[47] = 0x3ff;
    r[58] = -0xf010;
    r[59] = 0x400;
    r[CR0] = 0x10;
    r[EFLAGS] = 2;
    r[EIP] = 0x1000;
    r[4] = STACK;
    cpu.syncTime = () => {};
    cpu.invalidate(this.slot);
  }

  /** Flat 32-bit protected mode in a ring, with a TSS, an LDT without entries, and an empty IDT. */
  protectedMode(ring = 0): void {
    this.reset();
    const { cpu, r } = this;
    const level = ring << 5;
    this.describe(SEL.code0, 0, 0xfffff, 0xc09b);
    this.describe(SEL.data0, 0, 0xfffff, 0xc093);
    this.describe(SEL.code3, 0, 0xfffff, 0xc0fb);
    this.describe(SEL.data3, 0, 0xfffff, 0xc0f3);
    this.describe(SEL.conforming0, 0, 0xfffff, 0xc09f);
    this.describe(SEL.stack16, 0, 0xffff, 0x00f3);
    this.describe(SEL.tss, TSS, 0x67 + 0x40, 0x8b);
    this.describe(SEL.otherTss, OTHER_TSS, 0x67, 0x89);
    this.describe(SEL.ldt, LDT_AT, 0xff, 0x82);
    this.describe(SEL.code16, 0, 0xffff, 0x009b);
    this.describe(SEL.absentData, 0, 0xfffff, 0xc073);
    this.describe(SEL.executeOnly, 0, 0xfffff, 0xc0f9);
    this.describe(SEL.absentCode, 0, 0xfffff, 0xc01b);
    this.describe(SEL.readOnly, 0, 0xfffff, 0xc0f1);
    this.describe(SEL.code1, 0, 0xfffff, 0xc0bb);
    cpu.memory.write32(TSS + 4, STACK0);
    cpu.memory.write32(TSS + 8, SEL.data0);
    r[44] = GDT;
    r[45] = 0x8f;
    r[46] = IDT;
    r[47] = 0x7ff;
    r[CR0] = 0x11;
    const code = ring === 0 ? SEL.code0 : SEL.code3;
    const data = ring === 0 ? SEL.data0 : SEL.data3;
    for (let n = 0; n < 6; n++) setSegment(cpu, n, data | ring, 0, -1, 0xc093 | level);
    setSegment(cpu, 1, code | ring, 0, -1, 0xc09b | level);
    setSegment(cpu, 6, SEL.ldt, LDT_AT, 0xff, 0x82);
    setSegment(cpu, 7, SEL.tss, TSS, 0x67 + 0x40, 0x8b);
    cpu.invalidate(this.slot);
  }

  /** Virtual-8086 mode over the tables of `protectedMode`: every segment starts at `selector` times 16. */
  virtual8086(iopl: number, selector = 0): void {
    this.protectedMode(3);
    const { cpu } = this;
    this.r[EFLAGS] = 2 | 0x20000 | (iopl << 12);
    for (let n = 0; n < 6; n++) setSegment(cpu, n, selector, selector << 4, 0xffff, 0xf3);
    cpu.invalidate(this.slot);
  }

  /** Writes a descriptor into the GDT, or into the LDT for a selector with TI. Attributes as the CPU record has them. */
  describe(selector: number, base: number, limit: number, attributes: number): void {
    const at = ((selector & 4) !== 0 ? LDT_AT : GDT) + (selector & 0xfff8);
    this.cpu.memory.write32(at, (base << 16) | (limit & 0xffff));
    this.cpu.memory.write32(
      at + 4,
      ((attributes << 8) | (limit & 0xf0000) | ((base >>> 16) & 0xff) | (base & -0x1000000)) >>> 0,
    );
  }

  /** Writes a gate at a linear address: `type` with P and DPL, as in the descriptor's byte 5. */
  gate(at: number, type: number, selector: number, offset: number, parameters = 0): void {
    this.cpu.memory.write32(at, (selector << 16) | (offset & 0xffff));
    this.cpu.memory.write32(at + 4, ((offset & -0x10000) | (type << 8) | parameters) >>> 0);
  }
  idtGate(vector: number, type: number, selector: number, offset: number): void {
    this.gate(IDT + vector * 8, type, selector, offset);
  }
  gdtGate(selector: number, type: number, target: number, offset: number, parameters = 0): void {
    this.gate(GDT + selector, type, target, offset, parameters);
  }

  /** Executes an instruction of two bytes at EIP. Gives the fault as `#vector(code)`, or an empty text. */
  run(name: HelperName, operands = 4, immediate = 0): string {
    const { cpu, r } = this;
    cpu.fault = 0;
    cpu.leave = 0;
    cpu.nextEip = (r[EIP] + 2) | 0;
    SYSTEM_HELPERS[name](cpu, operands, immediate);
    if (cpu.fault === 0) r[EIP] = cpu.nextEip;
    return this.fault;
  }

  /** The posted fault as text. */
  get fault(): string {
    const { fault, faultCode } = this.cpu;
    if (fault === 0) return '';
    return faultCode === -1 ? `#${fault - 1}` : `#${fault - 1}(${faultCode.toString(16)})`;
  }

  /** Words from the top of the stack, of the segment's own width if `size` says so. */
  stack(count: number, size = 4): number[] {
    const base = this.r[12 + 4 * 2 + 1];
    const esp = this.cpu.stackOffset(this.r[4]);
    return Array.from({ length: count }, (_, i) => this.load(base + esp + i * size, size));
  }

  load(at: number, size = 4): number {
    return size === 4 ? this.cpu.memory.read32(at) >>> 0 : this.cpu.memory.read16(at);
  }

  /** Pushes words, the last one ends up on top. */
  pushAll(size: number, ...values: number[]): void {
    for (const value of values) this.cpu.push(size, value);
  }

  /** Selector of a segment register in hexadecimal; `null` marks one that must not be used. */
  segment(n: number): string {
    const selector = this.r[12 + 4 * n].toString(16);
    return (this.r[12 + 4 * n + 3] & 0x10000) === 0 ? selector : `null ${selector}`;
  }
}
