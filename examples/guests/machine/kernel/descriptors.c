// SPDX-License-Identifier: MIT
// GDT, TSS and IDT (SDM vol. 3A, chapters 3, 6 and 7). Flat segments; protection is the page tables' business.
#include "kernel.h"
#include "trap.h"

#define DPL_USER 0x60
#define INTERRUPT_GATE 0x8e
#define TSS_AVAILABLE 0x89
#define TSS_BUSY_BIT 0x02
#define GDT_TSS (SEL_TSS / 8)

struct tss {
  u32 back, esp0, ss0, unused[22];
  u16 trap, io_map;
};

struct gate {
  u16 offset_low, selector;
  u8 zero, type;
  u16 offset_high;
};

/* Flat, 32 bits, 4 GiB; accessed bits set beforehand, so that loading a selector never writes to the table. */
static u64 gdt[] = {
    0,
    0x00cf9b000000ffff, /* kernel code */
    0x00cf93000000ffff, /* kernel data */
    0x00cffb000000ffff, /* user code */
    0x00cff3000000ffff, /* user data */
    0,                  /* TSS */
};
static struct gate idt[256];
static struct tss tss;

extern char trap_stubs[];

static void set_gate(u32 vector, u32 stub, u8 type) {
  u32 handler = (u32)trap_stubs + stub * TRAP_STUB_BYTES;
  idt[vector] = (struct gate){handler & 0xffff, SEL_KERNEL_CODE, 0, type, handler >> 16};
}

static void tss_init(void) {
  u32 base = (u32)&tss;
  u32 limit = sizeof tss - 1;
  tss.ss0 = SEL_KERNEL_DATA;
  tss.io_map = sizeof tss; /* none: tasks have no ports */
  gdt[GDT_TSS] = (u64)(base >> 24) << 56 | (u64)TSS_AVAILABLE << 40 | (u64)(base & 0xffffff) << 16 | limit;
}

void set_kernel_stack(u32 esp) { tss.esp0 = esp; }

void tss_not_busy(void) { gdt[GDT_TSS] &= ~((u64)TSS_BUSY_BIT << 40); }

void descriptors_init(void) {
  tss_init();
  for (u32 vector = 0; vector < 32; vector++) set_gate(vector, vector, INTERRUPT_GATE);
  for (u32 line = 0; line < 16; line++) set_gate(irq_vector_base() + line, TRAP_IRQ + line, INTERRUPT_GATE);
  set_gate(SYSCALL_VECTOR, TRAP_SYSCALL, INTERRUPT_GATE | DPL_USER);

  struct table_pointer gdtr = {sizeof gdt - 1, (u32)gdt};
  struct table_pointer idtr = {sizeof idt - 1, (u32)idt};
  __asm__ volatile(
      "lgdt %0\n\t"
      "lidt %1\n\t"
      "ljmp %2, $1f\n"
      "1:\n\t"
      "mov %3, %%ds\n\t"
      "mov %3, %%es\n\t"
      "mov %3, %%ss\n\t"
      "mov %4, %%fs\n\t"
      "mov %4, %%gs\n\t"
      "ltr %w5\n\t"
      "lldt %w4"
      ::"m"(gdtr), "m"(idtr), "i"(SEL_KERNEL_CODE), "r"(SEL_KERNEL_DATA), "r"(0), "r"(SEL_TSS)
      : "memory");
}
