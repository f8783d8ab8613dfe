// SPDX-License-Identifier: MIT
// System Control Port A, 0x92 (IBM PS/2 hardware interface technical reference; every chipset since has it). Bit 1 is the A20
// gate: 0 asserts A20M#, and address line 20 reads as 0. The bit is the pin's level in the CPU record, this has no bytes of its own.
// Bit 0, the fast reset, reads as 0 and does nothing yet.
import type { CpuRecord } from '../../shared/cpu-record.ts';
import { CPU } from '../../shared/layout/cpu-state.ts';
import type { Bus } from '../bus.ts';

const PORT_A = 0x92;
const A20_GATE = 0x02;

export class SystemControl {
  private readonly cpu: CpuRecord;

  constructor(cpu: CpuRecord) {
    this.cpu = cpu;
  }

  attach(bus: Bus): void {
    bus.claimPorts('system-control', PORT_A, PORT_A, {
      read8: () => (this.cpu.word(CPU.a20Masked) === 0 ? A20_GATE : 0),
      write8: (_port, value) => this.cpu.setWord(CPU.a20Masked, (value & A20_GATE) === 0 ? 1 : 0),
    });
  }
}
