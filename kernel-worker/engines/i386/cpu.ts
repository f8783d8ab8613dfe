// SPDX-License-Identifier: MIT
//
// The i386 CPU over its record: registers by word index, lazy flags, the posted fault, and what instructions need of memory.
// Whatever can fault returns normally and posts the fault here; callers look at `fault` before they change anything. State that
// is only a consequence of the record (privilege, bank of the TLB, mode of decoded code) is made again by `updateMode`.
import { assert } from '../../../shared/errors.ts';
import type { KernelSlot } from '../../../shared/kernel-slot.ts';
import type { PhysicalMemory } from '../../../shared/physical-memory.ts';
import type { Board } from '../../board.ts';
import { Breakpoints } from './breakpoints.ts';
import { DecodedFrames } from './decoded-frames.ts';
import { Flags } from './flags.ts';
import { HandOverWatch } from './hand-over.ts';
import { Mmu } from './mmu.ts';
import { Mode, modeOfSegments } from './mode.ts';
import { OwnPages } from './own-pages.ts';

const ESP = 4;
const EIP = 8;
const EFLAGS = 9;
const SEGMENTS = 12;
const CR0 = 48;
const A20_MASKED = 62;
const PENDING_DEBUG = 72;
const SCRATCH = 128;
const SCRATCH_WORDS = 11;
const CS = 1;
const SS = 2;
const TF = 0x100;
const IF = 0x200;
const RF = 0x10000;
const VM = 0x20000;
const AC = 0x40000;
const CR0_PE = 1;
const CR0_PG = -0x80000000;
const CR0_AM = 0x40000;
const ATTR_RW = 2;
const ATTR_DC = 4;
const ATTR_CODE = 8;
const ATTR_P = 0x80;
const ATTR_DB = 0x4000;
const ATTR_NULL = 0x10000;
const STACK_FAULT = 12;
const GENERAL_PROTECTION = 13;

/** Attributes of a present segment of writable data that grows upwards. */
const PLAIN_MASK = ATTR_P | ATTR_NULL | ATTR_CODE | ATTR_DC | ATTR_RW;
const PLAIN = ATTR_P | ATTR_RW;
const LINEAR_END = 0x100000000;

/** What is posted as a fault though the guest never hears of it: a store outside the windows, an access to a device's memory. */
const WINDOW_VIOLATED = 256;
export const DEVICE_WANTED = 257;

const LEAVE_NOTHING = 0;
/** The engine must look at interrupts, traps or its limits before the next instruction. */
const LEAVE_RUN = 1;
/** The next instruction is another one, or another mode's. */
export const LEAVE_BLOCK = 2;

const FLAT_DATA = Mode.flatData;

export class Cpu {
  readonly board: Board;
  readonly slotIndex: number;
  readonly memory: PhysicalMemory;
  readonly view: DataView;
  readonly u8: Uint8Array;
  /** The CPU record in words, halfwords and bytes. Register n of 16 bits is r16[2 n]; of 8 bits r8[(n & 3) * 4 + (n >> 2)]. */
  readonly r: Int32Array;
  readonly r16: Uint16Array;
  readonly r8: Uint8Array;
  readonly flags: Flags;
  readonly ownPages: OwnPages;
  readonly decoded: DecodedFrames;
  readonly breakpoints: Breakpoints;
  readonly mmu: Mmu;
  readonly handOver: HandOverWatch;
  /** Copies of whole pages may share frames. */
  readonly aliasesPages: boolean;

  /** Posted fault: 0 none, else vector + 1. The instruction is abandoned and nothing of it may stay. */
  fault = 0;
  /** Its error code; −1 for vectors without one. */
  faultCode = -1;
  /** Where the instruction under way ends; an instruction that transfers control writes its target here. */
  nextEip = 0;
  /** What is to be left behind the instruction under way, one of LEAVE_*: it changed something that what comes next depends on. */
  leave = LEAVE_NOTHING;

