/* SPDX-License-Identifier: MIT
 * What kernel and user program agree on: system calls (int 0x80, number in EAX, arguments in EBX, ECX, EDX, ESI, result
 * in EAX, negative errno on failure), the user address space, and the page of facts every task is given. */
#ifndef ABI_H
#define ABI_H

#include "types.h"

#define SYS_WRITE 0      /* (text, bytes) */
#define SYS_YIELD 1      /* () */
#define SYS_EXIT 2       /* (code); the driver's exit ends the machine through port 0xF4 */
#define SYS_SLEEP 3      /* (ticks) */
#define SYS_READ 4       /* () -> a character from the console, or -1 */
#define SYS_STATUS 5     /* (struct kernel_status *) */
#define SYS_REPORT 6     /* (units, digest): the worker's progress */
#define SYS_KEXEC_LOAD 7 /* (entry, segment count, segments, flags), as Linux's kexec_load(2) */
#define SYS_KEXEC_JUMP 8 /* () -> 0 when the peer has come back; as reboot(2) with LINUX_REBOOT_CMD_KEXEC */

#define SYS_PEEK 9       /* (physical address, to, bytes): the driver alone, as through /dev/mem */

#define EPERM 1
#define EFAULT 14
#define EINVAL 22
#define ENOMEM 12
#define ENOSYS 38
#define EADDRNOTAVAIL 99

#define KEXEC_PRESERVE_CONTEXT 2
#define KEXEC_SEGMENT_MAX 16

struct kexec_segment {
  u32 buf, bufsz, mem, memsz;
};

/* Every task sees other memory at the same addresses; only text and facts are shared, read-only. */
#define USER_TEXT 0x08000000u
#define USER_STACK_TOP 0x0ffff000u
#define USER_STACK_PAGES 2u
#define USER_FACTS 0x0ffff000u
#define USER_HEAP 0x10000000u
#define USER_MODULE 0x20000000u /* the driver's alone: the multiboot module, read-only */

enum role { ROLE_DRIVER = 1, ROLE_WORKER = 2, ROLE_NEIGHBOUR_READER = 3, ROLE_KERNEL_READER = 4 };
#define DRIVER_HEAP_PAGES 64u
#define OTHER_HEAP_PAGES 1u

struct user_facts {
  char kernel_name[4];
  u32 module_bytes;
  char module_cmdline[128];
  char cmdline[256];
};

/* The header of the user program's image. */
struct user_image {
  u32 entry;
  u32 data_start; /* page aligned; pages before are text */
  u32 end;        /* with bss */
};

/*
 * The page at load address + 0x1000: what a test reads from outside. `digest` is the chain over 1..ticks, `work_digest`
 * over 1..work_units; both can be computed anew, so a tick lost, doubled or out of order shows. The counter is stored
 * first: between two instructions a digest may belong to counter - 1.
 */
#define STATUS_MAGIC 0x54534a4bu /* 'KJST' */

struct kernel_status {
  u32 magic;
  char name[4];
  u32 ticks, digest;
  u32 work_units, work_digest;
  u32 departures, returns; /* jumps begun, and come back from */
  u32 faults;              /* page faults of tasks */
  u32 console_bytes;
  u32 image_start; /* kimage.start after the last return */
};

/* FNV's multiplier: every step changes all digits, and order matters. */
static inline u32 chain_step(u32 digest, u32 value) { return (digest ^ value) * 16777619u; }
#define CHAIN_START 2166136261u

#endif
