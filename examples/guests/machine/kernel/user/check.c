// SPDX-License-Identifier: MIT
// What must not change over a jump: the upper part of the driver's heap, filled with a pattern of this kernel's own; and
// the kernel's digests, which must be the chains over their counters.
#include "user.h"

#define BALLAST_PAGES 16u
#define BALLAST ((u32 *)(USER_HEAP + (DRIVER_HEAP_PAGES - BALLAST_PAGES) * PAGE_SIZE))
#define BALLAST_WORDS (BALLAST_PAGES * PAGE_SIZE / 4)

static u32 pattern(u32 index) { return (index ^ (u32)FACTS->kernel_name[0] << 24) * 2654435761u; }

void ballast_fill(void) {
  for (u32 i = 0; i < BALLAST_WORDS; i++) BALLAST[i] = pattern(i);
}

/* The chain over 1..count, going on from where the last call stopped. */
static u32 chain(u32 count, u32 *known_count, u32 *known_digest) {
  while (*known_count < count) *known_digest = chain_step(*known_digest, ++*known_count);
  return *known_count == count ? *known_digest : 0;
}

bool all_well(void) {
  static u32 ticks, tick_digest = CHAIN_START, units, unit_digest = CHAIN_START;
  struct kernel_status status = kernel_status();
  if (chain(status.ticks, &ticks, &tick_digest) != status.digest) {
    print("%s: tick digest %x is not that of %u ticks\n", FACTS->kernel_name, status.digest, status.ticks);
    return false;
  }
  if (chain(status.work_units, &units, &unit_digest) != status.work_digest) {
    print("%s: work digest %x is not that of %u units\n", FACTS->kernel_name, status.work_digest, status.work_units);
    return false;
  }
  for (u32 i = 0; i < BALLAST_WORDS; i++) {
    if (BALLAST[i] == pattern(i)) continue;
    print("%s: word %u of the ballast is %x\n", FACTS->kernel_name, i, BALLAST[i]);
    return false;
  }
  return true;
}
