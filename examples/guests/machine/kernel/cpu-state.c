// SPDX-License-Identifier: MIT
// Saves and restores the processor around a jump, in the order of Linux's save_processor_state and
// restore_processor_state (arch/x86/power/cpu.c): GDTR last, because Linux relies on the one it finds. Unless the stub has
// loaded it (the repaired build does), there is none, and the first segment load below is the end: a triple fault.
#include "cpu-state.h"
#include "kernel.h"

void save_cpu_state(struct cpu_state *state) {
  __asm__ volatile(
      "sgdt %0\n\t"
      "sidt %1\n\t"
      "str %2\n\t"
      "sldt %3\n\t"
      "mov %%fs, %4\n\t"
      "mov %%gs, %5"
      : "=m"(state->gdt), "=m"(state->idt), "=m"(state->tr), "=m"(state->ldt), "=m"(state->fs), "=m"(state->gs));
  state->cr0 = read_cr0();
  state->cr2 = read_cr2();
  state->cr3 = read_cr3();
  state->cr4 = read_cr4();
}

void restore_cpu_state(const struct cpu_state *state) {
  write_cr4(state->cr4);
  write_cr3(state->cr3);
  write_cr2(state->cr2);
  write_cr0(state->cr0);
  __asm__ volatile("lidt %0" ::"m"(state->idt));
  /* The peer's selectors mean something else in our GDT, CS's too. */
  __asm__ volatile(
      "mov %0, %%ss\n\t"
      "mov %0, %%ds\n\t"
      "mov %0, %%es\n\t"
      "ljmp %1, $1f\n"
      "1:" ::"r"(SEL_KERNEL_DATA),
      "i"(SEL_KERNEL_CODE)
      : "memory");
  tss_not_busy();
  __asm__ volatile(
      "ltr %0\n\t"
      "lldt %1\n\t"
      "lgdt %2\n\t"
      "mov %3, %%fs\n\t"
      "mov %4, %%gs" ::"m"(state->tr),
      "m"(state->ldt), "m"(state->gdt), "m"(state->fs), "m"(state->gs)
      : "memory");
}
