// SPDX-License-Identifier: MIT
//
// The header by which a kernel says that a multiboot loader may start it (Multiboot Specification 0.6.96, §3.1): three words
// in the first 8 KiB that sum to zero, and for a file that is not ELF the addresses at which it is loaded.
import { KjumpError } from '../../shared/errors.ts';
import type { ProgramSegment } from './program.ts';

const SEARCH_BYTES = 8192;
const HEADER_MAGIC = 0x1badb002;
const HEADER_BYTES = 12;
const ADDRESSES_OFFSET = 12;
const ADDRESSES_BYTES = 20;

/** Flags 0 to 15 are demands: a loader that does not know one must not start the kernel. */
const WANTS_PAGE_ALIGNMENT = 1 << 0;
const WANTS_MEMORY = 1 << 1;
const WANTS_VIDEO = 1 << 2;
const DEMANDS = 0xffff;
const KNOWN_DEMANDS = WANTS_PAGE_ALIGNMENT | WANTS_MEMORY | WANTS_VIDEO;
const HAS_ADDRESSES = 1 << 16;

export interface MultibootHeader {
  /** Where in the file it is. */
  readonly offset: number;
  readonly wantsMemory: boolean;
  readonly hasAddresses: boolean;
}

type Refuse = (why: string, fix: string) => never;

export function refuseMultiboot(name: string): Refuse {
  return (why, fix) => {
    throw new KjumpError('NOT_A_KERNEL', `${name} is no multiboot kernel that can be loaded`, { why, fix });
  };
}

/** The first header whose checksum is right, or null. Page alignment is always given; a wish for a video mode is not met. */
export function findMultibootHeader(bytes: Uint8Array): MultibootHeader | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const last = Math.min(SEARCH_BYTES, bytes.length) - HEADER_BYTES;
  for (let offset = 0; offset <= last; offset += 4) {
    if (view.getUint32(offset, true) !== HEADER_MAGIC) continue;
    const flags = view.getUint32(offset + 4, true);
    if ((HEADER_MAGIC + flags + view.getUint32(offset + 8, true)) >>> 0 !== 0) continue;
    return { offset, wantsMemory: (flags & WANTS_MEMORY) !== 0, hasAddresses: (flags & HAS_ADDRESSES) !== 0 };
  }
  return null;
}

/** Throws `NOT_A_KERNEL` if the header demands what no multiboot 1 loader knows. */
export function checkDemands(bytes: Uint8Array, { offset }: MultibootHeader, name: string): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const unknown = view.getUint32(offset + 4, true) & DEMANDS & ~KNOWN_DEMANDS;
  if (unknown === 0) return;
  refuseMultiboot(name)(
    `its header demands features that multiboot 1 does not have: flags 0x${unknown.toString(16)}`,
    'clear these bits of the header flags',
  );
}

/** What the header's own addresses say is loaded, and the entry. Throws `NOT_A_KERNEL`, naming the field that is wrong. */
export function readAddresses(
  bytes: Uint8Array,
  { offset }: MultibootHeader,
  name: string,
): { entry: number; piece: ProgramSegment } {
  const refuse = (why: string): never => refuseMultiboot(name)(why, 'correct the addresses in its multiboot header');
  if (offset + ADDRESSES_OFFSET + ADDRESSES_BYTES > bytes.length) refuse('the file ends within the multiboot header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const field = (index: number): number => view.getUint32(offset + ADDRESSES_OFFSET + index * 4, true);
  const headerAddr = field(0);
  const loadAddr = field(1);
  const entry = field(4);
  if (loadAddr > headerAddr) refuse('load_addr is above header_addr');
  const fileOffset = offset - (headerAddr - loadAddr);
  if (fileOffset < 0) refuse('load_addr lies before the start of the file');
  // Zero: the whole rest of the file, and no bss.
  const loadEnd = field(2) || loadAddr + bytes.length - fileOffset;
  const bssEnd = field(3) || loadEnd;
  if (loadEnd <= headerAddr) refuse('load_end_addr is not above header_addr');
  if (fileOffset + loadEnd - loadAddr > bytes.length) refuse('load_end_addr lies behind the end of the file');
  if (bssEnd < loadEnd) refuse('bss_end_addr is below load_end_addr');
  if (bssEnd > 0xffffffff) refuse('it ends above 4 GiB');
  if (entry < loadAddr || entry >= loadEnd) refuse('entry_addr is not in what is loaded');
  const loaded = bytes.subarray(fileOffset, fileOffset + loadEnd - loadAddr);
  return { entry, piece: { physAddr: loadAddr, bytes: loaded, length: bssEnd - loadAddr } };
}
