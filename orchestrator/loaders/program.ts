// SPDX-License-Identifier: MIT
//
// What every loader makes of a file: bytes for physical addresses, an entry, what the CPU holds there, and who executes it.
import type { EngineKind } from '../../shared/layout/kernel-slot.ts';

export interface ProgramSegment {
  readonly physAddr: number;
  readonly bytes: Uint8Array;
  /** Bytes in memory; what `bytes` does not cover is zero. */
  readonly length: number;
}

export type GeneralRegister = 'eax' | 'ecx' | 'edx' | 'ebx' | 'esp' | 'ebp' | 'esi' | 'edi';

export type EntryRegisters = Readonly<Partial<Record<GeneralRegister, number>>>;

/**
 * The CPU at the entry, as whoever starts files of this kind leaves it. Interrupts are off in every mode, and A20 is on.
 * `flat32`: protected mode without paging; CS and the data segments are 32-bit and span 0 to 4 GiB. `linux32`: the same, with
 * the selectors of Linux's 32-bit boot protocol, and GDTR on the four descriptors at the physical address `gdt`. `real`: real
 * mode; CS is the 64 KiB in which the entry lies (F000 for a ROM), the other segment registers are 0. A register that is not
 * named is 0; only ESP is whatever it was.
 */
export type EntryState =
  | { readonly mode: 'flat32' | 'real'; readonly registers: EntryRegisters }
  | { readonly mode: 'linux32'; readonly registers: EntryRegisters; readonly gdt: number };

export const FLAT_ENTRY: EntryState = { mode: 'flat32', registers: {} };

export interface Program {
  readonly entry: number;
  readonly entryState: EntryState;
  /** Whole pages, each page in one segment only. */
  readonly segments: readonly ProgramSegment[];
  readonly engine: (typeof EngineKind)[keyof typeof EngineKind];
  /** File name without folder and extension. */
  readonly name: string;
}

/** A multiboot module: a file that is loaded behind the kernel, and a text for it. */
export interface ModuleOption {
  readonly file: string | URL;
  readonly cmdline?: string;
}

/** An initial RAM disk: its bytes, or the file that holds them. */
export type Initrd = Uint8Array | string | URL;

export interface LoadOptions {
  /** First address of the kernel's window: where a module's entry page goes. */
  readonly base: number;
  /** Load address of a flat binary; a file with one is no boot sector and no ROM. */
  readonly at?: number;
  readonly entry?: number;
  /** A module that is called once and returns. */
  readonly routine?: boolean;
  /** For multiboot kernels: the command line, the modules, and the memory they are told of: end and start, in bytes. */
  readonly cmdline?: string;
  readonly modules?: readonly ModuleOption[];
  readonly memory?: number;
  readonly memoryStart?: number;
  /** For a bzImage, which is told of the same memory: the command line, and the initial RAM disk, as bytes or as a file. */
  readonly append?: string;
  /** Parameters for the command line of a bzImage that tell of devices it cannot find by itself; one that names any gets none. */
  readonly hardware?: string;
  readonly initrd?: Initrd;
}
