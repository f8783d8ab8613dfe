// SPDX-License-Identifier: MIT
//
// What changed between two snapshots: pages of RAM with the bytes that differ, and fields of CPU, devices, clock and kernels
// by name.
import type { Captures } from '../shared/captures.ts';
import { CLOCK_LAYOUT } from '../shared/layout/clock.ts';
import { CPU_LAYOUT } from '../shared/layout/cpu-state.ts';
import { DEVICE_MAP } from '../shared/layout/device-map.ts';
import { type RecordLayout, readField } from '../shared/layout/fields.ts';
import { SLOT, SLOT_LAYOUT, SLOT_NAME_BYTES } from '../shared/layout/kernel-slot.ts';
import { KERNEL_SLOT_BYTES, type MachineMemory } from '../shared/machine-memory.ts';
import { hex, PAGE_SIZE, pageAddress } from '../shared/units.ts';
import type { Snapshot } from './snapshot.ts';

export interface PageChange {
  /** Physical address of the page. */
  readonly physAddr: number;
  readonly bytesChanged: number;
  /** First and last byte that differ, from the page's start. */
  readonly first: number;
  readonly last: number;
}

export interface FieldChange {
  /** `cpu`, `clock`, a device, or `kernel NAME`. */
  readonly record: string;
  readonly field: string;
  readonly before: number | readonly number[];
  readonly after: number | readonly number[];
}

export interface SnapshotDiff {
  readonly from: string;
  readonly to: string;
  readonly ticks: number;
  readonly pages: readonly PageChange[];
  readonly fields: readonly FieldChange[];
}

/** Compares RAM page by page (equal frames are equal unread) and every described field of the records. */
export function diffSnapshots(
  machine: MachineMemory,
  captures: Captures,
  before: Snapshot,
  after: Snapshot,
): SnapshotDiff {
  const pages: PageChange[] = [];
  for (let page = 0; page < machine.geometry.ramPages; page++) {
    if (captures.frameOf(before.capture, page) === captures.frameOf(after.capture, page)) continue;
    const change = comparePages(
      page,
      captures.viewOfPage(before.capture, page),
      captures.viewOfPage(after.capture, page),
    );
    if (change !== null) pages.push(change);
  }
  return {
    from: before.name,
    to: after.name,
    ticks: after.tick - before.tick,
    pages,
    fields: diffRecords(machine, before.records(), after.records()),
  };
}

function comparePages(page: number, before: Uint8Array, after: Uint8Array): PageChange | null {
  let first = -1;
  let last = -1;
  let bytesChanged = 0;
  for (let i = 0; i < PAGE_SIZE; i++) {
    if (before[i] === after[i]) continue;
    if (first < 0) first = i;
    last = i;
    bytesChanged++;
  }
  return bytesChanged === 0 ? null : { physAddr: pageAddress(page), bytesChanged, first, last };
}

/** Every described field that differs between two copies of the records (clock, cpu, devices, slots). */
export function diffRecords(machine: MachineMemory, before: Uint8Array, after: Uint8Array): FieldChange[] {
  const start = machine.region('clock').offset;
  const at = (name: 'clock' | 'cpu' | 'devices' | 'slots') => machine.region(name).offset - start;
  const changes = [
    ...diffRecord('clock', CLOCK_LAYOUT, at('clock'), before, after),
    ...diffRecord('cpu', CPU_LAYOUT, at('cpu'), before, after),
  ];
  for (const { name, layout, offset } of DEVICE_MAP) {
    changes.push(...diffRecord(name, layout, at('devices') + offset, before, after));
  }
  for (let slot = 0; slot < machine.geometry.maxKernels; slot++) {
    const base = at('slots') + slot * KERNEL_SLOT_BYTES;
    const name = nameAt(after, base) || nameAt(before, base);
    const found = diffRecord(`kernel ${name}`, SLOT_LAYOUT, base, before, after);
    changes.push(...found.filter(({ field }) => !REQUEST_FIELDS.has(field)));
  }
  return changes;
}

/** What the host asked of the last jump: no state of the kernel, and stale once the jump is over. */
const REQUEST_FIELDS = new Set(['requestTarget', 'pmTest', 'faultLine', 'faultDevice', 'faultIndex', 'faultErrno']);

function nameAt(records: Uint8Array, slotBase: number): string {
  const bytes = records.slice(slotBase + SLOT.name, slotBase + SLOT.name + SLOT_NAME_BYTES);
  return new TextDecoder().decode(bytes).replace(/\0.*$/s, '');
}

function diffRecord(
  record: string,
  layout: RecordLayout,
  base: number,
  before: Uint8Array,
  after: Uint8Array,
): FieldChange[] {
  const views = [before, after].map((bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const changes: FieldChange[] = [];
  for (const field of layout.fields) {
    const [was, is] = views.map((view) => readField(view, base, field));
    if (JSON.stringify(was) !== JSON.stringify(is)) changes.push({ record, field: field.name, before: was, after: is });
  }
  return changes;
}

/** A diff as text: changed pages, then changed fields. */
export function formatDiff(diff: SnapshotDiff): string {
  const lines = [
    `${diff.from} → ${diff.to}: ${diff.pages.length} pages, ${diff.fields.length} fields, ${diff.ticks} ticks`,
  ];
  for (const { physAddr, bytesChanged, first, last } of diff.pages) {
    lines.push(
      `  page  ${hex(physAddr)}  ${String(bytesChanged).padStart(4)} bytes in ${hex(physAddr + first)}..${hex(physAddr + last)}`,
    );
  }
  for (const { record, field, before, after } of diff.fields) {
    lines.push(`  field ${`${record}.${field}`.padEnd(24)} ${formatValue(before)} → ${formatValue(after)}`);
  }
  return lines.join('\n');
}

function formatValue(value: number | readonly number[]): string {
  if (typeof value === 'number') return String(value);
  const shown = value.length > 8 ? [...value.slice(0, 8), '…'] : value;
  return `[${shown.join(' ')}]`;
}
