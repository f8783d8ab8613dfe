/* SPDX-License-Identifier: MIT
 * Where things are. Kernel: physical memory mapped one to one from PAGE_OFFSET up, as a 32-bit Linux does, so that the
 * control page has a virtual address different from its physical one. User: everything below PAGE_OFFSET. Included by
 * assembly too. */
#ifndef LAYOUT_H
#define LAYOUT_H

#define PAGE_OFFSET 0xc0000000
/* More RAM than this is left alone: the boot tables and the frame bitmap are made for so much. */
#define MAX_RAM 0x10000000

#define SEL_KERNEL_CODE 0x08
#define SEL_KERNEL_DATA 0x10
#define SEL_USER_CODE 0x1b
#define SEL_USER_DATA 0x23
#define SEL_TSS 0x28

#define MULTIBOOT_LOADER_MAGIC 0x2badb002

#ifndef __ASSEMBLER__
#include "types.h"

static inline void *va_of(u32 pa) { return (void *)(pa + PAGE_OFFSET); }
static inline u32 pa_of(const void *va) { return (u32)va - PAGE_OFFSET; }
#endif

#endif
