/* SPDX-License-Identifier: MIT
 * The module as a program: an ELF file for i386, staged flat in the driver's heap. */
#ifndef ELF_H
#define ELF_H

#include "../types.h"

#define STAGING ((u8 *)USER_HEAP)
#define STAGING_BYTES (48 * PAGE_SIZE)

/* Physical addresses, whole pages; false, with a message, if there is no module or it is not ELF. */
bool program_range(u32 *start, u32 *end);
u32 program_entry(void);
void stage_program(u32 start, u32 end);

#endif
