// SPDX-License-Identifier: MIT
//
// A picture of physical memory: a letter for the kernel whose contents a stretch of pages holds, small where the pages still
// share frames or are zero. RAM first, then the hidden pages that keep parked kernels. One sees a switch move whole windows.

import type { KernelSlot } from '../shared/kernel-slot.ts';
import { isInPlace } from '../shared/kexec/home-lists.ts';
import { walkList } from '../shared/kexec/relocate.ts';
import { privateWindows } from '../shared/kexec/windows.ts';
import { KernelState } from '../shared/lifecycle.ts';
import { formatSize, PAGE_SIZE, pageIndexOf } from '../shared/units.ts';
import type { MachineParts } from './machine-parts.ts';

const NOBODY = -1;

/** Two lines of cells (RAM, hidden pages) and two of legend. */
export function drawMemory(parts: MachineParts, width = 64): string {
  const { memory, slots, hidden } = parts;
  const owners = pageOwners(parts);
  const letters = slots.map((slot) => (slot.state === KernelState.EMPTY ? '·' : (slot.name[0] ?? '?').toUpperCase()));
  const lastHidden = slots.reduce(
    (last, slot) => Math.max(last, hidden.of(slot.index).at(-1) ?? 0),
    memory.ramPages - 1,
  );
  const rows = [
    ['RAM', 0, memory.ramPages],
    ['hidden', memory.ramPages, lastHidden + 1],
  ] as const;
  const lines = rows
    .filter(([, first, end]) => end > first)
    .map(([label, first, end]) => {
      const cells = cellsOf(parts, owners, letters, first, end, width);
      return `${label.padStart(6)} ${formatSize((end - first) * PAGE_SIZE).padStart(5)} │${cells}│`;
    });
  const legend = slots
    .filter((slot) => slot.state !== KernelState.EMPTY)
    .map((slot) => `${letters[slot.index]} ${slot.name}${slot === parts.currentSlot ? ' (has the machine)' : ''}`)
    .join('   ');
  const indent = ' '.repeat(14);
  return [...lines, `${indent}${legend}`, `${indent}· zero   a-z shared or empty pages of a window`].join('\n');
}

/** For every physical page: the slot whose contents it holds. */
function pageOwners(parts: MachineParts): Int8Array {
  const { memory, slots, currentSlot } = parts;
  const owners = new Int8Array(memory.pageCount).fill(NOBODY);
  const living = slots.filter((slot) => slot.state !== KernelState.EMPTY);
  // Those that stand in place by right first, then those that a list has brought over them.
  const inPlace = living.filter((slot) => isInPlace(slots, slot, currentSlot));
  for (const slot of inPlace.sort((a, b) => depth(a) - depth(b))) {
    for (const { firstPage, endPage } of privateWindows(slot.windows)) owners.fill(slot.index, firstPage, endPage);
  }
  const base = living.find((slot) => slot.address('homeHead') === 0);
  for (const slot of living) {
    const head = slot.address('homeHead');
    if (head === 0) continue;
    const holder = inPlace.includes(slot) ? (base?.index ?? NOBODY) : slot.index;
    walkList(memory, head, (_destination, source) => {
      owners[pageIndexOf(source)] = holder;
    });
  }
  return owners;
}

const depth = (slot: KernelSlot): number => (slot.address('homeHead') === 0 ? 0 : 1);

function cellsOf(
  { memory }: MachineParts,
  owners: Int8Array,
  letters: readonly string[],
  first: number,
  end: number,
  width: number,
): string {
  let text = '';
  for (let cell = 0; cell < width; cell++) {
    const from = first + Math.floor(((end - first) * cell) / width);
    const to = Math.max(from + 1, first + Math.floor(((end - first) * (cell + 1)) / width));
    const counts = new Map<number, number>();
    let full = false;
    for (let page = from; page < to; page++) {
      counts.set(owners[page], (counts.get(owners[page]) ?? 0) + 1);
      if (!memory.isShared(page)) full = true;
    }
    const [owner] = [...counts].sort((a, b) => b[1] - a[1])[0];
    const letter = owner === NOBODY ? '·' : letters[owner];
    text += full ? letter : letter.toLowerCase();
  }
  return text;
}
