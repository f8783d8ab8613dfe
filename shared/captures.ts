// SPDX-License-Identifier: MIT
//
// Captures: the whole machine at one instant, in microseconds. A capture shares every mapped frame and copies the records
// (clock, CPU, devices, kernel slots, hidden-page owners) and the page table. It is stored in frames of the pool itself, in a
// chain that starts in the live words, so that it outlives any thread and every frame in use can be accounted for from the
// buffer alone. A capture's number is its root frame.
//
// Root frame: a word each for magic, next root, pages, table frames, record frames, record bytes; then the numbers of the
// table frames and of the record frames. Made and restored by the owner of the CPU; read and released by any thread.
import { assert, KjumpError } from './errors.ts';
import { ZERO_FRAME } from './frames.ts';
import { LIVE } from './layout/live-words.ts';
import type { MachineMemory } from './machine-memory.ts';
import type { PhysicalMemory } from './physical-memory.ts';
import { PAGE_SIZE } from './units.ts';

const MAGIC = 0x54504143; // 'CAPT'
const ROOT = { magic: 0, next: 1, pages: 2, tableFrames: 3, recordFrames: 4, recordBytes: 5, list: 6 } as const;
const WORDS = PAGE_SIZE / 4;
/** Releasing holds the pool lock for this many frames at a time, so that the owner's stores never wait long. */
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
      const promised = this.promiseEverything(1 + tableFrames + recordFrames);
      const root = frames.take();
      const at = this.frameWord + root * WORDS;
      this.words.fill(0, at, at + WORDS);
      this.words[at + ROOT.magic] = MAGIC;
      this.words[at + ROOT.pages] = pages;
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
      shareAll(memory.table, memory.frames.references, pages);
      frames.reserved = promised;
      this.words[at + ROOT.next] = live[LIVE.poolCaptures];
      live[LIVE.poolCaptures] = root;
      return root;
    } finally {
      frames.unlock();
      memory.bumpEpoch();
    }
  }

  /** Frames to promise once every page in use is shared; refuses unless they are there beside `own` for the capture. */
  private promiseEverything(own: number): number {
    const { memory } = this;
    let used = memory.ramPages;
    const hidden = this.live[LIVE.hiddenHigh];
    for (let index = 0; index < hidden; index++) if (memory.hiddenOwners[index] !== 0) used++;
    const { free } = memory.frames;
    if (used + own > free) {
      throw new KjumpError('OUT_OF_FRAMES', `a capture needs ${used + own} free frames and ${free} are free`, {
        why: 'after a capture every page is shared, and each must be able to get a frame of its own',
        fix: 'release captures, unload kernels, or create the machine with more spare memory',
        details: { needed: used + own, free },
      });
    }
    return used;
  }

  /** Puts memory and records back as the capture has them; the capture stays. Owner of the CPU only. */
  restore(capture: CaptureId): void {
    const { memory, live } = this;
    const { frames } = memory;
    const root = this.rootWord(capture);
    const pages = this.words[root + ROOT.pages];
    frames.lock();
    try {
      // Share what the capture holds before dropping what is mapped, so that no frame in both is freed in between.
      this.forEachTableFrame(root, (table, count) => shareAll(table, frames.references, count));
      const inUse = memory.ramPages + live[LIVE.hiddenHigh];
      for (let page = 0; page < inUse; page++) frames.drop(memory.table[page]);
      this.forEachTableFrame(root, (table, count, first) => memory.table.set(table.subarray(0, count), first));
      if (inUse > pages) memory.table.fill(ZERO_FRAME, pages, inUse);
      const owners = memory.hiddenOwners;
      owners.fill(0, 0, live[LIVE.hiddenHigh]);
      this.copyRecordsOut(capture, this.machine.u8.subarray(this.recordsStart));
      live[LIVE.hiddenHigh] = pages - memory.ramPages;
      frames.reserved = memory.countShared();
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
    this.unlink(capture);
    const tableFrames = this.words[root + ROOT.tableFrames];
    const listed = tableFrames + this.words[root + ROOT.recordFrames];
    const list = this.words.slice(root + ROOT.list, root + ROOT.list + listed);
    const pages = this.words[root + ROOT.pages];
    frames.drop(capture);
    frames.unlock();
    for (let i = 0; i < listed; i++) {
      const frame = list[i];
      if (i < tableFrames) this.dropListed(frame, Math.min(WORDS, pages - i * WORDS));
      frames.lock();
      frames.drop(frame);
      frames.unlock();
    }
  }

  private dropListed(tableFrame: number, count: number): void {
    const { frames } = this.memory;
    const at = this.frameWord + tableFrame * WORDS;
    for (let first = 0; first < count; first += RELEASE_BATCH) {
      frames.lock();
      const end = Math.min(first + RELEASE_BATCH, count);
      for (let i = first; i < end; i++) frames.drop(this.words[at + i]);
      frames.unlock();
    }
  }

  /** Every capture there is, newest first. */
  list(): CaptureId[] {
    const found: CaptureId[] = [];
    for (let root = this.live[LIVE.poolCaptures]; root !== ZERO_FRAME; ) {
      found.push(root);
      root = this.words[this.rootWord(root) + ROOT.next];
    }
    return found;
  }

  /** Physical pages that the capture maps: RAM first, then hidden pages. */
  pageCount(capture: CaptureId): number {
    return this.words[this.rootWord(capture) + ROOT.pages];
  }

  frameOf(capture: CaptureId, page: number): number {
    const table = this.words[this.rootWord(capture) + ROOT.list + Math.floor(page / WORDS)];
    return this.words[this.frameWord + table * WORDS + (page % WORDS)];
  }

  /** The page's bytes as they lie in the buffer: never changed while the capture lives. */
  viewOfPage(capture: CaptureId, page: number): Uint8Array {
    const start = this.memory.frames.offsetOf(this.frameOf(capture, page));
    return this.machine.u8.subarray(start, start + PAGE_SIZE);
  }

  /** A copy of the records: clock, cpu, devices, slots, hidden-page owners, at their offsets from the region `clock`. */
  records(capture: CaptureId): Uint8Array {
    const bytes = new Uint8Array(this.words[this.rootWord(capture) + ROOT.recordBytes]();
    this.copyRecordsOut(capture, bytes);
    return bytes;
  }

  private copyRecordsOut(capture: CaptureId, target: Uint8Array): void {
    const root = this.rootWord(capture);
    const tableFrames = this.words[root + ROOT.tableFrames];
    const bytes = this.words[root + ROOT.recordBytes];
    for (let done = 0, i = 0; done < bytes; done += PAGE_SIZE, i++) {
      const frame = this.words[root + ROOT.list + tableFrames + i];
      const start = this.memory.frames.offsetOf(frame);
      target.set(this.machine.u8.subarray(start, start + Math.min(PAGE_SIZE, bytes - done)), done);
    }
  }

  // ---- accounts ---------------------------------------------------------------------------------------------------

  /** What the reference count of every frame must be: one a page that maps it, one a capture that lists or is stored in it. */
  expectedReferences(): Int32Array {
    const { memory } = this;
    const expected = new Int32Array(memory.frames.count);
    shareAll(memory.table, expected, memory.pageCount);
    for (const capture of this.list()) {
      const root = this.rootWord(capture);
      expected[capture]++;
      const listed = this.words[root + ROOT.tableFrames] + this.words[root + ROOT.recordFrames];
      for (let i = 0; i < listed; i++) expected[this.words[root + ROOT.list + i]]++;
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
    for (let frame = 1; frame < frames.count; frame++) {
      if (expected[frame] !== 0) used++;
      if (expected[frame] !== frames.references[frame]) {
        faults.push(`frame ${frame} has ${frames.references[frame]} references, ${expected[frame]} are known`);
      }
    }
    if (used + frames.free !== frames.count - 1)
      faults.push(`${used} used and ${frames.free} free of ${frames.count - 1}`);
    const shared = this.memory.countShared();
    if (frames.reserved < shared) faults.push(`${frames.reserved} frames promised, ${shared} may be needed`);
    if (frames.free < frames.reserved) faults.push(`${frames.free} frames free, ${frames.reserved} promised`);
    return faults;
  }

  /** Makes counts, free frames and promises right again from the page table and the captures: after a thread died inside. */
  rebuild(): void {
    const { frames } = this.memory;
    frames.references.set(this.expectedReferences());
    frames.references[ZERO_FRAME] = 0;
    frames.rebuildStack();
    frames.reserved = this.memory.countShared();
    this.memory.bumpEpoch();
  }

  private rootWord(capture: CaptureId): number {
    const at = this.frameWord + capture * WORDS;
    assert(this.words[at + ROOT.magic] === MAGIC, `frame ${capture} is not a capture`);
    return at;
  }

  private forEachTableFrame(root: number, visit: (table: Int32Array, count: number, firstPage: number) => void): void {
    const pages = this.words[root + ROOT.pages];
    const tableFrames = this.words[root + ROOT.tableFrames];
    for (let i = 0; i < tableFrames; i++) {
      const at = this.frameWord + this.words[root + ROOT.list + i] * WORDS;
      visit(this.words.subarray(at, at + WORDS), Math.min(WORDS, pages - i * WORDS), i * WORDS);
    }
  }

  /** Takes the capture out of the chain; its root is void from here on. Lock held. */
  private unlink(capture: CaptureId): void {
    const root = this.rootWord(capture);
    const next = this.words[root + ROOT.next];
    if (this.live[LIVE.poolCaptures] === capture) this.live[LIVE.poolCaptures] = next;
    else {
      const before = this.list().find((other) => this.words[this.rootWord(other) + ROOT.next] === capture);
      assert(before !== undefined, `capture ${capture} is not in the chain`);
      this.words[this.rootWord(before) + ROOT.next] = next;
    }
    this.words[root + ROOT.magic] = 0;
  }
}

/** One more reference for each of the first `count` frames that a table lists. */
function shareAll(table: Int32Array, references: Int32Array, count: number): void {
  for (let i = 0; i < count; i++) {
    const frame = table[i];
    if (frame !== ZERO_FRAME) references[frame]++;
  }
}
