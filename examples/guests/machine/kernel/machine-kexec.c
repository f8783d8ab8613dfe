// SPDX-License-Identifier: MIT
// The handover as Linux's machine_kexec does it (arch/x86/kernel/machine_kexec_32.c): transition tables at load time, and
// at the jump the stub copied into the control page and called there. Which stub, `stub=strict` on the command line tells.
#include "../relocate-kernel/control-page.h"
#include "kernel.h"
#include "kexec.h"
#include "text.h"

typedef u32 stub_function(u32 head, const u32 *page_list, u32 start, u32 has_pae, u32 preserve);

extern const u8 stub_strict[], stub_strict_end[], stub_repaired[], stub_repaired_end[];

#define CPUID_FEATURES 1
#define CPUID_PAE (1u << 6)
#define TRANSITION_FLAGS (PAGE_WRITABLE | PAGE_ACCESSED | PAGE_DIRTY | PAGE_EXECUTABLE)

/* One, and global: a kernel can be away only once at a time. */
static struct cpu_state saved;

/*
 * The control page can be executed from here on to the clean-up, unless `control-page=nx` on the command line shows what that
 * is for. In the transition tables it is at its kernel address, where the stub starts, and at its physical one, where it runs
 * without paging.
 */
s32 machine_kexec_prepare(struct kimage *image) {
  if (!parameter_is(boot.cmdline, "control-page", "nx")) kernel_page_set_executable(image->control_page, true);
  image->transition_space = space_create_empty();
  if (image->transition_space == 0) return -ENOMEM;
  u32 control = image->control_page;
  bool mapped = space_map(image->transition_space, control + PAGE_OFFSET, control, TRANSITION_FLAGS) &&
                space_map(image->transition_space, control, control, TRANSITION_FLAGS);
  return mapped ? 0 : -ENOMEM;
}

/* Of an image that may have got nowhere. */
void machine_kexec_cleanup(struct kimage *image) {
  if (image->control_page != 0) kernel_page_set_executable(image->control_page, false);
  space_free(image->transition_space);
  image->transition_space = 0;
}

static void fill_control_page(u8 *control, bool strict) {
  const u8 *code = strict ? stub_strict : stub_repaired;
  const u8 *end = strict ? stub_strict_end : stub_repaired_end;
  memcpy(control, code, end - code);
  struct table_pointer none = {0, 0};
  memcpy(control + CP_SAVED_GDT, strict ? &none : &saved.gdt, sizeof none);
}

/* A breakpoint of ours must not fire in the peer. */
static void clear_debug_registers(void) {
  __asm__ volatile(
      "mov %0, %%dr7\n\t"
      "mov %0, %%dr0\n\t"
      "mov %0, %%dr1\n\t"
      "mov %0, %%dr2\n\t"
      "mov %0, %%dr3" ::"r"(0));
}

/* From here to the peer's own tables, and again until ours are back, any exception or interrupt is a triple fault. */
static void drop_tables(void) {
  static const struct table_pointer none = {0, 0};
  __asm__ volatile("lidt %0\n\tlgdt %0" ::"m"(none) : "memory");
}

void machine_kexec(struct kimage *image) {
  if (image->preserve_context) save_cpu_state(&saved);
  clear_debug_registers();

  u8 *control = va_of(image->control_page);
  fill_control_page(control, parameter_is(boot.cmdline, "stub", "strict"));
  u32 page_list[PAGE_LIST_WORDS] = {
      [PAGE_LIST_PA_CONTROL] = image->control_page,
      [PAGE_LIST_VA_CONTROL] = (u32)control,
      [PAGE_LIST_PA_PGD] = image->transition_space,
      [PAGE_LIST_PA_SWAP_PAGE] = image->swap_page,
  };
  stub_function *stub = (stub_function *)control;
  bool has_pae = (cpuid_edx(CPUID_FEATURES) & CPUID_PAE) != 0;

  drop_tables();
  image->start = stub(image->head, page_list, image->start, has_pae, image->preserve_context);
  restore_cpu_state(&saved);
}
