// SPDX-License-Identifier: MIT
//
// The beginning of a kernel's life in an empty slot, whoever gives it the slot: the host that places it, or a kernel that brings it
// in. The other end is in ending.ts.
import { ConsoleInput } from '../console-input.ts';
import type { HiddenPages } from '../hidden-pages.ts';
import { giveGenerationId } from '../identity.ts';
import type { KernelSlot } from '../kernel-slot.ts';
import type { MachineMemory } from '../machine-memory.ts';
import { giveHomePages } from './home-pages.ts';

/**
 * Empties the slot and gives it home pages, the number of its next life and an id. Throws `OUT_OF_PAGES` or `OUT_OF_FRAMES`; the slot is
 * then empty.
 */
export function startLife(machine: MachineMemory, hidden: HiddenPages, slot: KernelSlot): void {
  slot.clear();
  giveHomePages(hidden, slot);
  slot.set('life', slot.get('life') + 1);
  giveGenerationId(machine, slot);
  // What was typed to another kernel in this slot is not meant for this one.
  new ConsoleInput(machine, slot.index).clear();
}
