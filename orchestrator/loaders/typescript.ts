// SPDX-License-Identifier: MIT
//
// A kernel written in TypeScript (or JavaScript): an entry page at the first address of its window.
import { entryPage } from '../../shared/kexec/typescript-image.ts';
import { EntryKind } from '../../shared/layout/entry-page.ts';
import { EngineKind } from '../../shared/layout/kernel-slot.ts';
import { PAGE_SIZE } from '../../shared/units.ts';
import { FLAT_ENTRY, type LoadOptions, type Program } from './program.ts';

export function loadTypeScript(specifier: string, name: string, options: LoadOptions): Program {
  const kind = options.routine ? EntryKind.routine : EntryKind.kernel;
  const bytes = entryPage({ kind, specifier });
  return {
    entry: options.base,
    entryState: FLAT_ENTRY,
    segments: [{ physAddr: options.base, bytes, length: PAGE_SIZE }],
    engine: EngineKind.guest,
    name,
  };
}
