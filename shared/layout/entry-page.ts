// SPDX-License-Identifier: MIT
//
// The first page of a kernel written in TypeScript: a magic and the module that continues it, so that memory alone says how
// to go on, also in another process. Written by shared/kexec/typescript-image.ts; read when an engine is chosen for an entry.
export const ENTRY = { magic: 0, kind: 4, specifierBytes: 8, specifier: 16 } as const;
export const ENTRY_MAGIC = 0x53544a4b; // 'KJTS'
export const SPECIFIER_MAX = 2048;

/** `kernel` runs start and step; `routine` is called once and returns, as physical-mode code does. */
export const EntryKind = { kernel: 1, routine: 2 } as const;
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];
