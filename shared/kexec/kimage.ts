// SPDX-License-Identifier: MIT
//
// Access to one struct kimage (shared/layout/kimage.ts). The bytes belong to the kernel that loaded the image: its slot holds
// two, kexec_image and kexec_crash_image (kernel/kexec_core.c). load.ts writes them; a return from a peer rewrites `start`.
import { KIMAGE, KIMAGE_BYTES, KIMAGE_CRASH, KIMAGE_PRESERVE, SEGMENT_RECORD_BYTES } from '../layout/kimage.ts';

/** Offsets in a segment record. `buf` is a pointer of the loading program: void once the load is over, so it stays 0. */
const SEGMENT = { bufsz: 4, mem: 8, memsz: 12 } as const;

/** Where a segment goes: `mem` to `mem + memsz`, physical bytes, of which the first `bufsz` were given and the rest are zeros. */
export interface SegmentRange {
  readonly bufsz: number;
  readonly mem: number;
  readonly memsz: number;
}

/** A view of the record at `base`; it holds no state of its own. Addresses are physical and unsigned. */
export class Kimage {
  private readonly view: DataView;
  private readonly base: number;

  constructor(view: DataView, base: number) {
    this.view = view;
    this.base = base;
  }

  /** A record outside the machine, for an image that is being built. */
  static detached(): Kimage {
    return new Kimage(new DataView(new ArrayBuffer(KIMAGE_BYTES)), 0);
  }

  /** First entry word: address of the first indirection page | 2; 4 for a crash image; 0 while nothing is loaded. */
  get head(): number {
    return this.get(KIMAGE.head);
  }
  set head(word: number) {
    this.set(KIMAGE.head, word);
  }

  /** The entry address; after a return, the peer's re-entry. */
  get start(): number {
    return this.get(KIMAGE.start);
  }
  set start(physAddr: number) {
    this.set(KIMAGE.start, physAddr);
  }

  get controlCodePage(): number {
    return this.get(KIMAGE.controlCodePage);
  }
  set controlCodePage(physAddr: number) {
    this.set(KIMAGE.controlCodePage, physAddr);
  }

  /** 0 in a crash image, which has none. */
  get swapPage(): number {
    return this.get(KIMAGE.swapPage);
  }
  set swapPage(physAddr: number) {
    this.set(KIMAGE.swapPage, physAddr);
  }

  get nrSegments(): number {
    return this.get(KIMAGE.nrSegments);
  }

  /** type == KEXEC_TYPE_CRASH. */
  get crash(): boolean {
    return this.bit(KIMAGE_CRASH);
  }
  set crash(on: boolean) {
    this.setBit(KIMAGE_CRASH, on);
  }

  get preserveContext(): boolean {
    return this.bit(KIMAGE_PRESERVE);
  }
  set preserveContext(on: boolean) {
    this.setBit(KIMAGE_PRESERVE, on);
  }

  get loaded(): boolean {
    return this.get(KIMAGE.loaded) !== 0;
  }
  set loaded(on: boolean) {
    this.set(KIMAGE.loaded, on ? 1 : 0);
  }

  /** Slot of the kernel that the image carries; −1 while none is known. */
  get target(): number {
    return this.get(KIMAGE.target) - 1;
  }
  set target(slot: number) {
    this.set(KIMAGE.target, slot + 1);
  }

  get segments(): SegmentRange[] {
    return Array.from({ length: this.nrSegments }, (_, index) => {
      const at = KIMAGE.segment + index * SEGMENT_RECORD_BYTES;
      return {
        bufsz: this.get(at + SEGMENT.bufsz),
        mem: this.get(at + SEGMENT.mem),
        memsz: this.get(at + SEGMENT.memsz),
      };
    });
  }
  /** At most KEXEC_SEGMENT_MAX; sets `nrSegments` too. */
  set segments(segments: readonly SegmentRange[]) {
    this.set(KIMAGE.nrSegments, segments.length);
    for (const [index, { bufsz, mem, memsz }] of segments.entries()) {
      const at = KIMAGE.segment + index * SEGMENT_RECORD_BYTES;
      this.set(at + SEGMENT.bufsz, bufsz);
      this.set(at + SEGMENT.mem, mem);
      this.set(at + SEGMENT.memsz, memsz);
    }
  }

  /** Nothing loaded. Gives no page back: see `freeImage`. */
  clear(): void {
    for (let at = 0; at < KIMAGE_BYTES; at += 4) this.set(at, 0);
  }

  copyFrom(other: Kimage): void {
    for (let at = 0; at < KIMAGE_BYTES; at += 4) this.set(at, other.get(at));
  }

  private get(offset: number): number {
    return this.view.getUint32(this.base + offset, true);
  }

  private set(offset: number, value: number): void {
    this.view.setUint32(this.base + offset, value, true);
  }

  private bit(mask: number): boolean {
    return (this.get(KIMAGE.bits) & mask) !== 0;
  }

  private setBit(mask: number, on: boolean): void {
    const bits = this.get(KIMAGE.bits);
    this.set(KIMAGE.bits, on ? bits | mask : bits & ~mask);
  }
}
