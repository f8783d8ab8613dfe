// SPDX-License-Identifier: MIT
//
// Captures: the whole machine at one instant, in microseconds. A capture shares every mapped frame and copies the records
// (clock, CPU, devices, kernel slots, what is typed to them, hidden-page owners) and the page table. It is stored in frames of
// the pool itself, in a chain that starts in the live words, so that it outlives any thread and every frame in use can be
// accounted for from the buffer alone. A capture's number is its root frame.
//
// Root frame: the words of ROOT, then the numbers of the table frames and of the record frames. Made and restored by the
// owner of the CPU; read and released by any thread. A capture stays in the chain, with what it still lists, until its
// release is complete: so nothing is lost if the thread that releases it dies on the way.
import { assert, KjumpError } from './errors.ts';
import { ZERO_FRAME } from './frames.ts';
import { LIVE } from './layout/live-words.ts';
import type { MachineMemory } from './machine-memory.ts';
import type { PhysicalMemory } from './physical-memory.ts';
import { PAGE_SIZE } from './units.ts';

const MAGIC = 0x54504143; // 'CAPT'
/** The magic of a capture that is being released. */
const LEAVING = 0x5456414c; // 'LAVT'
const ROOT = {
  magic: 0,
  next: 1,
  /** Pages in the table: RAM, and the hidden pages that had ever been used. */
  pages: 2,
  /** Of these, the pages that were in use: a restore must be able to give each a frame of its own. */
  used: 3,
  tableFrames: 4,
  recordFrames: 5,
  recordBytes: 6,
  /** Key of the thread that releases it. */
  releaser: 7,
  list: 8,
} as const;
const WORDS = PAGE_SIZE / 4;
/** Releasing holds the pool lock for this many pages at a time, so that the owner's stores never wait long. Divides WORDS. */
const RELEASE_BATCH = 512;

/** The number of a capture's root frame. */
export type CaptureId = number;

export class Captures {
  private readonly machine: MachineMemory;
  private readonly memory: PhysicalMemory;
  private readonly live: Int32Array;
  private readonly words: Int32Array;
  private readonly recordsStart: number;
  private readonly fixedRecordBytes: number;
  private readonly frameWord: number;

  constructor(machine: MachineMemory, memory: PhysicalMemory) {
    this.machine = machine;
    this.memory = memory;
    this.live = machine.words('live');
    this.words = machine.i32;
    this.recordsStart = machine.region('clock').offset;
    this.fixedRecordBytes = machine.region('hidden-owners').offset - this.recordsStart;
    this.frameWord = memory.frames.base >>> 2;
  }

  /**
   * Captures the machine. Owner of the CPU only. Throws `OUT_OF_FRAMES`, with nothing changed, unless every mapped page can
   * still get a frame of its own afterwards.
   */
  create(): CaptureId {
    const { memory, live } = this;
    const { frames } = memory;
    const hidden = live[LIVE.hiddenHigh];
    const pages = memory.ramPages + hidden;
    const recordBytes = this.fixedRecordBytes + hidden;
    const tableFrames = Math.ceil(pages / WORDS);
    const recordFrames = Math.ceil(recordBytes / PAGE_SIZE);
    assert(ROOT.list + tableFrames + recordFrames <= WORDS, 'the capture does not fit its root frame');
    frames.lock();
    try {
      const used = this.pagesInUse();
      const own = 1 + tableFrames + recordFrames;
      if (used + own > frames.free) throw outOfFrames('a capture', used + own, frames.free);
      const root = frames.take();
      const at = this.frameWord + root * WORDS;
      this.words.fill(0, at, at + WORDS);
      this.words[at + ROOT.magic] = MAGIC;
      this.words[at + ROOT.pages] = pages;
      this.words[at + ROOT.used] = used;
      this.words[at + ROOT.tableFrames] = tableFrames;
      this.words[at + ROOT.recordFrames] = recordFrames;
      this.words[at + ROOT.recordBytes] = recordBytes;
      for (let i = 0; i < tableFrames; i++) {
        const frame = frames.take();
        this.words[at + ROOT.list + i] = frame;
        this.words.set(
          memory.table.subarray(i * WORDS, Math.min((i + 1) * WORDS, pages)),
          this.frameWord + frame * WORDS,
        );
      }
      for (let i = 0; i < recordFrames; i++) {
        const frame = frames.take();
        this.words[at + ROOT.list + tableFrames + i] = frame;
        const from = this.recordsStart + i * PAGE_SIZE;
        const to = Math.min(from + PAGE_SIZE, this.recordsStart + recordBytes);
        this.machine.u8.copyWithin(frames.offsetOf(frame), from, to);
      }
      shareAll(memory.table, frames.references, pages);
      frames.reserved = used;
      this.words[at + ROOT.next] = live[LIVE.poolCaptures];
      live[LIVE.poolCaptures] = root;
      return root;
    } finally {
      frames.unlock();
      memory.bumpEpoch();
    }
  }

