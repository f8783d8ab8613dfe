// SPDX-License-Identifier: MIT
//
// The system instructions of the engine in one table, and those that fit nowhere else: HLT, caches, RDPMC, RSM, UD2.
import { CONTROL_HELPERS } from './control-registers.ts';
import type { Cpu } from './cpu.ts';
import { CPUID_HELPERS } from './cpuid.ts';
import { isRing0, TABLE_HELPERS } from './descriptor-tables.ts';
import { FAR_HELPERS } from './far-transfers.ts';
import { FLAGS_HELPERS } from './flags-instructions.ts';
import { INTERRUPT_HELPERS } from './interrupts.ts';
import { PORT_HELPERS } from './io-ports.ts';
import { IRET_HELPERS } from './iret.ts';
import { MSR_HELPERS } from './msr.ts';
import { NEAR_HELPERS } from './near-transfers.ts';
import type { Helper } from './operands.ts';
import { SEGMENT_HELPERS } from './segments.ts';

const HALTED = 60;
const INVALID_OPCODE = 6;
const GENERAL_PROTECTION = 13;

/** UD2, and every opcode that does not exist. */
function ud(cpu: Cpu): void {
  cpu.raise(INVALID_OPCODE, -1);
}

/** RSM outside system-management mode, which there is none of. */
const rsm = ud;

function hlt(cpu: Cpu): void {
  if (!isRing0(cpu)) return;
  cpu.r[HALTED] = 1;
  cpu.leaveRun();
}

/** There is no cache that a guest could notice. */
function wbinvd(cpu: Cpu): void {
  isRing0(cpu);
}
const invd = wbinvd;

/** There are no performance counters. */
function rdpmc(cpu: Cpu): void {
  cpu.raise(GENERAL_PROTECTION, 0);
}

export const SYSTEM_HELPERS = {
  ...SEGMENT_HELPERS,
  ...NEAR_HELPERS,
  ...FAR_HELPERS,
  ...INTERRUPT_HELPERS,
  ...IRET_HELPERS,
  ...TABLE_HELPERS,
  ...CONTROL_HELPERS,
  ...MSR_HELPERS,
  ...CPUID_HELPERS,
  ...FLAGS_HELPERS,
  ...PORT_HELPERS,
  ud,
  rsm,
  hlt,
  wbinvd,
  invd,
  rdpmc,
} as const satisfies Record<string, Helper>;
