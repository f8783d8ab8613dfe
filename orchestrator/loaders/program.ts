// SPDX-License-Identifier: MIT
//
// What every loader makes of a file: bytes for physical addresses, an entry, and who executes it.
import type { EngineKind } from '../../shared/layout/kernel-slot.ts';

export interface ProgramSegment {
  readonly physAddr: number;
  readonly bytes: Uint8Array;
  /** Bytes in memory; what `bytes` does not cover is zero. */
  readonly length: number;
}

export interface Program {
  readonly entry: number;
  readonly segments: readonly ProgramSegment[];
  readonly engine: (typeof EngineKind)[keyof typeof EngineKind];
  /** File name without folder and extension. */
  readonly name: string;
}

export interface LoadOptions {
  /** First address of the kernel's window: where a module's entry page goes. */
  readonly base: number;
  /** For flat binaries: load address and entry. */
  readonly at?: number;
  readonly entry?: number;
  /** A module that is called once and returns. */
  readonly routine?: boolean;
}
