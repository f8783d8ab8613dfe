// SPDX-License-Identifier: MIT
//
// CPUID (SDM vol. 2A): a Pentium II Xeon or Celeron without MMX, local APIC, MTRRs, machine checks and virtual-8086 extensions, and
// with execute-disable. What is claimed here is what the engine does; control-registers.ts reserves the rest of CR4.
import type { Cpu } from './cpu.ts';
import type { Helper } from './operands.ts';

const EAX = 0;
const ECX = 1;
const EDX = 2;
const EBX = 3;

/** Family 6, model 3, stepping 4. */
const SIGNATURE = 0x634;
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
const FEATURES = FPU | DE | PSE | TSC | MSR | PAE | CX8 | SEP | PGE | CMOV | FXSR;
const NX = 1 << 20;

/** The four letters of a register, first letter lowest. */
const letters = (text: string): number =>
  text.charCodeAt(0) | (text.charCodeAt(1) << 8) | (text.charCodeAt(2) << 16) | (text.charCodeAt(3) << 24);

const MAX_LEAF = 2;
const MAX_EXTENDED_LEAF = 0x80000001 | 0;
const GENU = letters('Genu');
const INEI = letters('ineI');
const NTEL = letters('ntel');
/** TLBs and caches, one byte each (SDM vol. 2A table 3-12): 4 KiB pages, 16 KiB of code and of data, 512 KiB of second level. */
const CACHES_EAX = 0x03020101;
const CACHES_EDX = 0x0c040843;

function write(cpu: Cpu, eax: number, ebx: number, ecx: number, edx: number): void {
  cpu.r[EAX] = eax;
  cpu.r[EBX] = ebx;
  cpu.r[ECX] = ecx;
  cpu.r[EDX] = edx;
}

function cpuid(cpu: Cpu): void {
  switch (cpu.r[EAX]) {
    case 0:
      write(cpu, MAX_LEAF, GENU, NTEL, INEI);
      break;
    case 1:
      write(cpu, SIGNATURE, 0, 0, FEATURES);
      break;
    case 0x80000000 | 0:
      write(cpu, MAX_EXTENDED_LEAF, 0, 0, 0);
      break;
    case MAX_EXTENDED_LEAF:
      write(cpu, 0, 0, 0, NX);
      break;
    default:
      // Leaves that are not there answer like the highest basic one.
      write(cpu, CACHES_EAX, 0, 0, CACHES_EDX);
  }
}

export const CPUID_HELPERS = { cpuid } as const satisfies Record<string, Helper>;
