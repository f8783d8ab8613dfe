// SPDX-License-Identifier: MIT
//
// What the two sides say to each other beside the bytes: the task that attaches a thread to a kernel slot, the signals a thread
// sends, and the control interface (Comlink) for inspection. Everything that decides is in the bytes; these only start, wake
// and describe.

/** Fixed for the life of a machine; every thread gets the same. */
export interface ThreadOptions {
  /** The thread is replaced at every switch, so that state outside the bytes is lost. */
  readonly amnesia: boolean;
  /** Loads that a thread spins before it blocks, and how many threads may spin at once. */
  readonly spins: number;
  readonly maxSpinners: number;
  /** `copy` relocates with the three copies of Linux instead of exchanging frames. */
  readonly relocation: 'exchange' | 'copy';
  /** `strict` reproduces what Linux 6.1 leaves undone. */
  readonly mode: 'repaired' | 'strict';
  readonly clock: 'virtual' | 'realtime';
  /** Machine code is not translated. */
  readonly interpret: boolean;
  /** Host file behind the first disk; none is no disk. */
  readonly disk: string | null;
  /** Host file behind the second disk; none is no disk. */
  readonly secondDisk: string | null;
  /** The disks are virtio block devices, and not on the ATA channels. */
  readonly virtio: boolean;
  /** Unix seconds that the RTC shows at tick 0. */
  readonly rtcSeconds: number;
  /** `process.hrtime` in µs when the machine was made: the zero of the wall clock in traces. */
  readonly wallZero: number;
}

/** One task of the pool: the life of a thread in a slot. Both ports are transferred. */
export interface KernelTask<Port = unknown> {
  readonly memory: WebAssembly.Memory;
  readonly slot: number;
  readonly options: ThreadOptions;
  /** Comlink, pumped while the thread blocks. */
  readonly control: Port;
  /** Signals to the host. */
  readonly signals: Port;
}

/** How a task ends: the kernel is over, or the thread left its slot and another may attach. */
export type TaskResult = 'ended' | 'detached';

/** From a thread to the host; the bytes say the rest. */
export type Signal =
  /** The thread serves its slot. */
  | { readonly kind: 'attached'; readonly threadId: number }
  /** The CPU was given back to the host. */
  | { readonly kind: 'stopped' }
  /** The CPU was given to a kernel that has no thread, or has none any more. */
  | { readonly kind: 'attach'; readonly slot: number }
  /** The trace ring fills. */
  | { readonly kind: 'drain' };

/** The control interface that a thread exposes through Comlink. */
export interface KernelControl {
  describe(): ThreadDescription;
}

export interface ThreadDescription {
  readonly threadId: number;
  readonly slot: number;
  readonly engine: string;
  readonly heapUsedBytes: number;
  readonly wakes: number;
  readonly slices: number;
}
