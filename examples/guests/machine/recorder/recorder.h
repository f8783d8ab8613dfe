/* SPDX-License-Identifier: MIT
 * The recorder's address and its record, offsets from RECORDER_RECORD. */
#ifndef RECORDER_H
#define RECORDER_H

#define RECORDER_ADDRESS        0x800000
#define RECORDER_RECORD         0x800   /* from RECORDER_ADDRESS */

/* Words, but where it says otherwise. */
#define RECORD_EAX              0x00
#define RECORD_ECX              0x04
#define RECORD_EDX              0x08
#define RECORD_EBX              0x0c
#define RECORD_ESP              0x10
#define RECORD_EBP              0x14
#define RECORD_ESI              0x18
#define RECORD_EDI              0x1c
#define RECORD_EFLAGS           0x20
#define RECORD_STACK_WORD       0x24    /* what ESP points at */
#define RECORD_CR0              0x28
#define RECORD_CR2              0x2c
#define RECORD_CR3              0x30
#define RECORD_CR4              0x34
#define RECORD_SELECTORS        0x38    /* 6 half words: CS DS ES SS FS GS */
#define RECORD_TR               0x44    /* half word */
#define RECORD_LDTR             0x46    /* half word */
#define RECORD_GDTR             0x4a    /* limit: half word, base at 0x4c */
#define RECORD_IDTR             0x52    /* limit: half word, base at 0x54 */
#define RECORD_DR               0x58    /* DR0-DR3, DR6, DR7 */
#define RECORD_VISITS           0x70    /* how often we were entered, counted up after the rest is stored */
#define RECORD_BYTES            0x74

#endif
