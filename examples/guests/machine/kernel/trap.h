/* SPDX-License-Identifier: MIT
 * The frame that entry.S builds on the kernel stack, lowest address first, and the numbers of its stubs. */
#ifndef TRAP_H
#define TRAP_H

#include "types.h"

struct regs {
  u32 gs, fs, es, ds;
  u32 edi, esi, ebp, unused_esp, ebx, edx, ecx, eax;
  u32 stub, error;
  u32 eip, cs, eflags;
  u32 user_esp, user_ss; /* only if the processor came from ring 3 */
};

#define TRAP_PAGE_FAULT 14
#define TRAP_IRQ 32
#define TRAP_SYSCALL 48
#define TRAP_STUB_BYTES 16
#define SYSCALL_VECTOR 0x80

#define EFLAGS_IF 0x200

static inline bool from_user(const struct regs *regs) { return (regs->cs & 3) == 3; }

#endif
