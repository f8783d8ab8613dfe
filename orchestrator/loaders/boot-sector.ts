// SPDX-License-Identifier: MIT
//
// A boot sector, and the sectors right behind it if the file has more: what a PC's BIOS reads from its first disk to
// 0000:7C00 and enters in real mode, with the disk's number in DL (BIOS Boot Specification 1.01, §6.5 and appendix D).
import { KjumpError } from '../../shared/errors.ts';
import { EngineKind } from '../../shared/layout/kernel-slot.ts';
import type { EntryState, LoadOptions, Program } from './program.ts';
import { wholePages } from './whole-pages.ts';

const SECTOR_BYTES = 512;
const SIGNATURE_OFFSET = 510;
const LOAD_ADDRESS = 0x7c00;
/** Conventional memory ends here, on any PC. */
const CONVENTIONAL_END = 0xa0000;
const FIRST_HARD_DISK = 0x80;
/** The stack grows down from below the code; a boot sector should set its own, and some do not. */
const ENTRY_STATE: EntryState = { mode: 'real', registers: { edx: FIRST_HARD_DISK, esp: LOAD_ADDRESS } };

/** Whole sectors, the first of them signed 55 AA. */
export function isBootSector(bytes: Uint8Array): boolean {
  const { length } = bytes;
  if (length === 0 || length % SECTOR_BYTES !== 0) return false;
  return bytes[SIGNATURE_OFFSET] === 0x55 && bytes[SIGNATURE_OFFSET + 1] === 0xaa;
}

/** Throws `NOT_A_KERNEL` if there are more sectors than fit below 640 KiB. */
export function loadBootSector(bytes: Uint8Array, name: string, { entry }: LoadOptions): Program {
  if (LOAD_ADDRESS + bytes.length > CONVENTIONAL_END) {
    throw new KjumpError('NOT_A_KERNEL', `${name} is too large for a boot sector`, {
      why: `its ${bytes.length / SECTOR_BYTES} sectors do not fit between 0x7c00 and 640K`,
      fix: 'give the first sectors only, and the file as the disk; or, for a flat binary, its address with the option at',
    });
  }
  return {
    entry: entry ?? LOAD_ADDRESS,
    entryState: ENTRY_STATE,
    segments: wholePages([{ physAddr: LOAD_ADDRESS, bytes, length: bytes.length }]),
    engine: EngineKind.i386,
    name,
  };
}
