// SPDX-License-Identifier: MIT
//
// Runs machine code: instructions between two events, and the events. At an instruction boundary, in the order of SDM vol. 3A table
// 6-2: traps of the instruction before, external interrupts, instruction breakpoints; then instructions up to the next deadline.
// An instruction takes TICKS of virtual time, whatever it does; the delivery of an exception takes as long.
import { Request } from '../../../shared/jump-lines.ts';
import type { KernelSlot } from '../../../shared/kernel-slot.ts';
import { SLOT } from '../../../shared/layout/kernel-slot.ts';
import { StopCode, type StopCodeValue, type StopLink } from '../../../shared/stop.ts';
import { hex } from '../../../shared/units.ts';
import type { Board } from '../../board.ts';
import { type Engine, EngineStop, type EngineStopValue } from '../engine.ts';
import { CodeCache } from './code-cache.ts';
import { Cpu, DEVICE_WANTED } from './cpu.ts';
import { setEntryState } from './entry-state.ts';
import { Interpreter } from './interpreter.ts';
import { combineFaults, Delivery, deliver } from './interrupts.ts';
import type { Translator } from './translator/translator.ts';

/** Virtual time of one instruction, in ticks of a nanosecond. */
export const TICKS = 10;

const EIP = 8;
const EFLAGS = 9;
const CS_SELECTOR = 16;
const DR6 = 58;
const HALTED = 60;
const INTERRUPT_SHADOW = 61;
const PENDING_DEBUG = 72;
const IF = 0x200;
const TF = 0x100;
const RF = 0x10000;
const DR6_BS = 0x4000;
const DEBUG = 1;
const DOUBLE_FAULT = 8;

export class I386Engine implements Engine {
  readonly name = 'i386';
  readonly slice = 50_000;
  readonly cpu: Cpu;
  readonly cache: CodeCache;
  private readonly board: Board;
  private readonly slot: KernelSlot;
  private readonly view: DataView;
  private readonly requestAt: number;
  private readonly interpreter: Interpreter;
  /** What makes WebAssembly of hot code. */
  get translator(): Translator {
    return this.interpreter.translator;
  }

  /** What this run has done, for the slot when it ends: instructions and virtual time. */
  private steps = 0;
  private spentTicks = 0;
  /** Instructions of the run under way whose time has passed already. */
  private synced = 0;
  /** What led to the shutdown. */
  private chain: readonly StopLink[] = [];

  constructor(board: Board, slot: KernelSlot) {
    this.board = board;
    this.slot = slot;
    this.view = board.machine.view;
    this.requestAt = slot.base + SLOT.request;
    this.cpu = new Cpu(board, slot);
    this.cache = new CodeCache(this.cpu);
    this.interpreter = new Interpreter(this.cpu, this.cache);
    this.cpu.syncTime = () => this.syncTime();
    this.cpu.spendTicks = (ticks) => this.spendTicks(ticks);
    board.busMaster.beforeStore = (page) => this.cpu.mmu.deviceStores(page);
    this.cpu.invalidate(slot);
  }

  enter(): EngineStopValue {
    this.slot.set('started', 1);
    setEntryState(this.cpu, this.slot);
    this.invalidate();
    return EngineStop.budget;
  }

