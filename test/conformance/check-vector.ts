// SPDX-License-Identifier: MIT
//
// Runs one vector and compares: all registers with their upper halves, the flags, every byte that the vector names. The memory of
// the PC is zeros before and after, so that a store to anywhere else can be found.
import { CPU } from '../../shared/layout/cpu-state.ts';
import { hex } from '../../shared/units.ts';
import { enterReal, setRealSegment } from './cpu-states.ts';
import type { Differences, Leniency } from './differences.ts';
import { decode } from './instruction.ts';
import { RunEnd, type TestPc } from './test-pc.ts';
import { REGISTER, REGISTERS, type Vector } from './vector.ts';

const OFFSETS = [
  CPU.eax,
  CPU.ebx,
  CPU.ecx,
  CPU.edx,
  CPU.cs,
  CPU.ss,
  CPU.ds,
  CPU.es,
  CPU.esp,
  CPU.ebp,
  CPU.esi,
  CPU.edi,
  CPU.eip,
  CPU.eflags,
];
const { cs, ip, flags, sp, ss } = REGISTER;
const EFLAGS_FIXED = 2;
/** The flags that real mode has: bits 1, 3 and 5 are not flags. */
const REAL_FLAGS = 0xffd5;
const PUSHF = 0x9c;
const REPEATS = [0xf2, 0xf3];
/** The most instructions, or repetitions of one, until a vector is over. CX is at most 127 in repeated ones. */
const BUDGET = 1000;

/** What differs, in words; empty if nothing does. */
export type Mismatches = readonly string[];

export class VectorRunner {
  private readonly pc: TestPc;
  private readonly differences: Differences;
  private readonly addressMask: number;

  constructor(pc: TestPc, differences: Differences) {
    this.pc = pc;
    this.differences = differences;
    this.addressMask = differences.addressLines === 20 ? 0xfffff : 0xffffff;
  }

  leniencyOf(vector: Vector): Leniency {
    return this.differences.of(vector);
  }

  check(vector: Vector, leniency: Leniency): Mismatches {
    const { memory } = this.pc;
    this.load(vector);
    const atEnd = this.run(vector);
    const mismatches = atEnd ? [] : ['it does not end'];
    this.compareRegisters(vector, leniency, mismatches);
    this.compareMemory(vector, leniency, mismatches);
    for (const bytes of [vector.initialMemory, vector.finalMemory]) {
      for (let i = 0; i < bytes.length; i += 2) memory.write8(bytes[i], 0);
    }
    return mismatches;
  }

  private load({ initial, initialMemory }: Vector): void {
    const { cpu, memory } = this.pc;
    for (let i = 0; i < initialMemory.length; i += 2) memory.write8(initialMemory[i], initialMemory[i + 1]);
    enterReal(cpu, 0, 0);
    if (this.differences.addressLines === 20) cpu.setWord(CPU.a20Masked, 1);
    for (let register = 0; register < REGISTERS.length; register++) {
      const offset = OFFSETS[register];
      const value = initial[register];
      if (register === flags) cpu.setWord(offset, (value & this.differences.initialFlags & REAL_FLAGS) | EFLAGS_FIXED);
      else if (offset >= CPU.es) setRealSegment(cpu, offset, value);
      else cpu.setWord(offset, value);
    }
    this.pc.changed();
  }

  /** False if the vector is not over within the budget. */
  private run(vector: Vector): boolean {
    const { pc } = this;
    if (this.differences.ends === 'at HLT') return pc.run(BUDGET) === RunEnd.halted;
    const { prefixes } = decode(vector);
    const isRepeated = prefixes.some((prefix) => REPEATS.includes(prefix));
    const start = pc.cpu.eip;
    // A repetition counts as an instruction of its own, as it does for interrupts; the last one goes on.
    for (let done = 0; done < BUDGET; done++) {
      if (pc.run(1) === RunEnd.stopped) return false;
      if (!isRepeated || pc.cpu.eip !== start) return true;
    }
    return false;
  }

  private compareRegisters({ final }: Vector, leniency: Leniency, mismatches: string[]): void {
    for (let register = 0; register < REGISTERS.length; register++) {
      if ((leniency.registers & (1 << register)) !== 0) continue;
      const found = this.pc.cpu.word(OFFSETS[register]);
      const expected = final[register];
      if (register === flags) {
        const mask = leniency.flags & REAL_FLAGS;
        if (((found ^ expected) & mask) !== 0) {
          mismatches.push(`flags ${hex(found & mask, 4)}, not ${hex(expected & mask, 4)}`);
        }
      } else if (found !== expected)
        mismatches.push(`${REGISTERS[register]} ${hex(found, 4)}, not ${hex(expected, 4)}`);
    }
  }

  private compareMemory(vector: Vector, leniency: Leniency, mismatches: string[]): void {
    if (leniency.stores) return;
    const expected = new Map<number, number>();
    for (const bytes of [vector.initialMemory, vector.finalMemory]) {
      for (let i = 0; i < bytes.length; i += 2) expected.set(bytes[i], bytes[i + 1]);
    }
    const flagImage = this.flagImageOf(vector);
    const returnAddress = leniency.returnAddress ? this.stackAddress(vector, 0) : -1;
    for (const [address, byte] of expected) {
      let mask = 0xff;
      if (address === flagImage) mask = leniency.flags & 0xff;
      else if (flagImage >= 0 && address === this.next(vector, flagImage)) mask = leniency.flags >> 8;
      else if (returnAddress >= 0 && (address === returnAddress || address === returnAddress + 1)) mask = 0;
      const found = this.pc.memory.read8(address);
      if (((found ^ byte) & mask) === 0) continue;
      mismatches.push(`[${hex(address, 6)}] ${hex(found, 2)}, not ${hex(byte, 2)}`);
    }
  }

  /** Where the vector has pushed the flags: their low byte; −1 if it has not. */
  private flagImageOf(vector: Vector): number {
    const { initial, final, exception } = vector;
    // The suites name the address too, but rounded down to a word where the stack is odd.
    if (exception !== null) return this.stackAddress(vector, 4);
    if (decode(vector).opcode === PUSHF) return this.stackAddress(vector, 0);
    const isInterrupt =
      final[sp] === ((initial[sp] - 6) & 0xffff) && (final[cs] !== initial[cs] || final[ip] !== initial[ip]);
    return isInterrupt ? this.stackAddress(vector, 4) : -1;
  }

  /** Physical address of the stack's top at the end, plus so many bytes. */
  private stackAddress({ final }: Vector, above: number): number {
    return (final[ss] * 16 + ((final[sp] + above) & 0xffff)) & this.addressMask;
  }

  /** Address of the byte behind one on the stack. */
  private next({ final }: Vector, address: number): number {
    const base = final[ss] * 16;
    return (base + ((address - base + 1) & 0xffff)) & this.addressMask;
  }
}
