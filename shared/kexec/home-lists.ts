// SPDX-License-Identifier: MIT
//
// Which lists a jump walks. A kernel's home list exchanges its window with the pages that keep it while it is away; it lies in
// hidden pages, or in the memory of the kernel that loaded it (its parent), which must then be in place while the list is
// walked. So kernels form a tree under neutral memory, and a jump walks up from the leaver to the nearest common ancestor and
// down to the target. Any kernel can follow any other, and a kernel is in its place exactly while it or a descendant of it has
// the CPU: nothing needs to remember which lists are walked.
import type { KernelSlot } from '../kernel-slot.ts';

/** Heads of the lists to walk, in order, when `target` follows `leaver`. */
export function listsBetween(
  slots: readonly KernelSlot[],
  leaver: KernelSlot | null,
  target: KernelSlot | null,
): number[] {
  const up = ancestry(slots, leaver);
  const down = ancestry(slots, target);
  while (up.length > 0 && up.at(-1) === down.at(-1)) {
    up.pop();
    down.pop();
  }
  return [...up, ...down.reverse()].map((slot) => slot.address('homeHead')).filter((head) => head !== 0);
}

/** True if the kernel's pages are in their place while `current` has the CPU. */
export function isInPlace(slots: readonly KernelSlot[], slot: KernelSlot, current: KernelSlot | null): boolean {
  return ancestry(slots, current).includes(slot) || listsBetween(slots, null, slot).length === 0;
}

/** True if one can follow the other without a page being exchanged: what an address means to one, it means to the other. */
export function areTogether(slots: readonly KernelSlot[], one: KernelSlot, other: KernelSlot): boolean {
  return listsBetween(slots, one, other).length === 0;
}

/** The kernel, its parent, its parent's parent … */
export function ancestry(slots: readonly KernelSlot[], slot: KernelSlot | null): KernelSlot[] {
  const line: KernelSlot[] = [];
  for (let s = slot; s !== null; s = slots[s.get('parent')] ?? null) line.push(s);
  return line;
}
