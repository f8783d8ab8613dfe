// SPDX-License-Identifier: MIT
//
// A snapshot: a capture with a name, to read, compare, go back to, or write to a file while the machine runs on.
import { createHash } from 'node:crypto';
import type { CaptureId, Captures } from '../shared/captures.ts';
import { KjumpError } from '../shared/errors.ts';
import { PAGE_SIZE } from '../shared/units.ts';
import { checkOptions, checkSpan, wholeNumber } from './options.ts';

/** What a snapshot can ask of its machine. */
export interface SnapshotHost {
  readonly captures: Captures;
  restore(snapshot: Snapshot): Promise<void>;
  save(snapshot: Snapshot, path: string): Promise<{ bytes: number; pages: number }>;
  release(capture: CaptureId): Promise<void>;
}

export class Snapshot {
  readonly name: string;
  readonly tick: number;
  /** Microseconds that the capture took. */
  readonly durationUs: number;
  /** When that was, by the host's clock: Unix time in ms. */
  readonly takenAtMs = Date.now();
  private readonly host: SnapshotHost;
  private readonly id: CaptureId;
  private released = false;
  /** Files that are being written from it. */
  private readonly saves = new Set<Promise<unknown>>();

  constructor(host: SnapshotHost, name: string, tick: number, durationUs: number, id: CaptureId) {
    this.host = host;
    this.name = name;
    this.tick = tick;
    this.durationUs = durationUs;
    this.id = id;
  }

  /** The capture behind it. Throws `BAD_STATE` once released. */
  get capture(): CaptureId {
    if (!this.released) return this.id;
    throw new KjumpError('BAD_STATE', `snapshot ${this.name} was released`, {
      why: 'its pages belong to the machine again',
      fix: 'release a snapshot after its last use',
    });
  }

  /** Pages of memory: RAM first, then the orchestrator's hidden pages. */
  get pageCount(): number {
    return this.host.captures.pageCount(this.capture);
  }

  /** True for a snapshot of this machine. */
  isOf(host: SnapshotHost): boolean {
    return this.host === host;
  }

  /** A copy of one page's 4,096 bytes. Throws `BAD_OPTION` for a page that is not below `pageCount`. */
  page(pageIndex: number): Uint8Array {
    checkOptions('snapshot.page', { pageIndex: pageIndex ?? null }, { pageIndex: wholeNumber(0, this.pageCount - 1) });
    return this.host.captures.viewOfPage(this.capture, pageIndex).slice();
  }

  /** A copy of physical memory; what lies above it reads as ones. */
  read(physAddr: number, length: number): Uint8Array {
    checkSpan('snapshot.read', physAddr, length);
    const bytes = new Uint8Array(length).fill(0xff);
    for (let done = 0; done < length; ) {
      const page = Math.floor((physAddr + done) / PAGE_SIZE);
      const within = (physAddr + done) % PAGE_SIZE;
      const size = Math.min(PAGE_SIZE - within, length - done);
      if (page < this.pageCount) {
        bytes.set(this.host.captures.viewOfPage(this.capture, page).subarray(within, within + size), done);
      }
      done += size;
    }
    return bytes;
  }

  /** A copy of the records: clock, CPU, devices, kernel slots, what is typed to them. */
  records(): Uint8Array {
    return this.host.captures.records(this.capture);
  }

  /** SHA-256 over all memory and records: equal for equal machines, in whatever frames the pages lie. */
  digest(): string {
    const hash = createHash('sha256');
    const { captures } = this.host;
    for (let page = 0; page < this.pageCount; page++) {
      if (captures.frameOf(this.capture, page) !== 0) {
        const bytes = captures.viewOfPage(this.capture, page);
        if (!isZero(bytes)) hash.update(`page ${page}\n`).update(bytes);
      }
    }
    return hash.update('records\n').update(this.records()).digest('hex');
  }

  /** Puts the machine back to this instant. */
  restore(): Promise<void> {
    return this.host.restore(this);
  }

  /** Writes it to an image file, while the machine runs on. */
  async save(path: string): Promise<{ bytes: number; pages: number }> {
    const save = this.host.save(this, path);
    this.saves.add(save);
    try {
      return await save;
    } finally {
      this.saves.delete(save);
    }
  }

  /** Gives its pages back, once every save has what it needs of them; a second time does nothing. */
  async release(): Promise<void> {
    if (this.released) return;
    this.released = true;
    await Promise.allSettled(this.saves);
    await this.host.release(this.id);
  }

  /** A handle is its name and tick; the machine behind it is no JSON. */
  toJSON(): { name: string; tick: number } {
    return { name: this.name, tick: this.tick };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}

function isZero(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}
