// SPDX-License-Identifier: MIT
//
// A PC with a CPU of three instructions, to test the suites' runners with: MOV AX, imm16; MOV [moffs8], AL; OUT imm8, AL; HLT.
import { CpuRecord } from '../../shared/cpu-record.ts';
import { HOST_KEY } from '../../shared/frames.ts';
import { CPU, SEGMENT } from '../../shared/layout/cpu-state.ts';
import { MachineMemory } from '../../shared/machine-memory.ts';
import { PhysicalMemory } from '../../shared/physical-memory.ts';
import { RunEnd, type TestPc } from './test-pc.ts';

const PAGES = 512;

export class TinyPc implements TestPc {
  readonly cpu: CpuRecord;
  readonly memory: PhysicalMemory;
  private readonly ports = new Map<number, (value: number) => void>();
  private stopped = false;

  constructor() {
    const machine = MachineMemory.create({ ramPages: PAGES, hiddenPages: 0, frames: PAGES + 1, maxKernels: 1 });
    this.cpu = new CpuRecord(machine);
    this.memory = new PhysicalMemory(machine, HOST_KEY);
    this.memory.format();
  }

  changed(): void {}

  stop(): void {
    this.stopped = true;
  }

  onWrite(port: number, use: (value: number) => void): void {
    this.ports.set(port, use);
  }

  run(instructions: number): RunEnd {
    const { cpu, memory } = this;
    this.stopped = false;
    for (let i = 0; i < instructions && !this.stopped; i++) {
      const at = cpu.word(CPU.cs + SEGMENT.base) + cpu.eip;
      const operand = memory.read16(at + 1);
      const opcode = memory.read8(at);
      if (opcode === 0xf4) {
        cpu.eip += 1;
        return RunEnd.halted;
      }
      if (opcode === 0xb8) cpu.eax = operand;
      else if (opcode === 0xa2) memory.write8(cpu.word(CPU.ds + SEGMENT.base) + operand, cpu.eax);
      else if (opcode === 0xe6) this.ports.get(operand & 0xff)?.(cpu.eax & 0xff);
      else if (opcode !== 0) return RunEnd.stopped;
      cpu.eip += opcode === 0xe6 ? 2 : 3;
    }
    return RunEnd.budget;
  }
}
