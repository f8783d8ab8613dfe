// SPDX-License-Identifier: MIT
// The line into a console device: bytes that the other end has sent and the driver has not received yet, a ring in the bytes of the
// device's record. When the next of them is there is the device's business.
import { assert } from '../../shared/errors.ts';

/** Offsets in the record: of the ring, and of the two bytes that say where in it the waiting bytes begin and how many they are. */
export interface WirePlace {
  readonly ring: number;
  readonly head: number;
  readonly count: number;
  /** Bytes of the ring, below 256. */
  readonly capacity: number;
}

export class Wire {
  private readonly view: DataView;
  private readonly base: number;
  private readonly place: WirePlace;

  constructor(view: DataView, base: number, place: WirePlace) {
    this.view = view;
    this.base = base;
    this.place = place;
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  get count(): number {
    return this.view.getUint8(this.base + this.place.count);
  }

  /** Bytes that there is room for. */
  get room(): number {
    return this.place.capacity - this.count;
  }

  /** Takes at most `room` bytes. */
  push(bytes: ArrayLike<number>): void {
    const { count, room } = this;
    const { ring, capacity } = this.place;
    assert(bytes.length <= room, `${bytes.length} bytes for a wire with room for ${room}`);
    const end = this.head + count;
    for (let i = 0; i < bytes.length; i++) this.set(ring + ((end + i) % capacity), bytes[i]!);
    this.set(this.place.count, count + bytes.length);
  }

  /** Takes the oldest byte off; there must be one. */
  shift(): number {
    const { head } = this;
    this.set(this.place.head, (head + 1) % this.place.capacity);
    this.set(this.place.count, this.count - 1);
    return this.view.getUint8(this.base + this.place.ring + head);
  }

  clear(): void {
    for (let i = 0; i < this.place.capacity; i++) this.set(this.place.ring + i, 0);
    this.set(this.place.head, 0);
    this.set(this.place.count, 0);
  }

  private get head(): number {
    return this.view.getUint8(this.base + this.place.head);
  }

  private set(offset: number, value: number): void {
    this.view.setUint8(this.base + offset, value);
  }
}