  run(budget: number, untilTick: number): EngineStopValue {
    const { board, cpu } = this;
    cpu.mmu.tlb.checkEpoch();
    cpu.handOver.ownJump.sliceBegins();
    const { r } = cpu;
    for (let left = budget; left > 0; ) {
      const now = board.clock.nowTick();
      if (now >= untilTick) break;
      if (r[PENDING_DEBUG] !== 0) {
        this.debugTrap();
        left -= this.afterEvent();
      } else if (r[INTERRUPT_SHADOW] === 0 && (r[EFLAGS] & IF) !== 0 && board.localApic.intr()) {
        this.interrupt(board.localApic.acknowledge());
        left -= this.afterEvent();
      } else if (r[HALTED] !== 0) {
        // Only an interrupt ends HLT: there is nothing here that makes an NMI, SMI or INIT.
        if ((r[EFLAGS] & IF) === 0 || !board.skipToDeadline(untilTick)) {
          this.flush();
          return EngineStop.deadlock;
        }
        // A timer that never interrupts must not keep a halted CPU here for ever.
        left--;
        continue;
      } else {
        const ticks = Math.min(untilTick, board.nextDeadline()) - now;
        left -= this.instructions(Math.min(left, Math.max(1, Math.ceil(ticks / TICKS))));
      }
      if (cpu.violation >= 0) return this.stopForViolation();
      if (this.chain.length > 0) return this.shutdown();
      if (cpu.handOver.arrived) cpu.handOver.request();
      if (board.debugExit.requested || this.request !== Request.none) break;
    }
    this.flush();
    return this.request === Request.none ? EngineStop.budget : EngineStop.request;
  }

  /** What the slot's word says, asked for behind every event. */
  private get request(): number {
    return this.view.getInt32(this.requestAt, true);
  }

  /** Runs at most so many instructions, until something asks for attention. Gives how much of the budget that was. */
  private instructions(most: number): number {
    const { board, cpu } = this;
    const { r } = cpu;
    const shadow = r[INTERRUPT_SHADOW];
    const traps = (r[EFLAGS] & TF) !== 0;
    const resumes = (r[EFLAGS] & RF) !== 0;
    const breaks = cpu.breakpoints.onInstructions;
    if (breaks && !resumes && shadow === 0 && this.breaksHere()) {
      this.deliverException(DEBUG, -1, Delivery.exception);
      return this.afterEvent();
    }
    const single = traps || breaks || shadow !== 0;
    // RF is for one instruction, and only breakpoints ask for it; one that faults pushes it set all the same.
    if (resumes) r[EFLAGS] &= ~RF;
    const limit = single ? 1 : most;
    this.synced = 0;
    cpu.interrupted = false;
    let done = this.execute(limit, single);
    if (cpu.fault === DEVICE_WANTED) {
      // The time of the instructions before it passes first, and they are looked behind; then it is found again, and goes alone.
      cpu.fault = 0;
      if (done === 0) done = this.execute(1, true);
    }
    if (shadow !== 0) r[INTERRUPT_SHADOW] = 0;
    this.steps += done;
    const faulted = cpu.fault !== 0 && cpu.violation < 0;
    // The time of the delivery passes with that of the instructions before it.
    const spent = faulted ? done + 1 : done;
    this.spentTicks += spent * TICKS;
    board.passTime((spent - this.synced) * TICKS);
    if (cpu.violation >= 0) return done;
    if (faulted) {
      this.deliverException(cpu.fault - 1, cpu.faultCode, Delivery.exception);
      return spent;
    }
    if (traps && done > 0 && !cpu.interrupted && r[INTERRUPT_SHADOW] === 0) r[PENDING_DEBUG] |= DR6_BS;
    return done;
  }

  private execute(limit: number, single: boolean): number {
    const { mmu } = this.cpu;
    mmu.defersDevices = !single;
    const done = this.interpreter.run(limit, single);
    mmu.moves.settle();
    mmu.defersDevices = false;
    return done;
  }

  /** The delivery of an event takes the time of an instruction: no guest can go on for ever without time. */
  private afterEvent(): number {
    this.board.passTime(TICKS);
    this.spentTicks += TICKS;
    return 1;
  }

  private interrupt(vector: number): void {
    this.cpu.r[HALTED] = 0;
    this.deliverException(vector, -1, Delivery.hardware);
  }

  private debugTrap(): void {
    const { r } = this.cpu;
    r[DR6] |= r[PENDING_DEBUG];
    r[PENDING_DEBUG] = 0;
    r[HALTED] = 0;
    this.deliverException(DEBUG, -1, Delivery.trap);
  }

