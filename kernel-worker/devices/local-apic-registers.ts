// SPDX-License-Identifier: MIT
// Registers of the local APIC and their bits (SDM vol. 3A table 10-1, figures 10-8, 10-12, 10-23).

export const REGISTERS_BYTES = 0x1000;
/** Offsets of the registers, divided by 16. */
export const REGISTER = {
  ID: 0x02,
  VERSION: 0x03,
  TPR: 0x08,
  APR: 0x09,
  PPR: 0x0a,
  EOI: 0x0b,
  RRD: 0x0c,
  LDR: 0x0d,
  DFR: 0x0e,
  SVR: 0x0f,
  ISR: 0x10,
  TMR: 0x18,
  IRR: 0x20,
  ESR: 0x28,
  ICR_LOW: 0x30,
  ICR_HIGH: 0x31,
  LVT: 0x32,
  INITIAL_COUNT: 0x38,
  CURRENT_COUNT: 0x39,
  DIVIDE: 0x3e,
} as const;

export const SVR_ENABLED = 0x100;
export const SVR_WRITABLE = 0x3ff;
export const LVT_MASKED = 0x10000;
export const LVT_PERIODIC = 0x20000;
export const LVT_WRITABLE = [0x300ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff] as const;
export const MODE_SHIFT = 8;
export const MODE_LOWEST_PRIORITY = 1;
export const MODE_EXTINT = 7;
export const ICR_LOGICAL = 1 << 11;
/** All but delivery status, which is never pending. */
export const ICR_WRITABLE = 0xccfff;
export const TO_SELF = 1;
export const TO_ALL = 2;
export const TO_OTHERS = 3;

export const ERROR_SEND_VECTOR = 0x20;
export const ERROR_RECEIVED_VECTOR = 0x40;
export const ERROR_REGISTER = 0x80;

/** Whether a logical destination means the APIC with this logical ID: flat model 1111, cluster model 0000 (§10.6.2.2). */
export function matchesLogical(destination: number, logicalId: number, model: number): boolean {
  if (model === 0xf) return (destination & logicalId) !== 0;
  const isCluster = destination >>> 4 === logicalId >>> 4 || destination >>> 4 === 0xf;
  return isCluster && (destination & logicalId & 0xf) !== 0;
}
