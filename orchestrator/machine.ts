// SPDX-License-Identifier: MIT
//
// The machine as its user holds it. The machine stands still whenever no call runs it: `boot` and `jump` run it to the first
// instruction of the kernel that comes in, `run` as far as its limits say. While it stands the host owns the CPU, and loads,
// captures and compares; nothing here executes a guest instruction.
import { EventEmitter } from 'eventemitter3';
import type { CaptureId, Captures } from '../shared/captures.ts';
import { KjumpError } from '../shared/errors.ts';
import type { KernelSlot } from '../shared/kernel-slot.ts';
import { dependents, endKernel, parkedIn } from '../shared/kexec/ending.ts';
import { KernelState, type KernelStateName } from '../shared/lifecycle.ts';
import type { ThreadDescription } from '../shared/protocol.ts';
import { parseSize } from '../shared/units.ts';
import { callRoutine, checkCall, type PhysicalCall, type PhysicalCallResult, readPages } from './calling.ts';
import { Conductor } from './conductor.ts';
import type { ConsoleLog } from './console-log.ts';
import { deathInMachine } from './death/machine-death.ts';
import type { DeathReport } from './death-report.ts';
import { diffSnapshots, type SnapshotDiff } from './diff.ts';
import type { MachineEvents, RunReport, StopReport, SwitchReport } from './events.ts';
import type { RunLimits } from './execution.ts';
import { writeImage } from './images/hibernation.ts';
import { type Inspection, inspectMachine } from './inspect.ts';
import { enterFromHost, inNeutralMemory, type JumpOptions, requestJump, setBootCpu } from './jumping.ts';
import { type ImageOptions, Kernel, type KernelHost, type PlaceOptions } from './kernel.ts';
import { loadProgram } from './loaders/load-program.ts';
import type { MachineParts } from './machine-parts.ts';
import { drawMemory } from './memory-map.ts';
import { checkOptions, checkPath, checkSpan, linuxParameters, wholeNumber } from './options.ts';
import { checkName, imageOptions, prepareKernel } from './place-options.ts';
import {
  locatePages,
  overlapsAnother,
  placeAsImage,
  placeAside,
  placeAtHome,
  placeClone,
  unloadImage,
} from './placing.ts';
import {
  carriesTheMachine,
  isOver,
  keepsParked,
  leftByItself,
  noDeathReport,
  nothingToRun,
  notOfThisMachine,
  refused,
  requireState,
  stillHasMachine,
} from './refusals.ts';
import { type AppliedPolicy, applyClonePolicy, type ClonePolicy, checkClonePolicy } from './resume-policy.ts';
import { Snapshot, type SnapshotHost } from './snapshot.ts';
import { stopReport } from './trace-reader.ts';

export interface RunOptions extends RunLimits {
  /** Stops the run at a slice boundary; the call rejects with `ABORTED`. */
  readonly signal?: AbortSignal;
}

const SIGNAL = (value: unknown): string | null => (value instanceof AbortSignal ? null : 'an AbortSignal');
const RUN_CHECKS = {
  ticks: wholeNumber(0, Number.MAX_SAFE_INTEGER),
  steps: wholeNumber(0, 2 ** 31 - 1),
  switches: wholeNumber(0, 2 ** 31 - 1),
  signal: SIGNAL,
};

export class Machine extends EventEmitter<MachineEvents> implements KernelHost, SnapshotHost {
  private readonly parts: MachineParts;
  private readonly conductor: Conductor;
  private readonly handles = new Map<number, Kernel>();

  /** What the machine was resumed with: given as a policy, it makes the same machine of the image again. Null for a new one. */
  readonly resumedWith: AppliedPolicy | null;

  /** Use `createMachine` or `resumeMachine`. */
  constructor(parts: MachineParts, resumedWith: AppliedPolicy | null = null) {
    super();
    this.parts = parts;
    this.resumedWith = resumedWith;
    this.conductor = new Conductor(parts, this);
  }

  // ---- kernels ----------------------------------------------------------------------------------------------------

  /** Every kernel there is, in the order of their slots. */
  get kernels(): Kernel[] {
    return this.parts.slots.filter((slot) => slot.state !== KernelState.EMPTY).map((slot) => this.handle(slot));
  }

  /** The kernel that has the machine; null before the first one is booted. */
  get current(): Kernel | null {
    const slot = this.parts.currentSlot;
    return slot === null || slot.state === KernelState.EMPTY ? null : this.handle(slot);
  }

