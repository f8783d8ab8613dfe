// SPDX-License-Identifier: MIT
//
// Runs kernels written in TypeScript. A step is an instruction: it takes a microsecond of virtual time, plus what the kernel
// spends. Between steps the engine runs device deadlines and delivers interrupts. Everything it keeps besides the bytes (the
// module, the guest object) can be made again from the entry page.
import { Errno } from '../../../shared/errno.ts';
import type { GuestKernel, GuestRoutine } from '../../../shared/guest.ts';
import { Request } from '../../../shared/jump-lines.ts';
import type { KernelSlot } from '../../../shared/kernel-slot.ts';
import { readEntryPage } from '../../../shared/kexec/typescript-image.ts';
import { EntryKind } from '../../../shared/layout/entry-page.ts';
import { StopCode } from '../../../shared/stop.ts';
import { hex } from '../../../shared/units.ts';
import type { Board } from '../../board.ts';
import { type Engine, EngineStop, type EngineStopValue } from '../engine.ts';
import { GuestMachine } from './guest-machine.ts';
import { WindowViolation } from './guest-memory.ts';
import { loadGuestModule } from './load-module.ts';

/** Frames of the guest's own code in the report of its end. */
const OWN_FRAMES = 5;

/** Virtual time of one step. */
export const STEP_TICKS = 1000;

export class GuestEngine implements Engine {
  readonly name = 'guest';
  readonly slice = 128;
  private readonly board: Board;
  private readonly slot: KernelSlot;
  private module: (GuestKernel & Partial<GuestRoutine>) | null = null;
  private readonly guest: GuestMachine;

  constructor(board: Board, slot: KernelSlot) {
    this.board = board;
    this.slot = slot;
    this.guest = new GuestMachine(board, slot);
  }

  enter(): EngineStopValue {
    const entry = readEntryPage(this.board.memory, this.slot.address('entry'));
    this.slot.set('started', 1);
    if (entry === null) {
      const at = this.slot.address('entry');
      return this.stop(StopCode.badEntry, at, `no engine executes what lies at its entry ${hex(at)}: machine code`);
    }
    if (entry.kind === EntryKind.routine) return this.callRoutine();
    return this.guarded((module) => module.start?.(this.guest), STEP_TICKS);
  }

  /** A function in physical mode: registers in, one call, registers out, and back to the caller. */
  private callRoutine(): EngineStopValue {
    const { cpu } = this.board;
    const [eax, ecx, edx, ebx, , ebp, esi, edi] = this.slot.callRegisters;
    Object.assign(cpu, { eax, ecx, edx, ebx, ebp, esi, edi });
    const stop = this.guarded((module) => module.call?.(this.guest), STEP_TICKS);
    if (stop === EngineStop.stopped) return stop;
    this.slot.callRegisters = [
      cpu.eax,
      cpu.ecx,
      cpu.edx,
      cpu.ebx,
      cpu.esp,
      cpu.ebp,
      cpu.esi,
      cpu.edi,
      cpu.eip,
      cpu.eflags,
    ];
    this.slot.set('requestTarget', this.slot.get('caller'));
    this.slot.set('request', Request.return);
    return EngineStop.request;
  }

  run(budget: number, untilTick: number): EngineStopValue {
    const { board, slot } = this;
    for (let left = budget; left > 0; left--) {
      if (board.clock.nowTick() >= untilTick) return EngineStop.budget;
      const vector = board.pendingInterrupt();
      if (vector >= 0) {
        slot.set('waiting', 0);
        const stop = this.guarded((module) => module.interrupt?.(this.guest, vector), STEP_TICKS);
        if (stop !== EngineStop.budget) return stop;
      } else if (slot.get('waiting') !== 0) {
        if (!board.skipToDeadline(untilTick)) return EngineStop.deadlock;
      } else {
        const stop = this.guarded((module) => module.step(this.guest), STEP_TICKS);
        if (stop !== EngineStop.budget) return stop;
      }
    }
    return EngineStop.budget;
  }

  flush(): void {}

  invalidate(): void {
    // Nothing is kept that a switch could make stale: every access goes through the page table.
  }

  /** A freeze that throws refuses the jump, and says why on the kernel's console. */
  freezeTasks(): number {
    try {
      return this.loaded().freeze?.(this.guest) ?? 0;
    } catch (error) {
      this.complain('freeze', error);
      return Errno.EBUSY;
    }
  }

  /** Nothing stops on the way up: a thaw that throws is noted. */
  thawTasks(): void {
    try {
      this.loaded().thaw?.(this.guest);
    } catch (error) {
      this.complain('thaw', error);
    }
  }

  private complain(what: string, error: unknown): void {
    this.guest.console.write(`${this.slot.name}: ${what}: ${describe(error)}\n`);
  }

  /** Runs guest code; its time passes afterwards, whatever it did. An exception of the guest stops the guest alone. */
  private guarded(run: (module: GuestKernel & Partial<GuestRoutine>) => void, ticks: number): EngineStopValue {
    const { board, slot, guest } = this;
    try {
      run(this.loaded());
    } catch (error) {
      if (guest.memory.violation === null) return this.stop(StopCode.exception, board.cpu.eip, describe(error));
    }
    const { violation } = guest.memory;
    if (violation !== null) return this.stop(StopCode.windowViolation, violation.physAddr, violation.message);
    slot.steps += 1;
    slot.ticksRun += ticks;
    board.passTime(ticks);
    return slot.get('request') === Request.none ? EngineStop.budget : EngineStop.request;
  }

  private loaded(): GuestKernel & Partial<GuestRoutine> {
    if (this.module === null) {
      const entry = readEntryPage(this.board.memory, this.slot.address('entry'));
      if (entry === null) throw new Error('the entry page of the kernel is gone');
      this.module = loadGuestModule(entry.kind, entry.specifier);
    }
    return this.module;
  }

  private stop(code: number, address: number, text: string): EngineStopValue {
    this.slot.setStop(code as (typeof StopCode)[keyof typeof StopCode], address, text);
    return EngineStop.stopped;
  }
}

/** The message, and where it comes from in the kernel's own code: frames of libraries say nothing of the guest. */
function describe(error: unknown): string {
  if (error instanceof WindowViolation) return error.message;
  if (!(error instanceof Error)) return typeof error === 'string' ? error : (JSON.stringify(error) ?? String(error));
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const own = frames.filter((line) => !/node:|node_modules|kernel-worker/.test(line)).slice(0, OWN_FRAMES);
  return [`${error.name}: ${error.message}`, ...own].join('\n');
}
