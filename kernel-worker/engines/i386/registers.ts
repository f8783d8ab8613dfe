// SPDX-License-Identifier: MIT
//
// Word indices into the CPU record (shared/layout/cpu-state.ts: index = offset / 4), the numbers of segment registers, the bits
// of EFLAGS and the control registers (SDM vol. 1 §3.4.3, vol. 3A §2.3, §2.5), and exception vectors (vol. 3A table 6-1).
// Files copy what they use into constants of their own, because an imported name may be a call of a getter where it is hot; a test
// compares the copies with this table, and this table with the layout of the record.

export const EAX = 0;
export const ECX = 1;
export const EDX = 2;
export const EBX = 3;
export const ESP = 4;
export const EBP = 5;
export const ESI = 6;
export const EDI = 7;
export const EIP = 8;
export const EFLAGS = 9;

/** Numbers of segment registers, as in the Sreg field of ModRM (SDM vol. 2A §2.1.5); LDTR and TR follow. */
export const ES = 0;
export const CS = 1;
export const SS = 2;
export const DS = 3;
export const FS = 4;
export const GS = 5;
export const LDTR = 6;
export const TR = 7;

/** Word index of the first segment register; each has four words: selector, base, limit, attributes. */
export const SEGMENTS = 12;
export const GDTR_BASE = 44;
export const GDTR_LIMIT = 45;
export const IDTR_BASE = 46;
export const IDTR_LIMIT = 47;
export const CR0 = 48;
export const CR2 = 49;
export const CR3 = 50;
export const CR4 = 51;
export const DR0 = 52;
export const DR6 = 58;
export const DR7 = 59;
export const HALTED = 60;
export const INTERRUPT_SHADOW = 61;
export const A20_MASKED = 62;
export const NMI_BLOCKED = 63;
export const SYSENTER_CS = 64;
export const SYSENTER_ESP = 65;
export const SYSENTER_EIP = 66;
export const EFER = 67;
export const MISC_ENABLE = 71;
export const PENDING_DEBUG = 72;
export const PAGING_OFF_PAGE = 73;

/**
 * Scratch words of the engine, behind everything described: operands of micro-operations that are no register. Zero between
 * two calls of `run`, so that records of equal machines are equal. `ZERO` is always zero.
 */
export const T0 = 128;
export const T1 = 129;
export const T2 = 130;
export const ZERO = 131;

export const CF = 0x1;
export const PF = 0x4;
export const AF = 0x10;
export const ZF = 0x40;
export const SF = 0x80;
export const TF = 0x100;
export const IF = 0x200;
export const DF = 0x400;
export const OF = 0x800;
export const IOPL = 0x3000;
export const NT = 0x4000;
export const RF = 0x10000;
export const VM = 0x20000;
export const AC = 0x40000;
export const VIF = 0x80000;
export const VIP = 0x100000;
export const ID = 0x200000;
/** CF, PF, AF, ZF, SF, OF: what lazy flags stand for. */
export const STATUS_FLAGS = 0x8d5;

export const CR0_PE = 0x1;
export const CR0_MP = 0x2;
export const CR0_EM = 0x4;
export const CR0_TS = 0x8;
export const CR0_ET = 0x10;
export const CR0_NE = 0x20;
export const CR0_WP = 0x10000;
export const CR0_AM = 0x40000;
export const CR0_NW = 0x20000000;
export const CR0_CD = 0x40000000;
export const CR0_PG = -0x80000000;

export const CR4_TSD = 0x4;
export const CR4_DE = 0x8;
export const CR4_PSE = 0x10;
export const CR4_PAE = 0x20;
export const CR4_PGE = 0x80;
export const CR4_PCE = 0x100;
export const CR4_OSFXSR = 0x200;

export const EFER_NXE = 0x800;

export const DIVIDE_ERROR = 0;
export const DEBUG = 1;
export const BREAKPOINT = 3;
export const OVERFLOW = 4;
export const BOUND_RANGE = 5;
export const INVALID_OPCODE = 6;
export const DEVICE_NOT_AVAILABLE = 7;
export const DOUBLE_FAULT = 8;
export const INVALID_TSS = 10;
export const SEGMENT_NOT_PRESENT = 11;
export const STACK_FAULT = 12;
export const GENERAL_PROTECTION = 13;
export const PAGE_FAULT = 14;
export const MATH_FAULT = 16;
export const ALIGNMENT_CHECK = 17;

/** Attributes of a cached descriptor (shared/layout/cpu-state.ts SEGMENT). */
/** Data: writable; code: readable. */
export const ATTR_RW = 0x2;
/** Data: expand-down; code: conforming. */
export const ATTR_DC = 0x4;
export const ATTR_CODE = 0x8;
export const ATTR_S = 0x10;
export const ATTR_P = 0x80;
export const ATTR_DB = 0x4000;
/** Our own: the register holds a null selector, every use of it faults. */
export const ATTR_NULL = 0x10000;
