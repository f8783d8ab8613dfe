// SPDX-License-Identifier: MIT
// One side of a descriptor chain: the buffers that the device may read, or those that it may write, in the driver's order. To a device
// they are one stretch of bytes: where the driver cuts it up means nothing (VIRTIO 1.2 §2.6.4). Used again for chain after chain.
import type { DeviceMemory } from '../device.ts';

export class Buffers {
  /** Bytes of all of them. */
  length = 0;
  private readonly memory: DeviceMemory;
  private count = 0;
  private readonly addresses: number[] = [];
  private readonly lengths: number[] = [];

  constructor(memory: DeviceMemory) {
    this.memory = memory;
  }

  clear(): void {
    this.count = 0;
    this.length = 0;
  }

  /** A stretch that is all RAM, and that may be stored to if it is for that. */
  add(physAddr: number, length: number): void {
    this.addresses[this.count] = physAddr;
    this.lengths[this.count++] = length;
    this.length += length;
  }

  /** Fills `target` from the bytes at `from` on; there must be so many. */
  read(from: number, target: Uint8Array): void {
    this.forEachPart(from, target.length, (physAddr, length, done) => {
      this.memory.readInto(physAddr, target.subarray(done, done + length));
    });
  }

  /** Stores `source` at the bytes from `from` on; there must be so many. */
  write(from: number, source: Uint8Array): void {
    this.forEachPart(from, source.length, (physAddr, length, done) => {
      this.memory.write(physAddr, source.subarray(done, done + length));
    });
  }

  private forEachPart(from: number, length: number, part: (physAddr: number, length: number, done: number) => void) {
    let skip = from;
    let done = 0;
    for (let i = 0; i < this.count && done < length; i++) {
      const here = Math.min(this.lengths[i]! - skip, length - done);
      if (here > 0) {
        part(this.addresses[i]! + skip, here, done);
        done += here;
      }
      skip = Math.max(0, skip - this.lengths[i]!);
    }
  }
}
