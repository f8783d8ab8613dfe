// SPDX-License-Identifier: MIT
// System calls and printing for the tasks.
#include "user.h"

s32 system_call(u32 number, u32 a, u32 b, u32 c, u32 d) {
  s32 result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
  return result;
}

void print(const char *pattern, ...) {
  char line[400];
  va_list args;
  va_start(args, pattern);
  u32 length = format(line, sizeof line, pattern, args);
  va_end(args);
  system_call(SYS_WRITE, (u32)line, length, 0, 0);
}

void sleep(u32 ticks) { system_call(SYS_SLEEP, ticks, 0, 0, 0); }

void exit(u32 code) {
  for (;;) system_call(SYS_EXIT, code, 0, 0, 0);
}

struct kernel_status kernel_status(void) {
  struct kernel_status status;
  system_call(SYS_STATUS, (u32)&status, 0, 0, 0);
  return status;
}
