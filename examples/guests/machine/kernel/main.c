// SPDX-License-Identifier: MIT
// Boots: takes what the loader says, sets up processor, memory and devices, starts the tasks, and becomes the idle task.
#include "kernel.h"
#include "multiboot.h"
#include "text.h"

struct boot_facts boot;

__attribute__((section(".status"))) struct kernel_status status = {
    .magic = STATUS_MAGIC,
    .name = KERNEL_NAME,
    .digest = CHAIN_START,
    .work_digest = CHAIN_START,
};

static void copy_text(char *to, u32 capacity, u32 from) {
  const char *text = va_of(from);
  u32 length = 0;
  for (; text[length] != 0 && length + 1 < capacity; length++) to[length] = text[length];
  to[length] = 0;
}

static void read_boot_facts(const struct multiboot_info *info) {
  if (info->flags & MULTIBOOT_HAS_CMDLINE) copy_text(boot.cmdline, sizeof boot.cmdline, info->cmdline);
  if ((info->flags & MULTIBOOT_HAS_MODULES) && info->mods_count > 0) {
    const struct multiboot_module *module = va_of(info->mods_addr);
    boot.module_start = module->start;
    boot.module_end = module->end;
    copy_text(boot.module_cmdline, sizeof boot.module_cmdline, module->cmdline);
  }
}

/* Which system this is, as kjump tells it (kernel-worker/devices/identity-ports.ts); another PC has nothing there. */
#define IDENTITY_PORT 0x5E0
#define IDENTITY_MAGIC 0x504D4A4Bu
#define GENERATION_ID (IDENTITY_PORT + 16)

static void print_identity(void) {
  if (inl(IDENTITY_PORT) != IDENTITY_MAGIC) return;
  print("kernel %s has the generation id ", status.name);
  for (u16 at = 0; at < 16; at += 4) print("%x", __builtin_bswap32(inl(GENERATION_ID + at)));
  print("\n");
}

void kernel_main(u32 magic, u32 info) {
  uart_init();
  if (magic != MULTIBOOT_LOADER_MAGIC) panic("loaded by something that is not Multiboot: EAX=%x", magic);
  read_boot_facts(va_of(info));
  frames_init(info);
  paging_init();
  descriptors_init();
  interrupts_init();
  print("kernel %s at %x, %u KiB of %u: %s\n", status.name, (u32)KERNEL_PHYS, frames_total() * 4, boot.ram_end / 1024,
        boot.cmdline);
  print_identity();
  tasks_init();
  idle();
}
