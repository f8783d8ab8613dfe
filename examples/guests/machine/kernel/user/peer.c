// SPDX-License-Identifier: MIT
// What kexec-tools is to Linux: turns the module, an ELF file with a Multiboot header, into segments. The peer's window is
// covered whole, so that all of it is swapped and everything that this kernel has there is safe:
//
//   window start .. end of the program     the program, flat
//   one page behind it                     purgatory, Multiboot information, memory map, command line
//   .. window end                          zeros
#include "../multiboot.h"
#include "elf.h"
#include "user.h"

#define DEFAULT_WINDOW_BYTES MIB(2)

/* The page that the peer is entered through; the code is purgatory.S. */
struct boot_page {
  u8 purgatory[128];
  struct multiboot_info info;
  struct multiboot_area ram;
  char cmdline[384];
};

/* The words that purgatory.S ends with. */
struct purgatory_words {
  u32 entry, info, jump_back_digits;
};

extern const u8 purgatory[], purgatory_end[];

static u32 append(char *to, u32 length, const char *text) {
  memcpy(to + length, text, strlen(text) + 1);
  return length + strlen(text);
}

/* `pa` is where the page will be when the peer runs. The window is all the RAM that the peer is told of. */
static void stage_boot_page(struct boot_page *page, u32 pa, u32 entry, u32 window_start, u32 window_end) {
  const u32 cmdline_pa = pa + (u32)&((struct boot_page *)0)->cmdline;
  memset(page, 0, PAGE_SIZE);
  page->ram = (struct multiboot_area){20, window_start, window_end - window_start, MULTIBOOT_RAM};
  page->info.flags = MULTIBOOT_HAS_CMDLINE | MULTIBOOT_HAS_MMAP;
  page->info.cmdline = cmdline_pa;
  page->info.mmap_addr = pa + (u32)&((struct boot_page *)0)->ram;
  page->info.mmap_length = sizeof page->ram;
  u32 length = append(page->cmdline, 0, FACTS->module_cmdline);
  length = append(page->cmdline, length, " kexec_jump_back_entry=0x00000000");

  u32 code_bytes = purgatory_end - purgatory;
  memcpy(page->purgatory, purgatory, code_bytes);
  struct purgatory_words *words = (struct purgatory_words *)(page->purgatory + code_bytes) - 1;
  words->entry = entry;
  words->info = pa + (u32)&((struct boot_page *)0)->info;
  words->jump_back_digits = cmdline_pa + length - 8;
}

/* window=START-END, or the 2 MiB that begin where the peer does. */
static void window_of(u32 start, u32 *window_start, u32 *window_end) {
  *window_start = start;
  *window_end = start + DEFAULT_WINDOW_BYTES;
  const char *text = parameter(FACTS->cmdline, "window");
  if (text == NULL) return;
  *window_start = parse_number(&text);
  if (*text++ == '-') *window_end = parse_number(&text);
}

s32 load_peer(u32 flags) {
  u32 start, end, window_start, window_end;
  if (!program_range(&start, &end)) return -EINVAL;
  window_of(start, &window_start, &window_end);
  u32 boot_page = end;
  if (start < window_start || boot_page + PAGE_SIZE > window_end || end - start + PAGE_SIZE > STAGING_BYTES) {
    print("%s: peer %x-%x does not fit into its window %x-%x\n", FACTS->kernel_name, start, end, window_start, window_end);
    return -EINVAL;
  }
  stage_program(start, end);
  u8 *staged_boot_page = STAGING + (end - start);
  stage_boot_page((struct boot_page *)staged_boot_page, boot_page, program_entry(), window_start, window_end);

  struct kexec_segment segments[] = {
      {0, 0, window_start, start - window_start},
      {(u32)STAGING, end - start, start, end - start},
      {(u32)staged_boot_page, PAGE_SIZE, boot_page, PAGE_SIZE},
      {0, 0, boot_page + PAGE_SIZE, window_end - boot_page - PAGE_SIZE},
  };
  s32 error = system_call(SYS_KEXEC_LOAD, boot_page, 4, (u32)segments, flags);
  if (error != 0) print("%s: kexec_load: error %u\n", FACTS->kernel_name, -error);
  else print("%s: loaded peer for %x-%x, entry %x\n", FACTS->kernel_name, window_start, window_end, boot_page);
  return error;
}
