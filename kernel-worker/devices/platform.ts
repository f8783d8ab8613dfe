// SPDX-License-Identifier: MIT
// The root of the device tree, as Linux's platform_bus: it has no registers and no bytes, but it is the parent that every
// device of the board waits for on the way up and is waited for by on the way down.
import type { Device, PmCallbacks } from './device.ts';

export class Platform implements Device {
  readonly name = 'platform';
  readonly parent = null;
  readonly pm: PmCallbacks = {};

  reset(): void {}

  deadlineTick(): number {
    return Number.POSITIVE_INFINITY;
  }

  onDeadline(): void {}

  busyReason(): null {
    return null;
  }
}
