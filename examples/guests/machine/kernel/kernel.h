/* SPDX-License-Identifier: MIT
 * What the parts of the kernel want from each other, one block a file. */
#ifndef KERNEL_H
#define KERNEL_H

#include "abi.h"
#include "io.h"
#include "layout.h"
#include "types.h"

/* main.c: facts from the loader, copied before anything can overwrite them. */
struct boot_facts {
  char cmdline[256];
  u32 ram_end; /* end of the last usable byte below MAX_RAM */
  u32 module_start, module_end;
  char module_cmdline[128];
};
extern struct boot_facts boot;
extern struct kernel_status status;

/* console.c: the UART at 0x3F8. */
void uart_init(void);
void uart_quiesce(void);
void console_write(const char *text, u32 bytes);
void print(const char *pattern, ...);
void uart_interrupt(void);
int console_read(void);
void machine_exit(u32 code) __attribute__((noreturn));
void panic(const char *pattern, ...) __attribute__((noreturn));

/* frames.c: physical pages. 0 is "none left"; contents are what they were. */
void frames_init(u32 multiboot_info);
u32 frame_alloc(void);
u32 frame_alloc_zeroed(void);
void frame_free(u32 frame);
u32 frames_total(void);

/* paging.c: a space is the physical address of its top-level table. */
#define PAGE_PRESENT 0x001u
#define PAGE_WRITABLE 0x002u
#define PAGE_USER 0x004u
#define PAGE_ACCESSED 0x020u
#define PAGE_DIRTY 0x040u
/* Ours, in a bit that the processor leaves to us: pages without it are NX, where the tables and the processor have that. */
#define PAGE_EXECUTABLE 0x200u
void paging_init(void);
u32 space_create(void);
u32 space_create_empty(void);
void space_free(u32 space);
bool space_map(u32 space, u32 va, u32 frame, u32 flags);
/* Changes one page of all memory at PAGE_OFFSET. */
void kernel_page_set_executable(u32 frame, bool executable);
/* The frame behind a user address, or 0 if a task may not do that with it. */
u32 space_user_frame(u32 space, u32 va, bool write);

/* descriptors.c: GDT, TSS, IDT. */
void descriptors_init(void);
void set_kernel_stack(u32 esp);
/* TR can be loaded only from a TSS descriptor that is not busy. */
void tss_not_busy(void);

/* interrupts.c: the 8259s and the 8254. */
void interrupts_init(void);
void interrupts_quiesce(void);
void interrupts_resume(void);
void interrupt_done(u32 line);
u32 irq_vector_base(void);

/* task.c */
void tasks_init(void);
void schedule(void);
void task_sleep(u32 ticks);
void task_exit(void) __attribute__((noreturn));
void tasks_tick(void);
void idle(void) __attribute__((noreturn));
u32 current_space(void);
u32 current_number(void);
enum role current_role(void);

/* syscall.c */
struct regs;
void syscall(struct regs *regs);
/* Between kernel and the current task's memory; false if the task has no such memory. */
bool copy_from_user(void *to, u32 from, u32 bytes);
bool copy_to_user(u32 to, const void *from, u32 bytes);

#endif
