// SPDX-License-Identifier: MIT
// What every device is to the rest of the machine: a class over its slice of the device records. Nothing but the bytes
// holds its state, so a second object over the same bytes goes on where the first one stopped. Power-management callbacks
// are named after Linux's struct dev_pm_ops and struct syscore_ops (include/linux/pm.h, include/linux/syscore_ops.h).
import type { Errno } from '../../shared/errno.ts';

export interface Clock {
  /** Virtual time: 1 tick = 1 ns, a float64 that holds an integer, never running backwards. */
  nowTick(): number;
}

/** What every device's constructor needs; a device that interrupts adds its line. */
export interface DeviceParts {
  readonly view: DataView;
  /** Byte offset of this device's record in `view`. */
  readonly base: number;
  readonly clock: Clock;
}

/** The level of an interrupt request line, as the device drives it. */
export type InterruptLine = (level: boolean) => void;

/** Guest-physical memory, as a device reads and writes it by itself. Addresses are what a driver gave: any number up to 2^64. */
export interface DeviceMemory {
  /** Whether all of it is RAM; only then may the others be called. */
  holds(physAddr: number, length: number): boolean;
  /** Whether the kernel that has the machine may store there. If not, it is stopped: `device` is who would have stored. */
  mayStore(device: string, physAddr: number, length: number): boolean;
  read16(physAddr: number): number;
  /** Signed. */
  read32(physAddr: number): number;
  readInto(physAddr: number, target: Uint8Array): void;
  write16(physAddr: number, value: number): void;
  write32(physAddr: number, value: number): void;
  write(physAddr: number, bytes: Uint8Array): void;
}

/**
 * Every callback may be absent: the device then takes no part in that phase. A callback keeps what it must remember in
 * the device's bytes, and the way up clears it again: down and up at the same tick leaves the bytes as they were.
 */
export interface PmCallbacks {
  readonly prepare?: () => Errno;
  readonly freeze?: () => Errno;
  readonly freezeLate?: () => Errno;
  readonly freezeNoirq?: () => Errno;
  readonly thawNoirq?: () => Errno;
  readonly thawEarly?: () => Errno;
  readonly thaw?: () => Errno;
  readonly restoreNoirq?: () => Errno;
  readonly restoreEarly?: () => Errno;
  readonly restore?: () => Errno;
  readonly complete?: () => Errno;
  readonly suspendSyscore?: () => Errno;
  readonly resumeSyscore?: () => Errno;
  readonly shutdown?: () => void;
  /**
   * A new system starts on the hardware as the one before left it: forget what was saved for that one's way back
   * (its own copy of the bytes, parked before, still has it), and drive the lines as the registers say.
   */
  readonly inherit?: () => void;
  /** May be called out of the list's order, but never before its children (down) or its parent (up) are done. */
  readonly async?: boolean;
}

export interface Device {
  readonly name: string;
  /** Name of the parent in the device tree, null for a root. */
  readonly parent: string | null;
  readonly pm: PmCallbacks;
  /** Writes the power-on values into the bytes. */
  reset(): void;
  /** The next tick at which `onDeadline` must run; Infinity for none. */
  deadlineTick(): number;
  /** Does everything that is due at or before `nowTick`. */
  onDeadline(nowTick: number): void;
  /** Why the device cannot be handed over now, or null if it is quiet. */
  busyReason(): string | null;
}
