// SPDX-License-Identifier: MIT
// Port 0x80: firmware writes a code for each step of its power-on self-test here, and Linux writes to it to lose a
// microsecond (arch/x86/kernel/io_delay.c). It keeps the last byte and counts; bytes in shared/layout/post-state.ts.
import { POST } from '../../shared/layout/post-state.ts';
import type { Bus } from '../bus.ts';
import type { Device, PmCallbacks } from './device.ts';

const PORT = 0x80;

export class Post implements Device {
  readonly name = 'post';
  readonly parent = 'platform';
  readonly pm: PmCallbacks = {};
  private readonly view: DataView;
  private readonly base: number;

  constructor({ view, base }: { view: DataView; base: number }) {
    this.view = view;
    this.base = base;
  }

  attach(bus: Bus): void {
    bus.claimPorts(this.name, PORT, PORT, {
      read8: () => this.view.getUint8(this.base + POST.CODE),
      write8: (_port, value) => this.write(value),
    });
  }

  reset(): void {
    this.view.setUint8(this.base + POST.CODE, 0);
    this.view.setUint32(this.base + POST.COUNT, 0, true);
  }

  deadlineTick(): number {
    return Number.POSITIVE_INFINITY;
  }

  onDeadline(): void {}

  busyReason(): null {
    return null;
  }

  private write(code: number): void {
    this.view.setUint8(this.base + POST.CODE, code);
    this.view.setUint32(this.base + POST.COUNT, this.view.getUint32(this.base + POST.COUNT, true) + 1, true);
  }
}
