/* SPDX-License-Identifier: MIT
 *
 * The control page as machine code sees it; shared/layout/control-page.ts and shared/layout/kimage.ts say the same in
 * TypeScript. Included by assembly and by C.
 */
#ifndef CONTROL_PAGE_H
#define CONTROL_PAGE_H

/* The first half is code, copied there anew for every jump. */
#define CONTROL_CODE_MAX        0x800
#define REENTRY_OFFSET          0xd7

/* The data block, written on the way out, read on the way back. */
#define CP_SAVED_ESP            0x800
#define CP_SAVED_CR0            0x804
#define CP_SAVED_CR3            0x808
#define CP_SAVED_CR4            0x80c
#define CP_CONTROL_VA           0x810
#define CP_PGD                  0x814
#define CP_SWAP_PAGE            0x818
#define CP_HEAD                 0x81c
/* 0x820-0x833 belong to kjump's own marker and context pages. */
/* The repaired build's: limit (2 bytes) and base (4) for LGDT, written by the kernel before it drops its GDT. */
#define CP_SAVED_GDT            0x840

/* Words of page_list, the stub's second argument. */
#define PAGE_LIST_PA_CONTROL    0
#define PAGE_LIST_VA_CONTROL    1
#define PAGE_LIST_PA_PGD        2
#define PAGE_LIST_PA_SWAP_PAGE  3
#define PAGE_LIST_WORDS         4

/* Tags in the low bits of a word of the list, tested in this order. */
#define IND_DESTINATION         1
#define IND_INDIRECTION         2
#define IND_DONE                4
#define IND_SOURCE              8

#endif