  /** Delivers an event, and what goes wrong with it. */
  private deliverException(vector: number, code: number, kind: number): void {
    const { cpu } = this;
    const eip = cpu.r[EIP];
    const cs = cpu.r[CS_SELECTOR];
    cpu.fault = 0;
    deliver(cpu, vector, kind, code);
    if (cpu.fault === 0 || cpu.violation >= 0) return;
    this.deliverFaults({ vector, external: kind === Delivery.hardware, errorCode: code, eip, cs }, kind);
  }

  /** The delivery of an event has faulted (SDM vol. 3A §6.15, interrupt 8). */
  private deliverFaults(event: StopLink, kind: number): void {
    const { cpu } = this;
    const chain = [event];
    while (cpu.fault !== 0 && cpu.violation < 0) {
      const second = cpu.fault - 1;
      const secondCode = cpu.faultCode;
      const first = chain[chain.length - 1].vector;
      const next = kind !== Delivery.exception && chain.length === 1 ? second : combineFaults(first, second);
      chain.push(this.linkOf(second, secondCode));
      cpu.fault = 0;
      if (next < 0) {
        this.chain = chain;
        return;
      }
      if (next === DOUBLE_FAULT && second !== DOUBLE_FAULT) chain.push(this.linkOf(DOUBLE_FAULT, 0));
      deliver(cpu, next, Delivery.exception, next === DOUBLE_FAULT ? 0 : secondCode);
    }
  }

  private linkOf(vector: number, errorCode: number): StopLink {
    const { r } = this.cpu;
    return { vector, external: false, errorCode, eip: r[EIP], cs: r[CS_SELECTOR] };
  }

  /** An instruction breakpoint at EIP: its bits go to DR6. */
  private breaksHere(): boolean {
    const { breakpoints, codeAddress, r } = this.cpu;
    const hits = breakpoints.at(codeAddress | 0);
    r[DR6] |= hits;
    return hits !== 0;
  }

  // ---- time and ends ----------------------------------------------------------------------------------------------

  /** An instruction looks at the devices: the time of those before it has passed. */
  private syncTime(): void {
    const { board, cpu } = this;
    cpu.mmu.moves.settle();
    const ahead = cpu.retired - this.synced;
    if (ahead <= 0) return;
    this.synced = cpu.retired;
    board.passTime(ahead * TICKS);
  }

  private spendTicks(ticks: number): void {
    this.spentTicks += ticks;
    this.board.passTime(ticks);
  }

  private stopForViolation(): EngineStopValue {
    const { cpu } = this;
    const at = cpu.violation;
    this.flush();
    return this.stop(
      StopCode.windowViolation,
      at,
      `a store at ${hex(at)} by the instruction at ${hex(cpu.codeAddress)} is outside the kernel's windows`,
    );
  }

  private shutdown(): EngineStopValue {
    const { cpu, chain } = this;
    this.flush();
    const vectors = chain.map(({ vector }) => vector).join(', then ');
    this.slot.setStopChain(chain);
    const at = cpu.codeAddress;
    return this.stop(StopCode.tripleFault, at, `triple fault at ${hex(at)}: vector ${vectors}`);
  }

  private stop(code: StopCodeValue, address: number, text: string): EngineStopValue {
    this.slot.setStop(code, address, text);
    return EngineStop.stopped;
  }

  flush(): void {
    const { slot } = this;
    slot.steps += this.steps;
    slot.ticksRun += this.spentTicks;
    this.steps = 0;
    this.spentTicks = 0;
    this.cpu.flush();
  }

  invalidate(): void {
    this.chain = [];
    this.cpu.invalidate(this.slot);
  }

  /** Machine code freezes its tasks by itself, before it jumps. */
  freezeTasks(): number {
    return 0;
  }
  thawTasks(): void {}
}
