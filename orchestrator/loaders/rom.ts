// SPDX-License-Identifier: MIT
//
// The ROM of a PC's firmware: it ends at 1 MiB, and the processor's first instruction after a reset is the far jump 16 bytes before
// (SDM vol. 3A §9.1.4, as far as real mode sees it: F000:FFF0). It is loaded like any program, into memory that can be written.
import { EngineKind } from '../../shared/layout/kernel-slot.ts';
import type { EntryState, LoadOptions, Program } from './program.ts';

const KIB = 1024;
const MIB = 1024 ** 2;
/** Of a PC's BIOS: the F segment, or the E and the F segment. */
const SIZES = [64 * KIB, 128 * KIB];
const RESET_FROM_END = 16;
const JMP_FAR = 0xea;
const ENTRY_STATE: EntryState = { mode: 'real', registers: {} };

/** As large as a ROM, and its reset vector is a far jump to a place within. */
export function isRom(bytes: Uint8Array): boolean {
  const { length } = bytes;
  if (!SIZES.includes(length) || bytes[length - RESET_FROM_END] !== JMP_FAR) return false;
  const target = new DataView(bytes.buffer, bytes.byteOffset + length - RESET_FROM_END + 1);
  const physAddr = target.getUint16(2, true) * 16 + target.getUint16(0, true);
  return physAddr >= MIB - length && physAddr < MIB - RESET_FROM_END;
}

export function loadRom(bytes: Uint8Array, name: string, { entry }: LoadOptions): Program {
  const { length } = bytes;
  return {
    entry: entry ?? MIB - RESET_FROM_END,
    entryState: ENTRY_STATE,
    segments: [{ physAddr: MIB - length, bytes, length }],
    engine: EngineKind.i386,
    name,
  };
}
