// SPDX-License-Identifier: MIT
//
// CPUID (SDM vol. 2A): a Pentium II Xeon or Celeron without MMX, MTRRs, machine checks and virtual-8086 extensions, and
// with execute-disable. What is claimed here is what the engine does; control-registers.ts reserves the rest of CR4.
//
// Newer than all that, because it is true and because kernels look for it: the time-stamp counter never stops, has one rate, and this
// is how fast. A kernel that is not told measures it against the 8254 with interrupts on and off, and comes to distrust it.
import { CRYSTAL_HZ, FEATURE_APIC, FEATURES, SIGNATURE } from '../../../shared/processor.ts';
import type { Cpu } from './cpu.ts';
import type { Helper } from './operands.ts';

const EAX = 0;
const ECX = 1;
const EDX = 2;
const EBX = 3;

const NX = 1 << 20;

/** The four letters of a register, first letter lowest. */
const letters = (text: string): number =>
  text.charCodeAt(0) | (text.charCodeAt(1) << 8) | (text.charCodeAt(2) << 16) | (text.charCodeAt(3) << 24);

const GENU = letters('Genu');
const INEI = letters('ineI');
const NTEL = letters('ntel');
/** TLBs and caches, one byte each (SDM vol. 2A table 3-12): 4 KiB pages, 16 KiB of code and of data, 512 KiB of second level. */
const CACHES_EAX = 0x03020101;
const CACHES_EDX = 0x0c040843;
/** The same second level in leaf 0x80000006: KiB, four ways, bytes a line. */
const SECOND_LEVEL = (512 << 16) | (4 << 12) | 32;
/** EBX of leaf 7. */
const TSC_ADJUST = 1 << 1;
/** EDX of leaf 0x80000007. */
const INVARIANT_TSC = 1 << 8;
/** Counts of the time-stamp counter in a cycle of the crystal: a count is a tick of a nanosecond. */
const TSC_PER_CRYSTAL = 10;
const BRAND = 'kjump virtual i686 CPU'.padEnd(48, '\0');

/** Base, highest and bus frequency in MHz, for leaf 0x16. */
const CPU_MHZ = 1000;
const BUS_MHZ = 100;
/** Bits of a physical and of a linear address. */
const ADDRESS_BITS = 32 | (32 << 8);

const MAX_LEAF = 0x16;
const EXTENDED = 0x80000000;
const MAX_EXTENDED_LEAF = EXTENDED + 8;

type Leaf = readonly [eax: number, ebx: number, ecx: number, edx: number];

const NOTHING: Leaf = [0, 0, 0, 0];

function brandLeaf(part: number): Leaf {
  const word = (n: number): number => letters(BRAND.slice(part * 16 + n * 4));
  return [word(0), word(1), word(2), word(3)];
}

/** Leaves up to the highest that are not here are all zeros. */
const LEAVES: Readonly<Record<number, Leaf>> = {
  0: [MAX_LEAF, GENU, NTEL, INEI],
  1: [SIGNATURE, 0, 0, FEATURES | FEATURE_APIC],
  2: [CACHES_EAX, 0, 0, CACHES_EDX],
  7: [0, TSC_ADJUST, 0, 0],
  21: [1, TSC_PER_CRYSTAL, CRYSTAL_HZ, 0],
  [MAX_LEAF]: [CPU_MHZ, CPU_MHZ, BUS_MHZ, 0],
  [EXTENDED]: [MAX_EXTENDED_LEAF, 0, 0, 0],
  [EXTENDED + 1]: [0, 0, 0, NX],
  [EXTENDED + 2]: brandLeaf(0),
  [EXTENDED + 3]: brandLeaf(1),
  [EXTENDED + 4]: brandLeaf(2),
  [EXTENDED + 6]: [0, 0, SECOND_LEVEL, 0],
  [EXTENDED + 7]: [0, 0, 0, INVARIANT_TSC],
  [MAX_EXTENDED_LEAF]: [ADDRESS_BITS, 0, 0, 0],
};

function cpuid(cpu: Cpu): void {
  const { r } = cpu;
  const leaf = r[EAX] >>> 0;
  // Leaves that are not there answer like the highest basic one.
  const isThere = leaf <= MAX_LEAF || (leaf >= EXTENDED && leaf <= MAX_EXTENDED_LEAF);
  const [eax, ebx, ecx, edx] = LEAVES[isThere ? leaf : MAX_LEAF] ?? NOTHING;
  r[EAX] = eax;
  r[EBX] = ebx;
  r[ECX] = ecx;
  r[EDX] = leaf === 1 && !cpu.board.localApic.isThere ? edx & ~FEATURE_APIC : edx;
}

export const CPUID_HELPERS = { cpuid } as const satisfies Record<string, Helper>;
