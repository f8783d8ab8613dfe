// SPDX-License-Identifier: MIT
//
// The host's views over a machine's bytes: what every part of the orchestrator that touches the machine is given. Made once; to
// be written through only while the host owns the CPU.
import { Captures } from '../shared/captures.ts';
import { CpuRecord } from '../shared/cpu-record.ts';
import { HOST_KEY } from '../shared/frames.ts';
import { HiddenPages } from '../shared/hidden-pages.ts';
import { type KernelSlot, kernelSlots } from '../shared/kernel-slot.ts';
import { RelocationJournal } from '../shared/kexec/journal.ts';
import { MachineClock } from '../shared/machine-clock.ts';
import type { MachineMemory } from '../shared/machine-memory.ts';
import { Ownership } from '../shared/ownership.ts';
import { PhysicalMemory } from '../shared/physical-memory.ts';
import type { ResolvedOptions } from './options.ts';

export class MachineParts {
  readonly machine: MachineMemory;
  readonly options: ResolvedOptions;
  readonly memory: PhysicalMemory;
  readonly captures: Captures;
  readonly hidden: HiddenPages;
  readonly journal: RelocationJournal;
  readonly ownership: Ownership;
  readonly slots: readonly KernelSlot[];
  readonly clock: MachineClock;
  readonly cpu: CpuRecord;

  constructor(machine: MachineMemory, options: ResolvedOptions) {
    this.machine = machine;
    this.options = options;
    this.memory = new PhysicalMemory(machine, HOST_KEY);
    this.captures = new Captures(machine, this.memory);
    this.hidden = new HiddenPages(machine, this.memory);
    this.journal = new RelocationJournal(machine, this.memory);
    this.ownership = new Ownership(machine);
    this.slots = kernelSlots(machine);
    this.clock = new MachineClock(machine);
    this.cpu = new CpuRecord(machine);
  }

  /** The slot of the kernel that has the machine; null before the first. */
  get currentSlot(): KernelSlot | null {
    return this.slots[this.clock.current] ?? null;
  }
}