  /** Virtual time, in ticks of a nanosecond. */
  get now(): number {
    return this.parts.clock.nowTick();
  }

  /** Switches since power-on. */
  get switches(): number {
    return this.parts.clock.switches;
  }

  /**
   * Puts a kernel into memory and runs it to the end of its `start`. It may store to all of RAM unless a window is given. Throws
   * `BAD_STATE` while another kernel has the machine, and what loading throws.
   */
  async boot(file: string | URL, options: PlaceOptions = {}): Promise<Kernel> {
    const { program, windows, name } = await this.prepare('boot', file, options, true);
    return this.held(async () => {
      const { parts } = this;
      const before = parts.currentSlot;
      if (before !== null && !isOver(before)) throw stillHasMachine(before.name, 'use machine.load and machine.jump');
      this.reclaimSlot();
      const slot = inNeutralMemory(parts, before, () => placeAtHome(parts, program, name, windows));
      parts.clock.current = slot.index;
      parts.clock.foreground = slot.index;
      setBootCpu(parts, slot);
      await this.conductor.burst({ steps: 0 });
      return this.handle(slot);
    });
  }

  /**
   * Loads a kernel beside the others: any kernel can be followed by it, and it by any. Its window (default 1M to 16M) is
   * exchanged whenever it comes or goes, unless no other kernel's window overlaps it: then it stays where it is.
   */
  async load(file: string | URL, options: PlaceOptions = {}): Promise<Kernel> {
    const { program, windows, name } = await this.prepare('load', file, options, false);
    return this.held(() => {
      this.reclaimSlot();
      const place = overlapsAnother(this.parts.slots, windows) ? placeAside : placeAtHome;
      return this.handle(place(this.parts, program, name, windows));
    });
  }

  async loadImage(loader: Kernel, file: string | URL, options: ImageOptions): Promise<Kernel> {
    const { preserve, place } = imageOptions(options);
    const { program, windows, name } = await this.prepare('kernel.load', file, place, false);
    return this.held(() => {
      const slot = requireState(loader, 'load', LIVING);
      this.reclaimSlot();
      return this.handle(placeAsImage(this.parts, slot, program, name, windows, preserve));
    });
  }

  unloadImage(loader: Kernel): Promise<void> {
    return this.held(() => unloadImage(this.parts, requireState(loader, 'unload', LIVING)));
  }

  clone(original: Kernel, name: string, policy: ClonePolicy): Promise<Kernel> {
    return this.held(() => {
      checkClonePolicy(policy);
      checkName(name, this.names());
      const slot = requireState(original, 'clone', LIVING);
      if (slot.get('selfParked') !== 0) throw leftByItself(original.name);
      this.reclaimSlot();
      const copy = placeClone(this.parts, slot, name, this.parts.currentSlot);
      applyClonePolicy(this.parts, copy, policy);
      return this.handle(copy);
    });
  }

  remove(kernel: Kernel): Promise<void> {
    return this.held(async () => {
      const slot = requireState(kernel, 'remove', ['LOADED', 'PARKED', 'OFF', 'CRASHED']);
      const { memory, hidden, slots, currentSlot } = this.parts;
      const lost = dependents(slots, slot);
      if (slot === currentSlot) throw stillHasMachine(kernel.name, 'jump to another kernel first');
      if (currentSlot !== null && lost.includes(currentSlot)) throw carriesTheMachine(kernel.name, currentSlot.name);
      const [parked] = parkedIn(memory, slots, slot);
      if (parked !== undefined) throw keepsParked(kernel.name, parked.name);
      for (const gone of [slot, ...lost]) await this.conductor.detach(gone.index);
      endKernel(memory, hidden, slots, slot);
    });
  }

  readKernel(kernel: Kernel, physAddr: number, length: number): Promise<Uint8Array> {
    return this.held(() => {
      checkSpan('kernel.read', physAddr, length);
      const pageOf = locatePages(this.parts, kernel.slot, this.parts.currentSlot);
      return readPages(this.parts, pageOf, physAddr, length);
    });
  }

  // ---- running ----------------------------------------------------------------------------------------------------

  /** Runs the machine until a limit, the end of the kernel that has it, or `pause`. */
  async run(options: RunOptions = {}): Promise<RunReport> {
    this.conductor.requireOpen();
    checkOptions('run', options, RUN_CHECKS);
    const { signal, ...limits } = options;
    return this.conductor.run(limits, signal);
  }

