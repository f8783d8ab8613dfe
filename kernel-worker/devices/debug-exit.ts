// SPDX-License-Identifier: MIT
// Ports 0xF4-0xF7: a guest writes v, of any width, to end the machine with status (v << 1) | 1, as with QEMU's
// isa-debug-exit (hw/misc/debugexit.c). The request is a field (shared/layout/debug-exit-state.ts) that the run loop looks
// at after the step: the device itself stops nothing.
import { DEBUG_EXIT } from '../../shared/layout/debug-exit-state.ts';
import type { Bus } from '../bus.ts';
import type { Device, PmCallbacks } from './device.ts';

const FIRST_PORT = 0xf4;
const LAST_PORT = 0xf7;

export class DebugExit implements Device {
  readonly name = 'debug-exit';
  readonly parent = 'platform';
  readonly pm: PmCallbacks = {};
  private readonly view: DataView;
  private readonly base: number;

  constructor({ view, base }: { view: DataView; base: number }) {
    this.view = view;
    this.base = base;
  }

  attach(bus: Bus): void {
    const write = (_port: number, value: number) => this.request(value);
    bus.claimPorts(this.name, FIRST_PORT, LAST_PORT, { read8: () => 0, write8: write, write16: write, write32: write });
  }

  /** The guest asked to exit; nothing but a reset takes it back. */
  get requested(): boolean {
    return this.view.getUint8(this.base + DEBUG_EXIT.REQUESTED) !== 0;
  }

  /** (value << 1) | 1 of the last request, unsigned; 0 before the first. */
  get status(): number {
    return this.view.getUint32(this.base + DEBUG_EXIT.STATUS, true);
  }

  reset(): void {
    this.view.setUint8(this.base + DEBUG_EXIT.REQUESTED, 0);
    this.view.setUint32(this.base + DEBUG_EXIT.STATUS, 0, true);
  }

  deadlineTick(): number {
    return Number.POSITIVE_INFINITY;
  }

  onDeadline(): void {}

  busyReason(): null {
    return null;
  }

  private request(value: number): void {
    this.view.setUint8(this.base + DEBUG_EXIT.REQUESTED, 1);
    this.view.setUint32(this.base + DEBUG_EXIT.STATUS, (value << 1) | 1, true);
  }
}
