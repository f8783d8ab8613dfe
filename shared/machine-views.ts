// SPDX-License-Identifier: MIT
//
// One thread's views over a machine's bytes: memory, slots, clock, CPU, ownership. Made once a thread, from the buffer alone. The
// host's and a kernel's differ in the key with which they lock the frame pool; both write only while they own the CPU.
import { CpuRecord } from './cpu-record.ts';
import { HiddenPages } from './hidden-pages.ts';
import { type KernelSlot, kernelSlots } from './kernel-slot.ts';
import { RelocationJournal } from './kexec/journal.ts';
import { MachineClock } from './machine-clock.ts';
import type { MachineMemory } from './machine-memory.ts';
import { Ownership } from './ownership.ts';
import { PhysicalMemory } from './physical-memory.ts';

export class MachineViews {
  readonly machine: MachineMemory;
  readonly memory: PhysicalMemory;
  readonly hidden: HiddenPages;
  readonly journal: RelocationJournal;
  readonly ownership: Ownership;
  readonly slots: readonly KernelSlot[];
  readonly clock: MachineClock;
  readonly cpu: CpuRecord;

  constructor(machine: MachineMemory, key: number) {
    this.machine = machine;
    this.memory = new PhysicalMemory(machine, key);
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
