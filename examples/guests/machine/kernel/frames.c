// SPDX-License-Identifier: MIT
// Physical pages, one bit each, lowest first. Only what the loader calls RAM and what lies above 1 MiB: a kernel that was
// given a window finds nothing else in its memory map. Lowest first also means that pages of a future image's window are
// given out soon, which makes kexec_load show that it can work around them.
#include "kernel.h"
#include "multiboot.h"

extern char kernel_end[];

static u32 free_bits[MAX_RAM / PAGE_SIZE / 32];
static u32 first_maybe_free;
static u32 total;

static void set_free(u32 frame, bool is_free) {
  u32 index = frame / PAGE_SIZE;
  if (is_free) free_bits[index / 32] |= 1u << index % 32;
  else free_bits[index / 32] &= ~(1u << index % 32);
}

static void add_ram(u64 base, u64 bytes) {
  u64 limit = base + bytes;
  if (limit > MAX_RAM) limit = MAX_RAM;
  if (base < MIB(1)) base = MIB(1);
  if (limit <= base) return;
  if (limit > boot.ram_end) boot.ram_end = PAGE_DOWN(limit);
  for (u32 frame = PAGE_UP(base); frame + PAGE_SIZE <= (u32)limit; frame += PAGE_SIZE) {
    set_free(frame, true);
    total++;
  }
}

static void reserve(u32 start, u32 end) {
  for (u32 frame = PAGE_DOWN(start); frame < end; frame += PAGE_SIZE) set_free(frame, false);
}

void frames_init(u32 info_pa) {
  const struct multiboot_info *info = va_of(info_pa);
  if (info->flags & MULTIBOOT_HAS_MMAP) {
    u32 at = info->mmap_addr;
    while (at < info->mmap_addr + info->mmap_length) {
      const struct multiboot_area *area = va_of(at);
      if (area->type == MULTIBOOT_RAM) add_ram(area->base, area->bytes);
      at += area->size + sizeof area->size;
    }
  } else if (info->flags & MULTIBOOT_HAS_MEMORY) {
    add_ram(MIB(1), KIB((u64)info->mem_upper));
  }
  reserve(KERNEL_PHYS, pa_of(kernel_end));
  reserve(boot.module_start, boot.module_end);
}

u32 frame_alloc(void) {
  for (u32 word = first_maybe_free; word < sizeof free_bits / sizeof free_bits[0]; word++) {
    if (free_bits[word] == 0) continue;
    first_maybe_free = word;
    u32 frame = (word * 32 + __builtin_ctz(free_bits[word])) * PAGE_SIZE;
    set_free(frame, false);
    return frame;
  }
  return 0;
}

u32 frame_alloc_zeroed(void) {
  u32 frame = frame_alloc();
  if (frame != 0) memset(va_of(frame), 0, PAGE_SIZE);
  return frame;
}

void frame_free(u32 frame) {
  if (frame == 0) return;
  set_free(frame, true);
  if (frame / PAGE_SIZE / 32 < first_maybe_free) first_maybe_free = frame / PAGE_SIZE / 32;
}

u32 frames_total(void) { return total; }