  cpl = 0;
  /** Bits of `Mode`. */
  mode = 0;
  /** EFLAGS.VM in protected mode. */
  virtual8086 = false;
  protectedMode = false;
  paging = false;
  /** Instructions that this run had completed when the helper under way was called: for time within a run. */
  retired = 0;
  /** The instruction under way was INT n, INT3 or INTO: it cleared TF, and no single-step trap follows it. */
  interrupted = false;
  /** Set once a store went outside the kernel's windows: the engine stops the kernel. */
  violation = -1;
  /** Level of A20M# that the TLB was filled under. */
  private a20 = 0;
  /** The block under way must not go on behind the instruction under way. */
  leaveAfterInstruction: () => void = () => {};
  /** The same if it was decoded from this frame. */
  leaveCodeOf: (frame: number) => void = () => {};
  /** Lets the virtual time of the instructions before the one under way pass: for what the devices can see of it. */
  syncTime: () => void = () => {};
  /** Lets time pass that an instruction takes beside its own, waiting for a device. */
  spendTicks: (ticks: number) => void = () => {};

  constructor(board: Board, slot: KernelSlot) {
    this.slotIndex = slot.index;
    const { machine } = board;
    const { offset, bytes } = machine.region('cpu');
    this.board = board;
    this.aliasesPages = board.options.relocation !== 'copy';
    this.memory = board.memory;
    this.view = machine.view;
    this.u8 = machine.u8;
    this.r = new Int32Array(machine.buffer, offset, bytes >>> 2);
    this.r16 = new Uint16Array(machine.buffer, offset, bytes >>> 1);
    this.r8 = new Uint8Array(machine.buffer, offset, bytes);
    this.ownPages = new OwnPages(board);
    this.decoded = new DecodedFrames(board, board.memory);
    this.flags = new Flags(this.r);
    this.breakpoints = new Breakpoints(this);
    this.mmu = new Mmu(this);
    this.handOver = new HandOverWatch(this, slot);
  }

  /** Forgets everything that follows from the bytes. */
  invalidate(slot: KernelSlot): void {
    this.fault = 0;
    this.leave = LEAVE_NOTHING;
    this.violation = -1;
    this.ownPages.refresh(slot);
    this.flags.reload();
    this.noticeBreakpoints();
    this.handOver.refresh();
    this.a20 = this.r[A20_MASKED];
    this.updateMode();
  }

  /** Writes back what is kept outside the record. */
  flush(): void {
    this.flags.materialize();
    this.r.fill(0, SCRATCH, SCRATCH + SCRATCH_WORDS);
  }

  /** To be called after any change of CR0, EFLAGS.VM or AC, or of CS, SS, DS or ES. */
  updateMode(): void {
    const { r } = this;
    this.protectedMode = (r[CR0] & CR0_PE) !== 0;
    this.paging = (r[CR0] & CR0_PG) !== 0;
    this.virtual8086 = this.protectedMode && (r[EFLAGS] & VM) !== 0;
    // SS.DPL is the CPL (SDM vol. 3C §24.4.1). CS has it in its selector too, but not yet when PE has just been set.
    this.cpl = this.protectedMode ? (r[SEGMENTS + SS * 4 + 3] >>> 5) & 3 : 0;
    const checksAlignment = this.cpl === 3 && (r[CR0] & CR0_AM) !== 0 && (r[EFLAGS] & AC) !== 0;
    this.mmu.setBank(this.cpl, checksAlignment);
    if (this.cpl === 3) this.handOver.ownJump.inProgram();
    this.mode =
      modeOfSegments(r) |
      (this.protectedMode && !this.virtual8086 ? Mode.protected : 0) |
      (this.cpl === 3 ? Mode.user : 0);
  }

  /** The A20 gate may have moved: all linear addresses may mean other pages then. */
  noticeA20(): void {
    if (this.r[A20_MASKED] === this.a20) return;
    this.a20 = this.r[A20_MASKED];
    this.mmu.flush();
  }

  /** To be called when DR7 was written, or one of DR0 to DR3. */
  noticeBreakpoints(): void {
    this.breakpoints.update();
    this.mmu.flush();
  }

  // ---- faults -----------------------------------------------------------------------------------------------------

  /** Posts an exception. `code` −1: the vector has no error code. The first one posted counts. */
  raise(vector: number, code: number): void {
    if (this.fault !== 0) return;
    this.fault = vector + 1;
    this.faultCode = code;
  }

  /** A store outside the windows: the instruction is abandoned like a faulting one, but the guest never hears of it. */
  violateWindow(physAddr: number): void {
    if (this.violation === -1) this.violation = physAddr >>> 0;
    this.fault = WINDOW_VIOLATED;
  }

  /** The instruction under way must be executed by itself: it is abandoned like a faulting one, and done again. */
  wantDevice(): void {
    if (this.fault === 0) this.fault = DEVICE_WANTED;
  }

