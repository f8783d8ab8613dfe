// SPDX-License-Identifier: MIT
//
// Entries of descriptor tables in words: segments of the GDT and LDT, gates of the IDT, vectors of real mode (SDM vol. 3A §3.4.5,
// §3.5, §5.8.3, §6.11, §20.1.4).
import { hex } from '../../shared/units.ts';
import { type CpuPicture, isProtected } from './cpu-picture.ts';
import { type PhysicalBytes, readLinear, walkPages } from './linear-memory.ts';

export interface DescriptorReport {
  /** `GDT 0x0068`, `IDT 13`, `IVT 8`. */
  readonly where: string;
  readonly linAddr: number;
  /** The two words; null if the table ends before it or is not mapped. */
  readonly low: number | null;
  readonly high: number | null;
  readonly text: string;
  /** For a gate that is one: the selector of its code. */
  readonly selector: number | null;
  /** True if the CPU can use it for what it was needed for. */
  readonly usable: boolean;
}

const ENTRY_BYTES = 8;
const SYSTEM_TYPES: Readonly<Record<number, string>> = {
  1: '16-bit TSS',
  2: 'LDT',
  3: '16-bit TSS, busy',
  4: '16-bit call gate',
  5: 'task gate',
  6: '16-bit interrupt gate',
  7: '16-bit trap gate',
  9: '32-bit TSS',
  11: '32-bit TSS, busy',
  12: '32-bit call gate',
  14: '32-bit interrupt gate',
  15: '32-bit trap gate',
};
const IDT_GATES: readonly number[] = [5, 6, 7, 14, 15];
const TASK_GATE = 5;
/** System descriptors that are no gates. */
const BASE_AND_LIMIT: readonly number[] = [1, 2, 3, 9, 11];

/** Kind and rights of a segment, from bits 8 to 23 of its second word: `32-bit code, readable, DPL 0`. */
export function segmentText(attributes: number): string {
  const type = attributes & 0xf;
  const present = (attributes & 0x80) !== 0 ? '' : ', not present';
  const level = `DPL ${(attributes >>> 5) & 3}`;
  if ((attributes & 0x10) === 0) return `${SYSTEM_TYPES[type] ?? `reserved type ${type}`}, ${level}${present}`;
  const bits = (attributes & 0x4000) !== 0 ? 32 : 16;
  if ((type & 8) !== 0) {
    const rights = `${(type & 4) !== 0 ? ', conforming' : ''}${(type & 2) !== 0 ? ', readable' : ''}`;
    return `${bits}-bit code${rights}, ${level}${present}`;
  }
  return `${bits}-bit data${(type & 4) !== 0 ? ', expand-down' : ''}${(type & 2) !== 0 ? ', writable' : ''}, ${level}${present}`;
}

/** The descriptor that a selector, or an error code with one, names. */
export function describeSelector(cpu: CpuPicture, memory: PhysicalBytes, selector: number): DescriptorReport {
  const inLdt = (selector & 4) !== 0;
  const table = inLdt ? cpu.segments.ldtr : cpu.gdtr;
  const offset = selector & 0xfff8;
  const where = `${inLdt ? 'LDT' : 'GDT'} ${hex(selector & 0xfffc, 4)}`;
  const linAddr = (table.base + offset) >>> 0;
  const entry = readEntry(cpu, memory, linAddr, offset, table.limit, ENTRY_BYTES);
  const none = { where, linAddr, low: null, high: null, selector: null, usable: false };
  if (!inLdt && offset === 0) return { ...none, text: 'the null selector' };
  if (typeof entry === 'string') return { ...none, text: entry };
  const { low, high } = entry;
  const attributes = (high >>> 8) & 0xf0ff;
  const isPresent = (attributes & 0x80) !== 0;
  const base = ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff000000)) >>> 0;
  const limit = (low & 0xffff) | (high & 0xf0000);
  const bytes = (attributes & 0x8000) !== 0 ? limit * 4096 + 4095 : limit;
  const isSegment = (attributes & 0x10) !== 0 || BASE_AND_LIMIT.includes(attributes & 0xf);
  const extent = isSegment ? `  base ${hex(base)} limit ${hex(bytes)}` : `  to ${gateTarget(low, high)}`;
  const text = low === 0 && high === 0 ? 'an empty entry' : `${segmentText(attributes)}${extent}`;
  return { where, linAddr, low, high, text, selector: null, usable: isPresent };
}

/** The gate of a vector; in real mode its vector. */
export function describeGate(cpu: CpuPicture, memory: PhysicalBytes, vector: number): DescriptorReport {
  const bytes = isProtected(cpu) ? ENTRY_BYTES : 4;
  const where = `${isProtected(cpu) ? 'IDT' : 'IVT'} ${vector}`;
  const linAddr = (cpu.idtr.base + vector * bytes) >>> 0;
  const entry = readEntry(cpu, memory, linAddr, vector * bytes, cpu.idtr.limit, bytes);
  if (typeof entry === 'string') {
    return { where, linAddr, low: null, high: null, text: entry, selector: null, usable: false };
  }
  const { low, high } = entry;
  if (!isProtected(cpu)) {
    const target = `${hex(low >>> 16, 4)}:${(low & 0xffff).toString(16).padStart(4, '0')}`;
    return { where, linAddr, low, high: null, text: `to ${target}`, selector: low >>> 16, usable: true };
  }
  const attributes = (high >>> 8) & 0xff;
  const type = attributes & 0x1f;
  if (low === 0 && high === 0) {
    return { where, linAddr, low, high, text: 'an empty entry', selector: null, usable: false };
  }
  if (!IDT_GATES.includes(type)) {
    return { where, linAddr, low, high, text: `no gate: ${segmentText(attributes)}`, selector: null, usable: false };
  }
  const target = type === TASK_GATE ? hex(low >>> 16, 4) : gateTarget(low, high);
  const text = `${segmentText(attributes)}  to ${target}`;
  return { where, linAddr, low, high, text, selector: low >>> 16, usable: (attributes & 0x80) !== 0 };
}

const gateTarget = (low: number, high: number): string =>
  `${hex(low >>> 16, 4)}:${hex((high & 0xffff0000) | (low & 0xffff)).slice(2)}`;

function readEntry(
  cpu: CpuPicture,
  memory: PhysicalBytes,
  linAddr: number,
  offset: number,
  limit: number,
  length: number,
): { low: number; high: number } | string {
  if (offset + length - 1 > limit) return `behind the end of the table, whose limit is ${hex(limit, 4)}`;
  const bytes = readLinear(cpu, memory, linAddr, length);
  if (bytes.length < length) return `at ${hex(linAddr)}: ${walkPages(cpu, memory, linAddr).problem ?? 'cut off'}`;
  const view = new DataView(bytes.buffer);
  return { low: view.getUint32(0, true), high: length > 4 ? view.getUint32(4, true) : 0 };
}
