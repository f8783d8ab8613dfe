// SPDX-License-Identifier: MIT
//
// npx tsx test/campaigns/bad-guests.ts [instructions] [seed] [mode]: random bytes as code, in every mode of the CPU, over random
// registers, segments, tables and devices. Whatever such a guest does, there is no JavaScript error, no store outside its window (what
// lies around it, in RAM, in hidden pages and in the machine's own tables, is looked at after every few guests), and no slice that
// takes longer than its budget of time. A guest that ends is followed by the next; each can be had again by its seed.
// Prints what it saw as JSON; exit code 1 if anything does not hold.
import { pathToFileURL } from 'node:url';
import { EngineStop } from '../../kernel-worker/engines/engine.ts';
import { ConsoleRing } from '../../shared/console-ring.ts';
import { HiddenPages } from '../../shared/hidden-pages.ts';
import { Request } from '../../shared/jump-lines.ts';
import { CPU } from '../../shared/layout/cpu-state.ts';
import { KERNEL_SLOT_BYTES } from '../../shared/machine-memory.ts';
import type { Signal } from '../../shared/protocol.ts';
import { StopCode } from '../../shared/stop.ts';
import { TraceRing } from '../../shared/trace-ring.ts';
import { PAGE_SIZE } from '../../shared/units.ts';
import { Pc } from '../i386/pc.ts';
import { BAD_MODES, type BadMode, dressUp, FIRST_PAGE, WINDOW_END } from './bad-guest-modes.ts';
import { randomFrom } from './random.ts';

const RAM_PAGES = 512;
/** Hidden pages of another kernel: they begin right behind RAM. */
const FOREIGN_PAGES = 64;
/** Most guests end or go in circles soon; now and then one may have a whole slice. */
const BUDGET = 2000;
const LONG_BUDGET = 50_000;
/** Of the CPU, not of the wall, which others slow down. The slowest instructions compare 4,096 bytes each, one by one. */
const LONGEST_SLICE_MS = 5000;
const GUESTS_BETWEEN_CHECKS = 50;

export interface BadGuestsReport {
  readonly ok: boolean;
  readonly mode: BadMode;
  readonly instructions: number;
  readonly guests: number;
  /** Guests by what ended them. */
  readonly ends: Readonly<Record<string, number>>;
  readonly longestSliceMs: number;
  readonly faults: readonly string[];
}

export function badGuests(mode: BadMode, instructions: number, seed: number): BadGuestsReport {
  const den = new Den();
  const faults: string[] = [];
  const ends: Record<string, number> = {};
  let done = 0;
  let guests = 0;
  let longestSliceMs = 0;
  while (done < instructions && faults.length < 10) {
    const guest = guestSeed(seed, guests++);
    const before = den.pc.slot.steps;
    const started = process.cpuUsage();
    let end = 'an error';
    try {
      end = den.run(mode, guest);
    } catch (error) {
      faults.push(`guest ${guest}: ${error instanceof Error ? error.stack : String(error)}`);
      // Whatever an error has left behind is not the next guest's.
      den.renew();
    }
    const { user, system } = process.cpuUsage(started);
    const sliceMs = (user + system) / 1000;
    if (sliceMs > LONGEST_SLICE_MS) faults.push(`guest ${guest}: ${Math.round(sliceMs)} ms`);
    longestSliceMs = Math.max(longestSliceMs, sliceMs);
    ends[end] = (ends[end] ?? 0) + 1;
    done += Math.max(1, den.pc.slot.steps - before);
    if (guests % GUESTS_BETWEEN_CHECKS === 0) faults.push(...den.check(guest));
  }
  faults.push(...den.check(guestSeed(seed, guests - 1)));
  const ok = faults.length === 0;
  return { ok, mode, instructions: done, guests, ends, longestSliceMs: Math.round(longestSliceMs), faults };
}

const guestSeed = (seed: number, guest: number): number =>
  (Math.imul(seed, 0x9e3779b1) + Math.imul(guest, 0x85ebca6b)) >>> 0;

/** The machine in which bad guests live, and what must not change around them. */
class Den {
  pc: Pc = this.makePc();
  private canaries: readonly Uint8Array[] = [];

