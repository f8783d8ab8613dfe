// SPDX-License-Identifier: MIT
//
// Jumps without threads: a machine, a board for each kernel, and the two halves of a jump called one after the other in the
// test's own thread, so that everything can be looked at between them. Kernels are loaded by the orchestrator's own functions
// and by the guest's own kexec; their code is a StillEngine that does nothing, or the engine that really runs them.
import { Board } from '../../kernel-worker/board.ts';
import { type Engine, EngineStop, type EngineStopValue } from '../../kernel-worker/engines/engine.ts';
import { GuestMachine } from '../../kernel-worker/engines/guest/guest-machine.ts';
import { kernelKexec, kernelResume } from '../../kernel-worker/kernel-kexec.ts';
import { type JumpOptions, requestJump, setBootCpu } from '../../orchestrator/jumping.ts';
import { loadTypeScript } from '../../orchestrator/loaders/typescript.ts';
import { MachineParts } from '../../orchestrator/machine-parts.ts';
import { geometryOf, type MachineOptions, resolveOptions } from '../../orchestrator/options.ts';
import { placeAsImage, placeAside, placeAtHome } from '../../orchestrator/placing.ts';
import { freeSlot, type KernelSlot, type PageWindow } from '../../shared/kernel-slot.ts';
import { entryPage } from '../../shared/kexec/typescript-image.ts';
import { EntryKind } from '../../shared/layout/entry-page.ts';
import { SLOT } from '../../shared/layout/kernel-slot.ts';
import { LIVE } from '../../shared/layout/live-words.ts';
import { KERNEL_SLOT_BYTES, MachineMemory } from '../../shared/machine-memory.ts';
import { HOST } from '../../shared/ownership.ts';
import type { ThreadOptions } from '../../shared/protocol.ts';
import { type TraceRecord, TraceRing } from '../../shared/trace-ring.ts';
import { PAGE_SIZE, pageAddress } from '../../shared/units.ts';

export const PAGE = PAGE_SIZE;
/** The module that the kernels of the tests name; only the engine that really runs kernels ever loads it. */
export const MODULE = new URL('../guests/counter.ts', import.meta.url).href;

/** A kernel whose code does nothing, and says what it was asked. */
export class StillEngine implements Engine {
  readonly name = 'still';
  readonly slice = 1;
  /** Answer of its tasks to the freezer. */
  refusal = 0;
  readonly calls: string[] = [];

  enter(): EngineStopValue {
    return EngineStop.budget;
  }
  run(): EngineStopValue {
    return EngineStop.budget;
  }
  flush(): void {}
  invalidate(): void {}
  freezeTasks(): number {
    this.calls.push('freeze');
    return this.refusal;
  }
  thawTasks(): void {
    this.calls.push('thaw');
  }
}

/** Every byte that a refused jump must leave as it was. */
export interface Picture {
  readonly pages: Uint8Array;
  readonly records: Uint8Array;
}

export class JumpBench {
  readonly parts: MachineParts;
  /** Every event since the bench was made, or since `forget`. */
  readonly events: TraceRecord[] = [];
  /** Kernels whose thread the machine has asked for. */
  readonly attached: number[] = [];
  private readonly options: ThreadOptions;
  private readonly ring: TraceRing;
  private readonly boards = new Map<number, Board>();
  private readonly engines = new Map<number, StillEngine>();

  constructor(options: MachineOptions = {}) {
    const resolved = resolveOptions({ memory: '1M', spare: '4M', ...options });
    this.parts = new MachineParts(MachineMemory.create(geometryOf(resolved)), resolved);
    this.parts.memory.format();
    this.parts.clock.current = -1;
    this.parts.clock.foreground = -1;
    this.parts.ownership.live[LIVE.switchesLeft] = -1;
    this.ring = new TraceRing(this.parts.machine);
    const { amnesia, relocation, mode, clock, interpret, disk, secondDisk, virtio, rtcSeconds } = resolved;
    this.options = {
      amnesia,
      spins: 0,
      maxSpinners: 0,
      relocation,
      mode,
      clock,
      interpret,
      disk,
      secondDisk,
      virtio,
      rtcSeconds,
      wallZero: 0,
    };
  }

