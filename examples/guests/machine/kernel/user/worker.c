// SPDX-License-Identifier: MIT
// The other roles. The worker counts in its own page, at the same address at which every other task has one too.
// Trespassers read what is not theirs, and do not survive it.
#include "user.h"

#define OWN_PAGE ((volatile u32 *)USER_HEAP)
#define WORKER_MARK 0x57524b52u

void work(void) {
  OWN_PAGE[0] = WORKER_MARK;
  OWN_PAGE[1] = 0;
  OWN_PAGE[2] = CHAIN_START;
  for (;;) {
    if (OWN_PAGE[0] != WORKER_MARK) {
      print("%s: somebody wrote to the worker's page\n", FACTS->kernel_name);
      exit(3);
    }
    u32 unit = OWN_PAGE[1] + 1;
    OWN_PAGE[2] = chain_step(OWN_PAGE[2], unit);
    OWN_PAGE[1] = unit;
    system_call(SYS_REPORT, unit, OWN_PAGE[2], 0, 0);
    if (unit % 64 == 0) sleep(1);
    else system_call(SYS_YIELD, 0, 0, 0, 0);
  }
}

void trespass(const char *whose, u32 address) {
  print("%s: reading the %s's memory\n", FACTS->kernel_name, whose);
  print("%s: read %x\n", FACTS->kernel_name, *(volatile u32 *)address);
  exit(4);
}
