// SPDX-License-Identifier: MIT
//
// The PC of the suites with the project's i386 engine in it. Handlers of ports stand in front of the bus, byte by byte: the board
// has wired it before, and a suite's ports may be those of a device.
import { EngineStop } from '../../kernel-worker/engines/engine.ts';
import { TICKS } from '../../kernel-worker/engines/i386/i386-engine.ts';
import type { CpuRecord } from '../../shared/cpu-record.ts';
import { Request } from '../../shared/jump-lines.ts';
import type { PhysicalMemory } from '../../shared/physical-memory.ts';
import { Pc } from '../i386/pc.ts';
import { RunEnd, type TestPc, type TestPcOptions } from './test-pc.ts';

class I386Pc implements TestPc {
  readonly cpu: CpuRecord;
  readonly memory: PhysicalMemory;
  private readonly pc: Pc;
  private readonly devices: boolean;
  private readonly handlers = new Map<number, (value: number) => void>();

  constructor({ memory, devices }: TestPcOptions) {
    this.pc = new Pc({ memory });
    this.devices = devices;
    this.cpu = this.pc.board.cpu;
    this.memory = this.pc.parts.memory;
    const { bus } = this.pc.board;
    const write8 = devices ? bus.write8.bind(bus) : (): void => {};
    bus.write8 = (port, value) => {
      const handler = this.handlers.get(port & 0xffff);
      if (handler === undefined) write8(port, value);
      else handler(value & 0xff);
    };
    if (devices) return;
    bus.write16 = (port, value) => {
      bus.write8(port, value);
      bus.write8(port + 1, value >>> 8);
    };
    bus.write32 = (port, value) => {
      bus.write16(port, value);
      bus.write16(port + 2, value >>> 16);
    };
    bus.read8 = () => 0xff;
    bus.read16 = () => 0xffff;
    bus.read32 = () => -1;
  }

  changed(): void {
    this.pc.engine.invalidate();
  }

  run(instructions: number): RunEnd {
    const { board, engine, slot } = this.pc;
    // With devices a HLT may wait for what they never say: time is limited too. Without, it waits for nothing.
    const untilTick = this.devices ? board.clock.nowTick() + instructions * TICKS : Number.POSITIVE_INFINITY;
    const stop = engine.run(instructions, untilTick);
    slot.set('request', Request.none);
    if (stop === EngineStop.deadlock) return RunEnd.halted;
    return stop === EngineStop.stopped ? RunEnd.stopped : RunEnd.budget;
  }

  stop(): void {
    this.pc.slot.set('request', Request.powerOff);
  }

  onWrite(port: number, use: (value: number) => void): void {
    this.handlers.set(port, use);
  }
}

export function makeI386Pc(options: TestPcOptions): TestPc {
  return new I386Pc(options);
}
