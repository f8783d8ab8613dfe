// SPDX-License-Identifier: MIT
//
// A kernel's slot as an object over its page: plain fields, images, windows, name and report. State changes are checked.
import { assert, KjumpError } from './errors.ts';
import type { HiddenPages } from './hidden-pages.ts';
import { Kimage } from './kexec/kimage.ts';
import {
  GENERATION_ID_BYTES,
  SLOT,
  SLOT_NAME_BYTES,
  SLOT_STOP_TEXT_BYTES,
  WINDOW_SHARED,
  WINDOW_WORDS,
  WINDOWS_MAX,
} from './layout/kernel-slot.ts';
import { assertTransition, KernelState, type KernelStateValue } from './lifecycle.ts';
import { KERNEL_SLOT_BYTES, type MachineMemory } from './machine-memory.ts';
import { type StopCodeValue, type StopLink, stopChainWords } from './stop.ts';

/** Physical pages [firstPage, endPage) that a kernel may store to. */
export interface PageWindow {
  readonly firstPage: number;
  readonly endPage: number;
  /** Shared windows are not exchanged in a switch: all kernels that declare one see the same bytes. */
  readonly shared: boolean;
}

type SlotWord = Exclude<
  keyof typeof SLOT,
  | 'contextPages'
  | 'windows'
  | 'name'
  | 'stopText'
  | 'callRegisters'
  | 'stopChain'
  | 'arrivalTick'
  | 'generationId'
  | 'kexecImage'
  | 'crashImage'
  | 'ticksRun'
  | 'steps'
