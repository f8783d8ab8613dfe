// SPDX-License-Identifier: MIT
//
// Is what a head says possible? Run after its checksums, so a refusal here means a file made by something else than
// hibernation.ts, and before anything is built.
import type { MachineMemory } from '../../shared/machine-memory.ts';
import type { Refuse } from './image-errors.ts';
import type { Head } from './image-head.ts';
import { startsLoad } from './page-plan.ts';

/** The records by name, as views. */
export type Records = Readonly<Record<'clock' | 'cpu' | 'devices' | 'slots' | 'hidden-owners', Uint8Array>>;

/** Checks the head against the layout of an (empty) machine of its geometry; returns its records. */
export function checkHead(head: Head, machine: MachineMemory, refuse: Refuse): Records {
  const { ramPages, hiddenPages } = head.geometry;
  const hidden = head.pages - ramPages;
  if (hidden < 0 || hidden > hiddenPages) {
    refuse('format', 'pages covered', `${ramPages} to ${ramPages + hiddenPages}`, head.pages);
  }
  const records = splitRecords(head.records, machine, hidden, refuse);
  checkLoads(head, refuse);
  checkFrames(head, records['hidden-owners'], refuse);
  return records;
}

function splitRecords(bytes: Uint8Array, machine: MachineMemory, hidden: number, refuse: Refuse): Records {
  const start = machine.region('clock').offset;
  const of = (name: keyof Records): Uint8Array => {
    const { offset, bytes: size } = machine.region(name);
    return bytes.subarray(offset - start, offset - start + size);
  };
  const expected = machine.region('hidden-owners').offset - start + hidden;
  if (bytes.length !== expected) refuse('records', 'bytes', expected, bytes.length);
  return {
    clock: of('clock'),
    cpu: of('cpu'),
    devices: of('devices'),
    slots: of('slots'),
    'hidden-owners': of('hidden-owners'),
  };
}

/** The loads cover every page once and in order, and every stored page serves one of them. */
function checkLoads({ loads, pages, storedPages, geometry }: Head, refuse: Refuse): void {
  let nextPage = 0;
  let nextStored = 0;
  loads.forEach((load, index) => {
    const name = `load ${index}`;
    if (load.firstPage !== nextPage) refuse('program headers', `${name} starts at page`, nextPage, load.firstPage);
    nextPage += load.pages;
    if (load.pages === 0 || nextPage > pages) refuse('program headers', `${name} ends at page`, pages, nextPage);
    for (let page = load.firstPage + 1; page < nextPage; page++) {
      if (startsLoad(page, geometry.ramPages)) refuse('program headers', `${name} crosses page ${page}`);
    }
    const end = load.stored + load.storedPages;
    if (load.storedPages > load.pages || load.stored < 0 || load.stored > nextStored || end > storedPages) {
      refuse('program headers', `${name} has the stored pages ${load.stored} to ${end}, of ${storedPages}`);
    }
    nextStored = Math.max(nextStored, end);
  });
  if (nextPage !== pages) refuse('program headers', 'pages covered', pages, nextPage);
  if (nextStored !== storedPages) refuse('program headers', 'stored pages that are used', storedPages, nextStored);
}

/** Every page in use can get a frame of its own, as captures and loads promise; a hidden page that nobody has is zeros. */
function checkFrames({ loads, storedPages, geometry }: Head, owners: Uint8Array, refuse: Refuse): void {
  const uses = new Int32Array(storedPages);
  for (const { stored, storedPages: count } of loads) for (let i = 0; i < count; i++) uses[stored + i]++;
  let needed = storedPages;
  for (const { firstPage, pages, stored, storedPages: count } of loads) {
    for (let i = 0; i < pages; i++) {
      const hidden = firstPage + i - geometry.ramPages;
      const free = hidden >= 0 && owners[hidden] === 0;
      if (free && i < count) refuse('records', `hidden page ${hidden} has data and no owner`);
      if (!free && (i >= count || uses[stored + i] > 1)) needed++;
    }
  }
  // Frame 0 is zeros for ever.
  if (needed > geometry.frames - 1) refuse('format', 'frames', `at least ${needed + 1}`, geometry.frames);
}
