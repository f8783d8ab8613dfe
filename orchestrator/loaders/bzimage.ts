// SPDX-License-Identifier: MIT
//
// Linux by its 32-bit boot protocol (Documentation/arch/x86/boot.rst): the protected-mode code where the kernel wants it, the initial
// RAM disk at the end of memory, and below it what the loader has to say: zero page, GDT, command line. The real-mode code of the
// file is not run: what it would ask the BIOS is in the zero page.
import { KjumpError } from '../../shared/errors.ts';
import { EngineKind } from '../../shared/layout/kernel-slot.ts';
import { hex, PAGE_SIZE, pagesIn } from '../../shared/units.ts';
import { type BzImage, readBzImage, refuseBzImage, SETUP } from './bzimage-header.ts';
import { memoryRanges } from './pc-memory.ts';
import type { LoadOptions, Program } from './program.ts';
import { wholePages } from './whole-pages.ts';

const MIB = 1024 ** 2;
/** "Undefined": a loader without a number of its own. */
const LOADER_TYPE = 0xff;
const E820_ENTRY_BYTES = 20;
/** Null, unused, __BOOT_CS, __BOOT_DS. */
const GDT_WORDS = [0, 0, 0, 0, 0x0000ffff, 0x00cf9b00, 0x0000ffff, 0x00cf9300];
const GDT_OFFSET = PAGE_SIZE;
const CMDLINE_OFFSET = GDT_OFFSET + 4 * GDT_WORDS.length;

/** Throws `NOT_A_KERNEL`, naming what is wrong, and `BAD_OPTION` for a command line or a RAM disk that the kernel cannot take. */
export function loadBzImage(bytes: Uint8Array, name: string, options: LoadOptions, initrd: Uint8Array | null): Program {
  const { memory, memoryStart = 0 } = options;
  const refuse = refuseBzImage(name);
  const image = readBzImage(bytes, name);
  if (memory === undefined) return refuse('it must be told the size of memory', 'give it with the option memory');
  const address = placeCode(image, memoryStart, memory, name);
  const codeEnd = address + image.initSize;

  const cmdline = new TextEncoder().encode(`${commandLine(options)}\0`);
  if (cmdline.length - 1 > image.cmdlineSize) {
    throw new KjumpError('BAD_OPTION', `the command line of ${name} is too long`, {
      why: `it has ${cmdline.length - 1} bytes, and the kernel takes ${image.cmdlineSize}`,
      fix: 'give a shorter append',
    });
  }
  const infoBytes = pagesIn(CMDLINE_OFFSET + cmdline.length) * PAGE_SIZE;
  const disk = placeInitrd(image, initrd, codeEnd + infoBytes, memory, name);
  const infoAddr = disk.address - infoBytes;
  if (infoAddr < codeEnd) {
    refuse(`it needs memory up to ${hex(codeEnd + infoBytes)}, and has it up to ${hex(memory)}`, 'give it more memory');
  }

  const info = new Uint8Array(infoBytes);
  const view = new DataView(info.buffer);
  info.set(image.header, SETUP.setupSects);
  info[SETUP.typeOfLoader] = LOADER_TYPE;
  view.setUint32(SETUP.code32Start, address, true);
  view.setUint32(SETUP.cmdLinePtr, infoAddr + CMDLINE_OFFSET, true);
  view.setUint32(SETUP.ramdiskImage, disk.bytes.length === 0 ? 0 : disk.address, true);
  view.setUint32(SETUP.ramdiskSize, disk.bytes.length, true);
  writeE820(info, view, memoryStart, memory);
  GDT_WORDS.forEach((word, i) => {
    view.setUint32(GDT_OFFSET + 4 * i, word, true);
  });
  info.set(cmdline, CMDLINE_OFFSET);

  const pieces = [
    { physAddr: address, bytes: image.code, length: image.code.length },
    { physAddr: infoAddr, bytes: info, length: info.length },
    { physAddr: disk.address, bytes: disk.bytes, length: disk.bytes.length },
  ];
  return {
    entry: options.entry ?? address,
    entryState: { mode: 'linux32', registers: { esi: infoAddr }, gdt: infoAddr + GDT_OFFSET },
    segments: wholePages(pieces.filter(({ length }) => length > 0)),
    engine: EngineKind.i386,
    name,
  };
}

/** Who names virtio devices knows which. */
function commandLine({ append = '', hardware = '' }: LoadOptions): string {
  const isNamed = append.includes('virtio_mmio.device=');
  return isNamed || hardware === '' ? append : `${append} ${hardware}`.trimStart();
}

/** Where the code goes. A kernel that is moved to below its address moves itself up again: it is never placed there. */
function placeCode(image: BzImage, memoryStart: number, memory: number, name: string): number {
  const refuse = refuseBzImage(name);
  const { address, alignment, initSize, isRelocatable } = image;
  const lowest = Math.max(address, memoryStart, MIB);
  const place = lowest === address ? address : Math.ceil(lowest / alignment) * alignment;
  if (place !== address && !isRelocatable) {
    refuse(
      `it runs at ${hex(address)} only, and its memory begins at ${hex(memoryStart)}`,
      'give it a window from there, or build it with CONFIG_RELOCATABLE',
    );
  }
  if (place + initSize > memory) {
    refuse(
      `it needs memory from ${hex(place)} to ${hex(place + initSize)}, and has it up to ${hex(memory)}`,
      'give it more memory',
    );
  }
  return place;
}

/** As high as the kernel can read it, in whole pages. Without one, `address` is where it would end. */
function placeInitrd(
  { initrdAddrMax }: BzImage,
  initrd: Uint8Array | null,
  lowest: number,
  memory: number,
  name: string,
): { address: number; bytes: Uint8Array } {
  const end = Math.floor(Math.min(memory, initrdAddrMax + 1) / PAGE_SIZE) * PAGE_SIZE;
  if (initrd === null) return { address: end, bytes: new Uint8Array(0) };
  const refuse = (why: string, fix: string): never => {
    throw new KjumpError('BAD_OPTION', `the initrd of ${name} cannot be loaded`, { why, fix });
  };
  if (initrd.length === 0) refuse('it is empty', 'give an archive, or leave initrd out');
  const address = end - pagesIn(initrd.length) * PAGE_SIZE;
  if (address < lowest) {
    const needs = `it has ${initrd.length} bytes, and behind the kernel there is room for ${Math.max(0, end - lowest)}`;
    if (end < memory) refuse(`${needs} up to its initrd_addr_max ${hex(initrdAddrMax)}`, 'give a smaller initrd');
    refuse(needs, 'give the machine more memory, or the kernel a larger window, or a smaller initrd');
  }
  return { address, bytes: initrd };
}

function writeE820(info: Uint8Array, view: DataView, memoryStart: number, memory: number): void {
  const ranges = memoryRanges(memoryStart, memory);
  info[SETUP.e820Entries] = ranges.length;
  ranges.forEach(({ start, end, type }, i) => {
    const entry = SETUP.e820Table + i * E820_ENTRY_BYTES;
    view.setUint32(entry, start, true);
    view.setUint32(entry + 8, end - start, true);
    view.setUint32(entry + 16, type, true);
  });
}
