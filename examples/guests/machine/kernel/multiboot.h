/* SPDX-License-Identifier: MIT
 * The parts of the Multiboot 1 information structure that we read, and write for a peer (Multiboot Specification 0.6.96,
 * section 3.3). */
#ifndef MULTIBOOT_H
#define MULTIBOOT_H

#include "types.h"

#define MULTIBOOT_HAS_MEMORY 0x001
#define MULTIBOOT_HAS_CMDLINE 0x004
#define MULTIBOOT_HAS_MODULES 0x008
#define MULTIBOOT_HAS_MMAP 0x040
#define MULTIBOOT_RAM 1

struct multiboot_info {
  u32 flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4], mmap_length, mmap_addr;
};

struct multiboot_module {
  u32 start, end, cmdline, reserved;
};

/* `size` does not count itself. */
struct multiboot_area {
  u32 size;
  u64 base, bytes;
  u32 type;
} __attribute__((packed));

#endif
