// SPDX-License-Identifier: MIT
// The local APIC of the one CPU, with the IMCR that keeps it out of the 8259A's way; written by kernel-worker/devices/local-apic.ts and
// local-apic-timer.ts. Registers by the names of the SDM, vol. 3A chapter 10; bit n of the three arrays stands for vector n.
import { type Field, field, recordLayout } from './fields.ts';

/** Where its registers are, whatever the guest would like. */
export const LOCAL_APIC_ADDRESS = 0xfee00000;
/** Its ID: what messages are sent to. */
export const LOCAL_APIC_ID = 0;
/** Of a Pentium 4 (SDM vol. 3A §10.4.8). */
export const LOCAL_APIC_VERSION = 0x14;
/** Entries of the local vector table, by their index in LVT. */
export const LVT = { TIMER: 0, THERMAL: 1, PERFORMANCE: 2, LINT0: 3, LINT1: 4, ERROR: 5 } as const;
export const LVT_ENTRIES = 6;

export const LOCAL_APIC = {
  IRR: 0,
  ISR: 32,
  TMR: 64,
  LVT: 96,
  ID: 120,
  TPR: 124,
  LDR: 128,
  DFR: 132,
  SVR: 136,
  ESR: 140,
  ERRORS: 144,
  ICR: 148,
  INITIAL_COUNT: 156,
  DIVIDE: 160,
  COUNT: 164,
  COUNT_TICK: 168,
  BASE: 176,
  IMCR: 180,
  IMCR_SELECTED: 181,
  OUTPUT: 182,
  /** What a suspend puts away and a resume brings back: all of the above. */
  SAVED: 184,
  SUSPENDED_TICK: 368,
} as const;

export const LOCAL_APIC_STATE_BYTES = 384;

const vectors = (name: string, offset: number, doc: string): Field => field(name, offset, 'u32', doc, 8);

export const LOCAL_APIC_STATE = recordLayout('local-apic', LOCAL_APIC_STATE_BYTES, [
  vectors('IRR', LOCAL_APIC.IRR, 'interrupt request register'),
  vectors('ISR', LOCAL_APIC.ISR, 'in-service register'),
  vectors('TMR', LOCAL_APIC.TMR, 'trigger mode register: 1 = level triggered'),
  field('LVT', LOCAL_APIC.LVT, 'u32', 'timer, thermal, performance, LINT0, LINT1, error', LVT_ENTRIES),
  field('ID', LOCAL_APIC.ID, 'u32', 'ID in bits 31 to 24'),
  field('TPR', LOCAL_APIC.TPR, 'u32', 'task-priority register'),
  field('LDR', LOCAL_APIC.LDR, 'u32', 'logical destination register'),
  field('DFR', LOCAL_APIC.DFR, 'u32', 'destination format register'),
  field('SVR', LOCAL_APIC.SVR, 'u32', 'spurious-interrupt vector register; bit 8 enables the APIC'),
  field('ESR', LOCAL_APIC.ESR, 'u32', 'error status as the last write to ESR latched it'),
  field('errors', LOCAL_APIC.ERRORS, 'u32', 'errors since then'),
  field('ICR', LOCAL_APIC.ICR, 'u32', 'interrupt command register, low and high', 2),
  field('initialCount', LOCAL_APIC.INITIAL_COUNT, 'u32', 'initial count of the timer'),
  field('divide', LOCAL_APIC.DIVIDE, 'u32', 'divide configuration register'),
  field('count', LOCAL_APIC.COUNT, 'u32', 'current count at countTick, 0 = the timer stands'),
  field('countTick', LOCAL_APIC.COUNT_TICK, 'f64', 'tick at which the timer held that count'),
  field('base', LOCAL_APIC.BASE, 'u32', 'IA32_APIC_BASE: address, global enable, BSP'),
  field('IMCR', LOCAL_APIC.IMCR, 'u8', '0 = PIC mode, INTR goes to the CPU; 1 = it goes to LINT0 only'),
  field('imcrSelected', LOCAL_APIC.IMCR_SELECTED, 'u8', '1 = port 0x22 has selected the IMCR'),
  field('output', LOCAL_APIC.OUTPUT, 'u8', 'bit 0: an interrupt waits here; bit 1: the 8259A is held back'),
  field('saved', LOCAL_APIC.SAVED, 'u32', 'all of the above from before the suspend', 46),
  field('suspendedTick', LOCAL_APIC.SUSPENDED_TICK, 'f64', 'tick of the suspend, Infinity when not suspended'),
]);
