// SPDX-License-Identifier: MIT
// Memory functions: the compiler calls the first two by itself. String instructions, so that it cannot turn a loop in
// here into a call to here.
#include "types.h"

void *memcpy(void *to, const void *from, size_t bytes) {
  void *destination = to;
  u32 words = bytes / 4;
  __asm__ volatile("rep movsl" : "+D"(destination), "+S"(from), "+c"(words)::"memory");
  u32 rest = bytes % 4;
  __asm__ volatile("rep movsb" : "+D"(destination), "+S"(from), "+c"(rest)::"memory");
  return to;
}

void *memset(void *to, int value, size_t bytes) {
  void *destination = to;
  __asm__ volatile("rep stosb" : "+D"(destination), "+c"(bytes) : "a"(value) : "memory");
  return to;
}

size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length] != 0) length++;
  return length;
}
