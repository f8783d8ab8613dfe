// SPDX-License-Identifier: MIT
//
// Guest-physical memory: page table over the frame pool. A physical address `pa` lies at
// `frames + frameOf(pa >>> 12) * 4096 + (pa & 4095)`. Only the thread that owns the CPU calls the writing half.
//
// A frame with one reference belongs to the page that maps it and may be stored to; any other frame is shared (with another
// page, with a capture, or it is the zero frame) and a store first moves the page to a frame of its own. A count of 1 read
// without the lock is safe to act on: only the owner, that is this thread, ever raises the count of a mapped frame.
//
// Addresses are 32 bits wide and wrap at 4 GiB; those above the last page read as ones and swallow stores, like an open bus. A
// hidden page that no kernel slot owns reads as zeros; nobody has been promised a frame for a store to it, so it is asserted.
import { assert, KjumpError } from './errors.ts';
import { FramePool, ZERO_FRAME } from './frames.ts';
import { LIVE } from './layout/live-words.ts';
import type { MachineMemory } from './machine-memory.ts';
import { PAGE_SHIFT, PAGE_SIZE } from './units.ts';

const EPOCH = LIVE.poolEpoch;
// Local names for hot code: where a loader makes CommonJS of this file, an imported name is a call of a getter.
const SHIFT = PAGE_SHIFT;
const SIZE = PAGE_SIZE;
const OFFSET_MASK = SIZE - 1;
const ZERO = ZERO_FRAME;

export class PhysicalMemory {
  readonly frames: FramePool;
  readonly ramPages: number;
  /** RAM and hidden pages. */
  readonly pageCount: number;
  readonly table: Int32Array;
  /** A byte a hidden page: 0 free, else kernel slot + 1 (`HiddenPages`). */
  readonly hiddenOwners: Uint8Array;
  private readonly references: Int32Array;
  private readonly codeGenerations: Int32Array;
  private readonly live: Int32Array;
  private readonly view: DataView;
  private readonly u8: Uint8Array;
  private readonly base: number;
  /** The page that `aliasOne` gave a shared frame last. */
  private lastTarget = 0;

  constructor(machine: MachineMemory, key: number) {
    this.frames = new FramePool(machine, key);
    this.ramPages = machine.geometry.ramPages;
    this.pageCount = machine.geometry.ramPages + machine.geometry.hiddenPages;
    this.table = machine.words('page-table');
    this.hiddenOwners = machine.bytes('hidden-owners');
    this.references = this.frames.references;
    this.codeGenerations = this.frames.codeGenerations;
    this.live = machine.words('live');
    this.view = machine.view;
    this.u8 = machine.u8;
    this.base = this.frames.base;
  }

  /** Makes an empty pool: every page maps the zero frame, every other frame is free. Once, by the creator. */
  format(): void {
    this.table.fill(ZERO);
    this.references.fill(0);
    this.frames.rebuildStack();
    this.frames.reserved = this.ramPages;
  }

  get epoch(): number {
    return Atomics.load(this.live, EPOCH);
  }

  /** Cached mappings and store permissions made before this call are void. */
  bumpEpoch(): void {
    Atomics.add(this.live, EPOCH, 1);
  }

  frameOf(page: number): number {
    return this.table[page];
  }

  /** True if a store to the page would need a frame. */
  isShared(page: number): boolean {
    const frame = this.table[page];
    return frame === ZERO || this.references[frame] !== 1;
  }

  // ---- loads and stores -------------------------------------------------------------------------------------------

  read8(physAddr: number): number {
    const page = physAddr >>> SHIFT;
    if (page >= this.pageCount) return 0xff;
    return this.u8[this.base + this.table[page] * SIZE + (physAddr & OFFSET_MASK)];
  }

  read16(physAddr: number): number {
    const within = physAddr & OFFSET_MASK;
    const page = physAddr >>> SHIFT;
    if (within > SIZE - 2 || page >= this.pageCount) return this.read8(physAddr) | (this.read8(physAddr + 1) << 8);
    return this.view.getUint16(this.base + this.table[page] * SIZE + within, true);
  }

  /** Signed, as all integers at rest. */
  read32(physAddr: number): number {
    const within = physAddr & OFFSET_MASK;
    const page = physAddr >>> SHIFT;
    if (within > SIZE - 4 || page >= this.pageCount) {
      return this.read16(physAddr) | (this.read16(physAddr + 2) << 16);
    }
    return this.view.getInt32(this.base + this.table[page] * SIZE + within, true);
  }

  write8(physAddr: number, value: number): void {
    const page = physAddr >>> SHIFT;
    if (page >= this.pageCount) return;
    this.u8[this.offsetForStore(page) + (physAddr & OFFSET_MASK)] = value;
  }

