// SPDX-License-Identifier: MIT
// Everything that enters the kernel, sorted: interrupts, system calls, faults. A task's fault ends the task, the kernel's
// own ends the machine.
#include "trap.h"
#include "kernel.h"

#define LINE_TIMER 0
#define LINE_UART 4

static void tick(void) {
  status.ticks++;
  status.digest = chain_step(status.digest, status.ticks);
  tasks_tick();
}

static void fault(const struct regs *regs) {
  u32 address = regs->stub == TRAP_PAGE_FAULT ? read_cr2() : 0;
  if (!from_user(regs)) {
    panic("exception %u, error %x, at %x, CR2 %x", regs->stub, regs->error, regs->eip, address);
  }
  if (regs->stub == TRAP_PAGE_FAULT) {
    status.faults++;
    print("%s: task %u: page fault at %x, error %u, instruction %x; task ended\n", status.name, current_number(), address,
          regs->error, regs->eip);
  } else {
    print("%s: task %u: exception %u, error %x, instruction %x; task ended\n", status.name, current_number(), regs->stub,
          regs->error, regs->eip);
  }
  if (current_role() == ROLE_DRIVER) machine_exit(0x7e);
  task_exit();
}

void trap(struct regs *regs) {
  if (regs->stub == TRAP_SYSCALL) {
    syscall(regs);
  } else if (regs->stub >= TRAP_IRQ) {
    u32 line = regs->stub - TRAP_IRQ;
    if (line == LINE_TIMER) tick();
    else if (line == LINE_UART) uart_interrupt();
    interrupt_done(line);
    if (from_user(regs) && line == LINE_TIMER) schedule();
  } else {
    fault(regs);
  }
}