  /** All of RAM and the hidden pages that serve a kernel. */
  private pagesInUse(): number {
    const { hiddenOwners, ramPages } = this.memory;
    const hidden = this.live[LIVE.hiddenHigh];
    let used = ramPages;
    for (let index = 0; index < hidden; index++) if (hiddenOwners[index] !== 0) used++;
    return used;
  }

  /**
   * Puts memory and records back as the capture has them; the capture stays. Owner of the CPU only. Throws `OUT_OF_FRAMES`,
   * with nothing changed, unless every page can still get a frame of its own afterwards.
   */
  restore(capture: CaptureId): void {
    const { memory, live } = this;
    const { frames, table } = memory;
    const { references } = frames;
    const root = this.rootWord(capture);
    const pages = this.words[root + ROOT.pages];
    const used = this.words[root + ROOT.used];
    frames.lock();
    try {
      const mapped = memory.ramPages + live[LIVE.hiddenHigh];
      const freed = unshareAll(table, references, mapped);
      if (used > frames.free + freed) {
        shareAll(table, references, mapped);
        throw outOfFrames('this restore', used, frames.free + freed);
      }
      // If the thread dies below, the next restore must know of every page that may map a frame.
      if (pages > mapped) live[LIVE.hiddenHigh] = pages - memory.ramPages;
      this.forEachTableFrame(root, (listed, count, first) => {
        shareAll(listed, references, count);
        table.set(listed.subarray(0, count), first);
      });
      if (mapped > pages) table.fill(ZERO_FRAME, pages, mapped);
      memory.hiddenOwners.fill(0, 0, live[LIVE.hiddenHigh]);
      this.copyRecordsOut(root, this.machine.u8.subarray(this.recordsStart));
      live[LIVE.hiddenHigh] = pages - memory.ramPages;
      frames.rebuildStack();
      frames.reserved = used;
    } finally {
      frames.unlock();
      memory.bumpEpoch();
    }
  }

  /** Gives the capture's frames back. Any thread. */
  release(capture: CaptureId): void {
    const { frames } = this.memory;
    const root = this.rootWord(capture);
    frames.lock();
    this.words[root + ROOT.releaser] = frames.key;
    this.words[root + ROOT.magic] = LEAVING;
    frames.unlock();
    this.finishRelease(capture);
  }

  /** The table is given up from its end, a batch at a time: what `pages` still counts is what the capture still shares. */
  private finishRelease(capture: CaptureId): void {
    const { words } = this;
    const { frames } = this.memory;
    const root = this.wordOf(capture);
    for (let left = words[root + ROOT.pages]; left > 0; ) {
      const first = Math.floor((left - 1) / RELEASE_BATCH) * RELEASE_BATCH;
      const at = this.wordOf(words[root + ROOT.list + Math.floor(first / WORDS)]) + (first % WORDS);
      frames.lock();
      for (let i = 0; i < left - first; i++) frames.drop(words[at + i]);
      left = words[root + ROOT.pages] = first;
      frames.unlock();
    }
    frames.lock();
    this.unlink(capture);
    const listed = words[root + ROOT.tableFrames] + words[root + ROOT.recordFrames];
    for (let i = 0; i < listed; i++) frames.drop(words[root + ROOT.list + i]);
    frames.drop(capture);
    frames.unlock();
  }

