// SPDX-License-Identifier: MIT
//
// A PC without threads: a machine, its board and one kernel of machine code in slot 0, all in the test's own thread. The kernel may
// store everywhere.
import { Board } from '../../kernel-worker/board.ts';
import type { EngineStopValue } from '../../kernel-worker/engines/engine.ts';
import { I386Engine } from '../../kernel-worker/engines/i386/i386-engine.ts';
import { MachineParts } from '../../orchestrator/machine-parts.ts';
import { geometryOf, type MachineOptions, resolveOptions } from '../../orchestrator/options.ts';
import type { KernelSlot } from '../../shared/kernel-slot.ts';
import { CPU, EFLAGS_ALWAYS } from '../../shared/layout/cpu-state.ts';
import { EngineKind } from '../../shared/layout/kernel-slot.ts';
import { KernelState } from '../../shared/lifecycle.ts';
import { CPU_RECORD_BYTES, MachineMemory } from '../../shared/machine-memory.ts';
import type { Signal, ThreadOptions } from '../../shared/protocol.ts';
import { StopCode } from '../../shared/stop.ts';

const CS = 1;
const REAL_CODE = 0x9b;
const REAL_DATA = 0x93;
const FLAT_CODE = 0xc09b;
const FLAT_DATA = 0xc093;

/** Index of a general register's word in the record. */
export const REGISTER = { eax: 0, ecx: 1, edx: 2, ebx: 3, esp: 4, ebp: 5, esi: 6, edi: 7 } as const;

export class Pc {
  readonly parts: MachineParts;
  readonly board: Board;
  readonly slot: KernelSlot;
  engine: I386Engine;
  /** The CPU record in words. */
  readonly r: Int32Array;

  constructor(options: MachineOptions = {}, signal: (signal: Signal) => void = () => {}) {
    const resolved = resolveOptions({ memory: '16M', spare: '4M', ...options });
    this.parts = new MachineParts(MachineMemory.create(geometryOf(resolved)), resolved);
    const { machine, memory, clock } = this.parts;
    memory.format();
    const { amnesia, relocation, mode, clock: pace, interpret, disk, secondDisk, virtio, rtcSeconds } = resolved;
    const threads: ThreadOptions = {
      amnesia,
      spins: 0,
      maxSpinners: 0,
      relocation,
      mode,
      clock: pace,
      interpret,
      disk,
      secondDisk,
      virtio,
      rtcSeconds,
      wallZero: 0,
    };
    this.board = new Board(machine, 0, threads, signal);
    this.slot = this.board.slots[0];
    this.slot.name = 'pc';
    this.slot.set('engine', EngineKind.i386);
    this.slot.windows = [{ firstPage: 0, endPage: memory.ramPages, shared: false }];
    this.slot.moveTo(KernelState.LOADED);
    this.slot.moveTo(KernelState.RUNNING);
    clock.current = 0;
    clock.foreground = 0;
    this.board.powerOn();
    this.r = new Int32Array(machine.buffer, machine.region('cpu').offset, CPU_RECORD_BYTES / 4);
    this.engine = new I386Engine(this.board, this.slot);
    this.flat(0);
  }

  private clearCpu(): void {
    this.r.fill(0);
    this.r[CPU.eflags / 4] = EFLAGS_ALWAYS;
    this.r[CPU.cr0 / 4] = 0x10;
    this.r[CPU.dr / 4 + 6] = 0xffff0ff0 | 0;
    this.r[CPU.dr / 4 + 7] = 0x400;
    this.r[CPU.fpuControl / 4] = 0x37f;
    this.r[CPU.idtr / 4 + 1] = 0x3ff;
    this.r[CPU.ldtr / 4 + 3] = 0x82;
    this.r[CPU.tr / 4 + 3] = 0x8b;
    this.r[CPU.tr / 4 + 2] = 0xffff;
  }

  segment(number: number, selector: number, base: number, limit: number, attributes: number): void {
    this.r.set([selector, base, limit, attributes], CPU.es / 4 + 4 * number);
  }

  /** Protected mode without paging: all segments flat, CS 0x08, the others 0x10; no descriptor tables. */
  flat(eip: number): this {
    this.clearCpu();
    for (let n = 0; n < 6; n++) this.segment(n, 0x10, 0, -1, FLAT_DATA);
    this.segment(CS, 0x08, 0, -1, FLAT_CODE);
    this.r[CPU.cr0 / 4] = 0x11;
    this.r[CPU.eip / 4] = eip;
    this.engine.invalidate();
    return this;
  }

  /** Real mode at cs:ip, all other segments 0. */
  real(cs: number, ip: number): this {
    this.clearCpu();
    for (let n = 0; n < 6; n++) this.segment(n, 0, 0, 0xffff, REAL_DATA);
    this.segment(CS, cs, cs << 4, 0xffff, REAL_CODE);
    this.r[CPU.eip / 4] = ip;
    this.engine.invalidate();
    return this;
  }

  write(physAddr: number, bytes: ArrayLike<number>): this {
    this.parts.memory.write(physAddr, Uint8Array.from(bytes));
    return this;
  }
  read(physAddr: number, length: number): Uint8Array {
    return this.parts.memory.read(physAddr, length);
  }

  /** Runs so many instructions, unless something stops it before. */
  run(instructions = 1): EngineStopValue {
    return this.engine.run(instructions, Number.POSITIVE_INFINITY);
  }

  get eip(): number {
    return this.r[CPU.eip / 4];
  }
  get eflags(): number {
    return this.r[CPU.eflags / 4];
  }

  /** Why it stopped for good, if it did. */
  get stopText(): string {
    return this.slot.get('stopCode') === StopCode.none ? '' : this.slot.stopText;
  }
}
