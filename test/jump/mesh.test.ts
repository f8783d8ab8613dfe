// SPDX-License-Identifier: MIT
//
// Any number of kernels with windows that overlap as they like, loaded by the orchestrator or by one another, jumping to and
// fro: each finds its own memory whenever it has the machine, the orchestrator finds it where it is kept meanwhile, unnamed
// jumps go where the border protocol says, and in the end every page and frame is accounted for.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { locatePages } from '../../orchestrator/placing.ts';
import { KjumpError } from '../../shared/errors.ts';
import { JUMP_LINES } from '../../shared/jump-lines.ts';
import type { KernelSlot } from '../../shared/kernel-slot.ts';
import { dependents, endKernel, parkedIn } from '../../shared/kexec/ending.ts';
import { walkList } from '../../shared/kexec/relocate.ts';
import { KernelState } from '../../shared/lifecycle.ts';
import { JumpBench, PAGE, pattern } from './jump-bench.ts';

const RAM_PAGES = 512;
const MAX_KERNELS = 8;
const LIVING: readonly number[] = [KernelState.LOADED, KernelState.RUNNING, KernelState.PARKED];
const OVER: readonly number[] = [KernelState.OFF, KernelState.CRASHED];

const OPERATIONS = [
  'load',
  'load image',
  'load plain image',
  'load by itself',
  'load plain by itself',
  'jump by name',
  'jump by name',
  'jump by name',
  'jump on',
  'jump on',
  'jump on',
  'jump in vain',
  'remove',
  'capture',
] as const;

interface Operation {
  readonly what: (typeof OPERATIONS)[number];
  readonly x: number;
  readonly y: number;
}

/** What is known of one kernel: one life of one slot. */
interface Known {
  readonly slot: KernelSlot;
  readonly life: number;
  /** Seed of the bytes in each of its pages. */
  readonly pages: Map<number, number>;
  /** Whoever jumped here last and can be gone back to. */
  back: Peer | null;
  /** Where its image goes: 'new' is the kernel in it, not entered yet. */
  next: Peer | 'new' | null;
  /** The kernel that its image carries, once it has a slot. */
  carried: Known | null;
  leftThroughImage: boolean;
}

/** A kernel, and the re-entry address by which it is known; null before it is entered. It may leave by another one since. */
interface Peer {
  readonly kernel: Known;
  readonly reentry: number | null;
}

class Mesh {
  readonly bench: JumpBench;
  private readonly kernels: Known[] = [];
  private readonly captured: number[] = [];
  private seed = 1;

  constructor(relocation: 'exchange' | 'copy') {
    this.bench = new JumpBench({ memory: RAM_PAGES * PAGE, spare: '8M', maxKernels: MAX_KERNELS, relocation });
    this.bench.boot('boot');
    this.look();
  }

  private get slots(): readonly KernelSlot[] {
    return this.bench.parts.slots;
  }

  private know(slot: KernelSlot): Known {
    const life = slot.get('life');
    let known = this.kernels.find((kernel) => kernel.slot === slot && kernel.life === life);
    if (known === undefined) {
      known = { slot, life, pages: new Map(), back: null, next: null, carried: null, leftThroughImage: false };
      this.kernels.push(known);
    }
    return known;
  }

  private isAlive({ slot, life }: Known): boolean {
    return slot.get('life') === life && LIVING.includes(slot.state);
  }

  private get me(): Known {
    return this.know(this.bench.current);
  }

  apply({ what, x, y }: Operation): void {
    const { bench } = this;
    this.makeRoom();
    switch (what) {
      case 'load':
        if (this.hasRoom()) bench.load(this.nextName(), 8 + (x % 380), 68 + (x % 380) + (y % 60));
        break;
      case 'load image':
      case 'load plain image':
        this.loadImage(8 + (x % 380), 30 + (y % 60), what === 'load image');
        break;
      case 'load by itself':
      case 'load plain by itself':
        this.loadByItself(x, 14 + (y % 8), what === 'load by itself');
        break;
      case 'jump by name': {
        const others = this.slots.filter((slot) => slot !== bench.current && LIVING.includes(slot.state));
        if (others.length > 0) this.jump(this.know(others[x % others.length]), true);
        break;
      }
      case 'jump on': {
        const { me } = this;
        const peer = bench.current.kexecImage.loaded ? me.next : me.back;
        if (peer === null || peer === 'new') this.jump(peer, false);
        else {
          const isStale = peer.reentry !== null && peer.reentry !== peer.kernel.slot.address('reentry');
          this.jump(isStale ? null : peer.kernel, false);
        }
        break;
      }
      case 'jump in vain':
        this.jumpInVain(x, y);
        break;
      case 'remove':
        this.remove(x);
        break;
      case 'capture':
        if (this.captured.length < 2) this.captured.push(bench.parts.captures.create());
        break;
    }
    this.look();
  }

