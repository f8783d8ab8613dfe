// SPDX-License-Identifier: MIT
//
// A flat binary: bytes for one physical address, entered at its start or where the caller says.
import { KjumpError } from '../../shared/errors.ts';
import { EngineKind } from '../../shared/layout/kernel-slot.ts';
import { isPageAligned, PAGE_SIZE, pagesIn } from '../../shared/units.ts';
import { FLAT_ENTRY, type LoadOptions, type Program } from './program.ts';

/** Throws `NOT_A_KERNEL` if no page-aligned load address was given, or the file is empty. */
export function loadFlat(bytes: Uint8Array, name: string, { at, entry }: LoadOptions): Program {
  const refuse = (why: string, fix: string): never => {
    throw new KjumpError('NOT_A_KERNEL', `${name} is no kernel that can be loaded`, { why, fix });
  };
  if (bytes.length === 0) refuse('the file is empty', 'give a kernel');
  if (at === undefined) {
    return refuse(
      'it is no module, bzImage, multiboot kernel, ELF file, boot sector or ROM, and a flat binary needs a load address',
      'give its physical address with the option at',
    );
  }
  if (!isPageAligned(at)) refuse('its load address is not a multiple of 4096', 'give a page-aligned address');
  const segment = { physAddr: at, bytes, length: pagesIn(bytes.length) * PAGE_SIZE };
  return { entry: entry ?? at, entryState: FLAT_ENTRY, segments: [segment], engine: EngineKind.i386, name };
}