  /** The same, in slices of virtual time until `done` says so between two of them. */
  async runUntil(
    done: () => boolean,
    { ticks, signal }: { readonly ticks: number; readonly signal?: AbortSignal },
  ): Promise<RunReport> {
    return this.conductor.runUntil(done, ticks, signal);
  }

  /** Stops a run at the next slice boundary; the run settles with the reason `requested`. */
  pause(): void {
    this.conductor.pause();
  }

  /**
   * `kexec -e` in the kernel that has the machine: to `target`, or else where its loaded image says, or else back to whoever was
   * here before. Settles when the target has come up. Throws `JUMP_REFUSED` or `PM_TEST`, and the old kernel goes on, or
   * `KERNEL_CRASHED`.
   */
  jump(target: Kernel | string | null = null, options: JumpOptions = {}): Promise<SwitchReport> {
    return this.held(async () => {
      const leaver = this.parts.currentSlot;
      if (leaver === null) throw nothingToRun(null);
      const to = target === null ? null : this.find(target).slot;
      const over = isOver(leaver);
      this.conductor.reader.forgetJump();
      if (over) {
        enterFromHost(this.parts, leaver, to);
        const { cpu, currentSlot } = this.parts;
        currentSlot?.noteArrival(leaver.index, this.now, cpu.eip, cpu.eflags);
        this.conductor.reader.enteredFromHost(leaver, to, this.now);
      } else requestJump(leaver, to, options);
      await this.conductor.burst({ switches: over ? -1 : 1, steps: 0 });
      const { lastRefusal, lastSwitch } = this.conductor.reader;
      if (lastSwitch === null) throw refused(lastRefusal, leaver, options.failAt !== undefined);
      return lastSwitch;
    });
  }

  /** Calls a function at a physical address from the kernel that has the machine, paging off, and comes back. */
  async callPhysical(file: string | URL, call: PhysicalCall): Promise<PhysicalCallResult> {
    checkCall(call);
    const at = parseSize(call.at, 'at');
    const program = await loadProgram(file, { base: at, at, routine: true });
    return this.held(() => {
      this.reclaimSlot();
      return callRoutine(this.parts, program, call, async (caller) => {
        this.conductor.reader.forgetJump();
        await this.conductor.burst({ switches: 2 });
        if (this.conductor.reader.lastSwitch === null) throw refused(this.conductor.reader.lastRefusal, caller);
      });
    });
  }

  // ---- snapshots and images ---------------------------------------------------------------------------------------

  /** The whole machine at this instant, copy-on-write. A run under way pauses for it. */
  snapshot(name: string): Promise<Snapshot> {
    return this.held(() => {
      const started = performance.now();
      const id = this.parts.captures.create();
      return new Snapshot(this, name, this.now, (performance.now() - started) * 1000, id);
    });
  }

  /** Puts memory, CPU, devices and kernels back to a snapshot. Kernels that came later are gone. */
  restore(snapshot: Snapshot): Promise<void> {
    return this.held(() => {
      const { captures, clock, slots, ownership } = this.parts;
      const { generation } = clock;
      captures.restore(this.own(snapshot).capture);
      // Threads drop what they derived from the bytes when the generation is not the one they know.
      clock.generation = generation + 1;
      for (const slot of slots) ownership.ring(slot.index);
    });
  }

  /** A closed machine has nothing to give back to. */
  async release(capture: CaptureId): Promise<void> {
    if (!this.conductor.isClosed) await this.held(() => this.parts.captures.release(capture));
  }

  diff(before: Snapshot, after: Snapshot): SnapshotDiff {
    return diffSnapshots(this.parts.machine, this.parts.captures, this.own(before), this.own(after));
  }

  async save(snapshot: Snapshot, path: string): Promise<{ bytes: number; pages: number }> {
    checkPath('save', path);
    const { capture } = this.own(snapshot);
    const { machine, memory, captures, options } = this.parts;
    return writeImage(path, machine, memory, captures, capture, { options, takenAtMs: snapshot.takenAtMs });
  }

  get captures(): Captures {
    return this.parts.captures;
  }

  /** Writes the whole machine to an image file, atomically; `resumeMachine` goes on from it, in another process too. */
  async hibernate(path: string): Promise<{ bytes: number; pages: number }> {
    checkPath('hibernate', path);
    const snapshot = await this.snapshot('hibernate');
    try {
      return await snapshot.save(path);
    } finally {
      await snapshot.release();
    }
  }

