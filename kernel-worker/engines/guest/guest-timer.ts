// SPDX-License-Identifier: MIT
//
// Timer interrupts for a kernel: channel 0 of the 8254 in mode 2, through IRQ 0 of the master 8259A as vector 0x20.
import type { GuestCpu, GuestPorts, GuestTimer } from '../../../shared/guest.ts';

const PIT_CHANNEL0 = 0x40;
const PIT_CONTROL = 0x43;
/** Channel 0, low byte then high byte, mode 2, binary. */
const RATE_GENERATOR = 0x34;
const PIT_HZ = 1_193_182;

const PIC_MASTER = 0x20;
const PIC_SLAVE = 0xa0;
const ICW1 = 0x11;
const ICW4_8086 = 0x01;
const VECTOR_BASE = 0x20;
const END_OF_INTERRUPT = 0x20;
const ALL_MASKED = 0xff;
const IRQ0_ONLY = 0xfe;

export class PitTimer implements GuestTimer {
  private readonly ports: GuestPorts;
  private readonly cpu: GuestCpu;

  constructor(ports: GuestPorts, cpu: GuestCpu) {
    this.ports = ports;
    this.cpu = cpu;
  }

  start(hz: number): void {
    const { ports } = this;
    this.programPic(PIC_MASTER, VECTOR_BASE, 0x04);
    this.programPic(PIC_SLAVE, VECTOR_BASE + 8, 0x02);
    ports.out8(PIC_SLAVE + 1, ALL_MASKED);
    ports.out8(PIC_MASTER + 1, IRQ0_ONLY);
    const divisor = Math.max(2, Math.min(0x10000, Math.round(PIT_HZ / hz)));
    ports.out8(PIT_CONTROL, RATE_GENERATOR);
    ports.out8(PIT_CHANNEL0, divisor & 0xff);
    ports.out8(PIT_CHANNEL0, (divisor >>> 8) & 0xff);
    this.cpu.interruptsEnabled = true;
  }

  stop(): void {
    this.ports.out8(PIC_MASTER + 1, ALL_MASKED);
  }

  acknowledge(vector: number): void {
    if (vector >= VECTOR_BASE + 8) this.ports.out8(PIC_SLAVE, END_OF_INTERRUPT);
    this.ports.out8(PIC_MASTER, END_OF_INTERRUPT);
  }

  private programPic(port: number, vectorBase: number, icw3: number): void {
    this.ports.out8(port, ICW1);
    this.ports.out8(port + 1, vectorBase);
    this.ports.out8(port + 1, icw3);
    this.ports.out8(port + 1, ICW4_8086);
  }
}
