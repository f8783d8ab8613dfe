// SPDX-License-Identifier: MIT
//
// Multiboot 1 kernels (Multiboot Specification 0.6.96): an ELF32 file, or any file whose header gives the addresses. The
// modules and the information follow behind the kernel, and it is entered with the magic in EAX and the information at EBX (§3.2).
import { EngineKind } from '../../shared/layout/kernel-slot.ts';
import { PAGE_SIZE, pagesIn } from '../../shared/units.ts';
import { type ElfPiece, isElf, readElf32 } from './elf32.ts';
import { checkDemands, type MultibootHeader, readAddresses, refuseMultiboot } from './multiboot-header.ts';
import { buildMultibootInfo, type PlacedModule } from './multiboot-info.ts';
import type { LoadOptions, Program, ProgramSegment } from './program.ts';
import { wholePages } from './whole-pages.ts';

const BOOTLOADER_MAGIC = 0x2badb002;

/** A module that has been read. */
export interface LoadedModule {
  readonly bytes: Uint8Array;
  readonly cmdline: string;
}

/** `header` is where `findMultibootHeader` has found it. Throws `NOT_A_KERNEL`, naming the field that is wrong. */
export function loadMultiboot(
  bytes: Uint8Array,
  name: string,
  header: MultibootHeader,
  options: LoadOptions,
  modules: readonly LoadedModule[],
): Program {
  const { memory = null, memoryStart = 0, cmdline = '' } = options;
  const refuse = refuseMultiboot(name);
  checkDemands(bytes, header, name);
  if (header.wantsMemory && memory === null) {
    refuse('its header demands the size of memory', 'give it with the option memory');
  }
  const { entry, pieces } = kernelOf(bytes, name, header);

  let next = endOf(pieces);
  const placed: PlacedModule[] = [];
  const modulePieces: ProgramSegment[] = [];
  for (const module of modules) {
    const { length } = module.bytes;
    placed.push({ start: next, end: next + length, cmdline: module.cmdline });
    if (length > 0) modulePieces.push({ physAddr: next, bytes: module.bytes, length });
    next += pagesIn(length) * PAGE_SIZE;
  }
  const info = buildMultibootInfo(next, { cmdline, modules: placed, memory, memoryStart });
  const end = next + info.length;
  const limit = memory ?? 2 ** 32;
  if (end > limit) {
    refuse(`with its modules it needs memory up to 0x${end.toString(16)}`, 'give it more memory, or fewer modules');
  }

  return {
    entry: options.entry ?? entry,
    entryState: { mode: 'flat32', registers: { eax: BOOTLOADER_MAGIC, ebx: next } },
    segments: wholePages([...pieces, ...modulePieces, { physAddr: next, bytes: info, length: info.length }]),
    engine: EngineKind.i386,
    name,
  };
}

function kernelOf(
  bytes: Uint8Array,
  name: string,
  header: MultibootHeader,
): { entry: number; pieces: readonly ProgramSegment[] } {
  if (header.hasAddresses) {
    const { entry, piece } = readAddresses(bytes, header, name);
    return { entry, pieces: [piece] };
  }
  if (!isElf(bytes)) {
    return refuseMultiboot(name)(
      'it is not an ELF file, and its multiboot header has no addresses',
      'set flag 16 of the header and give the addresses, or link it as ELF32',
    );
  }
  const { entry, pieces } = readElf32(bytes, name);
  return { entry: physicalEntry(entry, pieces), pieces };
}

/** Paging is off at the entry: e_entry of a kernel that is linked for high addresses means the byte that is loaded for it. */
function physicalEntry(entry: number, pieces: readonly ElfPiece[]): number {
  const home = pieces.find(({ virtAddr, length }) => entry >= virtAddr && entry < virtAddr + length);
  return home === undefined ? entry : entry - home.virtAddr + home.physAddr;
}

/** First page behind all pieces. */
function endOf(pieces: readonly ProgramSegment[]): number {
  return pagesIn(Math.max(...pieces.map(({ physAddr, length }) => physAddr + length))) * PAGE_SIZE;
}
