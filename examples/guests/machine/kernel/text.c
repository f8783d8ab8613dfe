// SPDX-License-Identifier: MIT
// Formatting and command-line parameters. Linked into the kernel and into the user program.
#include "text.h"

struct sink {
  char *to;
  u32 capacity, length;
};

static void put(struct sink *sink, char c) {
  if (sink->length + 1 < sink->capacity) sink->to[sink->length++] = c;
}

static void put_unsigned(struct sink *sink, u32 value) {
  char digits[10];
  u32 count = 0;
  do {
    digits[count++] = '0' + value % 10;
    value /= 10;
  } while (value != 0);
  while (count > 0) put(sink, digits[--count]);
}

static void put_hex(struct sink *sink, u32 value) {
  for (int shift = 28; shift >= 0; shift -= 4) put(sink, "0123456789abcdef"[value >> shift & 15]);
}

u32 format(char *to, u32 capacity, const char *pattern, va_list args) {
  struct sink sink = {to, capacity, 0};
  for (; *pattern != 0; pattern++) {
    if (*pattern != '%') {
      put(&sink, *pattern);
      continue;
    }
    switch (*++pattern) {
      case 's':
        for (const char *text = va_arg(args, const char *); *text != 0; text++) put(&sink, *text);
        break;
      case 'c':
        put(&sink, (char)va_arg(args, int));
        break;
      case 'u':
        put_unsigned(&sink, va_arg(args, u32));
        break;
      case 'x':
        put_hex(&sink, va_arg(args, u32));
        break;
    }
  }
  to[sink.length] = 0;
  return sink.length;
}

const char *parameter(const char *cmdline, const char *name) {
  for (const char *word = cmdline; *word != 0; word++) {
    if (word != cmdline && word[-1] != ' ') continue;
    u32 length = 0;
    while (name[length] != 0 && word[length] == name[length]) length++;
    if (name[length] == 0 && word[length] == '=') return word + length + 1;
  }
  return NULL;
}

bool parameter_is(const char *cmdline, const char *name, const char *value) {
  const char *found = parameter(cmdline, name);
  if (found == NULL) return false;
  while (*value != 0 && *found == *value) found++, value++;
  return *value == 0 && (*found == 0 || *found == ' ');
}

u32 parameter_number(const char *cmdline, const char *name, u32 otherwise) {
  const char *found = parameter(cmdline, name);
  return found == NULL ? otherwise : parse_number(&found);
}

static int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

u32 parse_number(const char **cursor) {
  const char *text = *cursor;
  int base = 10;
  if (text[0] == '0' && text[1] == 'x') base = 16, text += 2;
  u32 value = 0;
  for (; digit_of(*text) < base; text++) value = value * base + digit_of(*text);
  if (*text == 'K') value = KIB(value), text++;
  else if (*text == 'M') value = MIB(value), text++;
  *cursor = text;
  return value;
}
