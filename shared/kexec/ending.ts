// SPDX-License-Identifier: MIT
//
// The end of a kernel among others. Kernels lean on each other: one that another loaded has its list, and while it is away its
// pages, in that other's memory; and a kernel that left through an image of the orchestrator is parked in pages that belong to
// the kernel which the image carries. Used by the host and by kernels that unload their image (reference §1.6, case 57).
import type { HiddenPages } from '../hidden-pages.ts';
import { freeSlot, type KernelSlot } from '../kernel-slot.ts';
import { KernelState } from '../lifecycle.ts';
import type { PhysicalMemory } from '../physical-memory.ts';
import { pageIndexOf } from '../units.ts';
import { ancestry } from './home-lists.ts';

/**
 * Kernels that are lost with this one: loaded by it into its own memory, or by such a kernel in turn, with a list that we know or
 * with one of its own; and their plain cargo.
 */
export function dependents(slots: readonly KernelSlot[], slot: KernelSlot): KernelSlot[] {
  const isLost = (s: KernelSlot): boolean => ancestry(slots, s).includes(slot) || bringers(slots, s).includes(slot);
  const lost = slots.filter((s) => s.state !== KernelState.EMPTY && isLost(s));
  const cargo = slots.filter((s) => lost.some((loader) => isPlainCargoOf(loader, s)));
  return [...lost.filter((s) => s !== slot), ...cargo];
}

/** Whoever brought this kernel in by itself, who brought that one in, and so on. */
function bringers(slots: readonly KernelSlot[], slot: KernelSlot): KernelSlot[] {
  const line: KernelSlot[] = [];
  for (
    let s = slots[slot.get('broughtBy') - 1];
    s !== undefined && !line.includes(s);
    s = slots[s.get('broughtBy') - 1]
  )
    line.push(s);
  return line;
}

/**
 * True if the kernel waits in a plain image of this loader. Only a jump of the loader brings it in, to take the loader's
 * place: it has no home list of its own.
 */
export function isPlainCargoOf({ kexecImage }: KernelSlot, slot: KernelSlot): boolean {
  const carried = kexecImage.loaded && kexecImage.target === slot.index;
  return carried && !kexecImage.preserveContext && slot.state === KernelState.LOADED;
}

/** Kernels that could not wake without this one's pages: they left through the image that carries it. */
export function parkedIn(memory: PhysicalMemory, slots: readonly KernelSlot[], slot: KernelSlot): KernelSlot[] {
  return slots.filter((s) => {
    if (s === slot || s.state !== KernelState.PARKED) return false;
    const page = pageIndexOf(s.address('reentry'));
    return page >= memory.ramPages && memory.hiddenOwners[page - memory.ramPages] === slot.index + 1;
  });
}

/** Ends a kernel and its dependents, and gives their pages back; nobody is parked in them. Returns the slots that are free. */
export function endKernel(
  memory: PhysicalMemory,
  hidden: HiddenPages,
  slots: readonly KernelSlot[],
  slot: KernelSlot,
): KernelSlot[] {
  const ended = [...dependents(slots, slot), slot];
  for (const { kexecImage } of slots) {
    if (!kexecImage.loaded || !ended.some(({ index }) => index === kexecImage.target)) continue;
    // An image in hidden pages goes with the kernel that they belong to; one in its loader's memory is there to be replaced.
    if (pageIndexOf(kexecImage.controlCodePage) >= memory.ramPages) kexecImage.clear();
    else kexecImage.target = -1;
  }
  for (const s of ended) freeSlot(hidden, s);
  return ended;
}

/**
 * After a plain kexec the heir stands where the leaver stood: what the leaver kept for others, it keeps now. May be called again
 * for the same two if the thread that called it died within.
 */
export function inheritHome(
  hidden: HiddenPages,
  slots: readonly KernelSlot[],
  leaver: KernelSlot,
  heir: KernelSlot,
): void {
  hidden.handOn(hidden.of(leaver.index), heir.index);
  // The image that brought the leaver carries the heir now.
  for (const { kexecImage } of slots) if (kexecImage.target === leaver.index) kexecImage.target = heir.index;
  if (leaver.get('homeHead') !== 0) heir.set('homeHead', leaver.get('homeHead'));
  if (leaver.get('parent') !== -1) heir.set('parent', leaver.get('parent'));
  leaver.set('homeHead', 0);
  leaver.set('parent', -1);
}
