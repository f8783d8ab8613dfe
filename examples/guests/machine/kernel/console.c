// SPDX-License-Identifier: MIT
// The console: a 16550 at 0x3F8, IRQ 4. Output is polled, so that it works with interrupts off and in a panic; input
// comes by interrupt into a ring. Its registers are set anew after a jump: the peer used the same UART.
#include "kernel.h"
#include "text.h"

#define UART 0x3f8
#define UART_DATA (UART + 0)
#define UART_IER (UART + 1)
#define UART_FCR (UART + 2)
#define UART_LCR (UART + 3)
#define UART_MCR (UART + 4)
#define UART_LSR (UART + 5)

#define IER_RECEIVED 0x01
#define FCR_ENABLE 0x01
#define LCR_8N1 0x03
#define LCR_DLAB 0x80
#define MCR_DTR_RTS_OUT2 0x0b /* OUT2 connects the interrupt line */
#define LSR_DATA 0x01
#define LSR_THR_EMPTY 0x20
#define LSR_TRANSMITTER_EMPTY 0x40
#define DIVISOR_115200 1

#define DEBUG_EXIT_PORT 0xf4

static char input[64];
static u32 input_head, input_tail;

void uart_init(void) {
  outb(UART_IER, 0);
  outb(UART_LCR, LCR_DLAB);
  outb(UART_DATA, DIVISOR_115200);
  outb(UART_IER, 0); /* high byte of the divisor */
  outb(UART_LCR, LCR_8N1);
  outb(UART_FCR, FCR_ENABLE);
  outb(UART_MCR, MCR_DTR_RTS_OUT2);
  outb(UART_IER, IER_RECEIVED);
}

/* Nothing on its way out, no interrupt: whoever comes next finds a quiet device. */
void uart_quiesce(void) {
  while ((inb(UART_LSR) & LSR_TRANSMITTER_EMPTY) == 0) {
  }
  outb(UART_IER, 0);
}

static void put(char c) {
  while ((inb(UART_LSR) & LSR_THR_EMPTY) == 0) {
  }
  outb(UART_DATA, c);
  status.console_bytes++;
}

void console_write(const char *text, u32 bytes) {
  for (u32 i = 0; i < bytes; i++) {
    if (text[i] == '\n') put('\r');
    put(text[i]);
  }
}

static void print_list(const char *pattern, va_list args) {
  char line[400];
  console_write(line, format(line, sizeof line, pattern, args));
}

void print(const char *pattern, ...) {
  va_list args;
  va_start(args, pattern);
  print_list(pattern, args);
  va_end(args);
}

void uart_interrupt(void) {
  while (inb(UART_LSR) & LSR_DATA) {
    char c = inb(UART_DATA);
    if (input_head - input_tail < sizeof input) input[input_head++ % sizeof input] = c;
  }
}

int console_read(void) { return input_head == input_tail ? -1 : input[input_tail++ % sizeof input]; }

/* The emulator ends with status code * 2 + 1; on a real PC nothing happens, so stop. */
void machine_exit(u32 code) {
  uart_quiesce();
  outb(DEBUG_EXIT_PORT, code);
  for (;;) __asm__ volatile("cli; hlt");
}

void panic(const char *pattern, ...) {
  irq_disable();
  va_list args;
  va_start(args, pattern);
  print("\nkernel %s: panic: ", status.name);
  print_list(pattern, args);
  print("\n");
  machine_exit(0x7f);
}
