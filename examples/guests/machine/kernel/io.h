/* SPDX-License-Identifier: MIT
 * Instructions that C has no words for. */
#ifndef IO_H
#define IO_H

#include "types.h"

static inline void outb(u16 port, u8 value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }

static inline u8 inb(u16 port) {
  u8 value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static inline u32 inl(u16 port) {
  u32 value;
  __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static inline void irq_disable(void) { __asm__ volatile("cli" ::: "memory"); }
/* STI holds interrupts back for one more instruction: none is lost between looking and sleeping. */
static inline void irq_wait(void) { __asm__ volatile("sti; hlt; cli" ::: "memory"); }

#define READ_CR(n)                                     \
  static inline u32 read_cr##n(void) {                 \
    u32 value;                                         \
    __asm__ volatile("mov %%cr" #n ", %0" : "=r"(value)); \
    return value;                                      \
  }
#define WRITE_CR(n) \
  static inline void write_cr##n(u32 value) { __asm__ volatile("mov %0, %%cr" #n ::"r"(value) : "memory"); }
READ_CR(0)
READ_CR(2)
READ_CR(3)
READ_CR(4)
WRITE_CR(0)
WRITE_CR(2)
WRITE_CR(3)
WRITE_CR(4)

/* EDX of a leaf of CPUID that is known to be there. */
static inline u32 cpuid_edx(u32 leaf) {
  u32 edx;
  __asm__("cpuid" : "+a"(leaf), "=d"(edx)::"ebx", "ecx");
  return edx;
}
static inline u32 cpuid_last_extended_leaf(void) {
  u32 eax = 0x80000000;
  __asm__("cpuid" : "+a"(eax)::"ebx", "ecx", "edx");
  return eax;
}

static inline u64 rdmsr(u32 number) {
  u64 value;
  __asm__ volatile("rdmsr" : "=A"(value) : "c"(number));
  return value;
}
static inline void wrmsr(u32 number, u64 value) { __asm__ volatile("wrmsr" ::"c"(number), "A"(value) : "memory"); }

struct table_pointer {
  u16 limit;
  u32 base;
} __attribute__((packed));

#endif