>;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class KernelSlot {
  readonly index: number;
  readonly base: number;
  readonly kexecImage: Kimage;
  readonly crashImage: Kimage;
  private readonly view: DataView;
  private readonly u8: Uint8Array;

  constructor(machine: MachineMemory, index: number) {
    this.index = index;
    this.base = machine.region('slots').offset + index * KERNEL_SLOT_BYTES;
    this.view = machine.view;
    this.u8 = machine.u8;
    this.kexecImage = new Kimage(machine.view, this.base + SLOT.kexecImage);
    this.crashImage = new Kimage(machine.view, this.base + SLOT.crashImage);
  }

  /** A word of the slot, signed. Addresses and list heads want `>>> 0`. */
  get(word: SlotWord): number {
    return this.view.getInt32(this.base + SLOT[word], true);
  }
  set(word: SlotWord, value: number): void {
    this.view.setInt32(this.base + SLOT[word], value, true);
  }
  /** An address of the slot, unsigned. */
  address(word: SlotWord): number {
    return this.view.getUint32(this.base + SLOT[word], true);
  }

  get state(): number {
    return this.view.getInt32(this.base + SLOT.state, true);
  }
  /** Moves the kernel to a state; asserts that the transition is legal. */
  moveTo(state: KernelStateValue): void {
    assertTransition(this.state, state);
    this.view.setInt32(this.base + SLOT.state, state, true);
  }

  /** The slot's bytes were copied from a context, saved on the way out: what it holds is a parked kernel. */
  setAdopted(): void {
    this.view.setInt32(this.base + SLOT.state, KernelState.PARKED, true);
  }

  get ticksRun(): number {
    return this.view.getFloat64(this.base + SLOT.ticksRun, true);
  }
  set ticksRun(ticks: number) {
    this.view.setFloat64(this.base + SLOT.ticksRun, ticks, true);
  }
  get steps(): number {
    return this.view.getFloat64(this.base + SLOT.steps, true);
  }
  set steps(steps: number) {
    this.view.setFloat64(this.base + SLOT.steps, steps, true);
  }

  get name(): string {
    return this.text(SLOT.name, SLOT_NAME_BYTES);
  }
  set name(name: string) {
    this.setText(SLOT.name, SLOT_NAME_BYTES, name);
  }
  get stopText(): string {
    return this.text(SLOT.stopText, SLOT_STOP_TEXT_BYTES);
  }

  /** Notes why the kernel stops for good. The text is cut to its place. */
  setStop(code: StopCodeValue, address: number, text: string): void {
    this.set('stopCode', code);
    this.set('stopAddress', address);
    this.setText(SLOT.stopText, SLOT_STOP_TEXT_BYTES, text);
  }

  /** Notes the exceptions that led to the stop. */
  setStopChain(chain: readonly StopLink[]): void {
    stopChainWords(chain).forEach((word, i) => {
      this.view.setInt32(this.base + SLOT.stopChain + 4 * i, word, true);
    });
  }

  /** Notes who had the machine before, and how the CPU comes here. */
  noteArrival(from: number, tick: number, eip: number, eflags: number): void {
    this.set('cameFrom', from + 1);
    this.set('arrivalEip', eip);
    this.set('arrivalEflags', eflags);
    this.set('movedPages', 0);
    this.view.setFloat64(this.base + SLOT.arrivalTick, tick, true);
  }

  /** 16 bytes; a view. */
  get generationId(): Uint8Array {
    return this.u8.subarray(this.base + SLOT.generationId, this.base + SLOT.generationId + GENERATION_ID_BYTES);
  }
  set generationId(bytes: Uint8Array) {
    this.u8.set(bytes, this.base + SLOT.generationId);
  }

  /** Physical addresses of the pages in which CPU, devices and slot are parked. */
  get contextPages(): number[] {
    return Array.from({ length: 4 }, (_, i) => this.view.getUint32(this.base + SLOT.contextPages + 4 * i, true));
  }
  set contextPages(addresses: readonly number[]) {
    addresses.forEach((address, i) => {
      this.view.setUint32(this.base + SLOT.contextPages + 4 * i, address, true);
    });
  }

  get callRegisters(): number[] {
    return Array.from({ length: 10 }, (_, i) => this.view.getInt32(this.base + SLOT.callRegisters + 4 * i, true));
  }
  set callRegisters(values: readonly number[]) {
    values.forEach((value, i) => {
      this.view.setInt32(this.base + SLOT.callRegisters + 4 * i, value, true);
    });
  }

  get windows(): PageWindow[] {
    const windows: PageWindow[] = [];
    for (let i = 0; i < WINDOWS_MAX; i++) {
      const at = this.base + SLOT.windows + i * WINDOW_WORDS * 4;
      const firstPage = this.view.getInt32(at, true);
      const endPage = this.view.getInt32(at + 4, true);
      if (endPage > firstPage) {
        windows.push({ firstPage, endPage, shared: (this.view.getInt32(at + 8, true) & WINDOW_SHARED) !== 0 });
      }
    }
    return windows;
  }
  set windows(windows: readonly PageWindow[]) {
    assert(windows.length <= WINDOWS_MAX, 'too many windows for a slot');
    for (let i = 0; i < WINDOWS_MAX; i++) {
      const at = this.base + SLOT.windows + i * WINDOW_WORDS * 4;
      const window = windows[i];
      this.view.setInt32(at, window?.firstPage ?? 0, true);
      this.view.setInt32(at + 4, window?.endPage ?? 0, true);
      this.view.setInt32(at + 8, window?.shared ? WINDOW_SHARED : 0, true);
    }
  }

  /** Empties the slot for its next kernel. The count of its lives goes on. */
  clear(): void {
    const life = this.get('life');
    this.u8.fill(0, this.base, this.base + KERNEL_SLOT_BYTES);
    this.set('life', life);
  }

  private text(offset: number, bytes: number): string {
    const copy = this.u8.slice(this.base + offset, this.base + offset + bytes);
    const end = copy.indexOf(0);
    return decoder.decode(end < 0 ? copy : copy.subarray(0, end));
  }

  private setText(offset: number, bytes: number, text: string): void {
    const target = new Uint8Array(bytes);
    encoder.encodeInto(text, target.subarray(0, bytes - 1));
    this.u8.set(target, this.base + offset);
  }
}

/** Every slot of a machine. */
export function kernelSlots(machine: MachineMemory): KernelSlot[] {
  return Array.from({ length: machine.geometry.maxKernels }, (_, index) => new KernelSlot(machine, index));
}

/** The first empty slot. Throws `TOO_MANY_KERNELS`. */
export function emptySlot(slots: readonly KernelSlot[]): KernelSlot {
  const slot = slots.find((candidate) => candidate.state === KernelState.EMPTY);
  if (slot === undefined) {
    throw new KjumpError('TOO_MANY_KERNELS', `all ${slots.length} kernel slots are taken`, {
      why: 'a machine has a fixed number of slots',
      fix: 'unload a kernel, or create the machine with a larger maxKernels',
    });
  }
  return slot;
}

/** Ends what is left of a kernel: its hidden pages come free and its slot is empty. */
export function freeSlot(hidden: HiddenPages, slot: KernelSlot): void {
  hidden.release(hidden.of(slot.index));
  slot.clear();
}
