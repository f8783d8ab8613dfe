// SPDX-License-Identifier: MIT
//
// The report of a death in an image: of the kernel that had the machine, if it had crashed. Pages are read from the file one by one,
// as the report asks for them: a few of all there are.
import { closeSync, openSync, readSync } from 'node:fs';
import { CLOCK } from '../../shared/layout/clock.ts';
import { CPU_LAYOUT } from '../../shared/layout/cpu-state.ts';
import { fieldsOf } from '../../shared/layout/fields.ts';
import { SLOT_LAYOUT } from '../../shared/layout/kernel-slot.ts';
import { KernelState } from '../../shared/lifecycle.ts';
import { PAGE_SIZE } from '../../shared/units.ts';
import type { PhysicalBytes } from '../death/linear-memory.ts';
import { leftAReport } from '../death/machine-death.ts';
import { type DeathReport, makeDeathReport } from '../death-report.ts';
import type { Image } from '../images/hibernation.ts';
import { diskError } from '../images/image-errors.ts';
import { kernelsOf } from './image-kernels.ts';

/** Null if nobody in the image left a report. Throws `DISK`. */
export function deathInImage(image: Image): DeathReport | null {
  const { cpu, slots, clock } = image.records;
  const kernels = kernelsOf(image);
  const dead = kernels.find(({ hasMachine }) => hasMachine);
  if (dead === undefined) return null;
  const slot = fieldsOf(viewOf(slots), dead.slot * SLOT_LAYOUT.bytes, SLOT_LAYOUT);
  if (!leftAReport(slot.engine as number, KernelState[dead.state], slot.stopCode as number)) return null;
  try {
    const file = openSync(image.path, 'r');
    try {
      return makeDeathReport({
        kernel: dead.name,
        cpu: fieldsOf(viewOf(cpu), 0, CPU_LAYOUT),
        slot,
        text: dead.stopText,
        windows: dead.windows,
        tick: viewOf(clock).getFloat64(CLOCK.nowTick, true),
        memory: new FileMemory(image, file),
        nameOf: (index) => kernels.find((kernel) => kernel.slot === index)?.name ?? `slot ${index}`,
        reentries: kernels.filter(({ state }) => state === 'PARKED').map(({ reentry }) => reentry),
      });
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw diskError('read', image.path, cause);
  }
}

const viewOf = ({ buffer, byteOffset, length }: Uint8Array): DataView => new DataView(buffer, byteOffset, length);

/** The physical memory of an image, RAM and hidden pages. */
class FileMemory implements PhysicalBytes {
  readonly bytes: number;
  private readonly image: Image;
  private readonly file: number;
  private readonly pages = new Map<number, Uint8Array>();

  constructor(image: Image, file: number) {
    const { ramPages, hiddenPages } = image.head.geometry;
    this.bytes = (ramPages + hiddenPages) * PAGE_SIZE;
    this.image = image;
    this.file = file;
  }

  read32(physAddr: number): number {
    const bytes = this.read(physAddr, 4);
    return new DataView(bytes.buffer).getInt32(0, true);
  }

  read(physAddr: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length).fill(0xff);
    for (let done = 0; done < length; ) {
      const at = physAddr + done;
      const within = at % PAGE_SIZE;
      const size = Math.min(PAGE_SIZE - within, length - done);
      if (at < this.bytes) bytes.set(this.page((at - within) / PAGE_SIZE).subarray(within, within + size), done);
      done += size;
    }
    return bytes;
  }

  private page(page: number): Uint8Array {
    const known = this.pages.get(page);
    if (known !== undefined) return known;
    const { head, dataStart } = this.image;
    const bytes = new Uint8Array(PAGE_SIZE);
    const load = head.loads.find(({ firstPage, storedPages }) => page >= firstPage && page < firstPage + storedPages);
    if (load !== undefined) {
      readSync(this.file, bytes, 0, PAGE_SIZE, dataStart + (load.stored + page - load.firstPage) * PAGE_SIZE);
    }
    this.pages.set(page, bytes);
    return bytes;
  }
}
