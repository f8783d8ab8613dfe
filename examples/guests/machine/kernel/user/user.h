/* SPDX-License-Identifier: MIT
 * The user program: one image, three roles. */
#ifndef USER_H
#define USER_H

#include "../abi.h"
#include "../text.h"

#define FACTS ((const struct user_facts *)USER_FACTS)

/* lib.c */
s32 system_call(u32 number, u32 a, u32 b, u32 c, u32 d);
void print(const char *pattern, ...);
void sleep(u32 ticks);
void exit(u32 code) __attribute__((noreturn));
struct kernel_status kernel_status(void);

/* check.c: a digest of what a jump must not change. */
void ballast_fill(void);
bool all_well(void);

/* peer.c: makes an image of the module, a kernel, and loads it. */
s32 load_peer(u32 flags);

/* payload.c: loads a module that is not a kernel, calls it, prints what it found. */
u32 call_bios(void);
u32 call_recorder(void);

/* driver.c, shell.c, worker.c */
u32 drive(void);
s32 jump_checked(void);
u32 shell(void);
void work(void);
void trespass(const char *whose, u32 address);

#endif
