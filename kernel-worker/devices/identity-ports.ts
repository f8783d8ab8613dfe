// SPDX-License-Identifier: MIT
//
// What a system can ask of the machine about itself, at ports 0x5E0-0x5FF: 32 bytes that are read in any width and never written.
// No chip has them; the words are little endian.
//
//   0x5E0  'KJMP'
//   0x5E4  32, the bytes there are
//   0x5E8  seconds by which resumes have moved the real-time clock ahead; the system's own clocks stood still for them
//   0x5EC  0
//   0x5F0  16 bytes, the generation id: another one means that this system is a copy (shared/identity.ts)
//
// They lie in the clock record and in the slot of the kernel that has the machine: this has no bytes of its own.
import { HEADER_MAGIC } from '../../shared/layout/header.ts';
import { GENERATION_ID_BYTES } from '../../shared/layout/kernel-slot.ts';
import type { Bus } from '../bus.ts';

const FIRST_PORT = 0x5e0;
const BYTES = 32;
const GENERATION_ID = BYTES - GENERATION_ID_BYTES;

export class IdentityPorts {
  private readonly outsideSeconds: () => number;
  private readonly generationId: () => Uint8Array;

  /** `generationId` gives the 16 bytes of the kernel that asks. */
  constructor(outsideSeconds: () => number, generationId: () => Uint8Array) {
    this.outsideSeconds = outsideSeconds;
    this.generationId = generationId;
  }

  attach(bus: Bus): void {
    bus.claimPorts('identity', FIRST_PORT, FIRST_PORT + BYTES - 1, {
      read8: (port) => this.byteAt(port - FIRST_PORT),
      // A store changes nothing, as in a ROM.
      write8: () => {},
    });
  }

  private byteAt(offset: number): number {
    if (offset >= GENERATION_ID) return this.generationId()[offset - GENERATION_ID]!;
    const words = [HEADER_MAGIC, BYTES, this.outsideSeconds() | 0, 0];
    return words[offset >> 2]! >>> (8 * (offset & 3));
  }
}