  private nextName(): string {
    return `k${this.seed++}`;
  }

  private hasRoom(): boolean {
    return this.slots.some(({ state }) => state === KernelState.EMPTY);
  }

  /** Kernels that are over go, unless something leans on them. */
  private makeRoom(): void {
    const { memory, parts, current } = this.bench;
    for (const slot of this.slots) {
      if (!OVER.includes(slot.state) || slot === current) continue;
      if (dependents(this.slots, slot).length > 0 || parkedIn(memory, this.slots, slot).length > 0) continue;
      endKernel(memory, parts.hidden, this.slots, slot);
    }
  }

  private loadImage(first: number, pages: number, preserve: boolean): void {
    if (!this.hasRoom()) return;
    const { me, bench } = this;
    try {
      me.carried = this.know(bench.loadImage(bench.current, this.nextName(), first, first + pages, preserve));
      me.next = { kernel: me.carried, reentry: null };
    } catch (error) {
      if (!(error instanceof KjumpError)) throw error;
    }
  }

  private loadByItself(x: number, pages: number, preserve: boolean): void {
    const { me, bench } = this;
    const [window] = bench.current.windows;
    const first = window.firstPage + (x % Math.max(1, window.endPage - window.firstPage - pages));
    if (first + pages > window.endPage) return;
    if (bench.guestLoad(bench.current, first, first + pages, preserve) !== 0) return;
    me.next = 'new';
    me.carried = null;
  }

  /** `to` is where the jump must arrive; null, or one who is gone, if it must be refused. */
  private jump(to: Known | 'new' | null, byName: boolean): void {
    const { bench, me } = this;
    const { kexecImage } = bench.current;
    const plainOf = kexecImage.loaded && !kexecImage.preserveContext;
    const named = byName && to !== null && to !== 'new' ? to.slot : null;
    const before = bench.current;
    const there = to === 'new' ? this.hasRoom() : to !== null && to !== me && this.isAlive(to);
    const plain = plainOf && (to === 'new' || to === me.carried);
    const possible = there && (plain ? this.isConfined() : !this.isPlainCargo(to));
    const errno = bench.jump(named);
    expect({ jumps: errno === 0 }).toEqual({ jumps: possible });
    if (errno !== 0) return;
    const arrived = this.me;
    if (to === 'new') me.carried = arrived;
    else expect(arrived.slot.name).toBe((to as Known).slot.name);
    const throughImage = kexecImage.loaded && me.carried === arrived;
    if (plainOf && throughImage) {
      expect(before.state).toBe(KernelState.OFF);
      for (const kernel of this.kernels) if (kernel.carried === me) kernel.carried = arrived;
      return;
    }
    this.noteArrival(me, throughImage);
  }

  /** The border protocol: whoever arrives finds the re-entry of whoever left, and so does the image that it left through. */
  private noteArrival(leaver: Known, throughImage: boolean): void {
    const arrived = this.me;
    const peer = { kernel: leaver, reentry: leaver.slot.address('reentry') };
    leaver.leftThroughImage = throughImage;
    arrived.back = peer;
    if (arrived.leftThroughImage) arrived.next = peer;
    arrived.leftThroughImage = false;
  }

  /** A plain kexec may not store outside what the leaver's home list keeps for others. */
  private isConfined(): boolean {
    const { memory, current } = this.bench;
    if (current.get('homeHead') === 0) return true;
    const own = new Set<number>();
    walkList(memory, current.address('homeHead'), (destination) => own.add(destination));
    return current.kexecImage.segments.every(({ mem, memsz }) => {
      for (let at = mem; at < mem + memsz; at += PAGE) if (!own.has(at)) return false;
      return true;
    });
  }

