/* SPDX-License-Identifier: MIT
 * What the stub does not carry over a jump: kept in the kernel's own memory. */
#ifndef CPU_STATE_H
#define CPU_STATE_H

#include "io.h"

struct cpu_state {
  u32 cr0, cr2, cr3, cr4;
  u16 fs, gs, tr, ldt;
  struct table_pointer gdt, idt;
};

void save_cpu_state(struct cpu_state *state);
void restore_cpu_state(const struct cpu_state *state);

#endif
