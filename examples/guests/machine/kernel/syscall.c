// SPDX-License-Identifier: MIT
// System calls, and the only way by which the kernel touches a task's memory: page by page, after asking its tables
// whether the task itself might.
#include "kernel.h"
#include "kexec.h"
#include "trap.h"

static bool copy_user(u32 user, void *kernel, u32 bytes, bool write) {
  u8 *at = kernel;
  while (bytes > 0) {
    u32 frame = space_user_frame(current_space(), user, write);
    if (frame == 0) return false;
    u32 offset = user % PAGE_SIZE;
    u32 part = PAGE_SIZE - offset < bytes ? PAGE_SIZE - offset : bytes;
    u8 *memory = (u8 *)va_of(frame) + offset;
    memcpy(write ? memory : at, write ? at : memory, part);
    user += part, at += part, bytes -= part;
  }
  return true;
}

bool copy_from_user(void *to, u32 from, u32 bytes) { return copy_user(from, to, bytes, false); }
bool copy_to_user(u32 to, const void *from, u32 bytes) { return copy_user(to, (void *)from, bytes, true); }

static s32 sys_write(u32 text, u32 bytes) {
  char part[64];
  for (u32 done = 0; done < bytes; done += sizeof part) {
    u32 count = bytes - done < sizeof part ? bytes - done : sizeof part;
    if (!copy_from_user(part, text + done, count)) return -EFAULT;
    console_write(part, count);
  }
  return bytes;
}

static s32 sys_exit(u32 code) {
  if (current_role() != ROLE_DRIVER && code == 0) task_exit();
  print("%s: exit %u after %u ticks, digest %x, %u jumps\n", status.name, code, status.ticks, status.digest,
        status.departures);
  machine_exit(code);
}

static s32 sys_report(u32 units, u32 digest) {
  status.work_units = units;
  status.work_digest = digest;
  return 0;
}

static s32 sys_kexec_load(const struct regs *regs) {
  struct kexec_segment segments[KEXEC_SEGMENT_MAX];
  u32 count = regs->ecx;
  if (count > KEXEC_SEGMENT_MAX) return -EINVAL;
  if (!copy_from_user(segments, regs->edx, count * sizeof segments[0])) return -EFAULT;
  return kexec_load(regs->ebx, count, segments, regs->esi);
}

static s32 sys_peek(u32 pa, u32 to, u32 bytes) {
  if (current_role() != ROLE_DRIVER) return -EPERM;
  if (pa > boot.ram_end || bytes > boot.ram_end - pa) return -EFAULT;
  return copy_to_user(to, va_of(pa), bytes) ? 0 : -EFAULT;
}

static s32 dispatch(const struct regs *regs) {
  switch (regs->eax) {
    case SYS_WRITE:
      return sys_write(regs->ebx, regs->ecx);
    case SYS_YIELD:
      schedule();
      return 0;
    case SYS_EXIT:
      return sys_exit(regs->ebx);
    case SYS_SLEEP:
      if (regs->ebx == 0) schedule();
      else task_sleep(regs->ebx);
      return 0;
    case SYS_READ:
      return console_read();
    case SYS_STATUS:
      return copy_to_user(regs->ebx, &status, sizeof status) ? 0 : -EFAULT;
    case SYS_REPORT:
      return sys_report(regs->ebx, regs->ecx);
    case SYS_KEXEC_LOAD:
      return sys_kexec_load(regs);
    case SYS_KEXEC_JUMP:
      return kexec_jump();
    case SYS_PEEK:
      return sys_peek(regs->ebx, regs->ecx, regs->edx);
    default:
      return -ENOSYS;
  }
}

void syscall(struct regs *regs) { regs->eax = dispatch(regs); }