  /** A #DB trap with these bits of DR6 is due behind the instruction under way. */
  trapAfterInstruction(dr6Bits: number): void {
    this.r[PENDING_DEBUG] |= dr6Bits;
    this.leaveRun();
    this.leaveAfterInstruction();
  }

  /** Interrupts, traps or the limits of the run must be looked at before the next instruction. */
  leaveRun(): void {
    this.leave = LEAVE_RUN;
  }

  /** The next instruction is not the one that was decoded behind this one. */
  leaveBlock(): void {
    if (this.leave === LEAVE_NOTHING) this.leave = LEAVE_BLOCK;
  }

  // ---- segmented memory -------------------------------------------------------------------------------------------

  selector(segment: number): number {
    return this.r[SEGMENTS + segment * 4];
  }
  segmentBase(segment: number): number {
    return this.r[SEGMENTS + segment * 4 + 1];
  }

  /**
   * Linear address of [offset, offset + size) in a segment, checked as SDM vol. 3A §5.3 to §5.5 say. On a violation #SS(0) for
   * SS, #GP(0) for the others is posted and 0 returned.
   */
  linear(segment: number, offset: number, size: number, isWrite: boolean): number {
    const at = SEGMENTS + segment * 4;
    const { r } = this;
    const attributes = r[at + 3];
    // Nearly always: data that may be written to, without a limit.
    if (r[at + 2] === -1 && (attributes & PLAIN_MASK) === PLAIN && offset >>> 0 <= LINEAR_END - size) {
      return (r[at + 1] + offset) | 0;
    }
    const type = attributes & (ATTR_CODE | ATTR_DC | ATTR_RW);
    let allowed = (attributes & (ATTR_P | ATTR_NULL)) === ATTR_P;
    if (this.protectedMode && !this.virtual8086) {
      // Writable means data with W; readable means data, or code with R.
      if (isWrite) allowed &&= (type & (ATTR_CODE | ATTR_RW)) === ATTR_RW;
      else allowed &&= (type & (ATTR_CODE | ATTR_RW)) !== ATTR_CODE;
    }
    const limit = r[at + 2] >>> 0;
    const first = offset >>> 0;
    const last = first + size - 1;
    if ((type & (ATTR_CODE | ATTR_DC)) === ATTR_DC) {
      allowed &&= first > limit && last <= ((attributes & ATTR_DB) !== 0 ? 0xffffffff : 0xffff);
    } else allowed &&= last <= limit;
    if (!allowed) {
      this.raise(segment === SS ? STACK_FAULT : GENERAL_PROTECTION, 0);
      return 0;
    }
    return (r[at + 1] + offset) | 0;
  }

  load8(segment: number, offset: number): number {
    const linAddr = this.linear(segment, offset, 1, false);
    return this.fault === 0 ? this.mmu.load8(linAddr) : 0;
  }
  load16(segment: number, offset: number): number {
    const linAddr = this.linear(segment, offset, 2, false);
    return this.fault === 0 ? this.mmu.load16(linAddr) : 0;
  }
  /** Signed. */
  load32(segment: number, offset: number): number {
    const linAddr = this.linear(segment, offset, 4, false);
    return this.fault === 0 ? this.mmu.load32(linAddr) : 0;
  }
  store8(segment: number, offset: number, value: number): void {
    const linAddr = this.linear(segment, offset, 1, true);
    if (this.fault === 0) this.mmu.store8(linAddr, value);
  }
  store16(segment: number, offset: number, value: number): void {
    const linAddr = this.linear(segment, offset, 2, true);
    if (this.fault === 0) this.mmu.store16(linAddr, value);
  }
  store32(segment: number, offset: number, value: number): void {
    const linAddr = this.linear(segment, offset, 4, true);
    if (this.fault === 0) this.mmu.store32(linAddr, value);
  }

  /** Operand of `size` 1, 2 or 4 bytes: zero-extended, but 4 bytes signed. */
  load(segment: number, offset: number, size: number): number {
    if (size === 4) return this.load32(segment, offset);
    return size === 2 ? this.load16(segment, offset) : this.load8(segment, offset);
  }
  store(segment: number, offset: number, size: number, value: number): void {
    if (size === 4) this.store32(segment, offset, value);
    else if (size === 2) this.store16(segment, offset, value);
    else this.store8(segment, offset, value);
  }