  write16(physAddr: number, value: number): void {
    const within = physAddr & OFFSET_MASK;
    const page = physAddr >>> SHIFT;
    if (within > SIZE - 2 || page >= this.pageCount) {
      this.write8(physAddr, value);
      this.write8(physAddr + 1, value >>> 8);
    } else this.view.setUint16(this.offsetForStore(page) + within, value, true);
  }

  write32(physAddr: number, value: number): void {
    const within = physAddr & OFFSET_MASK;
    const page = physAddr >>> SHIFT;
    if (within > SIZE - 4 || page >= this.pageCount) {
      this.write16(physAddr, value);
      this.write16(physAddr + 2, value >>> 16);
    } else this.view.setInt32(this.offsetForStore(page) + within, value, true);
  }

  /** Fills `target` from the address upwards; what lies above the last page reads as ones. */
  readInto(physAddr: number, target: Uint8Array): void {
    forEachPagePart(physAddr, target.length, (page, within, length, done) => {
      if (page >= this.pageCount) target.fill(0xff, done, done + length);
      else {
        const start = this.offsetOf(page) + within;
        target.set(this.u8.subarray(start, start + length), done);
      }
    });
  }

  /** A copy of `length` bytes from the address upwards. */
  read(physAddr: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.readInto(physAddr, bytes);
    return bytes;
  }

  write(physAddr: number, bytes: Uint8Array): void {
    forEachPagePart(physAddr, bytes.length, (page, within, length, done) => {
      if (page >= this.pageCount) return;
      this.u8.set(bytes.subarray(done, done + length), this.offsetForStore(page) + within);
    });
  }

  /** The page's bytes as they lie in the buffer: to read now, never to write or to keep. */
  viewOfPage(page: number): Uint8Array {
    const start = this.offsetOf(page);
    return this.u8.subarray(start, start + SIZE);
  }

  offsetOf(page: number): number {
    return this.base + this.table[page] * SIZE;
  }

  /**
   * Byte offset of a frame that belongs to this page alone, to be stored to at once: moves the page to a new frame if its frame
   * is shared, and makes code decoded from it stale.
   */
  offsetForStore(page: number): number {
    const frame = this.table[page];
    if (this.references[frame] === 1) {
      if ((this.codeGenerations[frame] & 1) !== 0) this.codeGenerations[frame] += 1;
      return this.base + frame * SIZE;
    }
    return this.base + this.unshare(page) * SIZE;
  }

  /** The page's frame, made its own if it is shared; code decoded from it stays good until somebody says that he stores. */
  ownFrame(page: number): number {
    const frame = this.table[page];
    return this.references[frame] === 1 ? frame : this.unshare(page);
  }

  private unshare(page: number): number {
    const { frames } = this;
    assert(this.inUse(page), 'a store to a hidden page that nobody owns');
    frames.lock();
    let frame = this.table[page];
    // The count may have fallen to 1 since it was read: a capture was released meanwhile.
    if (frame === ZERO || this.references[frame] !== 1) {
      const own = frames.take();
      const from = this.base + frame * SIZE;
      this.u8.copyWithin(this.base + own * SIZE, from, from + SIZE);
      // Table last: a thread that dies before this line leaves the old mapping whole.
      this.table[page] = own;
      frames.drop(frame);
      frames.reserved -= 1;
      frame = own;
      // Another linear address may be cached as a mapping of this page. An engine that has no other may cache on.
      this.bumpEpoch();
    }
    frames.unlock();
    return frame;
  }

  // ---- moving frames ----------------------------------------------------------------------------------------------

  /**
   * The two pages, both in use, change places. Straight-line: a thread is never stopped between the stores. A relocation
   * exchanges many, so the epoch is its to bump, once, at the end.
   */
  exchange(pageA: number, pageB: number): void {
    const frame = this.table[pageA];
    this.table[pageA] = this.table[pageB];
    this.table[pageB] = frame;
  }

  /** `target` becomes a copy-on-write copy of `source`; both are in use. Throws `OUT_OF_FRAMES`, with nothing changed. */
  alias(target: number, source: number): void {
    this.aliasMany([target], [source]);
  }

  /**
   * The same for one page of many that a kernel copies: false, with nothing changed, where no frame is to spare. The epoch is
   * the caller's to bump, once for all of them.
   */
  aliasOne(target: number, source: number): boolean {
    const { frames, table, references } = this;
    assert(this.inUse(target) && this.inUse(source), 'a page is aliased that nobody owns');
    frames.lock();
    const frame = table[source];
    const old = table[target];
    // Only a source that was not shared yet costs a frame, or the promise of one.
    const isFree = frame === old || frame === ZERO || references[frame] !== 1 || this.mayPromiseOne();
    if (isFree && frame !== old) {
      if (frame !== ZERO) references[frame]++;
      this.remap(target, frame);
      // Whom the target shared its old frame with has it alone again. If that is the page that was aliased last, as in an
      // exchange through a third page, its promise is known to be free; for others it is found out by counting.
      if (old !== ZERO && references[old] === 1 && table[this.lastTarget] === old) frames.reserved -= 1;
      this.lastTarget = target;
    }
    frames.unlock();
    return isFree;
  }