  /** Every capture there is, newest first. Any thread. */
  list(): CaptureId[] {
    const { frames } = this.memory;
    frames.lock();
    const found = this.chain().filter((root) => this.words[this.wordOf(root) + ROOT.magic] === MAGIC);
    frames.unlock();
    return found;
  }

  /** Physical pages that the capture maps: RAM first, then hidden pages. */
  pageCount(capture: CaptureId): number {
    return this.words[this.rootWord(capture) + ROOT.pages];
  }

  /** Frame of a page; pages above `pageCount` had never been used and are zeros. */
  frameOf(capture: CaptureId, page: number): number {
    const root = this.rootWord(capture);
    if (page >= this.words[root + ROOT.pages]) return ZERO_FRAME;
    const table = this.words[root + ROOT.list + Math.floor(page / WORDS)];
    return this.words[this.wordOf(table) + (page % WORDS)];
  }

  /** The page's bytes as they lie in the buffer: never changed while the capture lives. */
  viewOfPage(capture: CaptureId, page: number): Uint8Array {
    const start = this.memory.frames.offsetOf(this.frameOf(capture, page));
    return this.machine.u8.subarray(start, start + PAGE_SIZE);
  }

  /** A copy of the records: clock, cpu, devices, slots, inputs, hidden-page owners, at their offsets from the region `clock`. */
  records(capture: CaptureId): Uint8Array {
    const root = this.rootWord(capture);
    const bytes = new Uint8Array(this.words[root + ROOT.recordBytes]);
    this.copyRecordsOut(root, bytes);
    return bytes;
  }

  private copyRecordsOut(root: number, target: Uint8Array): void {
    const tableFrames = this.words[root + ROOT.tableFrames];
    const bytes = this.words[root + ROOT.recordBytes];
    for (let done = 0, i = 0; done < bytes; done += PAGE_SIZE, i++) {
      const start = this.memory.frames.offsetOf(this.words[root + ROOT.list + tableFrames + i]);
      target.set(this.machine.u8.subarray(start, start + Math.min(PAGE_SIZE, bytes - done)), done);
    }
  }

  // ---- accounts ---------------------------------------------------------------------------------------------------

  /**
   * Puts the pool right after the thread with this key died, wherever it was: inherits its lock, counts again, completes the
   * releases it had begun. The host calls it before another thread takes over the slot. True if the thread died in the lock.
   */
  recover(deadKey: number): boolean {
    const { frames } = this.memory;
    const held = frames.inheritLock(deadKey);
    if (held) this.rebuild();
    else frames.lock();
    const begun = this.chain().filter((root) => {
      const at = this.wordOf(root);
      return this.words[at + ROOT.magic] === LEAVING && this.words[at + ROOT.releaser] === deadKey;
    });
    frames.unlock();
    for (const capture of begun) this.finishRelease(capture);
    // It may have moved frames and died before it said so.
    this.memory.bumpEpoch();
    return held;
  }

  /** Makes counts, free frames and promises right again from the page table and the captures. Lock held. */
  private rebuild(): void {
    const { frames } = this.memory;
    frames.references.set(this.expectedReferences());
    frames.rebuildStack();
    frames.reserved = this.memory.countShared();
  }

  /** What the reference count of every frame must be: one a page that maps it, one a capture that lists or is stored in it. */
  private expectedReferences(): Int32Array {
    const { memory, words } = this;
    const expected = new Int32Array(memory.frames.count);
    shareAll(memory.table, expected, memory.pageCount);
    for (const capture of this.chain()) {
      const root = this.wordOf(capture);
      expected[capture]++;
      const listed = words[root + ROOT.tableFrames] + words[root + ROOT.recordFrames];
      for (let i = 0; i < listed; i++) expected[words[root + ROOT.list + i]]++;
      this.forEachTableFrame(root, (table, count) => shareAll(table, expected, count));
    }
    return expected;
  }

