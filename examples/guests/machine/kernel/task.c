// SPDX-License-Identifier: MIT
// Tasks in ring 3, each in its own space, taking turns at every tick; number 0 is the kernel's idle task, the context that
// booted. Kernel code is never preempted: interrupts are off in it, but for the idle task's HLT.
#include "kernel.h"
#include "text.h"
#include "trap.h"

enum state { FREE, READY, SLEEPING, ENDED };

struct task {
  enum state state;
  enum role role;
  u32 esp;   /* of the kernel stack, while another task runs */
  u32 stack; /* its top */
  u32 space;
  u32 wake_tick;
};

#define TASKS 5
static struct task tasks[TASKS];
static u32 current;

extern char user_image[], user_image_end[];
void switch_to(u32 *save_esp, u32 load_esp);
void trap_return(void);

static u32 need(u32 frame) {
  if (frame == 0) panic("no memory for a task");
  return frame;
}

static void map_new(u32 space, u32 va, u32 pages) {
  for (u32 page = 0; page < pages; page++) {
    space_map(space, va + page * PAGE_SIZE, need(frame_alloc_zeroed()), PAGE_USER | PAGE_WRITABLE);
  }
}

/* Text is shared with all tasks and with the kernel's copy; data begins as that copy and is the task's own. */
static void map_program(u32 space) {
  const struct user_image *image = (const struct user_image *)user_image;
  for (u32 va = USER_TEXT; va < image->data_start; va += PAGE_SIZE) {
    space_map(space, va, pa_of(user_image) + va - USER_TEXT, PAGE_USER | PAGE_EXECUTABLE);
  }
  map_new(space, image->data_start, PAGE_UP(image->end - image->data_start) / PAGE_SIZE);
  for (u32 va = image->data_start; va - USER_TEXT < (u32)(user_image_end - user_image); va += PAGE_SIZE) {
    u32 left = user_image_end - user_image - (va - USER_TEXT);
    memcpy(va_of(space_user_frame(space, va, true)), user_image + va - USER_TEXT, left < PAGE_SIZE ? left : PAGE_SIZE);
  }
}

static void map_facts(u32 space) {
  u32 frame = need(frame_alloc_zeroed());
  struct user_facts *facts = va_of(frame);
  memcpy(facts->kernel_name, status.name, sizeof facts->kernel_name);
  facts->module_bytes = boot.module_end - boot.module_start;
  memcpy(facts->module_cmdline, boot.module_cmdline, sizeof facts->module_cmdline);
  memcpy(facts->cmdline, boot.cmdline, sizeof facts->cmdline);
  space_map(space, USER_FACTS, frame, PAGE_USER);
}

static void map_module(u32 space) {
  for (u32 pa = boot.module_start; pa < boot.module_end; pa += PAGE_SIZE) {
    space_map(space, USER_MODULE + pa - boot.module_start, pa, PAGE_USER);
  }
}

static void task_create(u32 number, enum role role) {
  struct task *task = &tasks[number];
  task->role = role;
  task->space = need(space_create());
  task->stack = (u32)va_of(need(frame_alloc_zeroed())) + PAGE_SIZE;
  map_program(task->space);
  map_facts(task->space);
  map_new(task->space, USER_STACK_TOP - USER_STACK_PAGES * PAGE_SIZE, USER_STACK_PAGES);
  map_new(task->space, USER_HEAP, role == ROLE_DRIVER ? DRIVER_HEAP_PAGES : OTHER_HEAP_PAGES);
  if (role == ROLE_DRIVER) map_module(task->space);

  struct regs *regs = (struct regs *)task->stack - 1;
  regs->ds = regs->es = SEL_USER_DATA;
  regs->cs = SEL_USER_CODE;
  regs->eip = ((const struct user_image *)user_image)->entry;
  regs->eflags = EFLAGS_IF;
  regs->user_ss = SEL_USER_DATA;
  regs->user_esp = USER_STACK_TOP;
  regs->eax = role;

  /* What switch_to pops: four registers, then where to. */
  u32 *frame = (u32 *)regs - 5;
  frame[4] = (u32)trap_return;
  task->esp = (u32)frame;
  task->state = READY;
}

void tasks_init(void) {
  tasks[0].state = READY;
  tasks[0].space = read_cr3();
  tasks[0].stack = 0; /* never entered from ring 3 */
  task_create(1, ROLE_DRIVER);
  task_create(2, ROLE_WORKER);
  if (parameter_is(boot.cmdline, "mode", "trespass")) {
    task_create(3, ROLE_NEIGHBOUR_READER);
    task_create(4, ROLE_KERNEL_READER);
  }
}

/* The next ready task after this one; the idle task only if there is no other. */
static u32 next_ready(void) {
  for (u32 step = 1; step <= TASKS; step++) {
    u32 number = (current + step) % TASKS;
    if (number != 0 && tasks[number].state == READY) return number;
  }
  return 0;
}

void schedule(void) {
  u32 next = next_ready();
  if (next == current) return;
  struct task *from = &tasks[current];
  struct task *to = &tasks[next];
  current = next;
  set_kernel_stack(to->stack);
  write_cr3(to->space);
  switch_to(&from->esp, to->esp);
}

void task_sleep(u32 ticks) {
  tasks[current].state = SLEEPING;
  tasks[current].wake_tick = status.ticks + ticks;
  schedule();
}

void task_exit(void) {
  tasks[current].state = ENDED;
  schedule();
  panic("an ended task ran");
}

void tasks_tick(void) {
  for (u32 number = 1; number < TASKS; number++) {
    struct task *task = &tasks[number];
    if (task->state == SLEEPING && (s32)(status.ticks - task->wake_tick) >= 0) task->state = READY;
  }
}

void idle(void) {
  for (;;) {
    schedule();
    irq_wait();
  }
}

u32 current_space(void) { return tasks[current].space; }
u32 current_number(void) { return current; }
enum role current_role(void) { return tasks[current].role; }
