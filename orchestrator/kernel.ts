// SPDX-License-Identifier: MIT
//
// A kernel as the user holds it: a name, a state, and what can be asked of it. The kernel itself is in the bytes; this object
// knows the slot and which life of the slot it means, so that a handle of a kernel that is gone says so.
import { KjumpError } from '../shared/errors.ts';
import { generationText } from '../shared/identity.ts';
import type { KernelSlot, PageWindow } from '../shared/kernel-slot.ts';
import { kernelBase, windowAround } from '../shared/kexec/typescript-image.ts';
import type { WindowSpec } from '../shared/kexec/windows.ts';
import { KernelState, type KernelStateName, stateName } from '../shared/lifecycle.ts';
import type { ThreadDescription } from '../shared/protocol.ts';
import type { Size } from '../shared/units.ts';
import { type ConsoleHost, KernelConsole } from './console.ts';
import type { DeathReport } from './death-report.ts';
import type { StopReport } from './events.ts';
import type { Initrd, ModuleOption } from './loaders/program.ts';
import type { ClonePolicy } from './resume-policy.ts';

export interface PlaceOptions {
  readonly name?: string;
  /** `[start, end)`: the pages the kernel may store to, and that a switch exchanges. */
  readonly window?: WindowSpec;
  /** Windows that all kernels which declare them see alike. */
  readonly shared?: readonly WindowSpec[];
  /** For a flat binary: its load address, and its entry if that is another. */
  readonly at?: Size;
  readonly entry?: Size;
  /** For a multiboot kernel: its command line, and the modules that are loaded with it. */
  readonly cmdline?: string;
  readonly modules?: readonly ModuleOption[];
  /** For a bzImage: the kernel's command line, and its initial RAM disk. */
  readonly append?: string;
  readonly initrd?: Initrd;
}

export interface ImageOptions extends PlaceOptions {
  /** `--load-preserve-context` (default), or a plain kexec that this kernel does not come back from. */
  readonly preserve?: boolean;
}

/** What a kernel handle can ask of its machine. */
export interface KernelHost extends ConsoleHost {
  loadImage(loader: Kernel, file: string | URL, options: ImageOptions): Promise<Kernel>;
  unloadImage(loader: Kernel): Promise<void>;
  clone(original: Kernel, name: string, policy: ClonePolicy): Promise<Kernel>;
  remove(kernel: Kernel): Promise<void>;
  readKernel(kernel: Kernel, physAddr: number, length: number): Promise<Uint8Array>;
  describeThread(kernel: Kernel): Promise<ThreadDescription>;
  powerCut(kernel: Kernel): Promise<void>;
  stopReport(kernel: Kernel): StopReport;
  deathReport(kernel: Kernel): Promise<DeathReport>;
}

export class Kernel {
  readonly name: string;
  /** Index of its slot. */
  readonly index: number;
  /** Its console, for a script that waits for what it writes and answers. */
  readonly console: KernelConsole;
  private readonly host: KernelHost;
  private readonly slotOf: KernelSlot;
  private readonly life: number;

  constructor(host: KernelHost, slot: KernelSlot) {
    this.host = host;
    this.slotOf = slot;
    this.index = slot.index;
    this.console = new KernelConsole(host, this);
    this.name = slot.name;
    this.life = slot.get('life');
  }

  /** The slot, while this kernel is in it. Throws `NO_SUCH_KERNEL` for a kernel that is gone. */
  get slot(): KernelSlot {
    if (this.isGone) {
      throw new KjumpError('NO_SUCH_KERNEL', `kernel ${this.name} is gone`, {
        why: 'it was removed, unloaded or replaced, or a restore went back to before it was loaded',
        fix: 'load it again, or look at machine.kernels',
      });
    }
    return this.slotOf;
  }

  get isGone(): boolean {
    return this.slotOf.state === KernelState.EMPTY || this.slotOf.get('life') !== this.life;
  }

  /** True if this handle is of the kernel that is in the slot now. */
  means(slot: KernelSlot): boolean {
    return !this.isGone && slot === this.slotOf;
  }

  /** `EMPTY` once the kernel is gone. */
  get state(): KernelStateName {
    return this.isGone ? 'EMPTY' : stateName(this.slotOf.state);
  }

  get windows(): readonly PageWindow[] {
    return this.slot.windows;
  }

  /** First address that is a TypeScript kernel's own (`k.base`): behind its entry page and page bitmap. */
  get base(): number {
    const entry = this.slot.address('entry');
    const window = windowAround(this.slot.windows, entry);
    return kernelBase(entry, window.endPage - window.firstPage);
  }

  /** Which system this is, 32 hexadecimal digits: what it reads at ports 0x5F0 to 0x5FF, or as `k.generationId`. */
  get generationId(): string {
    return generationText(this.slot.generationId);
  }

  /** `/sys/kernel/kexec_loaded`. */
  get kexecLoaded(): boolean {
    return this.slot.kexecImage.loaded;
  }

  /** How the kernel ended. */
  get stop(): StopReport {
    return this.host.stopReport(this);
  }

  /**
   * Why it died, for machine code that crashed, while it still has the machine. `formatDeathReport` makes text of it. Throws
   * `BAD_STATE` if there is nothing to report.
   */
  deathReport(): Promise<DeathReport> {
    return this.host.deathReport(this);
  }

  /**
   * kexec_load(2) in this kernel: an image that its next jump enters. A second load replaces the first, and the kernel in it.
   * Throws `KEXEC_LOAD` with Linux's errno, and what `Machine.load` throws.
   */
  load(file: string | URL, options: ImageOptions = {}): Promise<Kernel> {
    return this.host.loadImage(this, file, options);
  }

  /** Drops the loaded image, and with it the kernel that it carried. Without one it does nothing. */
  unload(): Promise<void> {
    return this.host.unloadImage(this);
  }

  /** The same system once more, parked, copy-on-write; with a generation id and random numbers of its own, unless the policy says not. */
  clone(name: string, policy: ClonePolicy = {}): Promise<Kernel> {
    return this.host.clone(this, name, policy);
  }

  /** Ends a kernel that does not have the CPU and gives its pages back. */
  remove(): Promise<void> {
    return this.host.remove(this);
  }

  /** A copy of the kernel's physical memory, wherever its pages are now. */
  read(physAddr: number, length: number): Promise<Uint8Array> {
    return this.host.readKernel(this, physAddr, length);
  }

  /** A word of its physical memory, signed. */
  async read32(physAddr: number): Promise<number> {
    const bytes = await this.read(physAddr, 4);
    return new DataView(bytes.buffer).getInt32(0, true);
  }

  /** Its thread: id, engine, heap, counters. Throws `THREAD_DIED` if it has none. */
  describeThread(): Promise<ThreadDescription> {
    return this.host.describeThread(this);
  }

  /** Ends its thread at once, wherever it is. A parked kernel loses nothing; a running one is CRASHED. */
  powerCut(): Promise<void> {
    return this.host.powerCut(this);
  }

  /** A handle is its name and state; the machine behind it is no JSON. */
  toJSON(): { name: string; state: KernelStateName } {
    return { name: this.name, state: this.state };
  }
}