  /** Every contradiction in the accounts of the pool, as text; empty when every frame is accounted for. */
  audit(): string[] {
    const { frames } = this.memory;
    const faults: string[] = [];
    const expected = this.expectedReferences();
    let used = 0;
    for (let frame = 0; frame < frames.count; frame++) {
      if (expected[frame] !== 0) used++;
      if (expected[frame] !== frames.references[frame]) {
        faults.push(`frame ${frame} has ${frames.references[frame]} references, ${expected[frame]} are known`);
      }
    }
    if (used + frames.free !== frames.count - 1) {
      faults.push(`${used} used and ${frames.free} free of ${frames.count - 1}`);
    }
    const shared = this.memory.countShared();
    if (frames.reserved < shared) faults.push(`${frames.reserved} frames promised, ${shared} may be needed`);
    if (frames.free < frames.reserved) faults.push(`${frames.free} frames free, ${frames.reserved} promised`);
    return faults;
  }

  // ---- the chain --------------------------------------------------------------------------------------------------

  /** The roots of all captures, also of those that are being released. Lock held, or nobody else running. */
  private chain(): CaptureId[] {
    const found: CaptureId[] = [];
    for (let root = this.live[LIVE.poolCaptures]; root !== ZERO_FRAME; ) {
      found.push(root);
      root = this.words[this.wordOf(root) + ROOT.next];
    }
    return found;
  }

  /** Takes the capture out of the chain; its root is void from here on. Lock held. */
  private unlink(capture: CaptureId): void {
    const next = this.words[this.wordOf(capture) + ROOT.next];
    if (this.live[LIVE.poolCaptures] === capture) this.live[LIVE.poolCaptures] = next;
    else {
      const before = this.chain().find((other) => this.words[this.wordOf(other) + ROOT.next] === capture);
      assert(before !== undefined, 'a capture is not in the chain');
      this.words[this.wordOf(before) + ROOT.next] = next;
    }
  }

  /** First word of a frame. */
  private wordOf(frame: number): number {
    return this.frameWord + frame * WORDS;
  }

  private rootWord(capture: CaptureId): number {
    const at = this.wordOf(capture);
    assert(this.words[at + ROOT.magic] === MAGIC, 'the frame is not the root of a capture');
    return at;
  }

  private forEachTableFrame(root: number, visit: (table: Int32Array, count: number, firstPage: number) => void): void {
    const pages = this.words[root + ROOT.pages];
    for (let first = 0, i = 0; first < pages; first += WORDS, i++) {
      const at = this.wordOf(this.words[root + ROOT.list + i]);
      visit(this.words.subarray(at, at + WORDS), Math.min(WORDS, pages - first), first);
    }
  }
}

/** One more reference for each of the first `count` frames that a table lists. */
function shareAll(table: Int32Array, references: Int32Array, count: number): void {
  for (let i = 0; i < count; i++) {
    const frame = table[i];
    if (frame !== ZERO_FRAME) references[frame]++;
  }
}

/** One reference less for each of them; returns how many frames have none left. Those are not on the free stack yet. */
function unshareAll(table: Int32Array, references: Int32Array, count: number): number {
  let freed = 0;
  for (let i = 0; i < count; i++) {
    const frame = table[i];
    if (frame !== ZERO_FRAME && --references[frame] === 0) freed++;
  }
  return freed;
}

function outOfFrames(what: string, needed: number, free: number): KjumpError {
  return new KjumpError('OUT_OF_FRAMES', `${what} needs ${needed} free frames and ${free} are free`, {
    why: 'every page in use must be able to get a frame of its own, so that no store can ever fail',
    fix: 'release captures, unload kernels, or create the machine with more spare memory',
    details: { needed, free },
  });
}
