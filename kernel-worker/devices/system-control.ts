// SPDX-License-Identifier: MIT
// System Control Port A, 0x92 (IBM PS/2 hardware interface technical reference; every chipset since has it), and the two wires
// that it shares with the i8042: A20M# and the reset of the machine. Bit 1 is the A20 gate: 0 asserts A20M#, and address line
// 20 reads as 0; whoever wrote last decides. Bit 0, the fast reset, acts as it is set and reads as 0. The level of A20M# lies in
// the CPU record, a reset is a request of the kernel that runs: this has no bytes of its own.
import type { CpuRecord } from '../../shared/cpu-record.ts';
import { CPU } from '../../shared/layout/cpu-state.ts';
import type { Bus } from '../bus.ts';

const PORT_A = 0x92;
const FAST_RESET = 0x01;
const A20_GATE = 0x02;

export class SystemControl {
  /** Resets the machine, as far as the kernel that runs is concerned. */
  readonly reset: () => void;
  private readonly cpu: Pick<CpuRecord, 'word' | 'setWord'>;

  constructor(cpu: Pick<CpuRecord, 'word' | 'setWord'>, reset: () => void) {
    this.cpu = cpu;
    this.reset = reset;
  }

  attach(bus: Bus): void {
    bus.claimPorts('system-control', PORT_A, PORT_A, {
      read8: () => (this.a20Open ? A20_GATE : 0),
      write8: (_port, value) => {
        this.a20Open = (value & A20_GATE) !== 0;
        if (value & FAST_RESET) this.reset();
      },
    });
  }

  /** Whether address line 20 comes through. */
  get a20Open(): boolean {
    return this.cpu.word(CPU.a20Masked) === 0;
  }
  set a20Open(open: boolean) {
    this.cpu.setWord(CPU.a20Masked, open ? 0 : 1);
  }
}
