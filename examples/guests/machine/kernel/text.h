/* SPDX-License-Identifier: MIT
 * Text out and parameters in, for kernel and user program alike. */
#ifndef TEXT_H
#define TEXT_H

#include <stdarg.h>
#include "types.h"

/* %s %c %u, and %x as eight digits. Returns the length; the result always ends in 0. */
u32 format(char *to, u32 capacity, const char *pattern, va_list args);

/* The value of `name=` in a command line, or NULL; it ends at a space or at the end. */
const char *parameter(const char *cmdline, const char *name);
bool parameter_is(const char *cmdline, const char *name, const char *value);
/* 0x for hexadecimal, suffix K or M; `otherwise` if the parameter is missing. */
u32 parameter_number(const char *cmdline, const char *name, u32 otherwise);
/* Reads a number and moves the cursor behind it. */
u32 parse_number(const char **cursor);

#endif
