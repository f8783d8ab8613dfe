// SPDX-License-Identifier: MIT
//
// The setup header of a Linux kernel file (Documentation/arch/x86/boot.rst, "The real-mode kernel header"): what the kernel says
// of itself at 0x1F1 of the file, and where in the file its protected-mode code is. Offsets are those of the file, and of the
// zero page, to which the header is copied.
import { KjumpError } from '../../shared/errors.ts';

/** Fields of the setup header, and of the zero page around it. */
export const SETUP = {
  e820Entries: 0x1e8,
  setupSects: 0x1f1,
  syssize: 0x1f4,
  bootFlag: 0x1fe,
  jumpOffset: 0x201,
  header: 0x202,
  version: 0x206,
  typeOfLoader: 0x210,
  loadflags: 0x211,
  code32Start: 0x214,
  ramdiskImage: 0x218,
  ramdiskSize: 0x21c,
  cmdLinePtr: 0x228,
  initrdAddrMax: 0x22c,
  kernelAlignment: 0x230,
  relocatableKernel: 0x234,
  xloadflags: 0x236,
  cmdlineSize: 0x238,
  prefAddress: 0x258,
  initSize: 0x260,
  e820Table: 0x2d0,
} as const;

/** The header ends where its first jump goes, and at the latest here. */
const HEADER_END_MAX = 0x290;
const SECTOR = 512;
const PARAGRAPH = 16;
const BOOT_FLAG = 0xaa55;
/** 'HdrS' */
const MAGIC = 0x53726448;
/** The first that says whether the kernel can be moved: Linux 2.6.20. */
const OLDEST_VERSION = 0x0205;
const VERSION_CMDLINE_SIZE = 0x0206;
const VERSION_INIT_SIZE = 0x020a;
const VERSION_XLOADFLAGS = 0x020c;
const LOADED_HIGH = 1;
const XLF_KERNEL_64 = 1;
/** Where the code of a kernel goes that does not say. */
const USUAL_ADDRESS = 0x100000;
const USUAL_CMDLINE_SIZE = 255;
const USUAL_SETUP_SECTS = 4;

export interface BzImage {
  /** The setup header, for its place in the zero page. */
  readonly header: Uint8Array;
  /** The protected-mode code. */
  readonly code: Uint8Array;
  /** Where the code wants to be, and where it may be instead: at multiples of `alignment` above. */
  readonly address: number;
  readonly alignment: number;
  readonly isRelocatable: boolean;
  /** Bytes from its start that the kernel needs before it looks at the memory map. */
  readonly initSize: number;
  /** Last address that the initial RAM disk may cover. */
  readonly initrdAddrMax: number;
  /** Longest command line, without its final zero. */
  readonly cmdlineSize: number;
}

export function refuseBzImage(name: string): (why: string, fix: string) => never {
  return (why, fix) => {
    throw new KjumpError('NOT_A_KERNEL', `${name} is no bzImage that can be loaded`, { why, fix });
  };
}

export function isBzImage(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return bytes.length >= SETUP.version && view.getUint32(SETUP.header, true) === MAGIC;
}

/** Throws `NOT_A_KERNEL`, naming the header field that is wrong. */
export function readBzImage(bytes: Uint8Array, name: string): BzImage {
  const refuse = refuseBzImage(name);
  if (!isBzImage(bytes)) refuse("there is no magic 'HdrS' at 0x202", 'give a bzImage, as arch/x86/boot/bzImage');
  const whole = 'give the whole file, as the build of Linux has made it';
  if (bytes.length < HEADER_END_MAX) refuse('the file ends within its setup header', whole);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bootFlag = view.getUint16(SETUP.bootFlag, true);
  if (bootFlag !== BOOT_FLAG) refuse(`its boot_flag is ${hex4(bootFlag)}, not 0xaa55`, whole);
  const version = view.getUint16(SETUP.version, true);
  if (version < OLDEST_VERSION) {
    refuse(
      `its boot protocol is ${protocol(version)}, and 2.05 is the first that can be met`,
      'give Linux 2.6.20 or later',
    );
  }
  if ((bytes[SETUP.loadflags] & LOADED_HIGH) === 0) {
    refuse('LOADED_HIGH in its loadflags is clear: it is a zImage', 'build a bzImage');
  }
  if (version >= VERSION_XLOADFLAGS && view.getUint16(SETUP.xloadflags, true) & XLF_KERNEL_64) {
    refuse('XLF_KERNEL_64 in its xloadflags is set: it is for x86-64, and this CPU has 32 bits', 'give one for i386');
  }
  const codeStart = ((bytes[SETUP.setupSects] || USUAL_SETUP_SECTS) + 1) * SECTOR;
  const codeBytes = view.getUint32(SETUP.syssize, true) * PARAGRAPH;
  if (codeBytes === 0) refuse('its syssize is 0: it has no code', whole);
  // syssize counts in paragraphs: the last one may be filled up.
  if (codeStart + codeBytes - bytes.length >= PARAGRAPH) {
    refuse(`the file is cut off: it has ${bytes.length} bytes of ${codeStart + codeBytes}`, whole);
  }

  const knowsPlace = version >= VERSION_INIT_SIZE;
  const headerEnd = Math.min(SETUP.header + bytes[SETUP.jumpOffset], HEADER_END_MAX);
  const code = bytes.subarray(codeStart, codeStart + codeBytes);
  return {
    header: bytes.subarray(SETUP.setupSects, headerEnd),
    code,
    address: knowsPlace ? view.getUint32(SETUP.prefAddress, true) : USUAL_ADDRESS,
    alignment: view.getUint32(SETUP.kernelAlignment, true) || 1,
    isRelocatable: bytes[SETUP.relocatableKernel] !== 0,
    initSize: Math.max(knowsPlace ? view.getUint32(SETUP.initSize, true) : 0, code.length),
    initrdAddrMax: view.getUint32(SETUP.initrdAddrMax, true),
    cmdlineSize: version >= VERSION_CMDLINE_SIZE ? view.getUint32(SETUP.cmdlineSize, true) : USUAL_CMDLINE_SIZE,
  };
}

const hex4 = (word: number): string => `0x${word.toString(16).padStart(4, '0')}`;
const protocol = (version: number): string => `${version >>> 8}.${String(version & 0xff).padStart(2, '0')}`;
