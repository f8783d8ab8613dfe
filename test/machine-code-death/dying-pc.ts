// SPDX-License-Identifier: MIT
//
// Machine code that dies on a PC without threads, and the report of it.
import { formatDeathReport } from '../../orchestrator/death/format.ts';
import { deathInMachine } from '../../orchestrator/death/machine-death.ts';
import type { DeathReport } from '../../orchestrator/death-report.ts';
import { CPU } from '../../shared/layout/cpu-state.ts';
import { KernelState } from '../../shared/lifecycle.ts';
import { Pc } from '../i386/pc.ts';

export const CODE = 0x1000;
export const IDT = 0x8000;
/** Slot that the machine came from, where a test says that it came from somewhere. */
export const PEER = 1;

export class DyingPc extends Pc {
  /** The code runs in flat protected mode, with a stack, an empty GDT, and an IDT without gates. */
  constructor(code: readonly number[], at = CODE) {
    super({ memory: '2M', spare: '1M' });
    this.parts.slots[PEER].name = 'peer';
    this.flat(at).write(at, code);
    this.set('esp', 0x7000).table('idtr', IDT, 0x7ff);
  }

  set(register: keyof typeof CPU, value: number): this {
    this.r[CPU[register] / 4] = value;
    return this;
  }

  table(register: 'gdtr' | 'idtr', base: number, limit: number): this {
    this.r.set([base, limit], CPU[register] / 4);
    return this;
  }

  /** As if a peer had handed the CPU over, with these flags. */
  entered(eflags = 0x06, eip = this.eip): this {
    this.slot.noteArrival(PEER, 0, eip, eflags);
    return this;
  }

  write32(physAddr: number, ...words: number[]): this {
    return this.write(physAddr, new Uint8Array(Uint32Array.from(words).buffer));
  }

  /** Maps pages of the first 4 MiB to themselves; all others are not there. Tables of 32-bit paging at 0x10000. */
  paging(...pages: number[]): this {
    this.write32(0x10000, 0x11003);
    for (const page of pages) this.write32(0x11000 + 4 * page, page * 4096 + 3);
    return this.set('cr3', 0x10000).set('cr0', 0x80000011 | 0);
  }

  /** Runs it to its end. */
  die(instructions = 10_000): DeathReport {
    this.engine.invalidate();
    this.run(instructions);
    this.slot.moveTo(KernelState.CRASHED);
    const report = deathInMachine(this.parts, this.slot);
    if (report === null) throw new Error('it left no report');
    return report;
  }
}

export const ruleNames = ({ hints }: DeathReport): string[] => hints.map(({ rule }) => rule);

/** The text without its line breaks. */
export const flowing = (report: DeathReport): string => formatDeathReport(report).replace(/\s+/g, ' ');