  /** True if [offset, offset + size) can be stored to; otherwise the fault is posted. Up to 4096 bytes. */
  probeWrite(segment: number, offset: number, size: number): boolean {
    const linAddr = this.linear(segment, offset, size, true);
    return this.fault === 0 && this.mmu.probeWrite(linAddr, size);
  }

  // ---- the stack --------------------------------------------------------------------------------------------------

  get stack32(): boolean {
    return (this.mode & Mode.stack32) !== 0;
  }
  /** Offset in SS for a stack pointer value: 16 bits of it in a 16-bit stack segment. */
  stackOffset(esp: number): number {
    return this.stack32 ? esp : esp & 0xffff;
  }
  /** Writes the stack pointer as wide as the stack segment is. */
  setEsp(esp: number): void {
    if (this.stack32) this.r[ESP] = esp;
    else this.r16[ESP * 2] = esp;
  }
  /** Pushes one item of 2 or 4 bytes; the stack pointer moves only if the store succeeded. */
  push(size: number, value: number): void {
    const esp = (this.r[ESP] - size) | 0;
    this.store(SS, this.stackOffset(esp), size, value);
    if (this.fault === 0) this.setEsp(esp);
  }
  /** The item of 2 or 4 bytes at `depth` bytes above the top of the stack; nothing moves. */
  peek(size: number, depth: number): number {
    return this.load(SS, this.stackOffset((this.r[ESP] + depth) | 0), size);
  }
  /** Host offset of the top of a 32-bit stack if the next `bytes` are one piece of memory in the TLB; otherwise 0. */
  hostOfStack(bytes: number): number {
    const { mmu, r } = this;
    const offset = r[ESP];
    if ((this.mode & FLAT_DATA) === 0 || (offset & 0xfff) + bytes > 4096) return 0;
    const host = mmu.read[(offset >>> 12) + mmu.bank];
    return host === 0 ? 0 : host | (offset & 0xfff);
  }
  /** Takes `bytes` off the stack. */
  drop(bytes: number): void {
    this.setEsp((this.r[ESP] + bytes) | 0);
  }

  // ---- descriptor tables and TSS: linear, with supervisor privilege ------------------------------------------------

  loadSystem16(linAddr: number): number {
    const host = this.mmu.read[linAddr >>> 12];
    const within = linAddr & 0xfff;
    if (host !== 0 && within <= 0xffe) return this.view.getUint16(host | within, true);
    return this.mmu.asSupervisor(() => this.mmu.load16(linAddr));
  }
  loadSystem32(linAddr: number): number {
    const host = this.mmu.read[linAddr >>> 12];
    const within = linAddr & 0xfff;
    if (host !== 0 && within <= 0xffc) return this.view.getInt32(host | within, true);
    return this.mmu.asSupervisor(() => this.mmu.load32(linAddr));
  }
  storeSystem8(linAddr: number, value: number): void {
    this.mmu.asSupervisor(() => this.mmu.store8(linAddr, value));
  }
  storeSystem16(linAddr: number, value: number): void {
    this.mmu.asSupervisor(() => this.mmu.store16(linAddr, value));
  }
  storeSystem32(linAddr: number, value: number): void {
    this.mmu.asSupervisor(() => this.mmu.store32(linAddr, value));
  }

  // ---- EFLAGS -----------------------------------------------------------------------------------------------------

  /** EFLAGS with the status flags as they are now. */
  getEflags(): number {
    this.flags.materialize();
    return this.r[EFLAGS];
  }
  /** Writes the bits of `mask`; bit 1 is always set, reserved bits never. Ends the block: IF, TF or VM may have changed. */
  setEflags(value: number, mask: number): void {
    this.flags.materialize();
    const before = this.r[EFLAGS];
    const after = (before & ~mask) | (value & mask & 0x3f7fd5) | 2;
    this.r[EFLAGS] = after;
    if (((after ^ before) & (VM | AC)) !== 0) this.updateMode();
    const traps = (after & TF) !== 0 || ((after & RF) !== 0 && this.breakpoints.onInstructions);
    const interrupts = (after & ~before & IF) !== 0 && this.board.localApic.intr();
    if (traps || interrupts) this.leaveRun();
    else this.leaveBlock();
  }

  /** Linear address of the next instruction; unsigned. */
  get codeAddress(): number {
    return (this.segmentBase(CS) + this.r[EIP]) >>> 0;
  }

  /** Our own contradiction. */
  unreachable(what: string): never {
    assert(false, `i386: ${what}`);
  }
}
