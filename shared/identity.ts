// SPDX-License-Identifier: MIT
//
// Who a system is: 128 bits that no other system has, as a VM generation id (Microsoft, "Virtual Machine Generation ID", 2012). It stays
// while the system runs, jumps and comes back; a clone has another one, and so has, if its policy says so, what is resumed from
// an image. Made from a key in the clock record, which the machine's seed sets, and from the slot and its life: the same calls give
// the same ids. Two machines that are resumed from one image have one key, until one of them stirs it.
import { EntropyGenerator } from './entropy-generator.ts';
import type { KernelSlot } from './kernel-slot.ts';
import { CLOCK } from './layout/clock.ts';
import { GENERATION_ID_BYTES } from './layout/kernel-slot.ts';
import type { MachineMemory } from './machine-memory.ts';

const KEY_BYTES = 16;

function keyOf(machine: MachineMemory): EntropyGenerator {
  return new EntropyGenerator(machine.view, keyOffset(machine));
}

const keyOffset = (machine: MachineMemory): number => machine.region('clock').offset + CLOCK.identityKey;

/** At power-on. */
export function seedIdentities(machine: MachineMemory, seed: number): void {
  keyOf(machine).seed(seed);
}

/** From here on ids are others than those of any machine of the same bytes. `value` is an integer up to 2^53. */
export function stirIdentities(machine: MachineMemory, value: number): void {
  keyOf(machine).stir(value);
}

/** A number that no other life of a slot has. */
export function lifeNumber(slot: KernelSlot): number {
  return slot.index * 2 ** 32 + (slot.get('life') >>> 0);
}

/** The id of this life of the slot, under the key that is there now. */
export function giveGenerationId(machine: MachineMemory, slot: KernelSlot): void {
  const key = keyOffset(machine);
  const copy = new EntropyGenerator(new DataView(machine.u8.slice(key, key + KEY_BYTES).buffer), 0);
  copy.stir(lifeNumber(slot));
  const id = new Uint8Array(GENERATION_ID_BYTES);
  copy.fill(id);
  slot.generationId = id;
}

/** 32 hexadecimal digits, in the order of the bytes. */
export function generationText(id: Uint8Array): string {
  return Array.from(id, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
