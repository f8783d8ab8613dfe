// SPDX-License-Identifier: MIT
//
// The control page (kexec-jump reference §2.2). The lower half is for machine code; the data block at 0x800 is Linux's, word
// for word. Behind it, for kernels that kjump itself parks, the marker that lets memory alone say how to go on: the pages in
// which CPU, devices and kernel slot were parked. Written by kernel-worker/park.ts when the kernel leaves.
export const CONTROL = {
  savedEsp: 0x800,
  savedCr0: 0x804,
  savedCr3: 0x808,
  savedCr4: 0x80c,
  controlVa: 0x810,
  transitionPgd: 0x814,
  swapPage: 0x818,
  head: 0x81c,
  marker: 0x820,
  contextPages: 0x824,
} as const;

/** Where the peer calls back: the re-entry address is the control page's address plus this (as in Linux 6.1's stub). */
export const REENTRY_OFFSET = 0xd7;
/**
 * What lies at the re-entry address of a kernel that kjump itself parks: an opcode that is undefined on every i386, and means to our
 * engine that the kernel of this control page is called (kernel-worker/engines/i386/hand-over.ts).
 */
export const REENTRY_CODE = 0x3f0f;
/** 'KJCP': context pages follow. */
export const CONTROL_MARKER = 0x50434a4b;

/** Context pages: CPU record, two of device records, kernel slot. */
export const CONTEXT_CPU = 0;
export const CONTEXT_DEVICES = 1;
export const CONTEXT_SLOT = 3;
export const CONTEXT_PAGES = 4;

/** ESP and the word it points at, at the peer's first instruction: the top word of the swap (or control) page. */
export const STACK_TOP_WORD = 0xffc;
