// SPDX-License-Identifier: MIT
// Without a mode: a prompt on the console.
#include "user.h"

static bool same(const char *a, const char *b) {
  while (*a != 0 && *a == *b) a++, b++;
  return *a == *b;
}

static void read_line(char *line, u32 capacity) {
  u32 length = 0;
  for (;;) {
    s32 c = system_call(SYS_READ, 0, 0, 0, 0);
    if (c == -1) {
      sleep(1);
    } else if (c == '\r' || c == '\n') {
      line[length] = 0;
      print("\n");
      return;
    } else if ((c == 8 || c == 127) && length > 0) {
      length--;
      print("%c %c", 8, 8);
    } else if (c >= ' ' && c < 127 && length + 1 < capacity) {
      line[length++] = c;
      print("%c", c);
    }
  }
}

static void show_status(void) {
  struct kernel_status status = kernel_status();
  print("ticks %u, digest %x, work %u, jumps %u of which %u returned\n", status.ticks, status.digest, status.work_units,
        status.departures, status.returns);
}

u32 shell(void) {
  char line[40];
  print("commands: status, load, jump, exit\n");
  for (;;) {
    print("%s> ", FACTS->kernel_name);
    read_line(line, sizeof line);
    if (same(line, "status")) show_status();
    else if (same(line, "load")) load_peer(KEXEC_PRESERVE_CONTEXT);
    else if (same(line, "jump")) jump_checked();
    else if (same(line, "exit")) return 0;
    else if (line[0] != 0) print("no such command: %s\n", line);
  }
}