  get memory() {
    return this.parts.memory;
  }
  get cpu() {
    return this.parts.cpu;
  }
  get current(): KernelSlot {
    return this.parts.slots[this.parts.clock.current];
  }

  /** What the thread of a kernel stands on. */
  board(slot: KernelSlot): Board {
    let board = this.boards.get(slot.index);
    if (board === undefined) {
      board = new Board(this.parts.machine, slot.index, this.options, (signal) => {
        if (signal.kind === 'attach') this.attached.push(signal.slot);
        if (signal.kind === 'drain') this.drain();
      });
      this.boards.set(slot.index, board);
    }
    return board;
  }

  engine(slot: KernelSlot): StillEngine {
    let engine = this.engines.get(slot.index);
    if (engine === undefined) this.engines.set(slot.index, (engine = new StillEngine()));
    return engine;
  }

  /** What the kernel's own code would be given. To be made afresh when somebody else had the machine. */
  guest(slot: KernelSlot): GuestMachine {
    const board = this.board(slot);
    return new GuestMachine(board, board.slots[slot.index]);
  }

  // ---- kernels ----------------------------------------------------------------------------------------------------

  /** A kernel in place, with the machine, past its first entry. Its entry page is the second of its window. */
  boot(name: string, firstPage = 0, endPage = this.memory.ramPages): KernelSlot {
    const window = { firstPage, endPage, shared: false };
    const program = loadTypeScript(MODULE, name, { base: pageAddress(firstPage + 1) });
    const slot = placeAtHome(this.parts, program, name, [window]);
    this.parts.clock.current = slot.index;
    this.parts.clock.foreground = slot.index;
    setBootCpu(this.parts, slot);
    this.board(slot).powerOn();
    this.parts.ownership.giveToKernel(slot.index);
    this.wake();
    return slot;
  }

  /** A kernel of the mesh. */
  load(name: string, firstPage: number, endPage: number, shared: readonly PageWindow[] = []): KernelSlot {
    const program = loadTypeScript(MODULE, name, { base: pageAddress(firstPage) });
    return placeAside(this.parts, program, name, [{ firstPage, endPage, shared: false }, ...shared]);
  }

  /** kexec_load by the orchestrator, for `loader`. */
  loadImage(loader: KernelSlot, name: string, firstPage: number, endPage: number, preserve = true): KernelSlot {
    const program = loadTypeScript(MODULE, name, { base: pageAddress(firstPage) });
    return placeAsImage(this.parts, loader, program, name, [{ firstPage, endPage, shared: false }], preserve);
  }

  /** kexec_load by the kernel itself, in pages of its own; the window's errno. */
  guestLoad(loader: KernelSlot, firstPage: number, endPage: number, preserve = true, routine = false): number {
    const bytes = entryPage({ kind: routine ? EntryKind.routine : EntryKind.kernel, specifier: MODULE });
    const physAddr = pageAddress(firstPage);
    const segments = [{ physAddr, bytes, length: (endPage - firstPage) * PAGE }];
    return this.guest(loader).kexec.load({ entry: physAddr, segments, preserve });
  }

  remove(slot: KernelSlot): void {
    freeSlot(this.parts.hidden, slot);
  }

  // ---- jumps ------------------------------------------------------------------------------------------------------

  /** The leaver's half: 0 if the machine has a new owner that has not woken yet, else the errno of the refusal. */
  depart(to: KernelSlot | null = null, options: JumpOptions = {}, engine?: Engine): number {
    const leaver = this.current;
    requestJump(leaver, to, options);
    return this.departAsAsked(engine);
  }

  /** As `depart`, for what is already in the leaver's slot. */
  departAsAsked(engine: Engine = this.engine(this.current)): number {
    const board = this.board(this.current);
    const errno = kernelKexec(board, board.slots[this.current.index], engine);
    this.drain();
    return errno;
  }

  /** The woken half, by whoever owns the CPU now. */
  wake(engine?: Engine): KernelSlot {
    const { owner } = this.parts.ownership;
    if (owner === HOST) throw new Error('nobody has been given the CPU');
    const slot = this.parts.slots[owner - 1];
    const board = this.board(slot);
    kernelResume(board, board.slots[slot.index], engine ?? this.engine(slot));
    board.touchDeadlines();
    this.drain();
    return slot;
  }