  // ---- looking ----------------------------------------------------------------------------------------------------

  /** Everything that is known of the machine, as plain data. */
  inspect(): Promise<Inspection> {
    return this.held(() => inspectMachine(this.parts));
  }

  /** A picture of physical memory: whose contents are where. `width` is in cells. */
  memoryMap(width?: number): Promise<string> {
    return this.held(() => {
      checkOptions('memoryMap', { width }, { width: wholeNumber(1, 1000) });
      return drawMemory(this.parts, width);
    });
  }

  consoleLog(kernel: Kernel): ConsoleLog {
    return this.conductor.reader.logOf(kernel.slot.index);
  }

  typeTo(kernel: Kernel, bytes: Uint8Array): number {
    this.conductor.requireOpen();
    return this.conductor.type(kernel.slot.index, bytes);
  }

  describeThread(kernel: Kernel): Promise<ThreadDescription> {
    return this.conductor.callThread(kernel.slot.index, (control) => control.describe());
  }

  deathReport(kernel: Kernel): Promise<DeathReport> {
    return this.held(() => {
      const report = deathInMachine(this.parts, kernel.slot, kernel.name);
      if (report === null) throw noDeathReport(kernel);
      return report;
    });
  }

  stopReport(kernel: Kernel): StopReport {
    return stopReport(kernel.slot, kernel.name, this.now);
  }

  // ---- ends -------------------------------------------------------------------------------------------------------

  async powerCut(kernel: Kernel): Promise<void> {
    await this.conductor.kill(kernel.slot.index);
  }

  /** Ends every thread. What was not saved is gone. */
  close(): Promise<void> {
    return this.conductor.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ---- helpers ----------------------------------------------------------------------------------------------------

  private held<T>(work: () => Promise<T> | T): Promise<T> {
    return this.conductor.held(work);
  }

  private prepare(what: string, file: string | URL, options: PlaceOptions, whole: boolean) {
    this.conductor.requireOpen();
    const { memory, options: machineOptions } = this.parts;
    const place = { ramPages: memory.ramPages, hardware: linuxParameters(machineOptions) };
    return prepareKernel(what, file, options, place, whole, this.names());
  }

  private names(): string[] {
    return this.kernels.map(({ name }) => name);
  }

  /** The snapshot, if it is one of this machine. Throws `BAD_STATE`. */
  private own(snapshot: Snapshot): Snapshot {
    if (snapshot instanceof Snapshot && snapshot.isOf(this)) return snapshot;
    throw notOfThisMachine('the snapshot', 'take one with machine.snapshot()');
  }

  /** The kernel with this handle or name. Throws `NO_SUCH_KERNEL`, or `BAD_STATE` for a kernel of another machine. */
  find(kernel: Kernel | string): Kernel {
    if (kernel instanceof Kernel) {
      if (kernel.slot === this.parts.slots[kernel.index]) return kernel;
      throw notOfThisMachine(`kernel ${kernel.name}`, 'name a kernel of machine.kernels');
    }
    const found = this.kernels.find(({ name }) => name === kernel);
    if (found !== undefined) return found;
    throw new KjumpError('NO_SUCH_KERNEL', `there is no kernel ${JSON.stringify(kernel)}`, {
      why: `the kernels are ${this.names().join(', ') || 'none'}`,
      fix: 'load it first',
    });
  }

  private handle(slot: KernelSlot): Kernel {
    const known = this.handles.get(slot.index);
    if (known?.means(slot)) return known;
    const handle = new Kernel(this, slot);
    this.handles.set(slot.index, handle);
    return handle;
  }

  /** Kernels that are over keep their slot, to be looked at, until another needs it. */
  private reclaimSlot(): void {
    const { memory, slots, hidden, currentSlot } = this.parts;
    if (slots.some((slot) => slot.state === KernelState.EMPTY)) return;
    const needed = (slot: KernelSlot) => dependents(slots, slot).length + parkedIn(memory, slots, slot).length > 0;
    const over = slots.find((slot) => isOver(slot) && slot !== currentSlot && !needed(slot));
    if (over !== undefined) endKernel(memory, hidden, slots, over);
  }
}

const LIVING: readonly KernelStateName[] = ['RUNNING', 'PARKED', 'LOADED'];