  constructor() {
    this.renew();
  }

  private makePc(): Pc {
    // What devices say must be taken away, or they wait for room.
    return new Pc({ memory: RAM_PAGES * PAGE_SIZE, spare: '1M' }, (signal) => this.hear(signal));
  }

  private hear({ kind }: Signal): void {
    if (kind !== 'drain') return;
    const { machine } = this.pc.parts;
    new TraceRing(machine).drain(() => {});
    const console = new ConsoleRing(machine, 0);
    console.read(console.unread);
  }

  renew(): void {
    this.pc = this.makePc();
    const { machine, memory } = this.pc.parts;
    new HiddenPages(machine, memory).allocate(FOREIGN_PAGES, 1);
    const canary = Uint8Array.from({ length: PAGE_SIZE }, (_, i) => (i * 37 + (i >>> 8)) & 0xff);
    for (const page of this.guarded()) memory.write(page * PAGE_SIZE, canary);
    this.pc.slot.windows = [{ firstPage: FIRST_PAGE, endPage: WINDOW_END, shared: false }];
    this.canaries = this.surroundings();
  }

  private guarded(): number[] {
    return Array.from({ length: RAM_PAGES + FOREIGN_PAGES }, (_, page) => page).filter(
      (page) => page < FIRST_PAGE || page >= WINDOW_END,
    );
  }

  /** Everything around the window that a store of the guest must not reach. */
  private surroundings(): Uint8Array[] {
    const { machine, memory } = this.pc.parts;
    const otherSlots = machine.region('slots').offset + KERNEL_SLOT_BYTES;
    return [
      ...this.guarded().map((page) => memory.read(page * PAGE_SIZE, PAGE_SIZE)),
      machine.bytes('header').slice(),
      machine.u8.slice(otherSlots, machine.region('hidden-owners').offset),
      machine.bytes('hidden-owners').slice(),
    ];
  }

  /** What is wrong with the surroundings, or with the accounts of frames. */
  check(guest: number): string[] {
    const now = this.surroundings();
    const changed = now.findIndex((bytes, i) => Buffer.compare(bytes, this.canaries[i]) !== 0);
    const faults = this.pc.parts.captures.audit().map((what) => `up to guest ${guest}: ${what}`);
    if (changed < 0) return faults;
    const page = this.guarded()[changed];
    this.canaries = now;
    return [
      ...faults,
      `up to guest ${guest}: ${page === undefined ? 'the machine’s tables have' : `page ${page} has`} changed`,
    ];
  }

  /** One guest, for a slice at most: what ended it. */
  run(mode: BadMode, seed: number): string {
    const { pc } = this;
    pc.slot.setStop(StopCode.none, 0, '');
    pc.slot.set('request', Request.none);
    for (const device of pc.board.devices) device.reset();
    pc.board.touchDeadlines();
    dressUp(pc, mode, randomFrom(seed));
    pc.engine.invalidate();
    const stop = pc.run(seed % 64 === 0 ? LONG_BUDGET : BUDGET);
    if (stop === EngineStop.stopped)
      return pc.slot.get('stopCode') === StopCode.windowViolation ? 'window' : 'triple fault';
    if (stop === EngineStop.deadlock) return 'halted';
    if (pc.board.debugExit.requested) return 'exit';
    if (pc.slot.get('request') !== Request.none) return 'jump';
    return pc.r[CPU.halted / 4] === 0 ? 'budget' : 'waits';
  }
}

async function main(): Promise<void> {
  const [instructions = 10_000_000, seed = 1] = process.argv.slice(2, 4).map(Number);
  const modes = process.argv[4] === undefined ? BAD_MODES : BAD_MODES.filter((mode) => mode === process.argv[4]);
  const started = performance.now();
  const reports = modes.map((mode) => {
    const report = badGuests(mode, instructions, seed);
    console.log(JSON.stringify(report));
    return report;
  });
  const ok = reports.every((report) => report.ok);
  console.log(JSON.stringify({ ok, seconds: Math.round((performance.now() - started) / 1000) }));
  process.exitCode = ok ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main().catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
}
