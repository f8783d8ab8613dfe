// SPDX-License-Identifier: MIT
//
// An image as a plain object, for people and for JSON: `kjump inspect FILE`. Fields of the records come from their tables in
// shared/layout.
import { CLOCK_LAYOUT } from '../../shared/layout/clock.ts';
import { CPU_LAYOUT } from '../../shared/layout/cpu-state.ts';
import { fieldsOf, type RecordLayout } from '../../shared/layout/fields.ts';
import { PAGE_SIZE, pageAddress } from '../../shared/units.ts';
import type { Image } from './hibernation.ts';

export interface LoadDescription {
  readonly kind: 'ram' | 'hidden';
  readonly physAddr: number;
  readonly bytes: number;
  /** The first of them that are in the file; the rest are zeros. */
  readonly storedBytes: number;
}

export interface ImageDescription {
  readonly path: string;
  readonly formatVersion: number;
  readonly layoutVersion: number;
  readonly fileBytes: number;
  readonly ramBytes: number;
  readonly hiddenBytes: number;
  readonly frames: number;
  readonly maxKernels: number;
  readonly hiddenPagesInUse: number;
  readonly storedBytes: number;
  /** Bytes of memory that are not zeros; more than `storedBytes` if pages share frames. */
  readonly dataBytes: number;
  readonly loads: readonly LoadDescription[];
  readonly clock: Readonly<Record<string, number | number[]>>;
  readonly cpu: Readonly<Record<string, number | number[]>>;
  readonly metadata: unknown;
}

export function describeImage({ path, bytes, head, records, metadata }: Image): ImageDescription {
  const { geometry } = head;
  return {
    path,
    formatVersion: head.formatVersion,
    layoutVersion: head.layoutVersion,
    fileBytes: bytes,
    ramBytes: geometry.ramPages * PAGE_SIZE,
    hiddenBytes: geometry.hiddenPages * PAGE_SIZE,
    frames: geometry.frames,
    maxKernels: geometry.maxKernels,
    hiddenPagesInUse: records['hidden-owners'].reduce((count, owner) => (owner === 0 ? count : count + 1), 0),
    storedBytes: head.storedPages * PAGE_SIZE,
    dataBytes: head.loads.reduce((sum, load) => sum + load.storedPages, 0) * PAGE_SIZE,
    loads: head.loads.map(({ firstPage, pages, storedPages }) => ({
      kind: firstPage < geometry.ramPages ? 'ram' : 'hidden',
      physAddr: pageAddress(firstPage),
      bytes: pages * PAGE_SIZE,
      storedBytes: storedPages * PAGE_SIZE,
    })),
    clock: recordFields(CLOCK_LAYOUT, records.clock),
    cpu: recordFields(CPU_LAYOUT, records.cpu),
    metadata,
  };
}

function recordFields(layout: RecordLayout, record: Uint8Array): Record<string, number | number[]> {
  return fieldsOf(new DataView(record.buffer, record.byteOffset, record.length), 0, layout);
}
