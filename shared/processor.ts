// SPDX-License-Identifier: MIT
// The processor as it describes itself: by CPUID (kernel-worker/engines/i386/cpuid.ts), and as firmware tables repeat it.

/** Family 6, model 3, stepping 4. */
export const SIGNATURE = 0x634;

const FPU = 1 << 0;
const DE = 1 << 2;
const PSE = 1 << 3;
const TSC = 1 << 4;
const MSR = 1 << 5;
const PAE = 1 << 6;
const CX8 = 1 << 8;
const SEP = 1 << 11;
const PGE = 1 << 13;
const CMOV = 1 << 15;
const FXSR = 1 << 24;
/** Bit of the local APIC, while it is enabled. */
export const FEATURE_APIC = 1 << 9;
/** EDX of leaf 1: all other features. */
export const FEATURES = FPU | DE | PSE | TSC | MSR | PAE | CX8 | SEP | PGE | CMOV | FXSR;

/** The crystal that clocks the timer of the local APIC, and through a multiplier the time-stamp counter: 1 count a tick. */
export const CRYSTAL_HZ = 100_000_000;
export const CRYSTAL_TICKS = 10;
