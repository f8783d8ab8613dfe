/* SPDX-License-Identifier: MIT
 * The few types and functions that every file of the kernel and its user program needs. */
#ifndef TYPES_H
#define TYPES_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef u32 size_t;
typedef _Bool bool;

#define true 1
#define false 0
#define NULL ((void *)0)
#define KIB(n) ((n) * 1024u)
#define MIB(n) ((n) * 1024u * 1024u)
#define PAGE_SIZE 4096u
#define PAGE_DOWN(a) ((u32)(a) & ~(PAGE_SIZE - 1))
#define PAGE_UP(a) PAGE_DOWN((u32)(a) + PAGE_SIZE - 1)

void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
size_t strlen(const char *text);

#endif