  /** Both halves: 0 or the errno of the refusal. */
  jump(to: KernelSlot | null = null, options: JumpOptions = {}): number {
    const errno = this.depart(to, options);
    if (errno === 0) this.wake();
    return errno;
  }

  // ---- looking ----------------------------------------------------------------------------------------------------

  drain(): void {
    this.ring.drain((record) => this.events.push(record));
  }
  forget(): void {
    this.drain();
    this.events.length = 0;
  }

  page(index: number): Uint8Array {
    return this.memory.read(index * PAGE, PAGE);
  }

  /** The word at ESP. */
  get stackWord(): number {
    return this.memory.read32(this.cpu.esp) >>> 0;
  }

  /** Fills pages with bytes that tell kernel and page from any other. */
  fill(firstPage: number, endPage: number, seed: number): void {
    for (let page = firstPage; page < endPage; page++) this.memory.write(page * PAGE, pattern(seed, page));
  }

  /** Pages of a range that do not hold what `fill` wrote. */
  foreign(firstPage: number, endPage: number, seed: number): number[] {
    const pages: number[] = [];
    for (let page = firstPage; page < endPage; page++) {
      if (Buffer.compare(this.page(page), pattern(seed, page)) !== 0) pages.push(page);
    }
    return pages;
  }

  /** All of RAM and the hidden pages, and the records. */
  picture(): Picture {
    const { machine } = this.parts;
    const start = machine.region('clock').offset;
    const end = machine.region('hidden-owners').offset + machine.geometry.hiddenPages;
    const pages = this.memory.ramPages + this.parts.ownership.live[LIVE.hiddenHigh];
    return { pages: this.memory.read(0, pages * PAGE), records: machine.u8.slice(start, end) };
  }

  /** What is different in two pictures, as text: pages by index, records by region, slots by word. */
  differences(before: Picture, after: Picture): string[] {
    const found: string[] = [];
    const pages = Math.max(before.pages.length, after.pages.length) / PAGE;
    for (let page = 0; page < pages; page++) {
      const of = ({ pages: bytes }: Picture): Uint8Array => bytes.subarray(page * PAGE, (page + 1) * PAGE);
      // A hidden page that had never been used is zeros.
      const [a, b] = [of(before), of(after)].map((bytes) => (bytes.length === 0 ? ZEROS : bytes));
      if (Buffer.compare(a, b) !== 0) found.push(`page ${page}`);
    }
    const { machine } = this.parts;
    const start = machine.region('clock').offset;
    if (Buffer.compare(before.records, after.records) === 0) return found;
    const slots = machine.region('slots');
    before.records.forEach((byte, i) => {
      if (byte === after.records[i]) return;
      const at = start + i;
      const region = machine.regions.findLast(({ offset }) => offset <= at);
      let where = `${region?.name} byte ${at - (region?.offset ?? 0)}`;
      if (at >= slots.offset && at < slots.offset + slots.bytes) {
        const within = (at - slots.offset) % KERNEL_SLOT_BYTES;
        where = `slot ${Math.floor((at - slots.offset) / KERNEL_SLOT_BYTES)} ${wordOfSlot(within)}`;
      }
      if (found.at(-1) !== where) found.push(where);
    });
    return found;
  }
}

/** Bytes that tell page and owner from any other. */
export function pattern(seed: number, page: number): Uint8Array {
  const key = seed * 65536 + page;
  let bytes = patterns.get(key);
  if (bytes === undefined) {
    bytes = Uint8Array.from({ length: PAGE }, (_, i) => (seed * 37 + page * 11 + i * 13 + (i >>> 8) * seed + 1) & 0xff);
    patterns.set(key, bytes);
  }
  return bytes;
}
const patterns = new Map<number, Uint8Array>();
const ZEROS = new Uint8Array(PAGE);

function wordOfSlot(within: number): string {
  const words = Object.entries(SLOT).sort((a, b) => a[1] - b[1]);
  const found = words.findLast(([, offset]) => offset <= within);
  return found === undefined ? `byte ${within}` : found[0];
}