  /** Waits in the plain image of somebody else. */
  private isPlainCargo(to: Known | 'new' | null): boolean {
    return (
      to !== null &&
      to !== 'new' &&
      to.slot.state === KernelState.LOADED &&
      this.kernels.some((one) => this.isAlive(one) && one.carried === to && !one.slot.kexecImage.preserveContext)
    );
  }

  private jumpInVain(x: number, y: number): void {
    const { bench, me } = this;
    const others = this.slots.filter((slot) => slot !== bench.current && LIVING.includes(slot.state));
    const to = others[x % Math.max(1, others.length)] ?? null;
    const errno = bench.jump(to, { failAt: { line: JUMP_LINES[y % JUMP_LINES.length], page: x % 20, errno: 99 } });
    // With fewer pages to move than that the jump arrives; otherwise nothing has happened.
    if (errno !== 0) return;
    const arrived = this.me;
    if (me.slot.state === KernelState.OFF) {
      for (const kernel of this.kernels) if (kernel.carried === me) kernel.carried = arrived;
    } else this.noteArrival(me, me.slot.kexecImage.loaded && me.carried === arrived);
  }

  private remove(x: number): void {
    const { memory, parts, current } = this.bench;
    const slot = this.slots[x % this.slots.length];
    if (slot === current || slot.state === KernelState.EMPTY) return;
    const lost = dependents(this.slots, slot);
    if (lost.includes(current)) return;
    if ([slot, ...lost].some((one) => parkedIn(memory, this.slots, one).length > 0)) return;
    endKernel(memory, parts.hidden, this.slots, slot);
  }

  /** Everybody's memory is what it last wrote, wherever it is; the kernel that has the machine writes some more. */
  private look(): void {
    const { bench, me } = this;
    const { memory } = bench;
    for (const kernel of this.kernels) {
      if (!this.isAlive(kernel)) continue;
      const pageOf = locatePages(bench.parts, kernel.slot, bench.current);
      for (const [page, seed] of kernel.pages) {
        const same = Buffer.compare(bench.page(pageOf(page)), pattern(seed, page)) === 0;
        expect({ kernel: kernel.slot.name, page, same }).toEqual({ kernel: kernel.slot.name, page, same: true });
      }
    }
    const guest = bench.guest(me.slot);
    if (me.pages.size === 0) {
      for (let i = 0; i < 3; i++) {
        const page = guest.pages.allocate() / PAGE;
        if (page > 0) me.pages.set(page, 0);
      }
    }
    for (const page of me.pages.keys()) {
      const seed = this.seed++ % 251;
      guest.memory.write(page * PAGE, pattern(seed, page));
      me.pages.set(page, seed);
    }
    expect(bench.parts.journal.active).toBe(false);
    expect(memory.frames.free).toBeGreaterThanOrEqual(memory.frames.reserved);
  }

  /** Takes everything down. */
  finish(): void {
    const { parts, memory } = this.bench;
    expect(parts.captures.audit()).toEqual([]);
    for (const slot of this.slots) {
      if (slot.state !== KernelState.EMPTY) endKernel(memory, parts.hidden, this.slots, slot);
    }
    expect([...memory.hiddenOwners].filter((owner) => owner !== 0)).toEqual([]);
    expect(this.slots.every(({ state }) => state === KernelState.EMPTY)).toBe(true);
    for (const capture of this.captured) parts.captures.release(capture);
    expect(parts.captures.audit()).toEqual([]);
  }
}

const operation = fc.record({ what: fc.constantFrom(...OPERATIONS), x: fc.nat(9999), y: fc.nat(9999) });

test.each(['exchange', 'copy'] as const)(
  'kernels in windows that overlap keep their memory through any jumps, and nothing is lost (%s)',
  (relocation) => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 10, maxLength: 60 }), (operations) => {
        const mesh = new Mesh(relocation);
        for (const one of operations) mesh.apply(one);
        mesh.finish();
      }),
      { seed: 2008, numRuns: relocation === 'exchange' ? 60 : 20 },
    );
  },
  60_000,
);
