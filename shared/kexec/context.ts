// SPDX-License-Identifier: MIT
//
// Parking a kernel: CPU record, device records and slot are copied into its context pages, and its control page gets Linux's
// data block and the marker that names those pages. Everything needed to go on then lies in guest-physical memory, hidden or
// the kernel's own, so that whoever saves that memory saves the kernel. Counterpart of save_processor_state() and of the
// stores at the head of relocate_kernel (arch/x86/kernel/relocate_kernel_32.S).

import type { KernelSlot } from '../kernel-slot.ts';
import {
  CONTEXT_CPU,
  CONTEXT_DEVICES,
  CONTEXT_PAGES,
  CONTEXT_SLOT,
  CONTROL,
  CONTROL_MARKER,
  REENTRY_CODE,
  REENTRY_OFFSET,
} from '../layout/control-page.ts';
import { CPU, CPU_LAYOUT } from '../layout/cpu-state.ts';
import { DEVICE_MAP } from '../layout/device-map.ts';
import { describedBytes } from '../layout/fields.ts';
import { SLOT_LAYOUT } from '../layout/kernel-slot.ts';
import type { MachineMemory } from '../machine-memory.ts';
import type { PhysicalMemory } from '../physical-memory.ts';
import { PAGE_MASK, PAGE_SIZE, pageAddress, pageIndexOf } from '../units.ts';

// The described part of each record is all of it that is ever not zero. What is not copied need not cross to the other core.
const CPU_BYTES = describedBytes(CPU_LAYOUT);
const DEVICES_BYTES = Math.max(...DEVICE_MAP.map(({ layout, offset }) => offset + layout.bytes));
const SLOT_BYTES = describedBytes(SLOT_LAYOUT);

/** The pages of one departure: through the loaded image, or through the kernel's own pages. Physical addresses. */
export interface BorderPages {
  readonly controlPage: number;
  readonly swapPage: number;
  readonly contextPages: readonly number[];
  /** List that the control page's data block names; 0 for none. */
  readonly head: number;
}

/** Copies the live CPU, the live devices and the kernel's slot into the context pages. */
export function saveContext(
  machine: MachineMemory,
  memory: PhysicalMemory,
  slot: KernelSlot,
  pages: BorderPages,
): void {
  const { u8, view } = machine;
  const cpu = machine.region('cpu').offset;
  const devices = machine.region('devices').offset;
  copyToPages(memory, pages.contextPages, CONTEXT_CPU, u8.subarray(cpu, cpu + CPU_BYTES));
  copyToPages(memory, pages.contextPages, CONTEXT_DEVICES, u8.subarray(devices, devices + DEVICES_BYTES));
  copyToPages(memory, pages.contextPages, CONTEXT_SLOT, u8.subarray(slot.base, slot.base + SLOT_BYTES));
  const control = pages.controlPage;
  memory.write32(control + CONTROL.savedEsp, view.getInt32(cpu + CPU.esp, true));
  memory.write32(control + CONTROL.savedCr0, view.getInt32(cpu + CPU.cr0, true));
  memory.write32(control + CONTROL.savedCr3, view.getInt32(cpu + CPU.cr3, true));
  memory.write32(control + CONTROL.savedCr4, view.getInt32(cpu + CPU.cr4, true));
  // Kernels without page tables of their own run with virtual = physical addresses, and need no transition tables.
  memory.write32(control + CONTROL.controlVa, control);
  memory.write32(control + CONTROL.transitionPgd, 0);
  nameContext(memory, pages);
}

/** What the control page says about where the rest of a departure is. */
function nameContext(memory: PhysicalMemory, pages: BorderPages): void {
  const control = pages.controlPage;
  memory.write32(control + CONTROL.swapPage, pages.swapPage);
  memory.write32(control + CONTROL.head, pages.head);
  memory.write32(control + CONTROL.marker, CONTROL_MARKER);
  memory.write32(control + REENTRY_OFFSET, REENTRY_CODE);
  for (let i = 0; i < CONTEXT_PAGES; i++) {
    memory.write32(control + CONTROL.contextPages + 4 * i, pages.contextPages[i]);
  }
}

/** A second copy of a parked context, in other pages. `pageOf` tells where a page of the first one is now. */
export function copyContext(
  memory: PhysicalMemory,
  from: BorderPages,
  to: BorderPages,
  pageOf: (page: number) => number,
): void {
  const sources = [from.controlPage, ...from.contextPages].map((physAddr) => pageOf(pageIndexOf(physAddr)));
  memory.aliasMany([to.controlPage, ...to.contextPages].map(pageIndexOf), sources);
  nameContext(memory, to);
}

/** Copies CPU and devices from the context pages back to the machine's live records. The slot is the caller's business. */
export function restoreContext(machine: MachineMemory, memory: PhysicalMemory, contextPages: readonly number[]): void {
  const cpu = machine.region('cpu').offset;
  const devices = machine.region('devices').offset;
  copyFromPages(memory, contextPages, CONTEXT_CPU, machine.u8.subarray(cpu, cpu + CPU_BYTES));
  copyFromPages(memory, contextPages, CONTEXT_DEVICES, machine.u8.subarray(devices, devices + DEVICES_BYTES));
}

/** Where a byte of the device records is in a context. The caller says where that page is now. */
export function deviceInContext(pages: BorderPages, offset: number): number {
  return pages.contextPages[CONTEXT_DEVICES + Math.floor(offset / PAGE_SIZE)] + (offset % PAGE_SIZE);
}

/**
 * The context that a re-entry address leads to, or null if no parked kernel's control page is there. `pageOf` tells where a
 * page is now, for a kernel that is not in its place.
 */
export function contextAt(
  memory: PhysicalMemory,
  reentry: number,
  pageOf: (page: number) => number = (page) => page,
): BorderPages | null {
  const controlPage = (reentry & PAGE_MASK) >>> 0;
  if (reentry >>> 0 !== controlPage + REENTRY_OFFSET) return null;
  const at = pageAddress(pageOf(pageIndexOf(controlPage)));
  if (memory.read32(at + CONTROL.marker) !== CONTROL_MARKER) return null;
  const contextPages: number[] = [];
  for (let i = 0; i < CONTEXT_PAGES; i++) contextPages.push(memory.read32(at + CONTROL.contextPages + 4 * i) >>> 0);
  return {
    controlPage,
    swapPage: memory.read32(at + CONTROL.swapPage) >>> 0,
    contextPages,
    head: memory.read32(at + CONTROL.head) >>> 0,
  };
}

/** Copies the parked slot of a context over a slot of this machine. */
export function adoptSlot(machine: MachineMemory, memory: PhysicalMemory, pages: BorderPages, slot: KernelSlot): void {
  memory.readInto(pages.contextPages[CONTEXT_SLOT], machine.u8.subarray(slot.base, slot.base + SLOT_BYTES));
}

function copyToPages(memory: PhysicalMemory, pages: readonly number[], first: number, bytes: Uint8Array): void {
  for (let done = 0, i = first; done < bytes.length; done += PAGE_SIZE, i++) {
    memory.write(pages[i], bytes.subarray(done, done + PAGE_SIZE));
  }
}

function copyFromPages(memory: PhysicalMemory, pages: readonly number[], first: number, bytes: Uint8Array): void {
  for (let done = 0, i = first; done < bytes.length; done += PAGE_SIZE, i++) {
    memory.readInto(pages[i], bytes.subarray(done, done + PAGE_SIZE));
  }
}
