// SPDX-License-Identifier: MIT
// The pair of 8259 interrupt controllers and channel 0 of the 8254 timer, 100 Hz. A peer uses both as it likes, so they are
// set up from nothing after every jump; only the masks are ours to remember.
#include "kernel.h"

#define PIC1 0x20
#define PIC2 0xa0
#define ICW1_INIT_ICW4 0x11
#define ICW3_CASCADE_LINE 2
#define ICW4_8086 0x01
#define OCW2_EOI 0x20
#define ALL_MASKED 0xff

#define PIT_CHANNEL0 0x40
#define PIT_CONTROL 0x43
#define PIT_CH0_LOHI_RATE 0x34
#define PIT_HZ 1193182
#define TIMER_HZ 100

/* Everything but the timer (0), the cascade (2) and the UART (4). */
static u8 mask1 = 0xff & ~(1 << 0 | 1 << 2 | 1 << 4);
static u8 mask2 = ALL_MASKED;

/* Kernels differ here (IRQ_BASE is theirs to choose), so that one that forgets to set the PIC up again is found out. */
u32 irq_vector_base(void) { return IRQ_BASE; }

static void pic_init(void) {
  outb(PIC1, ICW1_INIT_ICW4);
  outb(PIC1 + 1, IRQ_BASE);
  outb(PIC1 + 1, 1 << ICW3_CASCADE_LINE);
  outb(PIC1 + 1, ICW4_8086);
  outb(PIC2, ICW1_INIT_ICW4);
  outb(PIC2 + 1, IRQ_BASE + 8);
  outb(PIC2 + 1, ICW3_CASCADE_LINE);
  outb(PIC2 + 1, ICW4_8086);
  outb(PIC1 + 1, mask1);
  outb(PIC2 + 1, mask2);
}

static void pit_init(void) {
  u32 divisor = PIT_HZ / TIMER_HZ;
  outb(PIT_CONTROL, PIT_CH0_LOHI_RATE);
  outb(PIT_CHANNEL0, divisor & 0xff);
  outb(PIT_CHANNEL0, divisor >> 8);
}

void interrupts_init(void) {
  pic_init();
  pit_init();
}

void interrupts_quiesce(void) {
  mask1 = inb(PIC1 + 1);
  mask2 = inb(PIC2 + 1);
  outb(PIC1 + 1, ALL_MASKED);
  outb(PIC2 + 1, ALL_MASKED);
}

void interrupts_resume(void) { interrupts_init(); }

void interrupt_done(u32 line) {
  if (line >= 8) outb(PIC2, OCW2_EOI);
  outb(PIC1, OCW2_EOI);
}