  /** Promises one more frame, if there is one to promise. Lock held. */
  private mayPromiseOne(): boolean {
    const { frames } = this;
    if (frames.reserved >= frames.free) frames.reserved = this.countShared();
    if (frames.reserved >= frames.free) return false;
    frames.reserved += 1;
    return true;
  }

  /**
   * Each of `targets`, in order, becomes a copy-on-write copy of the page at the same index of `sources`; all are in use.
   * Throws `OUT_OF_FRAMES`, with nothing changed.
   */
  aliasMany(targets: ArrayLike<number>, sources: ArrayLike<number>): void {
    const { frames, table, references } = this;
    const count = targets.length;
    assert(sources.length === count, `${count} targets for ${sources.length} sources`);
    for (let i = 0; i < count; i++) {
      assert(this.inUse(targets[i]) && this.inUse(sources[i]), 'a page is aliased that nobody owns');
    }
    frames.lock();
    try {
      // A target that loses a frame of its own gives back the very frame it may need; only a source can cost one.
      let unshared = 0;
      for (let i = 0; i < count; i++) {
        if (table[targets[i]] !== table[sources[i]] && !this.isShared(sources[i])) unshared++;
      }
      this.promise(unshared);
      for (let i = 0; i < count; i++) {
        const frame = table[sources[i]];
        if (frame === table[targets[i]]) continue;
        if (frame !== ZERO) references[frame]++;
        this.remap(targets[i], frame);
      }
    } finally {
      frames.unlock();
    }
    this.bumpEpoch();
  }

  /** The pages [first, end) become zeros without a frame of their own. Never fails: every frame given up is promised back. */
  zero(first: number, end: number = first + 1): void {
    assert(first >= 0 && end <= this.pageCount, 'pages are zeroed that are not there');
    this.frames.lock();
    for (let page = first; page < end; page++) {
      if (this.table[page] !== ZERO) this.remap(page, ZERO);
    }
    this.frames.unlock();
    this.bumpEpoch();
  }

  /** The page gives up its frame for a shared one; a frame it had alone comes free and is promised to its next store. */
  private remap(page: number, frame: number): void {
    const old = this.table[page];
    if (this.references[old] === 1) this.frames.reserved += 1;
    this.table[page] = frame;
    this.frames.drop(old);
  }

  // ---- the promise to stores --------------------------------------------------------------------------------------

  /**
   * Promises `count` more frames to stores. Lock held. Throws `OUT_OF_FRAMES` with nothing changed if the free frames do not
   * cover them, even when counted again.
   */
  promise(count: number): void {
    const { frames } = this;
    if (frames.reserved + count > frames.free) frames.reserved = this.countShared();
    const spare = frames.free - frames.reserved;
    if (count > spare) {
      throw new KjumpError('OUT_OF_FRAMES', `${count} frames are needed and ${spare} are spare`, {
        why: 'every shared page must be able to get a frame of its own, so that no store can ever fail',
        fix: 'release captures, unload kernels, or create the machine with more spare memory',
        details: { needed: count, free: frames.free, reserved: frames.reserved },
      });
    }
    frames.reserved += count;
  }

  /** Pages whose next store needs a frame: all of RAM, and the hidden pages that are in use. */
  countShared(): number {
    let shared = 0;
    for (let page = 0; page < this.ramPages; page++) if (this.isShared(page)) shared++;
    const hidden = this.live[LIVE.hiddenHigh];
    for (let index = 0; index < hidden; index++) {
      if (this.hiddenOwners[index] !== 0 && this.isShared(this.ramPages + index)) shared++;
    }
    return shared;
  }

  /** RAM, or a hidden page that serves a kernel. */
  inUse(page: number): boolean {
    return (
      page >= 0 && page < this.pageCount && (page < this.ramPages || this.hiddenOwners[page - this.ramPages] !== 0)
    );
  }
}

/** Calls `part(page, offsetWithin, length, done)` for every page that [physAddr, physAddr + length) touches. */
function forEachPagePart(
  physAddr: number,
  length: number,
  part: (page: number, within: number, length: number, done: number) => void,
): void {
  let address = physAddr;
  for (let done = 0; done < length; ) {
    const within = address & OFFSET_MASK;
    const size = Math.min(SIZE - within, length - done);
    part(address >>> SHIFT, within, size, done);
    done += size;
    address += size;
  }
}
