// SPDX-License-Identifier: MIT
//
// The tables of the MultiProcessor Specification 1.4 (chapter 4), which firmware leaves in its ROM area for kernels without ACPI: one
// processor, the ISA bus, the I/O APIC with the ISA lines, and what the local APIC's inputs are. Bit 7 of the second feature byte:
// there is an IMCR, and the board starts in PIC mode.
import { IO_APIC_ADDRESS, IO_APIC_ID, IO_APIC_VERSION, pinOfIrq } from '../../shared/layout/io-apic-state.ts';
import { LOCAL_APIC_ADDRESS, LOCAL_APIC_ID, LOCAL_APIC_VERSION } from '../../shared/layout/local-apic-state.ts';
import { FEATURE_APIC, FEATURES, SIGNATURE } from '../../shared/processor.ts';
import { PAGE_SIZE } from '../../shared/units.ts';
import type { Program } from './program.ts';

/** Kernels search the ROM from 0xF0000 on, at multiples of 16. */
export const MP_TABLE_ADDRESS = 0xf0000;

const POINTER_BYTES = 16;
const HEADER_BYTES = 44;
const SPEC_REVISION = 4;
const IMCR_PRESENT = 0x80;
const CHECKSUM_OF_POINTER = 10;
const CHECKSUM_OF_TABLE = 7;

/** First bytes of the entries: their types. */
const PROCESSOR = 0;
const BUS = 1;
const IO_APIC = 2;
const IO_INTERRUPT = 3;
const LOCAL_INTERRUPT = 4;

const USABLE = 1;
const BOOT_PROCESSOR = 2;
const ISA_BUS = 0;
const ISA_LINES = 16;
/** The line between the two 8259A. */
const CASCADE = 2;
const INT = 0;
const NMI = 1;
const EXTINT = 3;
const ALL_LOCAL_APICS = 0xff;

const word = (value: number): number[] => [...new Uint8Array(Uint32Array.of(value).buffer)];
const text = (value: string, bytes: number): number[] => [...Buffer.from(value.padEnd(bytes), 'latin1')];
/** Polarity and trigger mode as usual for the bus: rising edges. */
const interrupt = (kind: number, type: number, line: number, apic: number, input: number): number[] => [
  ...[kind, type, 0, 0],
  ...[ISA_BUS, line, apic, input],
];

function entries(): number[][] {
  const lines = Array.from({ length: ISA_LINES }, (_, line) => line).filter((line) => line !== CASCADE);
  const processor = [PROCESSOR, LOCAL_APIC_ID, LOCAL_APIC_VERSION, USABLE | BOOT_PROCESSOR];
  return [
    [...processor, ...word(SIGNATURE), ...word(FEATURES | FEATURE_APIC), ...word(0), ...word(0)],
    [BUS, ISA_BUS, ...text('ISA', 6)],
    [IO_APIC, IO_APIC_ID, IO_APIC_VERSION, USABLE, ...word(IO_APIC_ADDRESS)],
    ...lines.map((line) => interrupt(IO_INTERRUPT, INT, line, IO_APIC_ID, pinOfIrq(line))),
    interrupt(LOCAL_INTERRUPT, EXTINT, 0, ALL_LOCAL_APICS, 0),
    interrupt(LOCAL_INTERRUPT, NMI, 0, ALL_LOCAL_APICS, 1),
  ];
}

/** Floating pointer structure and configuration table, for `MP_TABLE_ADDRESS`. */
export function buildMpTable(): Uint8Array {
  const all = entries();
  const body = all.flat();
  const length = HEADER_BYTES + body.length;
  const table = [
    ...text('PCMP', 4),
    ...[length & 0xff, length >>> 8, SPEC_REVISION, 0],
    ...text('KJUMP', 8),
    ...text('ONE CPU', 12),
    ...word(0),
    ...[0, 0, all.length, 0],
    ...word(LOCAL_APIC_ADDRESS),
    ...word(0),
    ...body,
  ];
  const pointer = [
    ...text('_MP_', 4),
    ...word(MP_TABLE_ADDRESS + POINTER_BYTES),
    ...[1, SPEC_REVISION, 0, 0, IMCR_PRESENT, 0, 0, 0],
  ];
  pointer[CHECKSUM_OF_POINTER] = checksum(pointer);
  table[CHECKSUM_OF_TABLE] = checksum(table);
  return Uint8Array.from([...pointer, ...table]);
}

/** What makes the sum of all bytes 0. */
function checksum(bytes: readonly number[]): number {
  return -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
}

/** The program with the table beside it, if the ROM area is in its memory and it has nothing of its own there. */
export function withMpTable(program: Program, memoryStart: number, memory: number): Program {
  const end = MP_TABLE_ADDRESS + PAGE_SIZE;
  const isThere = memoryStart <= MP_TABLE_ADDRESS && end <= memory;
  const { segments } = program;
  const isFree = segments.every(({ physAddr, length }) => physAddr >= end || physAddr + length <= MP_TABLE_ADDRESS);
  if (!isThere || !isFree) return program;
  const table = { physAddr: MP_TABLE_ADDRESS, bytes: buildMpTable(), length: PAGE_SIZE };
  return { ...program, segments: [...segments, table] };
}
