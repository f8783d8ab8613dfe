/* SPDX-License-Identifier: MIT
 *
 * Writes down the processor's state as it is at a peer's first instruction, then returns. Up to PUSHF only MOVs with
 * absolute addresses: they change no register and no flag.
 */
#include "../payload.h"
#include "recorder.h"

#define RECORD(field) (record + RECORD_##field)

        .text
        PAYLOAD record_state

record_state:
        mov     %eax, RECORD(EAX)
        mov     %ecx, RECORD(ECX)
        mov     %edx, RECORD(EDX)
        mov     %ebx, RECORD(EBX)
        mov     %esp, RECORD(ESP)
        mov     %ebp, RECORD(EBP)
        mov     %esi, RECORD(ESI)
        mov     %edi, RECORD(EDI)
        mov     (%esp), %eax
        mov     %eax, RECORD(STACK_WORD)
        pushf                                   /* one word below ESP, which the contract allows */
        pop     RECORD(EFLAGS)

        mov     %cr0, %eax
        mov     %eax, RECORD(CR0)
        mov     %cr2, %eax
        mov     %eax, RECORD(CR2)
        mov     %cr3, %eax
        mov     %eax, RECORD(CR3)
        mov     %cr4, %eax
        mov     %eax, RECORD(CR4)

        mov     %cs, RECORD(SELECTORS) + 0
        mov     %ds, RECORD(SELECTORS) + 2
        mov     %es, RECORD(SELECTORS) + 4
        mov     %ss, RECORD(SELECTORS) + 6
        mov     %fs, RECORD(SELECTORS) + 8
        mov     %gs, RECORD(SELECTORS) + 10
        str     RECORD(TR)
        sldt    RECORD(LDTR)
        sgdt    RECORD(GDTR)
        sidt    RECORD(IDTR)

        .irp    index, 0, 1, 2, 3
        mov     %dr\index, %eax
        mov     %eax, RECORD(DR) + 4 * \index
        .endr
        mov     %dr6, %eax
        mov     %eax, RECORD(DR) + 16
        mov     %dr7, %eax
        mov     %eax, RECORD(DR) + 20
        incl    RECORD(VISITS)

        LEAVE   record, RECORD_BYTES, record_state

        .org    RECORDER_RECORD, 0
record: .skip   RECORD_BYTES, 0
