// SPDX-License-Identifier: MIT
// Reads the module: the parts of ELF (System V ABI, chapters 4 and 5) that say what lies where in memory.
#include "elf.h"
#include "user.h"

#define MODULE ((const u8 *)USER_MODULE)
#define ELF_MAGIC 0x464c457fu
#define PT_LOAD 1

struct elf_header {
  u32 magic;
  u8 ident[12];
  u16 type, machine;
  u32 version, entry, phoff, shoff, flags;
  u16 ehsize, phentsize, phnum;
};

struct program_header {
  u32 type, offset, vaddr, paddr, filesz, memsz, flags, align;
};

static const struct elf_header *elf = (const struct elf_header *)MODULE;

static const struct program_header *program(u32 index) {
  return (const struct program_header *)(MODULE + elf->phoff + index * elf->phentsize);
}

bool program_range(u32 *start, u32 *end) {
  if (FACTS->module_bytes < sizeof *elf || elf->magic != ELF_MAGIC) {
    print("%s: no peer: the module is missing, or not ELF\n", FACTS->kernel_name);
    return false;
  }
  *start = 0xffffffff;
  *end = 0;
  for (u32 i = 0; i < elf->phnum; i++) {
    const struct program_header *part = program(i);
    if (part->type != PT_LOAD || part->memsz == 0) continue;
    if (part->paddr < *start) *start = PAGE_DOWN(part->paddr);
    if (part->paddr + part->memsz > *end) *end = PAGE_UP(part->paddr + part->memsz);
  }
  return true;
}

u32 program_entry(void) { return elf->entry; }

void stage_program(u32 start, u32 end) {
  memset(STAGING, 0, end - start);
  for (u32 i = 0; i < elf->phnum; i++) {
    const struct program_header *part = program(i);
    if (part->type == PT_LOAD) memcpy(STAGING + part->paddr - start, MODULE + part->offset, part->filesz);
  }
}
